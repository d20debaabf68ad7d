"""The plain evaluation of one layer, in the form that a CPU runs fastest; elsewhere it is the plain call.

Axis letters: B batch, H rows, W columns, C channels, D units.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce

import jax
import jax.numpy as jnp
from jax import Array, lax

from model.network import layers
from model.network.pointwise import activate
from model.network.sliding import Margins, Shape, Sides, margins

# Full float32 products on every device: a case's prediction must not depend on a batch's rounding.
EXACT = lax.Precision.HIGHEST
NHWC = ("NHWC", "HWIO", "NHWC")
FEW = 64  # inputs of a kernel up to which a matrix product over patches is faster than a convolution
MOST_SLICES = 25  # cells of a pool's window up to which strided slices are faster than a windowed reduction


def evaluate(layer: layers.Layer, weights: Mapping[str, Array], *inputs: Array) -> Array:
    """The output of a layer for inputs (B, ...) float32; dropout is off.

    weights: as in `Layer.parameters`.
    """
    x = inputs[0]
    match layer:
        case layers.Conv():
            return activate(layer.activation, _add_bias(convolve(layer, weights["kernel"], x), weights))
        case layers.Dense():
            product = jnp.matmul(x, weights["kernel"], precision=EXACT)
            return activate(layer.activation, _add_bias(product, weights))
        case layers.MaxPool():
            return max_pool(layer, x)
        case layers.AvgPool():
            return mean_pool(layer, x)
        case layers.GlobalPool():
            return x.mean((1, 2)) if layer.of == "mean" else x.max((1, 2))
        case layers.BatchNorm() | layers.Affine():
            scale, shift = as_affine(layer, weights)
            return x * by_channel(scale, x.ndim) + by_channel(shift, x.ndim)
        case layers.Activation():
            return activate(layer.function, x)
        case layers.Add():
            return reduce(jnp.add, inputs)
        case layers.Concat():
            return jnp.concatenate(inputs, axis=-1)
        case layers.Pad():
            return jnp.pad(x, ((0, 0), *layer.margins, (0, 0)))
        case layers.Flatten():
            return x.reshape(len(x), -1)
        case layers.Dropout():
            return x
    raise TypeError(f"no evaluation for a layer of the kind {type(layer).__name__}")


def as_affine(layer: layers.Layer, weights: Mapping[str, Array]) -> tuple[Array, Array]:
    """Scale and shift (C,) of a layer that treats each channel alike."""
    if isinstance(layer, layers.BatchNorm):
        scale = weights["scale"] / jnp.sqrt(weights["variance"] + jnp.float32(layer.epsilon))
        return scale, weights["bias"] - weights["mean"] * scale
    return weights["scale"], weights["bias"]


def by_channel(values: Array, rank: int) -> Array:
    """Values (C,) as (1, ..., 1, C)."""
    return values.reshape((1,) * (rank - 1) + (-1,))


def convolve(layer: layers.Conv, kernel: Array, x: Array) -> Array:
    """The convolution of maps (B, H, W, C) with a kernel (rows, columns, C / groups, features)."""
    added = margins(layer.padding, x.shape[1:], layer.reach, layer.stride)
    if jax.default_backend() == "cpu":
        simple = layer.groups == 1 and layer.dilation == (1, 1) and layer.stride == (1, 1)
        if layer.groups == x.shape[3] == layer.features:
            return _depthwise(layer, kernel, x, added)
        if layer.groups == 1 and layer.dilation == (1, 1) and math.prod(kernel.shape[:3]) <= FEW:
            return _by_patches(layer, kernel, x, added)
        if simple and layer.kernel[0] % 2 == layer.kernel[1] % 2 == 1 and added == ((0, 0), (0, 0)):
            # a VALID convolution is three times slower than the SAME one cropped
            edges = [side // 2 for side in layer.kernel]
            same = lax.conv_general_dilated(
                x, kernel, (1, 1), "SAME", dimension_numbers=NHWC, precision=EXACT
            )
            return same[:, edges[0] : x.shape[1] - edges[0], edges[1] : x.shape[2] - edges[1]]
    return slide(layer, kernel, x, added)


def slide(layer: layers.Conv, kernel: Array, x: Array, added: Sequence[Sides]) -> Array:
    """The plain convolution with the strides, dilation and groups of a layer, and any padding."""
    return lax.conv_general_dilated(
        x,
        kernel,
        layer.stride,
        added,
        rhs_dilation=layer.dilation,
        dimension_numbers=NHWC,
        feature_group_count=layer.groups,
        precision=EXACT,
    )


def _by_patches(layer: layers.Conv, kernel: Array, x: Array, added: Margins) -> Array:
    """A convolution of few inputs as one matrix product over its patches."""
    x = jnp.pad(x, ((0, 0), *added, (0, 0)))
    patches = windows(x, layer.kernel, layer.stride)
    return jnp.matmul(
        jnp.concatenate(patches, axis=-1), kernel.reshape(-1, kernel.shape[-1]), precision=EXACT
    )


def _depthwise(layer: layers.Conv, kernel: Array, x: Array, added: Margins) -> Array:
    """A convolution of each channel by itself: a sum of products, which XLA fuses into one loop."""
    x = jnp.pad(x, ((0, 0), *added, (0, 0)))
    cells = windows(x, layer.kernel, layer.stride, layer.dilation)
    taps = kernel.reshape(len(cells), -1)
    return reduce(jnp.add, (cell * by_channel(tap, 4) for cell, tap in zip(cells, taps, strict=True)))


def windows(x: Array, window: Sides, stride: Sides, dilation: Sides = (1, 1), first: int = 1) -> list[Array]:
    """For each cell of a window, row by row, that cell of every window: maps (..., H', W', ...).

    first: the axis of the rows in x; the columns follow.
    """
    counts = [
        (x.shape[first + axis] - (window[axis] - 1) * dilation[axis] - 1) // stride[axis] + 1
        for axis in (0, 1)
    ]

    def part(axis: int, offset: int) -> slice:
        begin = offset * dilation[axis]
        return slice(begin, begin + (counts[axis] - 1) * stride[axis] + 1, stride[axis])

    lead = (slice(None),) * first
    return [x[(*lead, part(0, i), part(1, j))] for i in range(window[0]) for j in range(window[1])]


def max_pool(layer: layers.Pool, x: Array) -> Array:
    """The largest value in each window of maps (B, H, W, C), as a maximum of strided slices.

    The values equal those of a windowed reduction; the gradient is a few selections, while the reduction's
    is a scatter, which XLA runs some twenty times slower on a CPU.
    """
    return _pool(layer, x, -jnp.inf, jnp.maximum, lax.max)


def mean_pool(layer: layers.AvgPool, x: Array) -> Array:
    """The mean of each window of maps (B, H, W, C)."""
    sums = _pool(layer, x, 0.0, jnp.add, lax.add)
    rows, columns = (counts(layer, x.shape[1:], axis, range(sums.shape[1 + axis])) for axis in (0, 1))
    cells = jnp.array(rows, jnp.float32)[:, None] * jnp.array(columns, jnp.float32)[None]
    return sums / cells[None, :, :, None]


def counts(layer: layers.AvgPool, shape: Shape, axis: int, places: Sequence[int]) -> list[int]:
    """By how many cells along an axis of a map (H, W, C) the sums of these windows are divided."""
    window, step, side = layer.window[axis], layer.step[axis], shape[axis]
    if layer.count_padding:
        return [window] * len(places)
    before = margins(layer.padding, shape, layer.window, layer.step)[axis][0]
    return [
        max(1, min(place * step - before + window, side) - max(place * step - before, 0)) for place in places
    ]


def _pool(
    layer: layers.Pool,
    x: Array,
    neutral: float,
    combine: Callable[[Array, Array], Array],
    operation: Callable[[Array, Array], Array],
) -> Array:
    added = margins(layer.padding, x.shape[1:], layer.window, layer.step)
    if math.prod(layer.window) > MOST_SLICES:
        result: Array = lax.reduce_window(
            x,
            jnp.float32(neutral),
            operation,
            (1, *layer.window, 1),
            (1, *layer.step, 1),
            ((0, 0), *added, (0, 0)),
        )
        return result
    if added != ((0, 0), (0, 0)):
        x = jnp.pad(x, ((0, 0), *added, (0, 0)), constant_values=neutral)
    return reduce(combine, windows(x, layer.window, layer.step))


def _add_bias(x: Array, weights: Mapping[str, Array]) -> Array:
    return x + by_channel(weights["bias"], x.ndim) if "bias" in weights else x
