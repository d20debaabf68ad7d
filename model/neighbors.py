"""Exact nearest neighbours under four metrics, in bounded memory.

Float32 arithmetic is fast but inexact: |q|^2 - 2 q.r + |r|^2 cancels where q and r are close. So a float32
pass only bounds each distance from below and above, by the standard bound for sums of D products (Higham,
"Accuracy and Stability of Numerical Algorithms", section 3.1: relative error at most D u / (1 - D u) in any
order of summation, u = 2^-24). A reference row is dropped when its lower bound exceeds what k rows reach
for certain; for all others the distance is computed from the differences, in float64, and those distances
alone make the ranking. So a vector equal to the query has distance 0, and equal distances rank by index.

Axes: N queries, M reference rows, D dimensions.
"""

from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

METRICS = ("euclidean", "cosine", "manhattan", "chebyshev")
SQUARED = ("euclidean", "cosine")  # ranked by the squared distance of their prepared rows
LARGEST = 1e15  # larger values would overflow as float32 squares
QUERY_BLOCK = 256  # queries at a time
BLOCK_BYTES = 2**26  # of float64 reference rows at a time
PIECE_BYTES = 2**24  # of float64 differences at a time


def nearest(
    queries: np.ndarray, reference: np.ndarray, k: int, metric: str = "euclidean"
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest reference rows of every query: distances (N, k) float32, indices (N, k) int64.

    queries (N, D) and reference (M, D): real, finite, at most 1e15 in size; 1 <= k <= M. Ascending; rows at
    the same distance (in float64) in the order of their indices. Metrics: "euclidean"; "cosine", 1 - cos in
    [0, 2], a zero vector being at 0 from another one and at 1 from any other; "manhattan", the sum, and
    "chebyshev", the largest, of the absolute differences. Raises ValueError, in one line, for anything else.
    """
    queries, reference = np.asarray(queries), np.asarray(reference)
    _check(queries, reference, k, metric)
    ranked = np.full((len(queries), k), np.inf)
    indices = np.full((len(queries), k), len(reference))
    most = max(1, BLOCK_BYTES // (8 * reference.shape[1]))
    for block in _blocks(len(reference), most):
        rows = _prepare(reference[block], metric)
        for part in _blocks(len(queries), QUERY_BLOCK):
            wanted = _prepare(queries[part], metric)
            lower, upper = _bounds(wanted, rows, metric)
            # at the k-th upper bound and at the k-th distance so far there are k rows that are no farther
            limit = ranked[part][:, -1:]
            if k <= len(rows):
                limit = np.minimum(limit, np.partition(upper, k - 1, axis=1)[:, k - 1 : k])
            pairs = np.nonzero(lower <= limit)
            distances = _exact(wanted, rows, *pairs, metric)
            ranked[part], indices[part] = _merge(
                ranked[part], indices[part], pairs[0], pairs[1] + block.start, distances
            )
    if metric == "euclidean":
        ranked = np.sqrt(ranked)
    elif metric == "cosine":
        ranked = ranked / 2
    return ranked.astype(np.float32), indices


def _prepare(rows: np.ndarray, metric: str) -> np.ndarray:
    """Rows as float64; for cosine, points of the unit sphere: |a - b|^2 / 2 = 1 - cos, without cancellation.

    A zero vector becomes the pole of an axis of its own, at 1 from all others.
    """
    rows = rows.astype(np.float64)
    if metric != "cosine":
        return rows
    largest = np.abs(rows).max(axis=1, keepdims=True)
    zero = largest == 0
    rows = rows / np.where(zero, 1.0, largest)  # squares of tiny values would vanish
    norms = np.sqrt((rows * rows).sum(axis=1, keepdims=True))
    return np.concatenate([rows / np.where(zero, 1.0, norms), zero], axis=1)


def _bounds(wanted: np.ndarray, rows: np.ndarray, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """What the distances (squared for SQUARED) of wanted (n, D) and rows (m, D) cannot be below or above."""
    order = {"manhattan": 1, "chebyshev": np.inf}.get(metric, 2)
    sizes = np.linalg.norm(wanted, order, axis=1)[:, None] + np.linalg.norm(rows, order, axis=1)[None, :]
    rough = np.asarray(_rough(wanted.astype(np.float32), rows.astype(np.float32), metric), np.float64)
    if metric in SQUARED:
        squares = (wanted * wanted).sum(axis=1)[:, None] + (rows * rows).sum(axis=1)[None, :]
        rough, sizes = squares - 2 * rough, sizes * sizes
    # D for the sum; the rest covers rounding the input, the norms and second-order terms, each a few u.
    # The last term covers what underflows to zero in float32.
    dimensions = wanted.shape[1]
    error = (dimensions + 32) * (1 + dimensions * 2.0**-23) * 2.0**-24 * sizes + 8 * dimensions * 2.0**-126
    return rough - error, rough + error


@partial(jax.jit, static_argnames=("metric",))
def _rough(wanted: Array, rows: Array, metric: str) -> Array:
    """Products (n, m) for SQUARED metrics, distances for the others, float32."""
    if metric in SQUARED:
        return jnp.matmul(wanted, rows.T, precision=jax.lax.Precision.HIGHEST)
    differences = jnp.abs(wanted[:, None, :] - rows[None, :, :])  # fused with the reduction, never stored
    return differences.sum(axis=2) if metric == "manhattan" else differences.max(axis=2)


def _exact(
    wanted: np.ndarray, rows: np.ndarray, first: np.ndarray, second: np.ndarray, metric: str
) -> np.ndarray:
    """Distances (p,) float64, squared for SQUARED, of the pairs wanted[first], rows[second]."""
    distances = np.empty(len(first))
    for piece in _blocks(len(first), max(1, PIECE_BYTES // (8 * rows.shape[1]))):
        differences = wanted[first[piece]] - rows[second[piece]]
        if metric in SQUARED:
            distances[piece] = np.square(differences, out=differences).sum(axis=1)
        else:
            np.abs(differences, out=differences)
            distances[piece] = differences.sum(axis=1) if metric == "manhattan" else differences.max(axis=1)
    return distances


def _merge(
    ranked: np.ndarray, indices: np.ndarray, rows: np.ndarray, columns: np.ndarray, distances: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The k best of ranked (n, k), indices (n, k) and the new pairs (p,), by distance, then index."""
    count, k = ranked.shape
    rows = np.concatenate([np.repeat(np.arange(count), k), rows])
    columns = np.concatenate([indices.ravel(), columns])
    distances = np.concatenate([ranked.ravel(), distances])
    order = np.lexsort((columns, distances, rows))
    starts = np.searchsorted(rows[order], np.arange(count))
    best = order[starts[:, None] + np.arange(k)[None, :]]
    return distances[best], columns[best]


def _blocks(count: int, most: int) -> list[slice]:
    """Slices of nearly equal length, at most `most`, that cover range(count)."""
    edges = np.linspace(0, count, -(-count // most) + 1).astype(int) if count else [0]
    return [slice(int(a), int(b)) for a, b in pairwise(edges)]


def _check(queries: np.ndarray, reference: np.ndarray, k: int, metric: str) -> None:
    if metric not in METRICS:
        raise ValueError(f"metric (={metric!r}) must be one of {', '.join(METRICS)}")
    for name, array in (("queries", queries), ("reference", reference)):
        if array.ndim != 2 or array.shape[1] == 0 or array.dtype.kind not in "fiub":
            raise ValueError(f"{name} (={array.dtype} {array.shape}) must be real, of shape (rows, D >= 1)")
        for block in _blocks(len(array), 1024):
            good = (np.abs(array[block].astype(np.float64)) <= LARGEST).all(axis=1)  # NaN compares as False
            if not good.all():
                row = block.start + int(np.argmin(good))
                raise ValueError(f"{name} must be finite, at most {LARGEST:g} in size, but row {row} is not")
    if queries.shape[1] != reference.shape[1]:
        raise ValueError(
            f"queries (={queries.shape}) and reference (={reference.shape}) must have as many dimensions"
        )
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= len(reference):
        raise ValueError(f"k (={k!r}) must be a whole number in 1..{len(reference)}, the reference's rows")
