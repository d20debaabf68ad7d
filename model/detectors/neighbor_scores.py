"""Float32 scores of reference rows, and the bounds that they set on the distances; for `neighbors`.

By the standard bound for sums of D products (Higham, "Accuracy and Stability of Numerical Algorithms",
section 3.1), a float32 sum is wrong by at most D u / (1 - D u), u = 2^-24, relative to the sum of the terms'
sizes and in any order of summation. Let c = 1.1 (D + 32) u: D for the sum, 32 for rounding the input, the
norms, the score and the float64 arithmetic, each a few u, and 1.1 for 1 / (1 - D u), as D <= 2^20. Then the
ranked value, less a constant of the query (`offset`), is within

    [score - margin(q), score + stretch * score + margin(r) + margin(q)]

               ranked           offset   score                    margin(q)   margin(r)   stretch
    euclidean  |q - r|^2        |q|^2    |r|^2 (1 - c) - 2 q.r    c |q|^2     2 c |r|^2   0
    cosines    1 - cos          1        -q.r / (|q| |r|)         c           0           0
    manhattan  |q - r|_1        0        t (1 - c) - w(r)         w(q)        2.5 w(r)    3 c

since 2 |q| |r| <= |q|^2 + |r|^2 splits the error of -2 q.r into a part of q and a part of r. t is the float32
distance, wrong by c t; w(x) = 1.1 u D^1/2 |x|_2 >= 1.1 u |x|_1 is for rounding x, and 0 when its type fits
float32. Chebyshev is like manhattan without a sum, so with D = 0 in c and D = 1 in w. 8 D 2^-126 is added
to every margin(q), for values that underflow to zero.

Axes: n queries, m reference rows, D dimensions.
"""

from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from model.detectors.metrics.metric import Bound, Metric, squares

FIT_FLOAT32 = ("float32", "float16", "int16", "uint16", "int8", "uint8", "bool")
ROUNDING = 1.1 * 2.0**-24
ROWS = 128  # rows converted at a time
TINY = 1e-100  # the square of a shorter vector may vanish even in float64
SMALL = 2.0**-40  # shorter vectors lose digits in float32
GROUP = 256  # queries whose distances to a strip stay in a core's cache
STRIP = 512  # reference rows of such a strip, at most
STRIP_SIZE = 2**22  # numbers of a strip, at most, as each thread copies its rows
UNROLLED = 16  # dimensions a step: XLA makes them one vectorized loop


@dataclass(frozen=True)
class Wanted:
    """n queries: float32 (D, n), or for the metrics without products `_arranged` for every device."""

    rows: np.ndarray | list[Array]
    offset: np.ndarray  # (n,) float64
    margin: np.ndarray  # (n,) float64
    zero: np.ndarray  # (n,) bool, zero vectors of the cosine metrics


@dataclass(frozen=True)
class Tile:
    """m reference rows: float32 (m, D), and the factor and then the shift of a product or distance."""

    rows: np.ndarray
    factor: np.ndarray | None  # (m,) float32
    shift: np.ndarray | None  # (m,) float32
    margin: np.ndarray  # (m,) float64
    stretch: float
    zero: np.ndarray  # (m,) bool


def wanted(queries: np.ndarray, lengths: np.ndarray, mean: np.ndarray | None, metric: Metric) -> Wanted:
    """Queries (n, D) of lengths (n,) for the float32 pass."""
    count, dimensions = queries.shape
    zero, offset, margin = np.zeros(count, bool), np.zeros(count), _rounding(queries, lengths, metric)
    if metric.of_directions:
        rows, zero = units(centered(queries, mean), lengths)
        rows, offset, margin = -rows, offset + 1, margin + _error(dimensions, metric)
    elif metric.bound is Bound.PRODUCT:
        rows, offset, margin = (
            -2.0 * centered(queries, None),
            lengths**2,
            _error(dimensions, metric) * lengths**2,
        )
    else:
        rows = queries
    rows = rows.astype(np.float32)
    ready: np.ndarray | list[Array]
    if metric.bound is Bound.NONE:
        ready = np.zeros(0, np.float32)
    elif metric.bound is Bound.PRODUCT:
        ready = np.ascontiguousarray(rows.T)
    else:
        ready = [jax.device_put(_arranged(rows), device) for device in jax.local_devices()]
    return Wanted(ready, offset, margin + 8 * dimensions * 2.0**-126, zero)


def tile(
    rows: np.ndarray, lengths: np.ndarray, mean: np.ndarray | None, metric: Metric, pool: Executor
) -> Tile:
    """Reference rows (m, D) of lengths (m,) for the float32 pass; not copied if they are float32."""
    if metric.bound is Bound.NONE:  # all scores are 0: no row is dropped
        nothing, endless = np.zeros(len(rows), bool), np.full(len(rows), np.inf)
        return Tile(np.empty((len(rows), 0), np.float32), None, None, endless, 0.0, nothing)
    error = _error(rows.shape[1], metric)
    small = (lengths < SMALL) & metric.of_directions
    if mean is None and rows.dtype == np.float32 and not small.any():
        single = np.ascontiguousarray(rows)
    else:
        single = np.empty(rows.shape, np.float32)

        def convert(part: slice) -> None:
            single[part] = rows[part] if mean is None else centered(rows[part], mean)

        list(pool.map(convert, slices(len(rows), ROWS)))
    if metric.of_directions:
        zero = np.zeros(len(rows), bool)
        single[small], zero[small] = units(centered(rows[small], mean), lengths[small])
        factor = (1 / np.where(small, 1.0, lengths)).astype(np.float32)
        return Tile(single, factor, None, np.zeros(len(rows)), 0.0, zero)
    if metric.bound is Bound.PRODUCT:
        shift = (lengths**2 * (1 - error)).astype(np.float32)
        return Tile(single, None, shift, 2 * error * lengths**2, 0.0, small)
    lost = _rounding(rows, lengths, metric)
    factor = np.full(len(rows), 1 - error, np.float32)
    return Tile(single, factor, (-lost).astype(np.float32), 2.5 * lost, 3 * error, small)


def raw(wanted: Wanted, tile: Tile, metric: Metric, out: np.ndarray, pool: Executor) -> None:
    """Write products of tile and wanted, or their distances, into out (m, n) float32."""
    if metric.bound is Bound.NONE:
        out[:] = 0
        return
    if metric.bound is Bound.PRODUCT:
        np.matmul(tile.rows, wanted.rows, out=out)
        return
    devices, most = jax.local_devices(), max(1, min(STRIP, STRIP_SIZE // tile.rows.shape[1]))
    measure = partial(_absolute, largest=metric.bound is Bound.LARGEST)

    def strip(number: int) -> None:
        place, rows = number % len(devices), slice(number * most, (number + 1) * most)
        filled = jax.device_put(_arranged(tile.rows[rows], most)[0], devices[place])
        distances = np.asarray(measure(wanted.rows[place], filled))
        out[rows] = distances[: len(out[rows]), : out.shape[1]]

    list(pool.map(strip, range(-(-len(out) // most))))


def finish(scores: np.ndarray, wanted: Wanted, tile: Tile, rows: slice | np.ndarray) -> np.ndarray:
    """Turn what `raw` wrote for rows of the tile into scores, in place: (rows, n)."""
    if tile.factor is not None:
        scores *= tile.factor[rows, None]
    if tile.shift is not None:
        scores += tile.shift[rows, None]
    if tile.zero[rows].any():
        scores[np.ix_(tile.zero[rows], wanted.zero)] = -1.0  # zero vectors are at 0 from each other
    return scores


def units(rows: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Float64 rows (n, D), scaled to length 1 in place, and which of them are zero vectors (n,).

    lengths (n,): from `row_lengths`, 0 for those to compute again.
    """
    unknown = lengths == 0
    if unknown.any():
        lengths = lengths.copy()
        rows[unknown] *= 2.0**600  # exact, and then no square vanishes
        lengths[unknown] = np.sqrt(squares(rows[unknown]))
    zero = lengths == 0
    rows *= (1 / np.where(zero, 1.0, lengths))[:, None]
    return rows, zero


def row_lengths(rows: np.ndarray, mean: np.ndarray | None, pool: Executor) -> np.ndarray:
    """Euclidean lengths (m,) float64 of rows (m, D) less the mean; 0 for all below 1e-100."""
    lengths = np.empty(len(rows))

    def measure(part: slice) -> None:
        lengths[part] = np.sqrt(squares(centered(rows[part], mean)))

    with np.errstate(over="ignore", invalid="ignore"):  # the caller checks for them
        list(pool.map(measure, slices(len(rows), ROWS)))
        return np.where(lengths < TINY, 0.0, lengths)


def centered(rows: np.ndarray, mean: np.ndarray | None) -> np.ndarray:
    """A float64 copy of rows (n, D), less the mean (D,) if there is one."""
    rows = rows.astype(np.float64)
    if mean is not None:
        rows -= mean
    return rows


def slices(count: int, most: int) -> list[slice]:
    """Slices of nearly equal length, at most `most`, that cover range(count)."""
    edges = np.linspace(0, count, -(-count // most) + 1).astype(int) if count else [0]
    return [slice(int(a), int(b)) for a, b in pairwise(edges)]


def _error(dimensions: int, metric: Metric) -> float:
    """c, the largest relative error of a sum."""
    return ROUNDING * (32 + (0 if metric.bound is Bound.LARGEST else dimensions))


def _rounding(rows: np.ndarray, lengths: np.ndarray, metric: Metric) -> np.ndarray:
    """w (n,): how far rounding rows (n, D) to float32 moves them, for the metrics without products."""
    if metric.bound in (Bound.PRODUCT, Bound.NONE) or rows.dtype.name in FIT_FLOAT32:
        return np.zeros(len(rows))
    return ROUNDING * lengths * (rows.shape[1] ** 0.5 if metric.bound is Bound.SUM else 1.0)


def _arranged(rows: np.ndarray, least: int = 1) -> np.ndarray:
    """Rows (n, D) as (groups, steps, UNROLLED, together), padded with zeros to a few shapes only."""
    together = max(least, min(GROUP, max(16, 1 << (len(rows) - 1).bit_length())))
    groups, steps = -(-len(rows) // together), -(-rows.shape[1] // UNROLLED)
    padded = np.zeros((groups * together, steps * UNROLLED), np.float32)
    padded[: len(rows), : rows.shape[1]] = rows
    return np.ascontiguousarray(padded.reshape(groups, together, steps, UNROLLED).transpose(0, 2, 3, 1))


@partial(jax.jit, static_argnames="largest")
def _absolute(wanted: Array, rows: Array, *, largest: bool) -> Array:
    """Sums, or the largest, of the absolute differences: (m, groups * together).

    wanted (groups, steps, UNROLLED, together), rows (steps, UNROLLED, m). Vectorized over queries, not over
    dimensions: XLA keeps the order of a sum, so it cannot vectorize its terms.
    """

    def join(result: Array, more: Array) -> Array:
        # one instruction, as there are no NaN; jnp.maximum checks for NaN and takes twice as long
        return jnp.where(more > result, more, result) if largest else result + more

    def group(wanted: Array) -> Array:
        def step(number: int, result: Array) -> Array:
            some = lax.dynamic_index_in_dim(wanted, number, keepdims=False)
            others = lax.dynamic_index_in_dim(rows, number, keepdims=False)
            for one, other in zip(some, others, strict=True):
                result = join(result, jnp.abs(other[:, None] - one[None, :]))
            return result

        nothing = jnp.zeros((rows.shape[2], wanted.shape[2]), jnp.float32)
        result: Array = lax.fori_loop(0, len(wanted), step, nothing)
        return result

    result: Array = lax.map(group, wanted)  # (groups, m, together)
    return result.transpose(1, 0, 2).reshape(rows.shape[2], -1)
