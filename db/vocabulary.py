"""The names in rows, each declared once, with the words that people read for them.

CHECKs of the tables, choices of commands, menus, help and texts of pages derive from these registers. The
code for a metric, a rule, a detector or an attack is registered under the same name in `model`
(`model.detectors.metrics`, `model.detectors.votes`, `model.detectors.DETECTORS`, `model.attacks.METHODS`);
a test compares both. Imports nothing of ours.

CONTRIBUTING.md explains how to add one.
"""

from typing import NamedTuple, TypeVar


class Metric(NamedTuple):
    """How the distance of two activation vectors is measured."""

    name: str
    meaning: str
    summand: str = "distance"  # what the contributions of single units add up to


class Rule(NamedTuple):
    """What is counted among the k nearest neighbors."""

    name: str
    meaning: str  # continues "Rule NAME: ..."
    # What `count` of the `k` nearest neighbors are, for a network that predicts `predicted`.
    reading: str = "{count} of the {k} nearest neighbors are unexpected"


class Outcome(NamedTuple):
    """How a detector's decision turned out, for an image that is known to be attacked or not."""

    name: str
    title: str
    meaning: str
    attacked: bool  # whether the image was attacked
    alarm: bool

    @property
    def right(self) -> bool:
        """Whether the decision was right."""
        return self.attacked == self.alarm


class Detector(NamedTuple):
    """A detector without neighbors. Those with neighbors are defined by a layer, a metric and a rule."""

    name: str
    kind: str  # one of DETECTOR_KINDS
    title: str
    note: str  # beside the title, in two or three words
    hint: str  # in one sentence
    recovered: str  # which class it takes for the true one: "This is ..."
    scale: str = "logits"  # of what people read: "logits", or "share", a percentage
    offset: float = 0.0  # what people read is offset + sign * score ...
    sign: int = 1  # ... and -1 where values below a limit raise an alarm
    # The sentence that people read, with {value}, the classes {predicted} and {other}, the pixel {row},
    # {column} and the {title}; and the sentence where the value is not above 0, if it is another one.
    reading: str = "The {title} is {value}"
    reading_below: str | None = None
    dash: str = "5px,3px"  # of its line in figures


class Composition(NamedTuple):
    """Several layers taken as one: their vectors side by side, or their neighbors' votes."""

    name: str
    meaning: str
    added: bool  # whether it is ours, and not the paper's
    scaled: bool = False  # whether each layer is divided by its usual length


class Attack(NamedTuple):
    """A way of attacking an image: the value of `attacks.method`."""

    name: str
    title: str
    meaning: str
    tries_all: bool = False  # whether it tries everything and then takes the best


Row = TypeVar("Row", Metric, Rule, Outcome, Detector, Composition, Attack)


def _by_name(*rows: Row) -> dict[str, Row]:
    """A register: its rows by their names, in the order of menus."""
    return {row.name: row for row in rows}


METRICS = _by_name(
    Metric(
        "euclidean",
        "straight-line distance: the root of the summed squared differences of all units",
        "squared distance",
    ),
    Metric("cosine", "1 − cosine of the angle between the activations; how strong they are does not matter"),
    Metric("centered-cosine", "cosine after the mean of all reference activations is taken away from both"),
    Metric("manhattan", "the sum of the absolute differences of all units"),
    Metric("chebyshev", "the largest absolute difference of any unit"),
)
RULES = _by_name(
    Rule("total", "all neighbors that are not of the predicted class are counted"),
    Rule(
        "max-class",
        "only the most frequent other class is counted",
        "The most frequent class other than {predicted} has {count} of the {k} nearest neighbors",
    ),
)
METRIC, RULE = "euclidean", "total"  # the paper's, and those of the decisions that lists show

OUTCOMES = _by_name(
    Outcome("TP", "attack detected", "true positives: attacked, and an alarm", attacked=True, alarm=True),
    Outcome("FP", "false alarm", "false positives: not attacked, but an alarm", attacked=False, alarm=True),
    Outcome(
        "TN", "correctly quiet", "true negatives: not attacked, and no alarm", attacked=False, alarm=False
    ),
    Outcome("FN", "attack missed", "false negatives: attacked, but no alarm", attacked=True, alarm=False),
)


def outcome_of(*, attacked: bool, alarm: bool) -> str:
    """The name of the outcome, by whether the image was attacked and whether the detector alarmed."""
    return next(row.name for row in OUTCOMES.values() if (row.attacked, row.alarm) == (attacked, alarm))


DETECTOR_KINDS = ("neighbors", "repair", "baseline")
DETECTORS = _by_name(
    Detector(
        "repair",
        "repair",
        "repair (added here)",
        "each pixel in turn",
        "Replaces one pixel at a time by the median of its neighbors; not in the paper",
        "the class after the repair",
        reading="Replacing the pixel at row {row}, column {column} by the median of its neighbors lets the "
        "network answer {other} instead: margin {value}",
        reading_below="No single pixel, replaced by the median of its neighbors, changes the answer "
        "{predicted}; row {row}, column {column} brings {other} nearest: margin {value}",
    ),
    Detector(
        "confidence",
        "baseline",
        "confidence",
        "baseline",
        "Baseline: alarm when the softmax confidence is low",
        "the network's second choice",
        scale="share",
        offset=1.0,
        sign=-1,
        reading="The network gives {predicted} {value}",
    ),
    Detector(
        "logit-margin",
        "baseline",
        "logit margin",
        "baseline",
        "Baseline: alarm when the two largest logits are close",
        "the network's second choice",
        sign=-1,
        reading="The network puts {predicted} ahead of {other} by {value} in logits",
        dash="1.5px,2.5px",
    ),
)

ATTACKS = _by_name(
    Attack(
        "differential-evolution",
        "differential evolution",
        "a search over positions and colors of one or more pixels (paper, section 4.1)",
    ),
    Attack(
        "corner-sweep",
        "corner sweep",
        "every position in every color of a set, one pixel at a time",
        tries_all=True,
    ),
    Attack("near-median", "near the median", "one pixel that keeps near its neighbors' median"),
)

COMPOSITIONS = _by_name(
    Composition("composed", "the layers concatenated (paper, section 4.2)", added=False),
    Composition(
        "composed-scaled",
        "the layers concatenated, each divided by its usual length, so that none outweighs the others",
        added=True,
        scaled=True,
    ),
    Composition("composed-pooled", "the votes of the single layers' neighbors, taken in turn", added=True),
)

SINGLE_KINDS = ("flatten", "pool", "dense")  # kinds of the single layers that are compared: vectors
K_MAX = 50  # neighbors that are stored for a case (paper, section 4.4)

SPLITS = ("train", "test")
KINDS = ("clean", "adversarial")
CASE_KINDS = (*KINDS, "unknown")  # unknown: an image from outside
PARTITIONS = ("tuning", "validation")
CASE_PARTITIONS = (*PARTITIONS, "checked")  # checked: kept by a check, and never counted
SCREENINGS = (
    "reachable",
    "undecided",
)  # a sweep's result for an attack: one of its candidates succeeded, or none
CHOICES = ("tuning", "validation")
WAYS = (*CHOICES, "paper")  # how the k of an evaluation was chosen
CASE_SETS = ("all", "targeted", "untargeted")  # cases by their batch
REFERENCES = ("all", "distinct")  # the reference set whole, or without near-duplicates and hubs
SEARCHED = ("case", "original")  # whose neighbors a search found
STATUSES = ("running", "done", "failed", "interrupted")
ENCODINGS = ("raw", "zlib")
