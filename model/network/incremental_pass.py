"""The exact forward pass after changing pixels: only the cells that they reach are recomputed.

`remember` stores the output of every layer for an image. A changed pixel is then propagated as a change
through the maps (`model.network.change`), which covers few cells (`model.network.windows`): a tenth of the
work, and exact, as the logits agree with the plain pass to float32 rounding.

There are two forms. `at_position`: candidates that share a position, for many images, as in the sweep;
windows are plain slices. `changed`: candidates of one image at different positions, with one or several
pixels each, as in differential evolution; windows are gathered.

Axis letters: H rows, W columns, C channels, N images, M candidates, n pixels a candidate, K classes. Maps are
(H, W, N, C): cells come first, so that the innermost loops run over candidates and channels however small a
window is. Stored maps are padded: with -inf before a ReLU, so that nothing ever changes beyond the edge, with
zeros after it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.tree_util import Partial

from model.network import cnn, evaluate
from model.network.architecture import Architecture
from model.network.change import Memory, Weights, follow, picked, product, start_of
from model.network.layers import MaxPool
from model.network.windows import Plan, Stage, Window, full_multiply_adds, plan

FORMS = ("auto", "incremental", "full")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Incremental:
    """A network with passes for changed pixels; calling it runs the plain pass."""

    plain: Partial  # images (B, H, W, C) float32 in [0, 1] to logits (B, K)
    weights: dict[str, tuple[Array, Array]]  # kernel and bias by layer
    architecture: Architecture = field(metadata={"static": True})

    def __call__(self, images: Array) -> Array:
        """Images (B, H, W, C) float32 in [0, 1] to logits (B, K), by the plain pass."""
        logits: Array = self.plain(images)
        return logits

    def remember(self, images: Array) -> Memory:
        """What the incremental passes need of images (N, H, W, C) uint8."""
        return _remember(plan(self.architecture), self.weights, cnn.to_float(images))

    def changed(self, memory: Memory, pixels: Array) -> Array:
        """Logits (M, K) of copies of one image with pixels (M, n, 5) int: row, column, red, green, blue.

        Where pixels share a place, the last one counts. `memory` is of this one image.
        """
        return _changed(plan(self.architecture), self.weights, memory, pixels)

    def at_position(
        self,
        memory: Memory,
        row: Array,
        column: Array,
        colors: Array,
        rows: tuple[int, int] | None = None,
        columns: tuple[int, int] | None = None,
    ) -> Array:
        """Logits (N, M, K) of N images with one pixel in each of colors uint8, (M, C) or (N, M, C).

        `rows` and `columns`: the part of the image that contains the position, each as (first, last + 1);
        close to an edge it saves work.
        """
        whole, part = plan(self.architecture), plan(self.architecture, rows, columns)
        return _at_position(whole, part, self.weights, memory, row, column, colors)


def incremental(network: cnn.Network) -> Incremental:
    """The incremental pass of a network. Raises ValueError with the reason where its layers forbid it."""
    plan(network.architecture)
    weights = {
        layer.name: (getattr(network, layer.name).kernel[...], getattr(network, layer.name).bias[...])
        for layer in network.architecture.layers
        if hasattr(network, layer.name)
    }
    return Incremental(cnn.logits_function(network), weights, network.architecture)


def fastest(
    network: cnn.Network, *, pixels: int = 1, form: str = "auto"
) -> tuple[Partial | Incremental, str]:
    """The fastest way to evaluate candidates with so many changed pixels, and the reason in a few words.

    form: "incremental" or "full" forces that pass; "auto" is the incremental pass on a CPU where it needs at
        most half the multiply-adds, else full passes. On other devices the incremental pass was not measured.
    Raises ValueError for another form, and for "incremental" where the layers do not allow it.
    """
    if form not in FORMS:
        raise ValueError(f"form (={form!r}) must be one of {', '.join(FORMS)}")
    plain, backend = cnn.logits_function(network), jax.default_backend()
    if form == "full":
        return plain, "full passes, as asked"
    try:
        part = plan(network.architecture).multiply_adds(pixels, scattered=True)
    except ValueError as error:
        if form == "incremental":
            raise
        return plain, f"full passes: {error}"
    less = full_multiply_adds(network.architecture) / part
    if form == "auto" and backend != "cpu":
        return plain, f"full passes: the incremental pass was measured on CPUs only, and this is {backend}"
    if form == "auto" and less < 2:
        return plain, f"full passes: {pixels} changed pixels reach too much for the incremental pass to pay"
    return incremental(network), f"incremental passes, {less:.1f} times fewer multiply-adds than full ones"


# ---- What is stored ------------------------------------------------------------------------------


def _remember(whole: Plan, weights: Weights, images: Array) -> Memory:
    x, before, behind = images, [], []
    for stage in whole.stages:
        if stage.conv is not None:
            kernel, bias = weights[stage.conv.name]
            x = evaluate.convolve(stage.conv, kernel, x)
            x = x + bias[None, None, None, :]
        ahead, x = x, jax.nn.relu(x)
        for window in stage.pools:
            x = evaluate.max_pool(MaxPool("", window), x)
        keeps = stage.conv is not None or stage.pools
        read = ahead[:, : stage.shape[0], : stage.shape[1]]
        before.append(_padded(read, stage, "aligned", -jnp.inf) if keeps else None)
        behind.append(_padded(x, stage, "pooled", 0.0) if stage.pools else None)
    kernel, bias = weights[whole.dense[0].name]
    hidden = product(x.reshape(len(x), -1), kernel) + bias[None, :]
    return Memory(images.transpose(1, 2, 0, 3), tuple(before), tuple(behind), hidden)


def _padded(x: Array, stage: Stage, kind: str, value: float) -> Array:
    """Maps (N, H, W, C) as (H, W, N, C), with margins for every window that extends beyond them."""
    margins = [
        _margins(getattr(reach, kind), extent)
        for reach, extent in ((stage.rows, x.shape[1]), (stage.columns, x.shape[2]))
    ]
    return jnp.pad(x.transpose(1, 2, 0, 3), (*margins, (0, 0), (0, 0)), constant_values=value)


def _margins(window: Window, extent: int) -> tuple[int, int]:
    """Cells to add before and after an axis, so that the windows of the plan and of its parts fit."""
    return max(0, -min(window.start)), max(0, max(0, *window.start) + window.size - extent)


# ---- The two forms -------------------------------------------------------------------------------


def _at_position(
    whole: Plan, part: Plan, weights: Weights, memory: Memory, row: Array, column: Array, colors: Array
) -> Array:
    images, count = memory.images.shape[2], colors.shape[-2]

    def take(maps: Array, margins: tuple[int, ...], where: tuple[Array, ...], size: tuple[int, ...]) -> Array:
        start = [index + margin for index, margin in zip(where, margins, strict=True)]
        window = jax.lax.dynamic_slice(maps, (*start, 0, 0), (*size, *maps.shape[2:]))
        shape = (*size, 1, images, count, maps.shape[3])
        return jnp.broadcast_to(window[:, :, None, :, None, :], shape).reshape(*size, 1, -1, maps.shape[3])

    old = take(memory.images, (0, 0), (row, column), (1, 1))
    new = jnp.broadcast_to(cnn.to_float(colors), (images, count, colors.shape[-1]))
    new = new.reshape(-1, colors.shape[-1])
    change = follow(whole, part, weights, memory, take, (row, column), new[None, None, None] - old)

    # The window's part of the first dense layer; cells beyond the map meet rows of zeros.
    stage, extent = part.stages[-1], part.stages[-1].pooled_shape
    reaches = (whole.stages[-1].rows.pooled, whole.stages[-1].columns.pooled)
    margins = [_margins(reach, side) for reach, side in zip(reaches, extent[:2], strict=True)]
    kernel = weights[part.dense[0].name][0].reshape(*extent, -1)
    kernel = jnp.pad(kernel, (*margins, (0, 0), (0, 0)))
    start = [
        start_of(reach.pooled, at) + margin[0]
        for reach, at, margin in zip((stage.rows, stage.columns), (row, column), margins, strict=True)
    ]
    size = (*change.shape[:2], *kernel.shape[2:])
    kernel = jax.lax.dynamic_slice(kernel, (*start, 0, 0), size).reshape(-1, kernel.shape[3])
    change = product(change[:, :, 0].transpose(2, 0, 1, 3).reshape(images * count, -1), kernel)
    hidden = memory.hidden[:, None] + change.reshape(images, count, -1)
    return _dense(part, weights, hidden.reshape(images * count, -1)).reshape(images, count, -1)


def _changed(whole: Plan, weights: Weights, memory: Memory, pixels: Array) -> Array:
    places = pixels[..., :2].transpose(2, 1, 0)  # (2, n, M)
    rows, columns = places[0], places[1]

    def take(maps: Array, margins: tuple[int, ...], where: tuple[Array, ...], size: tuple[int, ...]) -> Array:
        row, column = (
            index[None] + jnp.arange(margin, margin + side, dtype=jnp.int32)[:, None, None]
            for index, margin, side in zip(where, margins, size, strict=True)
        )
        return maps[:, :, 0].at[row[:, None], column[None]].get(mode="promise_in_bounds")

    old = take(memory.images, (0, 0), (rows, columns), (1, 1))
    new = cnn.to_float(pixels[..., 2:].transpose(1, 0, 2))
    change = jnp.where(_overpainted(rows, columns)[None, None, :, :, None], 0.0, new[None, None] - old)
    change = follow(whole, whole, weights, memory, take, (rows, columns), change)

    # Each change is put at its place in the whole vector: one product for all candidates.
    stage = whole.stages[-1]
    height, width, channels = stage.pooled_shape
    full = sum(
        picked(
            change[:, :, pixel],
            jnp.arange(height, dtype=jnp.int32)[:, None] - start_of(stage.rows.pooled, rows)[pixel][None],
            jnp.arange(width, dtype=jnp.int32)[:, None]
            - start_of(stage.columns.pooled, columns)[pixel][None],
        )
        for pixel in range(len(rows))
    )
    vectors = cast(Array, full).transpose(2, 0, 1, 3).reshape(-1, height * width * channels)
    hidden = memory.hidden + product(vectors, weights[whole.dense[0].name][0])
    return _dense(whole, weights, hidden)


def _overpainted(rows: Array, columns: Array) -> Array:
    """Whether a later pixel (n, M) of the same candidate lies at the same place."""
    same = (rows[:, None] == rows[None]) & (columns[:, None] == columns[None])
    later = np.triu(np.ones((len(rows), len(rows)), bool), 1)[:, :, None]
    return (same & later).any(axis=1)


def _dense(whole: Plan, weights: Weights, hidden: Array) -> Array:
    """Logits (M, K) from the first dense layer's values (M, D) before its ReLU."""
    x = jax.nn.relu(hidden) if whole.dense[0].activation == "relu" else hidden
    for layer in whole.dense[1:]:
        kernel, bias = weights[layer.name]
        x = product(x, kernel) + bias[None, :]
        x = jax.nn.relu(x) if layer.activation == "relu" else x
    return x
