"""Every k and every threshold at once: confusion counts, rates, EER, ROC, AUC, and the best choice.

Keppel et al., "ExplAInable Pixels" (MUM 2022), section 4.4 and appendix A: for every k the threshold of the
equal error rate, then the k of the highest accuracy. A case alarms when its unexpected count is strictly
greater than the threshold t; t runs over the integers -1 (always) .. k (never).

Axes: N cases, k_max values of k (row k - 1), k_max + 2 thresholds (column t + 1; valid where t <= k).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

K_MAX = 50


@dataclass(frozen=True)
class Sweep:
    """Confusion counts for every k in 1..k_max and t in -1..k; rates NaN and counts 0 where not `valid`."""

    valid: np.ndarray  # (k_max, k_max + 2) bool, t <= k
    tp: np.ndarray  # (k_max, k_max + 2) int64, adversarial and alarmed
    fp: np.ndarray  # (k_max, k_max + 2) int64, clean and alarmed
    tn: np.ndarray  # (k_max, k_max + 2) int64, clean and quiet
    fn: np.ndarray  # (k_max, k_max + 2) int64, adversarial and quiet

    @property
    def k_max(self) -> int:
        """The largest k."""
        return len(self.valid)

    @property
    def ks(self) -> np.ndarray:
        """k of each row: (k_max,) int, 1..k_max."""
        return np.arange(1, self.k_max + 1)

    @property
    def thresholds(self) -> np.ndarray:
        """t of each column: (k_max + 2,) int, -1..k_max."""
        return np.arange(-1, self.k_max + 1)

    @property
    def accuracy(self) -> np.ndarray:
        """(TP + TN) / N: (k_max, k_max + 2) in [0, 1]."""
        return self._share(self.tp + self.tn, self.tp + self.fn + self.fp + self.tn)

    @property
    def tpr(self) -> np.ndarray:
        """TP / (TP + FN): (k_max, k_max + 2) in [0, 1]."""
        return self._share(self.tp, self.tp + self.fn)

    @property
    def tnr(self) -> np.ndarray:
        """TN / (TN + FP): (k_max, k_max + 2) in [0, 1]."""
        return self._share(self.tn, self.tn + self.fp)

    @property
    def fpr(self) -> np.ndarray:
        """FP / (FP + TN): (k_max, k_max + 2) in [0, 1]."""
        return self._share(self.fp, self.fp + self.tn)

    @property
    def fnr(self) -> np.ndarray:
        """FN / (FN + TP): (k_max, k_max + 2) in [0, 1]."""
        return self._share(self.fn, self.fn + self.tp)

    def roc(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """FPR and TPR (k + 2,) for t = k, ..., -1: from (0, 0) to (1, 1), both rising."""
        _require_k(k, self.k_max)
        columns = slice(k + 1, None, -1)
        return self.fpr[k - 1, columns], self.tpr[k - 1, columns]

    def _share(self, part: np.ndarray, whole: np.ndarray) -> np.ndarray:
        return np.where(self.valid, part / np.maximum(whole, 1), np.nan)


class EqualErrorRates(NamedTuple):
    """For every k the threshold where FPR and FNR are nearest to each other."""

    thresholds: np.ndarray  # (k_max,) int64
    eer: np.ndarray  # (k_max,) float64, (FPR + FNR) / 2 there
    accuracy: np.ndarray  # (k_max,) float64, there


class OperatingPoint(NamedTuple):
    """A k and a threshold, however they were chosen."""

    k: int  # 1..k_max
    threshold: int  # -1..k


class Report(NamedTuple):
    """The results of an operating point on a set of cases."""

    k: int
    threshold: int
    tp: int
    fp: int
    tn: int
    fn: int
    accuracy: float
    tpr: float
    tnr: float
    fpr: float
    fnr: float
    eer: float  # of this k on these cases, at its own best threshold, not at the point's
    auc: float  # of this k on these cases


def sweep(unexpected_counts: np.ndarray, is_adversarial: np.ndarray, k_max: int = K_MAX) -> Sweep:
    """Confusion counts of all k and t on a set of cases, by one histogram and cumulative sums.

    unexpected_counts (N, at least k_max) int, column k - 1 in 0..k (`votes.unexpected_counts`);
    is_adversarial (N,) bool. Both kinds are required. Raises ValueError, in one line, for anything else.
    """
    counts, truth = np.asarray(unexpected_counts), np.asarray(is_adversarial)
    if counts.ndim != 2 or not np.issubdtype(counts.dtype, np.integer):
        raise ValueError(f"unexpected_counts (={counts.dtype} {counts.shape}) must be integers (N, k_max)")
    _require_k(k_max, counts.shape[1], "k_max")
    if truth.shape != (len(counts),) or truth.dtype != bool:
        expected = f"bool of shape ({len(counts)},)"
        raise ValueError(f"is_adversarial (={truth.dtype} {truth.shape}) must be {expected}")
    if truth.all() or not truth.any():
        kinds = f"{truth.sum()} adversarial and {(~truth).sum()} clean"
        raise ValueError(f"tuning needs adversarial and clean cases, got {kinds}")
    counts, ks = counts[:, :k_max], np.arange(1, k_max + 1)
    if ((counts < 0) | (counts > ks[None, :])).any():
        raise ValueError("unexpected_counts must lie in 0..k in the column of k")
    # histogram[a, k, c]: cases of kind a with c unexpected among the first k
    cells = (truth[:, None] * k_max + np.arange(k_max)[None, :]) * (k_max + 1) + counts
    histogram = np.bincount(cells.ravel(), minlength=2 * k_max * (k_max + 1)).reshape(2, k_max, k_max + 1)
    quiet = np.concatenate([np.zeros((2, k_max, 1), int), np.cumsum(histogram, axis=2)], axis=2)  # count <= t
    valid = np.arange(-1, k_max + 1)[None, :] <= ks[:, None]
    totals = np.array([(~truth).sum(), truth.sum()])[:, None, None]
    quiet, alarmed = np.where(valid, quiet, 0), np.where(valid, totals - quiet, 0)
    return Sweep(valid, tp=alarmed[1], fp=alarmed[0], tn=quiet[0], fn=quiet[1])


def equal_error_rates(result: Sweep) -> EqualErrorRates:
    """The EER of every k: least |FPR - FNR|, ties to the higher accuracy, then to the lower threshold.

    Compared as whole numbers, |FP A - FN C| with A adversarial and C clean cases: no rounding, true ties.
    """
    clean, adversarial = result.fp + result.tn, result.fn + result.tp
    gap = np.abs(result.fp * adversarial - result.fn * clean)
    gap = np.where(result.valid, gap, np.iinfo(np.int64).max)
    right = np.where(gap == gap.min(axis=1, keepdims=True), result.tp + result.tn, -1)
    column = right.argmax(axis=1)  # among equals the first, so the lowest threshold
    rows = np.arange(result.k_max)
    eer = (result.fpr[rows, column] + result.fnr[rows, column]) / 2
    return EqualErrorRates(result.thresholds[column], eer, result.accuracy[rows, column])


def auc(result: Sweep) -> np.ndarray:
    """Area under the ROC curve of every k: (k_max,) in [0, 1], 0.5 for chance.

    The trapezoid over the integer thresholds, which is the share of (adversarial, clean) pairs in which the
    adversarial case has the higher count, ties counted half (Mann and Whitney's U).
    """
    # twice the area, in whole pairs: as t falls by 1, FP grows by the clean cases counted at t
    steps = result.fp[:, :-1] - result.fp[:, 1:]
    doubled = (steps * (result.tp[:, :-1] + result.tp[:, 1:])).sum(axis=1)
    areas: np.ndarray = doubled / (2 * result.tp[:, 0] * result.fp[:, 0])
    return areas


def choose(result: Sweep) -> OperatingPoint:
    """The k with the highest accuracy at its EER threshold, ties to the smaller k.

    Meant for a sweep of the tuning partition; the appendix applies the same choice of k to validation.
    """
    rates = equal_error_rates(result)
    right = (result.tp + result.tn)[np.arange(result.k_max), rates.thresholds + 1]
    row = int(right.argmax())
    return OperatingPoint(row + 1, int(rates.thresholds[row]))


def evaluate(point: OperatingPoint, result: Sweep) -> Report:
    """The results of `point` on the cases of `result`: those of validation, to report and never to choose."""
    k, threshold = point
    _require_k(k, result.k_max)
    if not -1 <= threshold <= k:
        raise ValueError(f"threshold (={threshold}) must lie in -1..k (={k})")
    names = ("tp", "fp", "tn", "fn", "accuracy", "tpr", "tnr", "fpr", "fnr")
    values = {name: getattr(result, name)[k - 1, threshold + 1].item() for name in names}
    eer, area = equal_error_rates(result).eer[k - 1], auc(result)[k - 1]
    return Report(k, threshold, **values, eer=float(eer), auc=float(area))


def _require_k(k: int, largest: int, name: str = "k") -> None:
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= largest:
        raise ValueError(f"{name} (={k!r}) must be a whole number in 1..{largest}")
