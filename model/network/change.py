"""Propagate a change of pixels through the maps of a network.

The convolution of a change is added to the old output, before the ReLU; after the ReLU and the pools the old
value is subtracted again, and the difference is the next change. All windows come from
`model.network.windows`; nothing here depends on one network.

Axis letters: C channels, M candidates, n changed pixels a candidate; h, w a window. Windows are
(h, w, n, M, C).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from model.network.evaluate import EXACT
from model.network.windows import Plan, Reach, Stage, Window

Weights = Mapping[str, tuple[Array, Array]]  # kernel and bias by layer
# Cuts windows (h, w, n, M, C) out of stored maps (H, W, N, C), given: the maps, their margins, the windows'
# first rows and columns, and their height and width.
Take = Callable[[Array, tuple[int, ...], tuple[Array, ...], tuple[int, ...]], Array]


class Memory(NamedTuple):
    """What is stored of N images."""

    images: Array  # (H, W, N, C) float32 in [0, 1]
    before: tuple[Array | None, ...]  # by stage: before the ReLU, padded with -inf
    behind: tuple[Array | None, ...]  # by stage: after its pools, padded with zeros
    hidden: Array  # (N, D), the first dense layer before its ReLU


def follow(
    whole: Plan,
    part: Plan,
    weights: Weights,
    memory: Memory,
    take: Take,
    at: tuple[Array, Array],
    change: Array,
) -> Array:
    """The change (h, w, n, M, C) after the last stage, from a change (1, 1, n, M, C) of pixels.

    `at`: rows and columns of the pixels, one of each, () int, for all candidates, or (n, M). The windows of a
    candidate's pixels may overlap: a cell's change is then in the first window that contains it, and zero
    in the others.
    """
    stages = zip(whole.stages, part.stages, memory.before, memory.behind, strict=True)
    for full, stage, before, behind in stages:
        if before is None:
            continue
        if stage.conv is not None:
            change = _spread(change, weights[stage.conv.name][0])
        change = _collected(change, stage, at)
        old = _take_windows(take, before, full, stage, "aligned", at)
        new = jax.nn.relu(old + change)
        if behind is not None:  # the stage has pools
            for window in stage.pools:
                new = _pooled(new, window)
            change = new - _take_windows(take, behind, full, stage, "pooled", at)
        else:
            change = new - jax.nn.relu(old)
        if change.shape[2] > 1:
            change = jnp.where(_in_earlier_window(stage, at)[..., None], 0.0, change)
    return change


def _take_windows(
    take: Take, maps: Array, full: Stage, stage: Stage, kind: str, at: tuple[Array, Array]
) -> Array:
    """The windows (h, w, n, M, C) of stored maps around the pixels."""
    windows = [getattr(reach, kind) for reach in (stage.rows, stage.columns)]
    margins = tuple(max(0, -min(getattr(reach, kind).start)) for reach in (full.rows, full.columns))
    where = tuple(start_of(window, place) for window, place in zip(windows, at, strict=True))
    return take(maps, margins, where, tuple(window.size for window in windows))


def start_of(window: Window, at: Array) -> Array:
    """The first cell of the windows of pixels at these rows or columns."""
    return jnp.asarray(window.start, jnp.int32)[at]


def _spread(change: Array, kernel: Array) -> Array:
    """The convolution with kernel (k, k, C, D) of a change (h, w, n, M, C): (h+k-1, w+k-1, n, M, D).

    One product gives each cell's share of each of its k x k outputs; then the shares are added up in place.
    """
    size, _, channels, features = kernel.shape
    height, width = change.shape[:2]
    taps = kernel[::-1, ::-1].transpose(2, 0, 1, 3).reshape(channels, -1)
    sent = product(change.reshape(-1, channels), taps).reshape(*change.shape[:-1], size, size, features)
    result = jnp.zeros((height + size - 1, width + size - 1, *change.shape[2:-1], features), change.dtype)
    for i in range(size):
        for j in range(size):
            sum_ = result[i : i + height, j : j + width] + sent[..., i, j, :]
            result = jax.lax.dynamic_update_slice(result, sum_, (i, j, 0, 0, 0))
    return result


def _pooled(x: Array, window: int) -> Array:
    """The max-pool of windows (h, w, ...) whose first cell is a pool's first cell."""
    for axis in (0, 1):
        parts = [jax.lax.slice_in_dim(x, i, x.shape[axis], window, axis) for i in range(window)]
        x = parts[0]
        for part in parts[1:]:
            x = jnp.maximum(x, part)
    return x


def _collected(change: Array, stage: Stage, at: tuple[Array, Array]) -> Array:
    """A spread change (h, w, n, M, C) in the aligned windows, the changes of all n pixels added up."""
    if change.shape[2] == 1:
        return _shifted(_shifted(change, stage.rows, at[0], 0), stage.columns, at[1], 1)
    cells = [
        start_of(reach.aligned, place)[None] + jnp.arange(reach.aligned.size, dtype=jnp.int32)[:, None, None]
        for reach, place in zip((stage.rows, stage.columns), at, strict=True)
    ]
    starts = [
        start_of(reach.spread, place) for reach, place in zip((stage.rows, stage.columns), at, strict=True)
    ]
    windows = sum(
        picked(
            change[:, :, pixel],
            cells[0] - starts[0][pixel][None, None],
            cells[1] - starts[1][pixel][None, None],
        )
        for pixel in range(change.shape[2])
    )
    return cast(Array, windows)  # there is at least one pixel


def _shifted(change: Array, reach: Reach, at: Array, axis: int) -> Array:
    """A change along one axis, from its spread window into the aligned one."""
    offsets = np.subtract(reach.spread.start, reach.aligned.start)
    low, high, size = int(offsets.min()), int(offsets.max()), reach.aligned.size
    behind = max(0, size - low - reach.spread.size)
    pads = [(0, 0)] * change.ndim
    pads[axis] = (max(0, high), behind)
    padded = jnp.pad(change, pads)
    first = max(0, high)
    if low == high:
        return jax.lax.slice_in_dim(padded, first - low, first - low + size, axis=axis)
    offset = jnp.asarray(offsets, jnp.int32)[at]
    if offset.ndim == 0:
        return jax.lax.dynamic_slice_in_dim(padded, first - offset, size, axis)
    offset = offset[None, None, :, :, None]
    result = jax.lax.slice_in_dim(padded, first - low, first - low + size, axis=axis)
    for value in range(low + 1, high + 1):
        moved = jax.lax.slice_in_dim(padded, first - value, first - value + size, axis=axis)
        result = jnp.where(offset == value, moved, result)
    return result


def picked(window: Array, rows: Array, columns: Array) -> Array:
    """Cells of windows (h, w, M, C) at rows (h', ..., M) and columns (w', ..., M); zeros outside of them."""
    height, width, count, _ = window.shape
    padded = jnp.pad(window, ((0, 1), (0, 1), (0, 0), (0, 0)))
    rows = jnp.where((rows >= 0) & (rows < height), rows, height)
    columns = jnp.where((columns >= 0) & (columns < width), columns, width)
    candidates = jnp.arange(count, dtype=jnp.int32)
    return padded.at[rows[:, None], columns[None], candidates].get(mode="promise_in_bounds")


def _in_earlier_window(stage: Stage, at: tuple[Array, Array]) -> Array:
    """Whether a cell (h, w, n, M) after the pools is also in the window of an earlier pixel."""
    inside = []
    for reach, place in zip((stage.rows, stage.columns), at, strict=True):
        start = start_of(reach.pooled, place)  # (n, M)
        size = reach.pooled.size
        cells = start[None] + jnp.arange(size, dtype=jnp.int32)[:, None, None]  # (h, n, M)
        distance = cells[:, None] - start[None, :, None]  # (h, earlier, n, M)
        inside.append((distance >= 0) & (distance < size))
    both = inside[0][:, None] & inside[1][None]  # (h, w, earlier, n, M)
    earlier = np.triu(np.ones((both.shape[3],) * 2, bool), 1)[None, None, :, :, None]
    return (both & earlier).any(axis=2)


def product(x: Array, matrix: Array) -> Array:
    """A matrix product in full float32, on every device."""
    return jnp.matmul(x, matrix, precision=EXACT)
