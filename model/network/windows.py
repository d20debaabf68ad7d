"""The part of each layer that a changed pixel reaches, from kernels, strides and padding alone.

Rows and columns behave alike, so a window covers one axis: in a layer's output, a pixel at p reaches at most
`size` cells from `start[p]` on. All pixels of a plan have the same size, so that one compiled program serves
them all. At the edges of the map a window may lie partly outside; `model.network.change` makes sure that
nothing changes there.

The idea of recomputing only such windows: Nakandala, Kumar and Papakonstantinou, "Incremental and
approximate inference for faster occlusion-based deep CNN explanations" (SIGMOD 2019).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from model.network.layers import Conv, Layer, Pad, Pool
from model.network.sliding import Margins, Shape, margins


@dataclass(frozen=True)
class Window:
    """The cells of a map that a changed pixel reaches, along one axis."""

    size: int  # cells, >= 1
    start: tuple[int, ...]  # by the pixel's row or column; may lie outside the map

    def beyond(self, extent: int) -> bool:
        """Whether a window has cells outside of a map of so many cells."""
        return min(self.start) < 0 or max(self.start) + self.size > extent


Windows = tuple[Window, Window]  # of rows and of columns


def margins_beyond(around: Windows, shape: Sequence[int]) -> Margins:
    """The cells that windows reach before and after the rows and columns of a map (H, W, ...)."""
    rows, columns = (
        (max(0, -min(window.start)), max(0, max(window.start) + window.size - side))
        for window, side in zip(around, shape, strict=False)
    )
    return rows, columns


@dataclass(frozen=True)
class Axis:
    """The windows of a layer along one axis."""

    output: Window
    reads: Window  # the cells of the input that are read: whole strides of a convolution, or a pool's windows
    spread: Window  # the cells of the output that these reach by a convolution; `output` of other layers


@dataclass(frozen=True)
class Range:
    """The first and last cell that may change, by the pixel's row or column: (P,) int."""

    low: np.ndarray
    high: np.ndarray


def pixel_range(side: int, part: tuple[int, int] | None) -> Range:
    """The pixels themselves; those outside of `part`, (first, last + 1), count as its nearest."""
    first, last = (part[0], part[1] - 1) if part else (0, side - 1)
    pixels = np.clip(np.arange(side), first, last)
    return Range(pixels, pixels)


def union(ranges: Iterable[Range]) -> Range:
    """What may change in the sum of branches."""
    every = list(ranges)
    if len(every) == 1:
        return every[0]
    lows, highs = ([getattr(each, side) for each in every] for side in ("low", "high"))
    return Range(np.min(lows, axis=0), np.max(highs, axis=0))


def reached(layer: Layer, shape: Shape, axis: int, before: Range) -> Range:
    """What may change in the output of a layer of one input of this shape, also outside of its map."""
    if isinstance(layer, Pad):
        return Range(before.low + layer.margins[axis][0], before.high + layer.margins[axis][0])
    if not isinstance(layer, Conv | Pool):
        return before
    size, step, added = _sliding(layer, shape, axis)
    low = -((size - 1 - added - before.low) // step)  # the first window whose last cell is the low one
    return Range(low, np.maximum((before.high + added) // step, low))


def clipped(range_: Range, extent: int, part: tuple[int, int] | None) -> tuple[Range, bool]:
    """The range inside a map of so many cells, and whether it is the whole map for every pixel.

    Without a part the windows are left as they are while they are smaller than the map: their starts are then
    regular.
    """
    low, high = (np.minimum(np.maximum(side, 0), extent - 1) for side in (range_.low, range_.high))
    size = int((range_.high - range_.low).max()) + 1
    inside = int((high - low).max()) + 1
    if (size >= extent and not part) or inside >= extent:
        zeros = np.zeros_like(low)
        return Range(zeros, zeros + extent - 1), True
    return (Range(low, high) if part else range_), False


def window_of(range_: Range, extent: int, *, inside: bool) -> Window:
    """The window of a range; inside: moved into the map where it would end beyond it."""
    size = int((range_.high - range_.low).max()) + 1
    start = np.minimum(np.maximum(range_.low, 0), extent - size) if inside else range_.low
    return Window(size, tuple(start.tolist()))


def axis_of(layer: Layer, shape: Shape, axis: int, before: Window, output: Window) -> Axis:
    """The windows of a layer that reads the window `before` of a map of this shape."""
    if isinstance(layer, Pool):
        size, step, added = _sliding(layer, shape, axis)
        start = tuple(first * step - added for first in output.start)
        return Axis(output, Window((output.size - 1) * step + size, start), output)
    if not isinstance(layer, Conv):
        return Axis(output, before, output)
    size, step, added = _sliding(layer, shape, axis)
    aligned = [(first + added) // step * step - added for first in before.start]
    length = max(first - start for first, start in zip(before.start, aligned, strict=True)) + before.size
    taps = -(-size // step)
    spread = tuple((first + added) // step - (taps - 1) for first in aligned)
    return Axis(output, Window(length, tuple(aligned)), Window(-(-length // step) + taps - 1, spread))


def _sliding(layer: Conv | Pool, shape: Shape, axis: int) -> tuple[int, int, int]:
    """Along an axis: the cells of a window from its first to its last, its step, and the padding before."""
    if isinstance(layer, Conv):
        reach, stride = layer.reach, layer.stride
    else:
        reach, stride = layer.window, layer.step
    return reach[axis], stride[axis], margins(layer.padding, shape, reach, stride)[axis][0]
