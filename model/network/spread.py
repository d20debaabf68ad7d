"""The convolution of a change in a window: what each changed cell sends to the outputs that it reaches.

Axis letters: C and D channels, M candidates, n changed pixels a candidate; h, w a window.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from model.network import layers
from model.network.evaluate import EXACT, by_channel, slide

MOST_SHARES = 1 << 20  # numbers that a convolution may spread over its outputs before they are added up


def convolve_change(change: Array, kernel: Array, layer: layers.Conv) -> Array:
    """The convolution of a change (h, w, n, M, C) that begins at a whole stride, at all cells it reaches."""
    depthwise = layer.groups == change.shape[4]
    if depthwise or math.prod((*change.shape[:4], *layer.reach, layer.features)) <= MOST_SHARES:
        return _spread(change, _dilated(kernel, layer), layer)
    return _slid(change, kernel, layer)


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
    result = slide(layer, kernel, maps, added)
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
