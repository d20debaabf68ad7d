"""Plain sentences for the detectors that use no neighbors: the repair sweep and the two baselines."""

from dashapp.words.decisions import NO_BREAK
from db import reasons
from db.reasons import ScoreFacts, score_reason
from db.vocabulary import DETECTORS

NAMES = {detector.name: detector.title for detector in DETECTORS.values()}
NOTES = {detector.name: detector.note for detector in DETECTORS.values()}
SECTION_NOTE = (
    "These do not use neighbors; the baselines look at the network's output alone. "
    "Thresholds come from the tuning cases, as those of the layers do."
)
NOT_EVALUATED = (
    "The repair sweep and the baselines have not been evaluated yet. "
    "Run “xpixels ingest” and reload this page."
)
NO_SWEEP = (
    "There is no repair sweep of this image. Run “xpixels ingest”, without --no-maps, and reload this page."
)


def reason_sentence(detector: str, facts: ScoreFacts, *, alarm: bool) -> str:
    """Why a detector without neighbors alarms or not, with its numbers."""
    reason = score_reason(detector, facts, space=NO_BREAK, minus="−")
    return f"{reason}: {'alarm' if alarm else 'no alarm'}."


def margin(value: float) -> str:
    """A margin of logits with a typographic minus, '0.03', '4.91', '−12.3'."""
    return reasons.margin(value, minus="−")


def recovery_sentence(*, detector: str, recovered: str, true: str | None) -> str:
    """Which class a detector recovers on an alarm, and whether it is the true one."""
    whose = DETECTORS[detector].recovered if detector in DETECTORS else "the class that it takes it for"
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
