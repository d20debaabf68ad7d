"""Computed from a detector's points: the corners of a curve, the equal error rate, the best k. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from db.read import CurvePoint, DetectorRow, KPoint
from db.vocabulary import METRIC, RULE


def paper_k(row: DetectorRow, paper_ks: Mapping[str, int]) -> int | None:
    """The k that the paper gives for a detector; None: it has none for this layer, metric or rule.

    paper_ks: of `db.read.paper_ks`.
    """
    as_there = row.metric == METRIC and row.rule == RULE
    return paper_ks.get(row.layer or "") if as_there else None


def corners(points: Sequence[CurvePoint]) -> tuple[list[float], list[float], list[float | None]]:
    """FPR, TPR and threshold of a curve from (0, 0) to (1, 1), without the points inside straight lines."""
    inner = [(point.fpr, point.tpr, point.threshold) for point in reversed(points)]
    path = [(0.0, 0.0, None), *inner, (1.0, 1.0, None)]
    result: list[tuple[Any, ...]] = []
    for point in path:
        if result and result[-1][:2] == point[:2]:
            result[-1] = result[-1] if point[2] is None else point
            continue
        while len(result) > 1 and _straight(result[-2], result[-1], point):
            result.pop()
        result.append(point)
    fpr, tpr, thresholds = zip(*result, strict=True)
    return list(fpr), list(tpr), list(thresholds)


def equal_error(points: Sequence[CurvePoint]) -> float:
    """The threshold where the FPR and the FNR are closest; ties to accuracy, then the lower one.

    The thresholds of the tuning cases were chosen in the same way.
    """

    def order(point: CurvePoint) -> tuple[float, float, float]:
        return round(abs(point.fpr - point.fnr), 9), -round(point.accuracy, 9), point.threshold

    return min(points, key=order).threshold


def best_k(points: Sequence[KPoint]) -> int:
    """The k with the highest accuracy on validation, the smallest on ties, as the paper marks it."""
    judged = [point for point in points if point.partition == "validation"] or points
    return min(judged, key=lambda point: (-point.accuracy, point.k)).k


def _straight(a: tuple[Any, ...], b: tuple[Any, ...], c: tuple[Any, ...]) -> bool:
    return bool(abs((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])) < 1e-12)
