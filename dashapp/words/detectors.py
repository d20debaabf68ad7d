"""Plain sentences for the detectors that look at no neighbors: the repair sweep and the two baselines."""

from dashapp.words.decisions import percents_apart
from db.number_text import digits_apart

NAMES = {"repair": "repair sweep", "confidence": "confidence", "logit-margin": "logit margin"}
NOTES = {
    "repair": "each pixel in turn",
    "confidence": "baseline",
    "logit-margin": "baseline",
}
SECTION_NOTE = (
    "They ask no neighbors; the baselines look at the network's output alone. "
    "Thresholds come from the tuning cases, as those of the layers do."
)
NOT_EVALUATED = (
    "The repair sweep and the baselines have not been evaluated yet. "
    "Run “xpixels ingest” and reload this page."
)
NO_SWEEP = (
    "There is no repair sweep of this image. Run “xpixels ingest”, without --no-maps, and reload this page."
)


def margins(value: float, other: float) -> tuple[str, str]:
    """Two margins of logits, '0.03', '4.91', '−12.3', with as many digits as tell them apart."""
    return digits_apart(value, other, margin, 2)


def margin(value: float, digits: int = 2) -> str:
    """A margin of logits with a typographic minus, '0.03', '4.91', '−12.3'."""
    if abs(value) >= 9.995:  # large ones need fewer
        digits -= 1
    return f"{value:.{digits}f}".replace("-", "−")


def repair_reason(
    *, row: int, column: int, score: float, threshold: float, alarm: bool, predicted: str, other: str
) -> str:
    """Why the repair sweep alarms or not.

    Args:
        row, column: the pixel whose repair helps another class most.
        score: logits by which `other` then leads `predicted`; below 0 it stays behind.
        threshold: above it is an alarm.
        alarm: the decision.
        predicted, other: names of classes.
    """
    if score > 0:
        done = (
            f"Replacing the pixel at row {row}, column {column} by the median of its neighbors "
            f"lets the network answer {other} instead"
        )
    else:
        done = (
            f"No single pixel, replaced by the median of its neighbors, changes the answer {predicted}; "
            f"row {row}, column {column} brings {other} nearest"
        )
    found, limit = margins(score, threshold)
    return f"{done}: margin {found}; {_verdict(limit, alarm)}"


def confidence_reason(*, confidence: float, threshold: float, alarm: bool, predicted: str) -> str:
    """Why the confidence alarms or not: both are in [0, 1], and below `threshold` there is an alarm."""
    found, limit = percents_apart(confidence, threshold)
    return f"The network gives {predicted} {found}; alarms below {limit}: {_alarm(alarm)}."


def lead_reason(*, lead: float, threshold: float, alarm: bool, predicted: str, second: str) -> str:
    """Why the logit margin alarms or not: `threshold` is the lead, in logits, below which there is one."""
    found, limit = margins(lead, threshold)
    ahead = f"The network puts {predicted} ahead of {second} by {found} in logits"
    return f"{ahead}; alarms below {limit}: {_alarm(alarm)}."


def recovery_sentence(*, detector: str, recovered: str, true: str | None) -> str:
    """What class a detector takes for the true one on an alarm, and whether it is."""
    whose = "the class after the repair" if detector == "repair" else "the network's second choice"
    if true is None:
        return f"This is {whose}; the true class is not known."
    if recovered == true:
        return f"This is {whose}, and the true class."
    return f"This is {whose}, but the true class is {true}."


def located_sentence(located: bool) -> str:
    """Whether the pixel that the repair sweep suspects is an attacked one."""
    if located:
        return "✓ The suspected pixel is the attacked one."
    return "✗ The suspected pixel is not the attacked one."


def _verdict(threshold: str, alarm: bool) -> str:
    return f"the threshold is {threshold}: {_alarm(alarm)}."


def _alarm(alarm: bool) -> str:
    return "alarm" if alarm else "no alarm"
