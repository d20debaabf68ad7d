"""Windows of changes: where they lie, how they are moved into one another, what of them is in the map.

Axis letters: C channels, M candidates, n changed pixels a candidate; h, w a window.
"""

from __future__ import annotations

from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from model.network.sliding import Shape
from model.network.windows import Window, Windows

Place = tuple[Array, Array]  # rows and columns of the pixels: one each, () int, for all candidates, or (n, M)
FEW_OFFSETS = 3  # up to which windows at different places are moved by choosing among shifts


def start_of(window: Window, at: Array) -> Array:
    """The first cell of the windows of pixels at these rows or columns."""
    return jnp.asarray(window.start, jnp.int32)[at]


def cells_of(window: Window, at: Array, axis: int) -> Array:
    """The cells along an axis of windows, as (h, 1, n, M) or (1, w, n, M); n = M = 1 for one place."""
    start = start_of(window, at)
    start = start.reshape(1, 1) if start.ndim == 0 else start
    cells = start[None] + jnp.arange(window.size, dtype=jnp.int32)[:, None, None]
    return cells[:, None] if axis == 0 else cells[None]


def goes_beyond(around: Windows, shape: Shape) -> bool:
    """Whether windows have cells outside of a map (H, W, C)."""
    return any(window.beyond(side) for window, side in zip(around, shape, strict=False))


def mask(change: Array, around: Windows, shape: Shape, at: Place, value: float = 0.0) -> Array:
    """The change with a value in all cells outside of the map (H, W, C)."""
    for axis in (0, 1):
        if around[axis].beyond(shape[axis]):
            cells = cells_of(around[axis], at[axis], axis)
            inside = (cells >= 0) & (cells < shape[axis])
            change = jnp.where(inside[..., None], change, jnp.float32(value))
    return change


def align(change: Array, source: Windows, target: Windows, at: Place) -> Array:
    """Each pixel's change in its source window, in its target window; zeros where they do not overlap."""
    if source == target:
        return change
    offsets = [np.subtract(s.start, t.start) for s, t in zip(source, target, strict=True)]
    if at[0].ndim and any(int(np.ptp(offset)) > FEW_OFFSETS for offset in offsets):
        return jnp.stack(
            [
                _picked_at(change[:, :, pixel], source, target, at, pixel, pixel)
                for pixel in range(len(at[0]))
            ],
            axis=2,
        )
    for axis, offset in enumerate(offsets):
        change = _shifted(change, offset, target[axis].size, at[axis], axis)
    return change


def _shifted(change: Array, offsets: np.ndarray, size: int, at: Array, axis: int) -> Array:
    """A change along one axis, moved by an offset for each pixel's place, in a window of another size."""
    low, high = int(offsets.min()), int(offsets.max())
    first = max(0, high)
    pads = [(0, 0)] * change.ndim
    pads[axis] = (first, max(0, size - low - change.shape[axis]))
    padded = jnp.pad(change, pads)
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


def collect(change: Array, source: Windows, target: Windows, at: Place) -> Array:
    """The change of all n pixels together, in the target window of each."""
    count = change.shape[2]
    if count == 1:
        return align(change, source, target, at)
    return jnp.stack(
        [
            reduce(
                jnp.add,
                (_picked_at(change[:, :, other], source, target, at, other, own) for other in range(count)),
            )
            for own in range(count)
        ],
        axis=2,
    )


def _picked_at(change: Array, source: Windows, target: Windows, at: Place, other: int, own: int) -> Array:
    """The change (h, w, M, C) of one pixel in the target window of another one, or its own."""
    rows, columns = (
        start_of(target[axis], at[axis])[own][None]
        + jnp.arange(target[axis].size, dtype=jnp.int32)[:, None]
        - start_of(source[axis], at[axis])[other][None]
        for axis in (0, 1)
    )
    return picked(change, rows, columns)


def picked(window: Array, rows: Array, columns: Array) -> Array:
    """Cells of windows (h, w, M, C) at rows (h', M) and columns (w', M); zeros outside of them."""
    height, width, count, _ = window.shape
    padded = jnp.pad(window, ((0, 1), (0, 1), (0, 0), (0, 0)))
    rows = jnp.where((rows >= 0) & (rows < height), rows, height)
    columns = jnp.where((columns >= 0) & (columns < width), columns, width)
    candidates = jnp.arange(count, dtype=jnp.int32)
    return padded.at[rows[:, None], columns[None], candidates].get(mode="promise_in_bounds")


def in_first_window(change: Array, around: Windows, at: Place) -> Array:
    """The change with zeros in cells (h, w, n, M) that are also in the window of an earlier pixel."""
    if change.shape[2] == 1:
        return change
    inside = []
    for window, place in zip(around, at, strict=True):
        start = start_of(window, place)  # (n, M)
        cells = start[None] + jnp.arange(window.size, dtype=jnp.int32)[:, None, None]  # (h, n, M)
        distance = cells[:, None] - start[None, :, None]  # (h, earlier, n, M)
        inside.append((distance >= 0) & (distance < window.size))
    both = inside[0][:, None] & inside[1][None]  # (h, w, earlier, n, M)
    earlier = np.triu(np.ones((both.shape[3],) * 2, bool), 1)[None, None, :, :, None]
    return jnp.where((both & earlier).any(axis=2)[..., None], 0.0, change)
