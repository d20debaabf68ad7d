"""Exact nearest neighbors under any metric of the register, in bounded memory, over references of any length.

Float32 arithmetic is fast but inexact: |r|^2 - 2 q.r cancels where q and r are close. So a float32 pass only
gives every reference row a score that bounds its distance from below and above
(see `model.detectors.neighbor_scores`). A row is dropped when its lower bound exceeds the upper bounds of k
rows; for all others the distance is computed from the differences, in float64, and only those distances are
ranked. So a vector equal to the query has distance 0, and equal distances rank by index.

Memory beyond the inputs and results: the queries in float32, a tile's scores, and the tile in float32 if it
comes in another type; never all distances, nor the reference in float64.

Axes: N queries, n of them in a part; M reference rows, m of them in a block or tile; D dimensions.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from model.detectors.metrics import METRICS, Metric
from model.detectors.neighbor_scores import (
    Tile,
    Wanted,
    centered,
    finish,
    raw,
    row_lengths,
    slices,
    tile,
    units,
)
from model.detectors.neighbor_scores import wanted as make_wanted

LARGEST = 1e15  # larger values would overflow as float32 squares
MOST_DIMENSIONS = 2**20  # the bounds of `model.detectors.neighbor_scores` hold up to here
QUERY_BLOCK = 1024  # queries scored at a time
TILE_ROWS = 8192  # reference rows scored at a time, at most
TILE_BYTES = 2**27  # of these rows in float32
PIECE_BYTES = 2**21  # of float64 differences at a time and thread
PAIRS = 2**21  # pairs that may wait for their distance
STRIP = 512  # rows of scores that a thread takes at a time


@dataclass
class _Part:
    """Some queries (n, D) and their neighbors so far."""

    queries: np.ndarray
    lengths: np.ndarray  # (n,)
    wanted: Wanted
    ranked: np.ndarray  # (n, k) float64, as the metric ranks
    indices: np.ndarray  # (n, k) int64
    highest: np.ndarray  # (n, k) float64: upper bounds, less offset and margin, of k rows
    waiting: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=list)

    def limits(self) -> np.ndarray:
        """(n,): rows with higher scores cannot be among the k nearest."""
        bounded = self.highest[:, -1] + 2 * self.wanted.margin
        limits: np.ndarray = np.minimum(bounded, self.ranked[:, -1] - self.wanted.offset + self.wanted.margin)
        return limits


@dataclass(frozen=True)
class _Search:
    metric: Metric
    mean: np.ndarray | None  # (D,) float64
    pool: Executor


def nearest(
    queries: np.ndarray, reference: np.ndarray, k: int, metric: str = "euclidean"
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest reference rows of every query: distances (N, k) float32, indices (N, k) int64.

    queries (N, D) and reference (M, D): real, finite, at most 1e15 in size; 1 <= k <= M. Ascending; rows at
    the same distance (in float64) in the order of their indices. Metrics: "euclidean"; "cosine", 1 - cos in
    [0, 2], a zero vector being at 0 from another one and at 1 from any other; "centered-cosine", the cosine
    after the mean of the reference rows has been subtracted from queries and reference, so that a part that
    all rows share, as in activations that are never negative, hides no angle; "manhattan", the sum, and
    "chebyshev", the largest, of the absolute differences. Raises ValueError, in one line, for anything else.
    """
    reference = np.asarray(reference)
    _check_array("reference", reference)
    _check_k(k, len(reference))
    return nearest_in_blocks(queries, lambda: [reference], k, metric)


def nearest_in_blocks(
    queries: np.ndarray,
    blocks: Callable[[], Iterable[np.ndarray]],
    k: int,
    metric: str = "euclidean",
) -> tuple[np.ndarray, np.ndarray]:
    """As `nearest`, and with the same results, for a reference that comes as consecutive blocks (m, D).

    blocks: each call starts again at the first block; "centered-cosine" calls it twice, as it needs the mean
    first. A block may have any length and is not needed after the next one is requested.
    """
    queries = np.asarray(queries)
    if metric not in METRICS:
        raise ValueError(f"metric (={metric!r}) must be one of {', '.join(METRICS)}")
    _check_array("queries", queries)
    _check_k(k)
    definition = METRICS[metric]
    mean = _mean(blocks, queries) if definition.of_centered else None
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        search = _Search(definition, mean, pool)
        lengths = _lengths("queries", queries, 0, search)
        parts = [_part(queries[s], lengths[s], k, search) for s in slices(len(queries), QUERY_BLOCK)]
        first = 0
        for block in blocks():
            block = np.asarray(block)
            _check_array("reference", block, queries)
            _search_block(parts, block, first, search)
            first += len(block)
    _check_k(k, first)
    ranked = np.concatenate([part.ranked for part in parts]) if parts else np.empty((0, k))
    indices = np.concatenate([part.indices for part in parts]) if parts else np.empty((0, k), np.int64)
    return definition.distance(ranked).astype(np.float32), indices


def _part(queries: np.ndarray, lengths: np.ndarray, k: int, search: _Search) -> _Part:
    count = len(queries)
    wanted = make_wanted(queries, lengths, search.mean, search.metric)
    ranked, highest = np.full((count, k), np.inf), np.full((count, k), np.inf)
    return _Part(queries, lengths, wanted, ranked, np.full((count, k), -1), highest)


def _search_block(parts: list[_Part], block: np.ndarray, first: int, search: _Search) -> None:
    """Rank the rows of the block (m, D), whose first is row `first` of the reference."""
    lengths = _lengths("reference", block, first, search)
    most = max(1, min(TILE_ROWS, TILE_BYTES // (4 * block.shape[1])))
    room = np.empty(min(most, len(block)) * max((len(part.queries) for part in parts), default=0), np.float32)
    for rows in slices(len(block), most):
        reference_tile = tile(block[rows], lengths[rows], search.mean, search.metric, search.pool)
        for part in parts:
            shape = len(reference_tile.rows), len(part.queries)
            scores = room[: shape[0] * shape[1]].reshape(shape)
            raw(part.wanted, reference_tile, search.metric, scores, search.pool)
            _select(part, reference_tile, scores, rows.start, search)
            if sum(len(pairs[0]) for pairs in part.waiting) > PAIRS:
                _settle(part, block, lengths, first, search)
    for part in parts:
        _settle(part, block, lengths, first, search)


def _select(part: _Part, tile: Tile, scores: np.ndarray, start: int, search: _Search) -> None:
    """Queue the rows of the tile that can be among the k nearest; start: the tile's place in the block.

    scores (m, n): what `raw` wrote; overwritten.
    """
    count, k = part.ranked.shape
    limits = part.limits()
    if len(scores) >= k and not np.isfinite(limits).all():
        # a sample, spread over the tile as rows may be sorted, saves partitioning the whole tile
        sample = np.arange(0, len(scores), max(1, min(8, len(scores) // k)))
        some = finish(scores[sample], part.wanted, tile, sample)
        high = some * (1 + tile.stretch) + tile.margin[sample, None]
        lowest = np.partition(high.T, k - 1, axis=1)[:, k - 1]
        limits = np.minimum(limits, lowest + 2 * part.wanted.margin)
    limits = np.nextafter(limits.astype(np.float32), np.float32(np.inf))

    def select(rows: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        some = finish(scores[rows], part.wanted, tile, rows)
        places = np.flatnonzero(some <= limits)
        candidates, queries = np.divmod(places, count)
        return queries, candidates + rows.start, some.ravel()[places]

    strips = list(search.pool.map(select, slices(len(scores), STRIP)))
    queries, candidates, low = (np.concatenate(arrays) for arrays in zip(*strips, strict=True))
    order = np.argsort(queries.astype(np.uint16), kind="stable")  # by query, then by row; 16 bits sort fast
    queries, candidates, low = queries[order], candidates[order], low[order].astype(np.float64)
    part.waiting.append((queries, candidates + start, low))
    part.highest = _lowest(part.highest, queries, low * (1 + tile.stretch) + tile.margin[candidates])


def _lowest(highest: np.ndarray, queries: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The k lowest of highest (n, k) and of the new upper bounds high (p,) of queries (p,), which ascend."""
    count, k = highest.shape
    starts = np.searchsorted(queries, np.arange(count + 1))
    together = np.full((count, k + int(np.diff(starts).max(initial=0))), np.inf)
    together[:, :k] = highest
    together[queries, k + np.arange(len(queries)) - starts[queries]] = high
    return np.partition(together, k - 1, axis=1)[:, :k]


def _settle(part: _Part, block: np.ndarray, lengths: np.ndarray, first: int, search: _Search) -> None:
    """Rank the waiting rows of the block (m, D) of lengths (m,) by their distances."""
    if not part.waiting:
        return
    queries, rows, low = (np.concatenate(arrays) for arrays in zip(*part.waiting, strict=True))
    part.waiting.clear()
    near = low <= part.limits()[queries]
    queries, rows = queries[near], rows[near]
    order = np.argsort(queries.astype(np.uint16), kind="stable")
    rows, starts = rows[order], np.searchsorted(queries[order], np.arange(len(part.queries) + 1))
    k = part.ranked.shape[1]

    def rank(some: slice) -> None:
        for query in range(some.start, some.stop):
            own = rows[starts[query] : starts[query + 1]]
            distances = np.concatenate(
                [part.ranked[query], _distances(part, query, block, lengths, own, search)]
            )
            # stable: rows ascend, and come after earlier ones
            best = np.argsort(distances, kind="stable")[:k]
            part.ranked[query] = distances[best]
            part.indices[query] = np.concatenate([part.indices[query], own + first])[best]

    list(search.pool.map(rank, slices(len(part.queries), 64)))


def _distances(
    part: _Part, query: int, block: np.ndarray, lengths: np.ndarray, rows: np.ndarray, search: _Search
) -> np.ndarray:
    """The values that the metric ranks, (p,) float64, of one query and rows (p,) of the block."""
    distances = np.empty(len(rows))
    nowhere: np.ndarray | bool
    empty: np.ndarray | bool
    vector, nowhere = centered(part.queries[query : query + 1], search.mean), False
    if search.metric.of_directions:
        vector, nowhere = units(vector, part.lengths[query : query + 1])
    for piece in slices(len(rows), max(1, PIECE_BYTES // (8 * block.shape[1]))):
        some = rows[piece]
        differences, empty = centered(block[some], search.mean), False
        if search.metric.of_directions:
            differences, empty = units(differences, lengths[some])
        differences -= vector
        distances[piece] = search.metric.ranked(differences)
        if search.metric.of_directions:
            distances[piece][empty != nowhere] = 1.0
    return distances


def _mean(blocks: Callable[[], Iterable[np.ndarray]], queries: np.ndarray) -> np.ndarray:
    """The mean of all rows, (D,) float64; summed row by row, so that block sizes do not change a bit."""
    total, count = np.zeros(queries.shape[-1]), 0
    for block in blocks():
        block = np.asarray(block)
        _check_array("reference", block, queries)
        _check_values("reference", block, count)
        for row in block:
            total += row
        count += len(block)
    return total / max(count, 1)


def _lengths(name: str, rows: np.ndarray, first: int, search: _Search) -> np.ndarray:
    """`row_lengths` of rows, with a check of their values; `first`: the first row's number."""
    lengths = row_lengths(rows, search.mean, search.pool)
    if search.mean is not None or not (lengths <= LARGEST).all():  # NaN compares as False
        _check_values(name, rows, first)
    return lengths


def _check_values(name: str, rows: np.ndarray, first: int) -> None:
    for some in slices(len(rows), 64):
        if not (float(rows[some].min()) >= -LARGEST and float(rows[some].max()) <= LARGEST):
            good = (np.abs(rows[some].astype(np.float64)) <= LARGEST).all(axis=1)
            row = first + some.start + int(np.argmin(good))
            raise ValueError(f"{name} must be finite, at most {LARGEST:g} in size, but row {row} is not")


def _check_array(name: str, array: np.ndarray, queries: np.ndarray | None = None) -> None:
    if array.ndim != 2 or not 1 <= array.shape[1] <= MOST_DIMENSIONS or array.dtype.kind not in "fiub":
        shape = f"(rows, 1 <= D <= {MOST_DIMENSIONS})"
        raise ValueError(f"{name} (={array.dtype} {array.shape}) must be real, of shape {shape}")
    if queries is not None and queries.shape[1] != array.shape[1]:
        raise ValueError(
            f"queries (={queries.shape}) and reference (={array.shape}) must have as many dimensions"
        )


def _check_k(k: int, most: int | None = None) -> None:
    """Check k; most: the number of reference rows, None while it is unknown."""
    whole = not isinstance(k, bool) and isinstance(k, int | np.integer)
    if not whole or k < 1 or (most is not None and k > most):
        end = "" if most is None else most
        raise ValueError(f"k (={k!r}) must be a whole number in 1..{end}, the reference's rows")
