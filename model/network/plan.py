"""Which layers are evaluated in windows around a changed pixel, and from where on the rest is whole.

A layer is evaluated in a window if all that it reads is, if its window is worth it, and if its kind allows
it. Behind them the map is put together and the plain evaluation goes on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations

from model.network.activations import is_linear
from model.network.architecture import INPUT, Architecture
from model.network.layers import Activation, Conv, Dense, Dropout, Flatten, GlobalPool, Layer, MaxPool, Pool
from model.network.sliding import Shape
from model.network.windows import (
    Axis,
    Range,
    Windows,
    axis_of,
    clipped,
    pixel_range,
    reached,
    union,
    window_of,
)

WORTH = 0.7  # of a convolution's plain work: a window that takes more is not worth it
MOST_STEPS = 7000  # that `parts` plans for an axis: fewer places to cut at for a deep network
Part = tuple[int, int]  # rows or columns: first, last + 1


@dataclass(frozen=True)
class Step:
    """How one layer is evaluated."""

    layer: Layer
    sources: tuple[str, ...]
    shapes: tuple[Shape, ...]  # of the inputs
    shape: Shape  # of the output
    windowed: bool  # False: whole
    axes: tuple[Axis, Axis] | None = None  # rows and columns; None: it is no map, or has no window
    feeds_pool: bool = False  # gives the new values, not their change, to the one max-pool that reads them
    fed: bool = False  # such a max-pool

    @property
    def nonlinear(self) -> bool:
        """Whether the old values are needed to know the change."""
        if isinstance(self.layer, Conv):
            return not is_linear(self.layer.activation)
        return isinstance(self.layer, MaxPool) or (
            isinstance(self.layer, Activation) and not is_linear(self.layer.function)
        )

    @property
    def windows(self) -> Windows:
        """The windows of the output, or what is read of it where it feeds a pool."""
        assert self.axes is not None
        return self.axes[0].output, self.axes[1].output


@dataclass(frozen=True)
class Plan:
    """How every layer is evaluated for changed pixels anywhere, or in a part of the image."""

    steps: dict[str, Step]
    pixels: Windows  # the changed pixel itself
    input_shape: Shape

    def multiply_adds(self, pixels: int = 1, *, scattered: bool = False) -> int:
        """Multiply-adds of one evaluation with `pixels` changed pixels.

        scattered: candidates at different positions take one whole product with a first dense layer;
        candidates that share a position need only the window's part of it.
        """
        return sum(self._work(step, pixels, scattered) for step in self.steps.values())

    def _work(self, step: Step, pixels: int, scattered: bool) -> int:
        layer = step.layer
        if step.windowed and isinstance(layer, Conv):
            return min(pixels * _window_work(step), layer.multiply_adds(*step.shapes))
        if isinstance(layer, Dense) and not scattered and (source := self.flattened(step)) is not None:
            cells = math.prod(window.size for window in self.windows(source))
            channels = step.shapes[0][0] // math.prod(self.shape(source)[:2])
            return min(pixels * cells * channels, step.shapes[0][0]) * layer.features
        return layer.multiply_adds(*step.shapes)

    def flattened(self, step: Step) -> str | None:
        """The layer whose window, flattened, is all that changes in the input of a dense layer; or None."""
        source = self.steps.get(step.sources[0]) if isinstance(step.layer, Dense) else None
        while source is not None and isinstance(source.layer, Flatten | Dropout):
            below = source.sources[0]
            if isinstance(source.layer, Flatten):
                return below if below == INPUT or self.steps[below].windowed else None
            source = self.steps.get(below)
        return None

    def windows(self, name: str) -> Windows:
        """The windows of a layer, or of the input."""
        return self.pixels if name == INPUT else self.steps[name].windows

    def shape(self, name: str) -> Shape:
        """The shape of a layer, or of the input."""
        return self.input_shape if name == INPUT else self.steps[name].shape

    @property
    def saves(self) -> bool:
        """Whether any layer needs less than plainly."""
        return any(
            (step.windowed and isinstance(step.layer, Conv)) or self.flattened(step) is not None
            for step in self.steps.values()
        )


def plan(architecture: Architecture, rows: Part | None = None, columns: Part | None = None) -> Plan:
    """The windows of a network for changed pixels anywhere, or in a part of the image.

    rows, columns: the pixels' rows and columns. Near an edge windows are smaller: a plan for a part leaves
    out the cells beyond the map, and its windows may be worth it for longer.

    Raises ValueError, with the reason, if no window is worth it.
    """
    made = plan_anyway(architecture, rows, columns)
    if not made.saves:
        raise ValueError(f"{architecture.name} has no layer in which a pixel reaches only a small part")
    return made


@cache
def plan_anyway(architecture: Architecture, rows: Part | None, columns: Part | None) -> Plan:
    """The same, also if no window is worth it."""
    parts, readers, sources_of = (rows, columns), architecture.readers(), architecture.sources()
    shapes = {INPUT: architecture.input_shape, **architecture.output_shapes()}
    ranges: dict[str, list[Range]] = {
        INPUT: [pixel_range(side, part) for side, part in zip(shapes[INPUT], parts, strict=False)]
    }
    windows = {INPUT: _windows(ranges[INPUT], shapes[INPUT], parts)}
    steps: dict[str, Step] = {}
    for layer in architecture.layers:
        sources = sources_of[layer.name]
        inputs, shape = tuple(shapes[source] for source in sources), shapes[layer.name]
        step = Step(layer, sources, inputs, shape, windowed=False)
        if len(shape) == 3 and all(source in windows for source in sources):
            around = [
                reached(layer, inputs[0], axis, union(ranges[source][axis] for source in sources))
                for axis in (0, 1)
            ]
            kept = [clipped(one, side, part) for one, side, part in zip(around, shape, parts, strict=False)]
            own = [one for one, _ in kept]
            output = _windows(own, shape, parts)
            before = windows[sources[0]]
            rows_, columns_ = (axis_of(layer, inputs[0], axis, before[axis], output[axis]) for axis in (0, 1))
            step = Step(layer, sources, inputs, shape, True, (rows_, columns_))
            if _worth(step, all(whole for _, whole in kept)):
                ranges[layer.name], windows[layer.name] = own, output
            else:
                step = Step(layer, sources, inputs, shape, windowed=False)
        steps[layer.name] = step
    for name, step in steps.items():
        following = [steps[reader] for reader in readers[name]]
        if step.windowed and step.nonlinear and len(following) == 1 and not isinstance(step.layer, Pool):
            (pool,) = following
            if pool.windowed and isinstance(pool.layer, MaxPool) and pool.axes and step.axes:
                axes = tuple(
                    Axis(below.reads, own.reads, own.spread)
                    for own, below in zip(step.axes, pool.axes, strict=True)
                )
                steps[name] = replace(step, axes=(axes[0], axes[1]), feeds_pool=True)
                steps[pool.layer.name] = replace(pool, fed=True)
    return Plan(steps, windows[INPUT], architecture.input_shape)


def _windows(ranges: list[Range], shape: Shape, parts: tuple[Part | None, Part | None]) -> Windows:
    rows, columns = (
        window_of(one, side, inside=part is not None or int((one.high - one.low).max()) + 1 >= side)
        for one, side, part in zip(ranges, shape, parts, strict=False)
    )
    return rows, columns


def _worth(step: Step, whole: bool) -> bool:
    """Whether a layer is better evaluated in its window."""
    layer = step.layer
    if isinstance(layer, Conv):
        return _window_work(step) <= WORTH * layer.multiply_adds(*step.shapes)
    if isinstance(layer, GlobalPool | Flatten | Dense):
        return False
    return not whole


def _window_work(step: Step) -> int:
    """Multiply-adds of a convolution in its window."""
    assert isinstance(step.layer, Conv)
    assert step.axes is not None
    kernel = step.layer.parameters(*step.shapes)["kernel"]
    by_axis = list(zip(step.axes, step.layer.reach, step.layer.stride, strict=True))
    cells = math.prod(-(-axis.reads.size // stride) for axis, _, stride in by_axis)  # of each phase
    return cells * math.prod(reach for _, reach, _ in by_axis) * kernel[2] * kernel[3]


@cache
def parts(architecture: Architecture) -> tuple[list[Part], list[Part]]:
    """Rows and columns of pixels in up to three parts each, as (first, last + 1), for `plan`.

    Windows are smaller near the edges: of all ways to cut an axis in three, this one costs the fewest
    multiply-adds over all pixels.
    """
    by_axis = []
    for axis, side in enumerate(architecture.input_shape[:2]):
        most = min(side, max(3, math.isqrt(2 * MOST_STEPS // len(architecture.layers))))
        cuts = sorted({round(side * i / most) for i in range(most + 1)})
        every = list(combinations(cuts, 2))
        plans = {part: plan_anyway(architecture, *((None, part) if axis else (part, None))) for part in every}
        cost = {part: plans[part].multiply_adds() * (part[1] - part[0]) for part in every}
        ways = [[part for part in ((0, a), (a, b), (b, side)) if part in cost] for a, b in every]
        by_axis.append(min(ways, key=lambda way: sum(cost[part] for part in way)))
    return by_axis[0], by_axis[1]
