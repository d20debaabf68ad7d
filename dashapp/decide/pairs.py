"""Compare two activation vectors: distances as in the pipeline, and what each unit adds; pure.

Axes: D units.
"""

from collections.abc import Iterable
from typing import NamedTuple, cast

import numpy as np

from db.vocabulary import METRICS


class Statistics(NamedTuple):
    """Statistics of a layer over the whole reference set."""

    mean: np.ndarray  # (D,) float64
    length: float  # root of the mean squared length


def statistics(blocks: Iterable[list[bytes]]) -> Statistics:
    """The mean and the root mean squared length of stored vectors: little-endian float16, one `bytes` each.

    Raises:
        ValueError: there are none.
    """
    total, squares, count = np.zeros(1), 0.0, 0
    for block in blocks:
        vectors = np.frombuffer(b"".join(block), "<f2").reshape(len(block), -1).astype(np.float64)
        total = total + vectors.sum(axis=0)
        squares += float(np.square(vectors).sum())
        count += len(block)
    if not count:
        raise ValueError("the reference set has no stored activations in this layer")
    return Statistics(total / count, float(np.sqrt(squares / count)))


def contributions(a: np.ndarray, b: np.ndarray, metric: str, mean: np.ndarray | None = None) -> np.ndarray:
    """What each unit adds, (D,) float64: to the squared distance for "euclidean", else to the distance.

    a, b (D,); mean (D,): of the reference set, for "centered-cosine". For the cosines it is half the squared
    difference of both at length 1, as these add up to 1 - cos. For "chebyshev" only the largest unit adds.

    Raises:
        ValueError: an unknown metric, or "centered-cosine" without a mean.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    match metric:
        case "euclidean":
            return cast(np.ndarray, np.square(a - b))
        case "manhattan":
            return cast(np.ndarray, np.abs(a - b))
        case "chebyshev":
            differences = np.abs(a - b)
            return np.where(np.arange(len(a)) == differences.argmax(), differences, 0.0)
        case "cosine" | "centered-cosine":
            if metric == "centered-cosine":
                if mean is None:
                    raise ValueError("metric centered-cosine needs the mean of the reference set")
                a, b = a - mean, b - mean
            lengths = np.linalg.norm(a), np.linalg.norm(b)
            if 0.0 in lengths:  # by definition 0 from another zero vector, 1 from any other
                return np.full(len(a), (lengths[0] != lengths[1]) / len(a))
            return cast(np.ndarray, np.square(a / lengths[0] - b / lengths[1]) / 2)
    raise ValueError(f"metric must be one of {', '.join(METRICS)}, not {metric!r}")


def distance(a: np.ndarray, b: np.ndarray, metric: str, mean: np.ndarray | None = None) -> float:
    """The distance of a and b (D,), as the pipeline stores it; raises as `contributions` does."""
    total = float(contributions(a, b, metric, mean).sum())
    return float(np.sqrt(total)) if metric == "euclidean" else total


def largest_first(added: np.ndarray) -> np.ndarray:
    """(D,) the units sorted by what they add, most first, ties by index."""
    return np.argsort(-added, kind="stable")


def carried(added: np.ndarray) -> np.ndarray:
    """(D,) in [0, 1]: the share that the top 1, 2, ... D units add together; 0 where the distance is 0."""
    total = added.sum()
    if not total > 0:
        return np.zeros(len(added))
    return cast(np.ndarray, np.minimum(np.cumsum(added[largest_first(added)]) / total, 1.0))
