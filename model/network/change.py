"""Propagate a change of pixels through the maps of a network.

A change is a window (h, w, n, M, C) of new values less old ones; outside of it nothing changes. What is
linear needs no old values: a convolution of a change is the change of the convolution, and changes of
branches are added. An activation function is applied to the old values with the change, and the old result
is subtracted again; a max-pool likewise. All windows come from `model.network.plan`.

Axis letters: C channels, M candidates, n changed pixels a candidate; h, w a window. The windows of a
candidate's pixels may overlap: the change of a cell is the sum over all windows that contain it.
"""

from __future__ import annotations

from functools import reduce
from typing import Protocol

import jax.numpy as jnp
from jax import Array

from model.network import layers
from model.network.activations import settles
from model.network.around import Place, align, cells_of, collect, goes_beyond, in_first_window, mask
from model.network.evaluate import as_affine, by_channel, counts, windows
from model.network.plan import Step
from model.network.pointwise import activate
from model.network.sliding import Margins, margins
from model.network.spread import convolve_change
from model.network.windows import Window, Windows


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
    change = convolve_change(change, kernel, layer)
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
    return in_first_window(new - activate(function, before), step.windows, old.at)


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
    return in_first_window(mask(new, step.windows, step.shape, old.at), step.windows, old.at)


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
