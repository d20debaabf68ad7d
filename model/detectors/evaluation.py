"""How well scores separate adversarial from clean inputs: curves, choice of a threshold, areas, intervals.

A detector gives every input a score and alarms above a threshold. It is tested on other clean inputs, and on
the same images before their attack (the originals): the second test shows whether it detects the attack or
only images that are easily attacked. Intervals are bootstrap percentiles (Efron and Tibshirani, "An
Introduction to the Bootstrap", chapter 13): adversarial inputs, with their originals, and clean inputs are
resampled separately, with one seed, so that all detectors are judged on the same resamples.

Axis letters: A adversarial inputs, each with its original; C clean ones; R resamples; T thresholds.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

RESAMPLES = 1000
SEED = 0
LEVEL = 0.95


class Scores(NamedTuple):
    """A detector's scores of the inputs of one partition; higher means more likely attacked."""

    adversarial: np.ndarray  # (A,) float
    clean: np.ndarray  # (C,) float
    originals: np.ndarray  # (A,) float, of the same images before the attack; (0,): not known
    recovered: np.ndarray  # (A,) bool, whether the class it names for an adversarial input is the true one
    located: np.ndarray | None = None  # (A,) bool, whether it names an attacked pixel; None: it names none


class Curve(NamedTuple):
    """Confusion counts at every threshold that separates scores, ascending; alarms are strictly above.

    Thresholds lie half way between two scores, so that no score equals one: an image whose score changes
    in its last digits, because it is computed beside other images, is judged as before.
    """

    thresholds: np.ndarray  # (T,) float64, first one below all scores, last one above them
    tp: np.ndarray  # (T,) int64, as the three below
    fp: np.ndarray
    tn: np.ndarray
    fn: np.ndarray


class Interval(NamedTuple):
    """A value and the ends of its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


class Evaluation(NamedTuple):
    """A detector at one threshold on the inputs of one partition. Shares in [0, 1]; None: not defined."""

    tp: int
    fp: int
    tn: int
    fn: int
    tpr: float
    fpr: float
    eer: float  # at its own best threshold on these inputs
    accuracy: Interval
    auc: Interval  # against other clean inputs
    paired_auc: Interval | None  # against the originals, over all pairs
    recovered: Interval  # of the adversarial inputs, whether there is an alarm or not
    pairs: int
    paired_fpr: float | None  # alarms on the originals
    paired_wins: float | None  # originals that score lower than their own adversarial image, ties count half
    recovered_on_alarm: float  # of the adversarial inputs: alarmed, and recovered
    located: float | None


def curve(adversarial: np.ndarray, clean: np.ndarray) -> Curve:
    """Counts at every threshold, by sorting; (A,) and (C,) finite scores, at least one of each.

    Raises ValueError, in one line, for anything else.
    """
    for name, scores in (("adversarial", adversarial), ("clean", clean)):
        if np.ndim(scores) != 1 or not len(scores) or not np.isfinite(scores).all():
            raise ValueError(f"{name} scores (={np.shape(scores)}) must be finite, of shape (N >= 1,)")
    adversarial, clean = np.sort(np.asarray(adversarial, float)), np.sort(np.asarray(clean, float))
    distinct = np.unique(np.concatenate([adversarial, clean]))
    # counted at the scores themselves: no float lies between two adjacent ones
    fn = np.concatenate([[0], np.searchsorted(adversarial, distinct, side="right")])
    tn = np.concatenate([[0], np.searchsorted(clean, distinct, side="right")])
    return Curve(_between(distinct), len(adversarial) - fn, len(clean) - tn, tn, fn)


def _between(distinct: np.ndarray) -> np.ndarray:
    """Thresholds (D + 1,) below, between and above ascending scores (D,)."""
    half = np.diff(distinct) / 2
    if not len(half):
        half = np.array([max(abs(distinct[0]), 1.0) / 1000])
    ends = distinct[0] - half[0], distinct[-1] + half[-1]
    return np.concatenate([ends[:1], distinct[:-1] + np.diff(distinct) / 2, ends[1:]])


def equal_error_place(found: Curve) -> int:
    """Where FPR and FNR are nearest to one another; ties to the higher accuracy, then the lower threshold.

    The rule of `tuning.equal_error_rates`, in whole numbers too.
    """
    gap = np.abs(found.fp * (found.tp + found.fn) - found.fn * (found.fp + found.tn))
    right = np.where(gap == gap.min(), found.tp + found.tn, -1)
    return int(right.argmax())


def choose(
    adversarial: np.ndarray, clean: np.ndarray, noise: tuple[np.ndarray, np.ndarray] | None = None
) -> float:
    """The threshold of the equal error rate on tuning inputs.

    noise: how far each score may move when others are computed with it, (A,) and (C,). A threshold between
        two scores closer than that would depend on chance: the nearest gap that is wide enough is taken, or
        the widest, within one input in a hundred.
    """
    points = curve(adversarial, clean)
    place = equal_error_place(points)
    if noise is not None:
        place = _with_room(place, np.concatenate([adversarial, clean]), np.concatenate(noise))
    return float(points.thresholds[place])


def _with_room(place: int, scores: np.ndarray, noise: np.ndarray) -> int:
    """The place of a threshold near `place` that the scores (N,) on both sides do not cross."""
    distinct, codes = np.unique(scores, return_inverse=True)
    moves = np.zeros(len(distinct))
    np.maximum.at(moves, codes, noise)
    if not 0 < place < len(distinct):  # below or above all scores
        return place
    room = np.diff(distinct) - (moves[:-1] + moves[1:])  # of places 1 .. D - 1
    reach = max(1, len(scores) // 100)
    near = np.arange(max(1, place - reach), min(len(distinct), place + reach + 1))
    wide = near[room[near - 1] > 0]
    if not len(wide):
        return int(near[room[near - 1].argmax()])
    return int(wide[np.abs(wide - place).argmin()])


def auc(higher: np.ndarray, lower: np.ndarray) -> float:
    """The share of all pairs in which `higher` (A,) is the greater, ties as half (Mann and Whitney's U)."""
    once = [np.ones((1, len(scores)), np.float32) for scores in (higher, lower)]
    return float(_areas(higher, once[0], lower, once[1])[0])


def evaluate(scores: Scores, threshold: float, *, resamples: int = RESAMPLES, seed: int = SEED) -> Evaluation:
    """The detector at a threshold, with intervals from `resamples` seeded draws."""
    points = curve(scores.adversarial, scores.clean)
    place = equal_error_place(points)
    counts = len(scores.adversarial), len(scores.clean)
    eer = (points.fp[place] / counts[1] + points.fn[place] / counts[0]) / 2
    alarmed, false = scores.adversarial > threshold, scores.clean > threshold
    draws, draws_clean = (_draws(count, resamples, seed + i) for i, count in enumerate(counts))
    areas = _areas(scores.adversarial, draws, scores.clean, draws_clean)
    right = (draws @ alarmed + draws_clean @ ~false) / sum(counts)
    recovered = scores.recovered.astype(bool)
    paired = paired_fpr = wins = None
    if len(scores.originals):
        paired_areas = _areas(scores.adversarial, draws, scores.originals, draws)
        paired = _interval(auc(scores.adversarial, scores.originals), paired_areas)
        paired_fpr = float((scores.originals > threshold).mean())
        lead = scores.adversarial - scores.originals
        wins = float(((lead > 0) + 0.5 * (lead == 0)).mean())
    return Evaluation(
        tp=int(alarmed.sum()),
        fp=int(false.sum()),
        tn=int((~false).sum()),
        fn=int((~alarmed).sum()),
        tpr=float(alarmed.mean()),
        fpr=float(false.mean()),
        eer=float(eer),
        accuracy=_interval(float((alarmed.sum() + (~false).sum()) / sum(counts)), right),
        auc=_interval(auc(scores.adversarial, scores.clean), areas),
        paired_auc=paired,
        recovered=_interval(float(recovered.mean()), draws @ recovered / counts[0]),
        pairs=len(scores.originals),
        paired_fpr=paired_fpr,
        paired_wins=wins,
        recovered_on_alarm=float((recovered & alarmed).mean()),
        located=None if scores.located is None else float(scores.located.mean()),
    )


def _areas(higher: np.ndarray, times: np.ndarray, lower: np.ndarray, times_lower: np.ndarray) -> np.ndarray:
    """`auc` of R resamples: (R,); `times` (R, A) and `times_lower` (R, C) are how often each score counts.

    Only the distinct scores matter, and unexpected counts have few; all sums are exact in float32.
    """
    distinct, codes = np.unique(np.concatenate([higher, lower]), return_inverse=True)
    of_score = np.eye(len(distinct), dtype=np.float32)[codes]
    high, low = times @ of_score[: len(higher)], times_lower @ of_score[len(higher) :]
    below = np.cumsum(low, axis=1) - low / 2
    areas: np.ndarray = (high * below).sum(1, dtype=float) / (len(higher) * len(lower))
    return areas


@lru_cache(maxsize=16)
def _draws(count: int, resamples: int, seed: int) -> np.ndarray:
    """(R, count) float32: how often each input is drawn in `count` draws with replacement."""
    random = np.random.default_rng([seed, count])
    return random.multinomial(count, np.full(count, 1 / count), size=resamples).astype(np.float32)


def _interval(value: float, resampled: np.ndarray) -> Interval:
    outside = (1 - LEVEL) / 2
    low, high = np.quantile(resampled, [outside, 1 - outside])
    return Interval(value, float(low), float(high))
