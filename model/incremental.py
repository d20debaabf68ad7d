"""The exact forward pass after changing pixels: only what they reach is computed anew.

Of an image, `remember` keeps what every layer gives. A changed pixel is then followed as a *change*: what a
convolution makes of a change is added to what it gave before, before the ReLU; behind it the old value is
subtracted again. A change covers few cells (`model.windows`), so the work is a tenth, and it is exact: the
logits agree with the plain pass to float32 rounding.

Two forms. `at_position`: candidates that share a position, for many images, as the sweep has them; windows are
plain slices. `changed`: candidates at positions of their own, of one image, one or several pixels each, as
differential evolution has them; windows are gathered.

Axis letters: H rows, W columns, C channels, N images, M candidates, n pixels a candidate, K classes; h, w a
window. Maps are (H, W, N, C) and windows (h, w, n, M, C): cells lead, so that the innermost loops run over
candidates and channels however small a window is. Kept maps are padded: with -inf before a ReLU, so that
nothing ever changes beyond the edge, with zeros behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.tree_util import Partial

from model import cnn
from model.layers import Architecture
from model.windows import Plan, Reach, Stage, Window, plan


class Memory(NamedTuple):
    """What is kept of N images."""

    images: Array  # (H, W, N, C) float32 in [0, 1]
    before: tuple[Array | None, ...]  # by stage: ahead of the ReLU, padded with -inf
    behind: tuple[Array | None, ...]  # by stage: behind its pools, padded with zeros
    hidden: Array  # (N, D), the first dense layer ahead of its ReLU


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Incremental:
    """A network that can be asked about changed pixels; called as it is, it is the plain pass."""

    plain: Partial  # images (B, H, W, C) float32 in [0, 1] to logits (B, K)
    weights: dict[str, tuple[Array, Array]]  # kernel and bias by layer
    architecture: Architecture = field(metadata={"static": True})

    def __call__(self, images: Array) -> Array:
        """Images (B, H, W, C) float32 in [0, 1] to logits (B, K), by the plain pass."""
        return self.plain(images)

    def remember(self, images: Array) -> Memory:
        """What is kept of images (N, H, W, C) uint8."""
        return _remember(plan(self.architecture), self.weights, cnn.to_float(images))

    def changed(self, memory: Memory, pixels: Array) -> Array:
        """Logits (M, K) of copies of one image with pixels (M, n, 5) int painted, each a row, column, r, g, b.

        Of pixels at the same place the last one stays. `memory` is of this one image.
        """
        return _changed(plan(self.architecture), self.weights, memory, pixels)

    def at_position(
        self,
        memory: Memory,
        row: Array,
        column: Array,
        colours: Array,
        rows: tuple[int, int] | None = None,
        columns: tuple[int, int] | None = None,
    ) -> Array:
        """Logits (N, M, K) of N images with one pixel in each of colours (M, C) uint8.

        `rows` and `columns`: the part of the image, first and behind the last, that the position lies in;
        close to an edge it saves work.
        """
        return _at_position(
            plan(self.architecture), plan(self.architecture, rows, columns), self.weights, memory, row, column,
            colours,
        )  # fmt: skip


def incremental(network: cnn.Network) -> Incremental:
    """The incremental pass of a network. Raises ValueError, saying why, where its layers do not allow it."""
    plan(network.architecture)
    weights = {
        layer.name: (getattr(network, layer.name).kernel[...], getattr(network, layer.name).bias[...])
        for layer in network.architecture.layers
        if hasattr(network, layer.name)
    }
    return Incremental(cnn.logits_function(network), weights, network.architecture)


# ---- What is kept --------------------------------------------------------------------------------


def _remember(whole: Plan, weights: dict, images: Array) -> Memory:
    x, before, behind = images, [], []
    for stage in whole.stages:
        if stage.conv is not None:
            kernel, bias = weights[stage.conv.name]
            x = cnn.convolve(x, kernel, (1, 1), stage.conv.padding, precision=cnn.EXACT, **NHWC)
            x = x + bias[None, None, None, :]
        ahead, x = x, jax.nn.relu(x)
        for window in stage.pools:
            x = cnn.max_pool(x, window)
        keeps = stage.conv is not None or stage.pools
        read = ahead[:, : stage.shape[0], : stage.shape[1]]
        before.append(_padded(read, stage, "aligned", -jnp.inf) if keeps else None)
        behind.append(_padded(x, stage, "pooled", 0.0) if stage.pools else None)
    kernel, bias = weights[whole.dense[0].name]
    hidden = _product(x.reshape(len(x), -1), kernel) + bias[None, :]
    return Memory(images.transpose(1, 2, 0, 3), tuple(before), tuple(behind), hidden)


NHWC = {"dimension_numbers": ("NHWC", "HWIO", "NHWC")}


def _padded(x: Array, stage: Stage, kind: str, value: float) -> Array:
    """Maps (N, H, W, C) as (H, W, N, C), with margins for every window that hangs over."""
    margins = [
        _margins(getattr(reach, kind), extent)
        for reach, extent in ((stage.rows, x.shape[1]), (stage.columns, x.shape[2]))
    ]
    return jnp.pad(x.transpose(1, 2, 0, 3), (*margins, (0, 0), (0, 0)), constant_values=value)


def _margins(window: Window, extent: int) -> tuple[int, int]:
    """Cells to add before and behind an axis so that windows of the whole plan, and of its parts, lie in it."""
    return max(0, -min(window.start)), max(0, max(0, *window.start) + window.size - extent)


# ---- The two forms -------------------------------------------------------------------------------


def _at_position(
    whole: Plan, part: Plan, weights: dict, memory: Memory, row: Array, column: Array, colours: Array
) -> Array:
    images, count = memory.images.shape[2], len(colours)

    def take(kept: Array, margins: tuple[int, int], where: tuple[Array, Array], size: tuple[int, int]):
        start = [index + margin for index, margin in zip(where, margins, strict=True)]
        window = jax.lax.dynamic_slice(kept, (*start, 0, 0), (*size, *kept.shape[2:]))
        shape = (*size, 1, images, count, kept.shape[3])
        return jnp.broadcast_to(window[:, :, None, :, None, :], shape).reshape(*size, 1, -1, kept.shape[3])

    old = take(memory.images, (0, 0), (row, column), (1, 1))
    new = jnp.tile(cnn.to_float(colours), (images, 1))
    change = _follow(whole, part, weights, memory, take, (row, column), new[None, None, None] - old)

    # The window's part of the first dense layer; what hangs over meets rows of zeros.
    stage, extent = part.stages[-1], part.stages[-1].pooled_shape
    reaches = (whole.stages[-1].rows.pooled, whole.stages[-1].columns.pooled)
    margins = [_margins(reach, side) for reach, side in zip(reaches, extent[:2], strict=True)]
    kernel = weights[part.dense[0].name][0].reshape(*extent, -1)
    kernel = jnp.pad(kernel, (*margins, (0, 0), (0, 0)))
    start = [
        _start(reach.pooled, at) + margin[0]
        for reach, at, margin in zip((stage.rows, stage.columns), (row, column), margins, strict=True)
    ]
    size = (*change.shape[:2], *kernel.shape[2:])
    kernel = jax.lax.dynamic_slice(kernel, (*start, 0, 0), size).reshape(-1, kernel.shape[3])
    change = _product(change[:, :, 0].transpose(2, 0, 1, 3).reshape(images * count, -1), kernel)
    hidden = memory.hidden[:, None] + change.reshape(images, count, -1)
    return _dense(part, weights, hidden.reshape(images * count, -1)).reshape(images, count, -1)


def _changed(whole: Plan, weights: dict, memory: Memory, pixels: Array) -> Array:
    places = pixels[..., :2].transpose(2, 1, 0)  # (2, n, M)
    rows, columns = places[0], places[1]

    def take(kept: Array, margins: tuple[int, int], where: tuple[Array, Array], size: tuple[int, int]):
        row, column = (
            index[None] + jnp.arange(margin, margin + side, dtype=jnp.int32)[:, None, None]
            for index, margin, side in zip(where, margins, size, strict=True)
        )
        return kept[:, :, 0].at[row[:, None], column[None]].get(mode="promise_in_bounds")

    old = take(memory.images, (0, 0), (rows, columns), (1, 1))
    new = cnn.to_float(pixels[..., 2:].transpose(1, 0, 2))
    change = jnp.where(_overpainted(rows, columns)[None, None, :, :, None], 0.0, new[None, None] - old)
    change = _follow(whole, whole, weights, memory, take, (rows, columns), change)

    # Every change at its place in the whole vector: one product for all candidates.
    stage = whole.stages[-1]
    height, width, channels = stage.pooled_shape
    full = sum(
        _picked(
            change[:, :, pixel],
            jnp.arange(height, dtype=jnp.int32)[:, None] - _start(stage.rows.pooled, rows)[pixel][None],
            jnp.arange(width, dtype=jnp.int32)[:, None] - _start(stage.columns.pooled, columns)[pixel][None],
        )
        for pixel in range(len(rows))
    )
    vectors = full.transpose(2, 0, 1, 3).reshape(-1, height * width * channels)
    hidden = memory.hidden + _product(vectors, weights[whole.dense[0].name][0])
    return _dense(whole, weights, hidden)


def _overpainted(rows: Array, columns: Array) -> Array:
    """Whether a later pixel (n, M) of the same candidate lies at the same place."""
    same = (rows[:, None] == rows[None]) & (columns[:, None] == columns[None])
    later = np.triu(np.ones((len(rows), len(rows)), bool), 1)[:, :, None]
    return (same & later).any(axis=1)


# ---- Following a change through the maps ---------------------------------------------------------


def _follow(
    whole: Plan,
    part: Plan,
    weights: dict,
    memory: Memory,
    take: Callable,
    at: tuple[Array, Array],
    change: Array,
) -> Array:
    """The change (h, w, n, M, C) behind the last stage of a change (1, 1, n, M, C) of pixels.

    `at`: rows and columns of the pixels, one of each, () int, for all candidates, or (n, M). The windows of a
    candidate's pixels may overlap: a cell's change is then in the first window that has it, and zero in the
    others.
    """
    kept = zip(whole.stages, part.stages, memory.before, memory.behind, strict=True)
    for full, stage, before, behind in kept:
        if before is None:
            continue
        if stage.conv is not None:
            change = _spread(change, weights[stage.conv.name][0])
        change = _collected(change, stage, at)
        old = _taken(take, before, full, stage, "aligned", at)
        new = jax.nn.relu(old + change)
        if stage.pools:
            for window in stage.pools:
                new = _pooled(new, window)
            change = new - _taken(take, behind, full, stage, "pooled", at)
        else:
            change = new - jax.nn.relu(old)
        if change.shape[2] > 1:
            change = jnp.where(_others(stage, at)[..., None], 0.0, change)
    return change


def _taken(take: Callable, kept: Array, full: Stage, stage: Stage, kind: str, at: tuple[Array, Array]) -> Array:
    """The windows (h, w, n, M, C) of kept maps around the pixels."""
    windows = [getattr(reach, kind) for reach in (stage.rows, stage.columns)]
    margins = tuple(max(0, -min(getattr(reach, kind).start)) for reach in (full.rows, full.columns))
    where = tuple(_start(window, place) for window, place in zip(windows, at, strict=True))
    return take(kept, margins, where, tuple(window.size for window in windows))


def _start(window: Window, at: Array) -> Array:
    return jnp.asarray(window.start, jnp.int32)[at]


def _spread(change: Array, kernel: Array) -> Array:
    """What a convolution with kernel (k, k, C, D) makes of a change (h, w, n, M, C): (h+k-1, w+k-1, n, M, D).

    One product gives what every cell sends to each of its k x k outputs; then they are added up in place.
    """
    size, _, channels, features = kernel.shape
    height, width = change.shape[:2]
    taps = kernel[::-1, ::-1].transpose(2, 0, 1, 3).reshape(channels, -1)
    sent = _product(change.reshape(-1, channels), taps).reshape(*change.shape[:-1], size, size, features)
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
        _start(reach.aligned, place)[None] + jnp.arange(reach.aligned.size, dtype=jnp.int32)[:, None, None]
        for reach, place in zip((stage.rows, stage.columns), at, strict=True)
    ]
    starts = [_start(reach.spread, place) for reach, place in zip((stage.rows, stage.columns), at, strict=True)]
    return sum(
        _picked(change[:, :, pixel], cells[0] - starts[0][pixel][None, None], cells[1] - starts[1][pixel][None, None])
        for pixel in range(change.shape[2])
    )


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


def _picked(window: Array, rows: Array, columns: Array) -> Array:
    """Cells of windows (h, w, M, C) at rows (h', ..., M) and columns (w', ..., M); zeros outside of them."""
    height, width, count, _ = window.shape
    padded = jnp.pad(window, ((0, 1), (0, 1), (0, 0), (0, 0)))
    rows = jnp.where((rows >= 0) & (rows < height), rows, height)
    columns = jnp.where((columns >= 0) & (columns < width), columns, width)
    candidates = jnp.arange(count, dtype=jnp.int32)
    return padded.at[rows[:, None], columns[None], candidates].get(mode="promise_in_bounds")


def _others(stage: Stage, at: tuple[Array, Array]) -> Array:
    """Whether a cell (h, w, n, M) behind the pools is also in the window of an earlier pixel."""
    inside = []
    for reach, place in zip((stage.rows, stage.columns), at, strict=True):
        start = _start(reach.pooled, place)  # (n, M)
        size = reach.pooled.size
        cells = start[None] + jnp.arange(size, dtype=jnp.int32)[:, None, None]  # (h, n, M)
        distance = cells[:, None] - start[None, :, None]  # (h, earlier, n, M)
        inside.append((distance >= 0) & (distance < size))
    both = inside[0][:, None] & inside[1][None]  # (h, w, earlier, n, M)
    earlier = np.triu(np.ones((both.shape[3],) * 2, bool), 1)[None, None, :, :, None]
    return (both & earlier).any(axis=2)


# ---- Products ------------------------------------------------------------------------------------


def _product(x: Array, matrix: Array) -> Array:
    return jnp.matmul(x, matrix, precision=cnn.EXACT)


def _dense(whole: Plan, weights: dict, hidden: Array) -> Array:
    """Logits (M, K) from the first dense layer's values (M, D) ahead of its ReLU."""
    x = jax.nn.relu(hidden) if whole.dense[0].relu else hidden
    for layer in whole.dense[1:]:
        kernel, bias = weights[layer.name]
        x = _product(x, kernel) + bias[None, :]
        x = jax.nn.relu(x) if layer.relu else x
    return x
