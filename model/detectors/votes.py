"""The k-nearest-neighbors defense: votes, alarm, recovery, outcome.

Keppel et al., "ExplAInable Pixels" (MUM 2022), section 4.2, after Papernot and McDaniel's deep k-nearest
neighbors (arXiv 1803.04765). Everything here is a pure function of the neighbors' labels.

Axes: N cases, k_max neighbors in the order of their rank, K classes. Column k - 1 of a result is for the
first k neighbors, so one call answers every k.

A case's neighbors have at most k_max labels, however many classes there are: these are counted, for some
cases at a time, so that memory does not grow with K.
"""

from collections.abc import Callable, Sequence

import numpy as np

BLOCK = 1024  # cases that are counted at a time


def votes(neighbor_labels: np.ndarray, classes: int) -> np.ndarray:
    """How many of the first k neighbors have each label: (N, k_max, K) int64.

    neighbor_labels (N, k_max) int in [0, classes).
    """
    labels = _labels("neighbor_labels", neighbor_labels, 2, classes)
    return np.cumsum(labels[:, :, None] == np.arange(classes)[None, None, :], axis=1)


def unexpected_counts(
    neighbor_labels: np.ndarray, predicted: np.ndarray, rule: str = "total", *, classes: int
) -> np.ndarray:
    """Unexpected neighbors among the first k, for every k at once: (N, k_max) int64.

    neighbor_labels (N, k_max) and predicted (N,), int in [0, classes); rule: one of RULES. The paper's words,
    "more (unexpected) neighbors in a layer of a class, which was not the predicted class", fit both.
    """
    if rule not in RULES:
        raise ValueError(f"rule (={rule!r}) must be one of {', '.join(RULES)}")
    labels = _labels("neighbor_labels", neighbor_labels, 2, classes)
    predicted = _labels("predicted", predicted, 1, classes, len(labels))
    return RULES[rule](labels, predicted, classes)


def count_others(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Rule "total": neighbors whose label is not the predicted class, as `unexpected_counts`."""
    return np.cumsum(labels != predicted[:, None], axis=1)


def count_most_frequent_other(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Rule "max-class": neighbors of the most frequent single other class, as `unexpected_counts`."""

    def count(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        names, counts = _count_labels(labels, classes)
        most: np.ndarray = np.where((names != predicted[:, None])[:, None], counts, 0).max(axis=2)
        return most

    return _in_blocks(count, labels, predicted)


# The words for them are in `db.vocabulary.RULES`.
RULES: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "total": count_others,
    "max-class": count_most_frequent_other,
}


def taken_in_turn(lists: Sequence[np.ndarray], k_max: int) -> np.ndarray:
    """Labels (N, k_max) pooled from lists (N, k): the nearest of each, the second of each, and so on."""
    return np.stack(lists, axis=2).reshape(len(lists[0]), -1)[:, :k_max]


def alarms(counts: np.ndarray, threshold: float | np.ndarray) -> np.ndarray:
    """Whether there are more unexpected neighbors than the threshold: strictly, so -1 always alarms."""
    return np.asarray(counts) > threshold


def majority_classes(neighbor_labels: np.ndarray, *, classes: int) -> np.ndarray:
    """The most frequent label among the first k where it is unique, else -1: (N, k_max) int64."""

    def majority(labels: np.ndarray) -> np.ndarray:
        names, counts = _count_labels(labels, classes)
        unique = (counts == counts.max(axis=2, keepdims=True)).sum(axis=2) == 1
        return np.where(unique, np.take_along_axis(names, counts.argmax(axis=2), axis=1), -1)

    return _in_blocks(majority, _labels("neighbor_labels", neighbor_labels, 2, classes))


def _count_labels(labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Names (N, L) of labels, and how many of the first k neighbors have each: (N, k_max, L) int64.

    Each label of (N, k_max) counts in one place. L is the smaller of K and k_max: of many classes, a label
    counts at the place of its first neighbor, and other places count nothing.
    """
    count, k_max = labels.shape
    if classes <= k_max:
        return np.broadcast_to(np.arange(classes), (count, classes)), votes(labels, classes)
    first = (labels[:, :, None] == labels[:, None, :]).argmax(axis=2)
    return labels, np.cumsum(first[:, :, None] == np.arange(k_max)[None, None, :], axis=1)


def _in_blocks(work: Callable[..., np.ndarray], *arrays: np.ndarray) -> np.ndarray:
    """What `work` gives for arrays (N, ...), for some cases at a time."""
    starts = range(0, max(1, len(arrays[0])), BLOCK)
    return np.concatenate([work(*(array[first : first + BLOCK] for array in arrays)) for first in starts])


def recovered_classes(alarm: np.ndarray, majority: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """On alarm the majority class where there is one and it is not the predicted class, else -1.

    alarm bool, majority and predicted int, of one shape.
    """
    alarm, majority, predicted = np.asarray(alarm), np.asarray(majority), np.asarray(predicted)
    return np.where(alarm & (majority != predicted), majority, -1)


def outcomes(alarm: np.ndarray, is_adversarial: np.ndarray) -> np.ndarray:
    """ "TP", "FP", "TN" or "FN" of the alarm against the truth, both bool of one shape."""
    alarm, is_adversarial = np.asarray(alarm, bool), np.asarray(is_adversarial, bool)
    return np.where(alarm, np.where(is_adversarial, "TP", "FP"), np.where(is_adversarial, "FN", "TN"))


def _labels(name: str, labels: np.ndarray, ndim: int, classes: int, count: int | None = None) -> np.ndarray:
    labels = np.asarray(labels)
    expected = "(N, k_max)" if ndim == 2 else f"({'N' if count is None else count},)"
    right = labels.ndim == ndim and (count is None or len(labels) == count)
    if not right or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"{name} (={labels.dtype} {labels.shape}) must be integers of shape {expected}")
    if labels.size and not (labels.min() >= 0 and labels.max() < classes):
        raise ValueError(
            f"{name} must lie in 0..{classes - 1}, but reach from {labels.min()} to {labels.max()}"
        )
    return labels
