"""The part of each layer that a changed pixel reaches, from kernel size, padding and pool windows alone.

Rows and columns behave alike, so a window covers one axis: in a layer's output, a pixel at p reaches `size`
cells from `start[p]` on. All pixels of a plan have the same size, so that one compiled program serves them
all. At the edges of the map, `start` may be negative or the window may end beyond the map;
`model.network.incremental_pass` makes sure that nothing changes there.

The idea of recomputing only such windows: Nakandala, Kumar and Papakonstantinou, "Incremental and
approximate inference for faster occlusion-based deep CNN explanations" (SIGMOD 2019).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

from model.network.architecture import Architecture
from model.network.layers import Conv, Dense, Dropout, Flatten, Layer, MaxPool, Shape


@dataclass(frozen=True)
class Window:
    """The cells of a map that a changed pixel reaches, along one axis."""

    size: int  # cells, >= 1
    start: tuple[int, ...]  # by the pixel's row or column; may lie outside the map


@dataclass(frozen=True)
class Reach:
    """The windows of one stage along one axis."""

    spread: Window  # the change after the convolution
    aligned: Window  # the cells computed: all pool windows in which something changes
    pooled: Window  # the same after the pools


@dataclass(frozen=True)
class Stage:
    """A convolution (or the input itself), its ReLU and the pools that follow it."""

    conv: Conv | None  # None: the input
    shape: Shape  # (H, W, C) of the convolution's output, only what the next layer reads
    pools: tuple[int, ...]  # the windows of the pools after it
    pooled_shape: Shape  # (H, W, C) after the pools
    rows: Reach
    columns: Reach


@dataclass(frozen=True)
class Plan:
    """A network as stages over maps, then dense layers over a vector."""

    stages: tuple[Stage, ...]
    dense: tuple[Dense, ...]

    def multiply_adds(self, pixels: int = 1, *, scattered: bool = False) -> int:
        """Multiply-adds of one evaluation with `pixels` changed pixels.

        scattered: candidates at different positions take one whole product with the first dense layer;
        candidates that share a position need only the window's part of it.
        """
        total, cells, channels = 0, 1, self.stages[0].shape[2]
        for stage in self.stages:
            if stage.conv is not None:
                total += pixels * cells * channels * stage.conv.kernel[0] ** 2 * stage.conv.features
                channels = stage.conv.features
            cells = stage.rows.pooled.size * stage.columns.pooled.size
        inputs = math.prod(self.stages[-1].pooled_shape) if scattered else pixels * cells * channels
        for layer in self.dense:
            total, inputs = total + inputs * layer.features, layer.features
        return total


def plan(
    architecture: Architecture,
    rows: tuple[int, int] | None = None,
    columns: tuple[int, int] | None = None,
) -> Plan:
    """The windows of a network for changed pixels anywhere, or in a part of the image.

    Args:
        architecture: maps (convolutions and pools), then one Flatten, then dense layers; dropout anywhere.
        rows, columns: the pixels' rows and columns, each as (first, last + 1). Near an edge windows are
            smaller: a plan for a part leaves out exactly the cells beyond the map.

    Raises:
        ValueError: the network has another form; the message names the layer.
    """
    layers = [layer for layer in architecture.layers if not isinstance(layer, Dropout)]
    cut = next((i for i, layer in enumerate(layers) if isinstance(layer, Flatten)), None)
    if cut is None:
        raise ValueError(f"{architecture.name} has no Flatten: no maps that a pixel could reach")
    dense = []
    for layer in layers[cut + 1 :]:
        if not isinstance(layer, Dense):
            kind = type(layer).__name__
            raise ValueError(f"{architecture.name}: {kind} {layer.name!r} stands behind the Flatten")
        dense.append(layer)
    groups = _grouped(layers[:cut])
    shapes = _shapes(architecture.input_shape, groups)
    by_axis = [
        _reaches(architecture.input_shape[axis], part, groups, [(a[axis], b[axis]) for a, b in shapes])
        for axis, part in enumerate((rows, columns))
    ]
    stages = [
        Stage(conv, shape, pools, pooled, *reach)
        for (conv, pools), (shape, pooled), *reach in zip(groups, shapes, *by_axis, strict=True)
    ]
    return Plan(tuple(stages), tuple(dense))


@cache
def parts(architecture: Architecture) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Rows and columns of pixels in up to three parts each, as (first, last + 1), for `plan`.

    Windows are smaller near the edges: of all ways to cut an axis in three, this one costs the fewest
    multiply-adds over all pixels.
    """
    by_axis = []
    for axis, side in enumerate(architecture.input_shape[:2]):
        every = list(combinations(range(side + 1), 2))
        plans = {part: plan(architecture, *((None, part) if axis else (part, None))) for part in every}
        cost = {part: plans[part].multiply_adds() * (part[1] - part[0]) for part in every}
        cuts = [[part for part in ((0, a), (a, b), (b, side)) if part in cost] for a, b in every]
        by_axis.append(min(cuts, key=lambda cut: sum(cost[part] for part in cut)))
    return by_axis[0], by_axis[1]


def full_multiply_adds(architecture: Architecture) -> int:
    """Multiply-adds of one plain forward pass."""
    return architecture.multiply_adds()


Group = tuple[Conv | None, tuple[int, ...]]  # a convolution, and the windows of the pools after it


def _grouped(maps: Sequence[Layer]) -> list[Group]:
    """Each convolution with its pools; the first group is the input with the pools before any convolution."""
    groups: list[Group] = [(None, ())]
    for layer in maps:
        if isinstance(layer, Conv):
            groups.append((layer, ()))
        elif isinstance(layer, MaxPool):
            conv, pools = groups[-1]
            groups[-1] = (conv, (*pools, layer.window[0]))
    return groups


def _shapes(shape: Shape, groups: list[Group]) -> list[tuple[Shape, Shape]]:
    """For each group the shape of the convolution's output that is read, and the shape after the pools."""
    shapes = []
    for conv, pools in groups:
        shape = conv.output_shape(shape) if conv else shape
        pooled = shape
        for pool in pools:
            pooled = MaxPool("", pool).output_shape(pooled)
        step = math.prod(pools)
        shapes.append(((pooled[0] * step, pooled[1] * step, shape[2]) if pools else shape, pooled))
        shape = pooled
    return shapes


def _reaches(
    pixels: int, part: tuple[int, int] | None, groups: list[Group], extents: list[tuple[int, int]]
) -> list[Reach]:
    """The windows along an axis of so many pixels, by stage; pixels outside `part` count as its nearest."""
    first, last = (part[0], part[1] - 1) if part else (0, pixels - 1)
    lows = highs = [min(max(pixel, first), last) for pixel in range(pixels)]  # the cells that change
    size, reaches = 1, []
    for (conv, pools), (extent, _) in zip(groups, extents, strict=True):
        if conv is not None:
            before = (conv.kernel[0] - 1) // 2 if conv.padding == "SAME" else 0
            shift, size = before - (conv.kernel[0] - 1), size + conv.kernel[0] - 1
            lows, highs = [low + shift for low in lows], [high + before for high in highs]
        spread, step = Window(size, tuple(lows)), math.prod(pools)
        if part:  # without a part, no window would be smaller, and starts would be less regular
            lows, highs = [max(low, 0) for low in lows], [min(high, extent - 1) for high in highs]
        lows, highs = [low // step for low in lows], [high // step for high in highs]
        size = max(1, *(high - low + 1 for low, high in zip(lows, highs, strict=True)))
        aligned = Window(size * step, tuple(low * step for low in lows))
        reaches.append(Reach(spread, aligned, Window(size, tuple(lows))))
    return reaches
