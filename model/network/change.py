"""Propagate a change of pixels through the maps of a network.

A change is a window (h, w, n, M, C) of new values less old ones; outside of it nothing changes. What is
linear needs no old values: a convolution of a change is the change of the convolution, and changes of
branches are added. An activation function is applied to the old values with the change, and the old result
is subtracted again; a max-pool likewise. All windows come from `model.network.plan`.

Axis letters: C channels, M candidates, n changed pixels a candidate; h, w a window. The windows of a
candidate's pixels may overlap: the change of a cell is the sum over all windows that contain it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from model.network import layers
from model.network.activations import settles
from model.network.evaluate import EXACT, NHWC, as_affine, by_channel, counts, windows
from model.network.layers import Margins, margins
from model.network.plan import Step
from model.network.pointwise import activate
from model.network.windows import Window

MOST_SHARES = 1 << 20  # numbers that a convolution may spread over its outputs before they are added up
Place = tuple[Array, Array]  # rows and columns of the pixels: one each, () int, for all candidates, or (n, M)
Windows = tuple[Window, Window]


class Old(Protocol):
    """Old maps around the pixels."""

    at: Place

    def take(self, kind: str, name: str, around: Windows) -> Array:
        """Windows (h, w, n, M, C) of a stored map: of the kind "before" or "after" of a layer."""
        ...


def change_of(
    step: Step, changes: list[Array], around: list[Windows], old: Old, weights: dict[str, Array]
) -> Array:
    """The change in a step's windows (h, w, n, M, C), from those of its inputs with their windows.

    A step that feeds a pool gives the new values instead.
    """
    layer, at = step.layer, old.at
    match layer:
        case layers.Conv():
            return _convolved(step, layer, changes[0], around[0], old, weights)
        case layers.MaxPool():
            return _max_pooled(step, layer, changes[0], around[0], old)
        case layers.AvgPool():
            return _mean_pooled(step, layer, changes[0], around[0], at)
        case layers.Activation():
            return _activated(step, layer.function, collect(changes[0], around[0], step.windows, at), old)
        case layers.BatchNorm() | layers.Affine():
            change = align(changes[0], around[0], step.windows, at)
            return change * by_channel(as_affine(layer, weights)[0], 5)
        case layers.Add():
            moved = [align(c, w, step.windows, at) for c, w in zip(changes, around, strict=True)]
            return reduce(jnp.add, moved)
        case layers.Concat():
            moved = [align(c, w, step.windows, at) for c, w in zip(changes, around, strict=True)]
            return jnp.concatenate(moved, axis=-1)
    # Pad and Dropout: the same cells. What a window holds beyond the map is not there, though.
    inner = mask(changes[0], around[0], step.shapes[0], at) if isinstance(layer, layers.Pad) else changes[0]
    moved_to = _moved(around[0], layer.margins) if isinstance(layer, layers.Pad) else around[0]
    return align(inner, moved_to, step.windows, at)


def _moved(around: Windows, added: Margins) -> Windows:
    rows, columns = (
        Window(window.size, tuple(first + before for first in window.start))
        for window, (before, _) in zip(around, added, strict=True)
    )
    return rows, columns


# ---- Convolutions and activation functions ---------------------------------------------------------


def _convolved(
    step: Step, layer: layers.Conv, change: Array, around: Windows, old: Old, weights: dict[str, Array]
) -> Array:
    assert step.axes is not None
    change = mask(change, around, step.shapes[0], old.at)
    reads = step.axes[0].reads, step.axes[1].reads
    spread = step.axes[0].spread, step.axes[1].spread
    change, kernel = align(change, around, reads, old.at), weights["kernel"]
    depthwise = layer.groups == change.shape[4]
    if depthwise or math.prod((*change.shape[:4], *layer.reach, layer.features)) <= MOST_SHARES:
        change = _spread(change, _dilated(kernel, layer), layer)
    else:
        change = _slid(change, kernel, layer)
    if not step.nonlinear:
        return align(change, spread, step.windows, old.at)
    return _activated(step, layer.activation, collect(change, spread, step.windows, old.at), old)


def _activated(step: Step, function: str, change: Array, old: Old) -> Array:
    """The change behind an activation function, from all of the change before it."""
    beyond = goes_beyond(step.windows, step.shape)
    if beyond and not settles(function):
        change = mask(change, step.windows, step.shape, old.at)
    before = old.take("before", step.layer.name, step.windows)
    new = activate(function, before + change)
    if step.feeds_pool:
        return new
    return _in_first_window(new - activate(function, before), step.windows, old.at)


def _dilated(kernel: Array, layer: layers.Conv) -> Array:
    """The kernel with zeros between its taps."""
    if layer.dilation == (1, 1):
        return kernel
    rows, columns = layer.dilation
    wide = jnp.zeros((*layer.reach, *kernel.shape[2:]), kernel.dtype)
    return wide.at[::rows, ::columns].set(kernel)


def _spread(change: Array, kernel: Array, layer: layers.Conv) -> Array:
    """The convolution with a kernel of a change (h, w, n, M, C) that begins at a whole stride.

    With stride s the cells i = s u + p meet the taps j = s v + p of their phase p, and reach the outputs
    u - v. One product a phase gives each cell's share of each output; then the shares are added up in place.
    """
    strides, sizes = layer.stride, kernel.shape[:2]
    taps = [-(-size // stride) for size, stride in zip(sizes, strides, strict=True)]
    ends = [-(-side // stride) for side, stride in zip(change.shape[:2], strides, strict=True)]
    shape = tuple(end + tap - 1 for end, tap in zip(ends, taps, strict=True))
    result = jnp.zeros((*shape, *change.shape[2:4], layer.features), change.dtype)
    for p in range(min(strides[0], sizes[0])):
        for q in range(min(strides[1], sizes[1])):
            cells, tap = change[p :: strides[0], q :: strides[1]], kernel[p :: strides[0], q :: strides[1]]
            if not cells.shape[0] or not cells.shape[1]:
                continue
            tap = tap[::-1, ::-1]
            rows, columns = tap.shape[:2]
            shares = _shares(cells, tap, layer)
            first = (taps[0] - rows, taps[1] - columns)
            for i in range(rows):
                for j in range(columns):
                    at = (first[0] + i, first[1] + j)
                    here = result[at[0] : at[0] + cells.shape[0], at[1] : at[1] + cells.shape[1]]
                    result = jax.lax.dynamic_update_slice(result, here + shares(i, j), (*at, 0, 0, 0))
    return result


def _slid(change: Array, kernel: Array, layer: layers.Conv) -> Array:
    """The same as `_spread`, by a plain convolution: the shares of many cells do not fit the cache."""
    added = []
    for side, size, stride in zip(change.shape[:2], layer.reach, layer.stride, strict=True):
        taps = -(-size // stride)
        places, before = -(-side // stride) + taps - 1, (taps - 1) * stride
        added.append((before, (places - 1) * stride + size - before - side))
    maps = change.transpose(2, 3, 0, 1, 4).reshape(-1, *change.shape[:2], change.shape[4])
    result = jax.lax.conv_general_dilated(
        maps,
        kernel,
        layer.stride,
        added,
        rhs_dilation=layer.dilation,
        dimension_numbers=NHWC,
        feature_group_count=layer.groups,
        precision=EXACT,
    )
    return result.reshape(*change.shape[2:4], *result.shape[1:]).transpose(2, 3, 0, 1, 4)


def _shares(cells: Array, taps: Array, layer: layers.Conv) -> Callable[[int, int], Array]:
    """A function of a tap (i, j): the share (h, w, n, M, D) that every cell sends by it."""
    rows, columns, inner, features = taps.shape
    groups = layer.groups
    if inner == 1 and groups == features:  # depthwise: nothing to add up over channels
        return lambda i, j: cells * by_channel(taps[i, j, 0], 5)
    if groups == 1:
        matrix = taps.transpose(2, 0, 1, 3).reshape(inner, -1)
        sent = product(cells.reshape(-1, inner), matrix)
        sent = sent.reshape(*cells.shape[:-1], rows, columns, features)
        return lambda i, j: sent[..., i, j, :]
    matrix = taps.reshape(rows, columns, inner, groups, features // groups)
    parts = cells.reshape(*cells.shape[:-1], groups, inner)
    sent = jnp.einsum("hwnmgc,ijcgd->hwnmijgd", parts, matrix, precision=EXACT)
    return lambda i, j: sent[..., i, j, :, :].reshape(*cells.shape[:-1], features)


def product(x: Array, matrix: Array) -> Array:
    """A matrix product in full float32, on every device."""
    return jnp.matmul(x, matrix, precision=EXACT)


# ---- Pools -----------------------------------------------------------------------------------------


def _max_pooled(step: Step, layer: layers.MaxPool, change: Array, around: Windows, old: Old) -> Array:
    """The change behind a max-pool; where the layer before feeds it, `change` is its new values."""
    assert step.axes is not None
    reads = step.axes[0].reads, step.axes[1].reads
    values = change
    if not step.fed:
        change = collect(mask(change, around, step.shapes[0], old.at), around, reads, old.at)
        values = old.take("before", layer.name, reads) + change
    if margins(layer.padding, step.shapes[0], layer.window, layer.step) != ((0, 0), (0, 0)):
        values = mask(values, reads, step.shapes[0], old.at, -jnp.inf)
    new = reduce(jnp.maximum, windows(values, layer.window, layer.step, first=0))
    new = new - old.take("after", layer.name, step.windows)
    return _in_first_window(mask(new, step.windows, step.shape, old.at), step.windows, old.at)


def _mean_pooled(step: Step, layer: layers.AvgPool, change: Array, around: Windows, at: Place) -> Array:
    assert step.axes is not None
    reads = step.axes[0].reads, step.axes[1].reads
    change = align(mask(change, around, step.shapes[0], at), around, reads, at)
    for axis in (0, 1):  # rows, then columns: fewer sums
        window = [(layer.window[0], 1), (1, layer.window[1])][axis]
        stride = [(layer.step[0], 1), (1, layer.step[1])][axis]
        change = reduce(jnp.add, windows(change, window, stride, first=0))
    for axis in (0, 1):
        places = range(step.shape[axis])
        each = jnp.array(counts(layer, step.shapes[0], axis, places), jnp.float32)
        cells = jnp.clip(cells_of(step.windows[axis], at[axis], axis), 0, step.shape[axis] - 1)
        change = change / each[cells][..., None]
    return change


# ---- Windows ---------------------------------------------------------------------------------------


def start_of(window: Window, at: Array) -> Array:
    """The first cell of the windows of pixels at these rows or columns."""
    return jnp.asarray(window.start, jnp.int32)[at]


def cells_of(window: Window, at: Array, axis: int) -> Array:
    """The cells along an axis of windows, as (h, 1, n, M) or (1, w, n, M); n = M = 1 for one place."""
    start = start_of(window, at)
    start = start.reshape(1, 1) if start.ndim == 0 else start
    cells = start[None] + jnp.arange(window.size, dtype=jnp.int32)[:, None, None]
    return cells[:, None] if axis == 0 else cells[None]


def goes_beyond(around: Windows, shape: layers.Shape) -> bool:
    """Whether windows have cells outside of a map (H, W, C)."""
    return any(window.beyond(side) for window, side in zip(around, shape, strict=False))


def mask(change: Array, around: Windows, shape: layers.Shape, at: Place, value: float = 0.0) -> Array:
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


FEW_OFFSETS = 3  # up to which windows at different places are moved by choosing among shifts


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


def _in_first_window(change: Array, around: Windows, at: Place) -> Array:
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
