"""What the incremental passes need of images: old values of layers, with margins for windows at the edges.

"before" is what an activation function or a max-pool is applied to; "after" is the output of a max-pool, of a
layer behind which maps are put together again, or of a global pool.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from model.network.activations import LINEAR, settles
from model.network.architecture import INPUT, Architecture
from model.network.cnn import prepare
from model.network.evaluate import evaluate
from model.network.layers import Conv, Dense, GlobalPool, Layer, MaxPool
from model.network.plan import Step, plan_anyway
from model.network.pointwise import activate
from model.network.sliding import Margins, Shape
from model.network.windows import Windows, margins_beyond

NONE: Margins = ((0, 0), (0, 0))


class Memory(NamedTuple):
    """What is stored of N images: maps (H, W, N, C) with margins, vectors (N, D)."""

    images: Array  # (H, W, N, C) float32 in [0, 1], without margins
    before: dict[str, Array]  # by layer; beyond the map -inf where that settles, else 0
    after: dict[str, Array]  # by layer; beyond the map 0

    def of(self, index: Array) -> Memory:
        """The memory of one image."""

        def take(values: Array) -> Array:
            return jax.lax.dynamic_slice_in_dim(values, index, 1, 2 if values.ndim == 4 else 0)

        kept: Memory = jax.tree.map(take, self)
        return kept


class Layout(NamedTuple):
    """Which layers are stored, and the margins of each."""

    before: dict[str, Margins]
    after: dict[str, Margins]


@cache
def layout(architecture: Architecture) -> Layout:
    """What any plan of a network needs: windows are largest without a part, and most are kept in a corner."""
    height, width = architecture.input_shape[:2]
    corners = [((0, 1), (0, 1)), ((height - 1, height), (width - 1, width))]
    plans = [plan_anyway(architecture, *part) for part in ((None, None), *corners)]
    stored = Layout({}, {})
    for each in plans:
        for name, step in each.steps.items():
            if step.windowed and step.axes is not None:
                _add_windowed(stored, name, step)
            if isinstance(step.layer, Dense) and each.flattened(step) is not None:
                stored.before[name] = NONE
    readers, whole = architecture.readers(), plans[0]
    for name in (INPUT, *whole.steps):
        beyond = any(not whole.steps[reader].windowed for reader in readers[name])
        if beyond and (name == INPUT or any(each.steps[name].windowed for each in plans)):
            stored.after.setdefault(name, NONE)
            for reader in readers[name]:
                if isinstance(whole.steps[reader].layer, GlobalPool):
                    stored.after[reader] = NONE
    return stored


def _add_windowed(stored: Layout, name: str, step: Step) -> None:
    assert step.axes is not None
    if isinstance(step.layer, MaxPool):
        _widen(stored.after, name, step.windows, step.shape)
        if not step.fed:
            _widen(stored.before, name, (step.axes[0].reads, step.axes[1].reads), step.shapes[0])
    elif step.nonlinear:
        _widen(stored.before, name, step.windows, step.shape)


def _widen(kept: dict[str, Margins], name: str, around: Windows, shape: Shape) -> None:
    rows, columns = (
        (max(new[0], old[0]), max(new[1], old[1]))
        for new, old in zip(margins_beyond(around, shape), kept.get(name, NONE), strict=True)
    )
    kept[name] = rows, columns


def store(architecture: Architecture, weights: dict[str, dict[str, Array]], images: Array) -> Memory:
    """The memory of images (N, H, W, C) float32 in [0, 1]."""
    stored, sources = layout(architecture), architecture.sources()
    outputs = {INPUT: prepare(architecture.pixels, images)}
    before: dict[str, Array] = {}
    after: dict[str, Array] = {}
    for layer in architecture.layers:
        name, own = layer.name, weights.get(layer.name, {})
        inputs = [outputs[source] for source in sources[name]]
        if name in stored.before and isinstance(layer, Conv | Dense):
            linear: Any = replace(layer, activation=LINEAR)
            value = evaluate(linear, own, *inputs)
            outputs[name] = activate(layer.activation, value)
        else:
            value, outputs[name] = inputs[0], evaluate(layer, own, *inputs)
        if name in stored.before:
            before[name] = _padded(value, stored.before[name], _fill(layer))
    for name, added in stored.after.items():
        after[name] = _padded(outputs[name], added, 0.0)
    return Memory(images.transpose(1, 2, 0, 3), before, after)


def _fill(layer: Layer) -> float:
    """What stands beyond the map before an activation function or a max-pool."""
    if isinstance(layer, MaxPool):
        return -jnp.inf
    function = layer.activation if isinstance(layer, Conv) else getattr(layer, "function", LINEAR)
    return -jnp.inf if settles(function) else 0.0


def _padded(values: Array, added: Margins, fill: float) -> Array:
    """Maps (N, H, W, C) as (H, W, N, C) with margins; vectors as they are."""
    if values.ndim == 2:
        return values
    return jnp.pad(values.transpose(1, 2, 0, 3), (*added, (0, 0), (0, 0)), constant_values=fill)
