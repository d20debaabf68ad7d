"""Why a detector alarms or not, in one sentence, the same in the dashboard and in `xpixels check`.

The sentence for a detector without neighbors is in its row of `db.vocabulary.DETECTORS`.
"""

from dataclasses import dataclass

from db.number_text import digits_apart, percents_apart
from db.vocabulary import DETECTORS, RULES, Detector


@dataclass(frozen=True)
class ScoreFacts:
    """The facts in such a sentence: a score, and the findings of the detector."""

    score: float
    threshold: float
    predicted: str  # name of the predicted class
    other: str  # name of the class that the detector would take for the true one
    row: int | None = None  # the pixel that it suspects, where it names one
    column: int | None = None


def score_reason(detector: str, facts: ScoreFacts, *, space: str = " ", minus: str = "-") -> str:
    """The sentence for a detector without neighbors, without a full stop.

    space, minus: the characters to use in numbers.
    """
    row = DETECTORS.get(detector, Detector(detector, "", detector, "", "", ""))  # perhaps of a later version
    value = row.offset + row.sign * facts.score
    limit = row.offset + row.sign * facts.threshold
    if row.scale == "share":
        texts = percents_apart(value, limit, space)
    else:
        texts = digits_apart(value, limit, lambda number, digits: margin(number, digits, minus), 2)
    below = row.reading_below is not None and value <= 0
    reading = (row.reading_below if below else row.reading) or ""
    named = {"predicted": facts.predicted, "other": facts.other, "row": facts.row, "column": facts.column}
    said = reading.format(value=texts[0], title=row.title, **named)
    return f"{said}; alarms {'below' if row.sign < 0 else 'above'} {texts[1]}"


def neighbors_reading(rule: str, k: int, count: int, predicted: str) -> str:
    """The sentence about the first k neighbors, of which `count` are unexpected.

    rule: of `db.vocabulary.RULES`; predicted: the name of the class. Raises ValueError for an unknown rule.
    """
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}, not {rule!r}")
    if rule != "total":
        return RULES[rule].reading.format(count=count, k=k, predicted=predicted)
    if k == 1:
        named = f"{article(predicted)} {predicted}"
        return f"The nearest neighbor is not {named}" if count else f"The nearest neighbor is {named} too"
    if count in (0, k):
        which = "All" if count == 0 else "None"
        return f"{which} of the {k} nearest neighbors {'are' if count == 0 else 'is'} labeled {predicted}"
    return f"{count} of the {k} nearest neighbors {'is' if count == 1 else 'are'} not labeled {predicted}"


def article(name: str) -> str:
    """The article of a class name: 'an' for 'airplane', 'a' for 'bird'."""
    return "an" if name[:1].lower() in "aeiou" else "a"


def margin(value: float, digits: int = 2, minus: str = "-") -> str:
    """A margin of logits, '0.03', '4.91', '-12.3': large ones need fewer digits."""
    if abs(value) >= 9.995:
        digits -= 1
    return f"{value:.{digits}f}".replace("-", minus)
