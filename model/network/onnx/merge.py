"""Tidy layers that were read one by one: constants and activation functions join the layer before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from model.network.activations import is_linear
from model.network.architecture import INPUT
from model.network.layers import Activation, Affine, Conv, Dense, Layer

Arrays = dict[str, np.ndarray]


def tidy(layers: Sequence[Layer], arrays: Arrays, last: str) -> tuple[tuple[Layer, ...], Arrays]:
    """The layers that the last one needs, in order, with what can be joined; and their weights.

    A shift by constants after a convolution or dense layer becomes its bias, two steps of x * scale + bias
    become one, and an activation function that alone reads a linear layer becomes that layer's own.
    """
    wanted = _needed(layers, last)
    reads = [source for layer in wanted for source in layer.inputs]
    kept: dict[str, Layer] = {}
    named: dict[str, str] = {INPUT: INPUT}  # by the file's layer: the layer that now gives its output
    weights = {
        key: array for key, array in arrays.items() if key.rpartition(".")[0] in {w.name for w in wanted}
    }
    for layer in wanted:
        source = named[layer.inputs[0]]
        joined = None
        if source in kept and reads.count(layer.inputs[0]) == 1:
            joined = _join(kept[source], layer, weights)
        if joined is not None:
            kept[source] = joined
        else:
            kept[layer.name] = replace(layer, inputs=tuple(named[each] for each in layer.inputs))
        named[layer.name] = source if joined is not None else layer.name
    return _without_usual_inputs(list(kept.values())), weights


def _needed(layers: Sequence[Layer], last: str) -> list[Layer]:
    needed = {last}
    for layer in reversed(layers):
        if layer.name in needed:
            needed.update(layer.inputs)
    return [layer for layer in layers if layer.name in needed]


def _join(before: Layer, layer: Layer, weights: Arrays) -> Layer | None:
    """The layer before, with what this one does; None where they stay two. Moves weights."""
    if isinstance(layer, Activation) and isinstance(before, Conv | Dense) and is_linear(before.activation):
        return replace(before, activation=layer.function)
    if not isinstance(layer, Affine):
        return None
    scale, bias = (weights[f"{layer.name}.{name}"] for name in ("scale", "bias"))
    if isinstance(before, Affine):
        first, shift = (weights[f"{before.name}.{name}"].astype(np.float64) for name in ("scale", "bias"))
        pair = [np.asarray(array, np.float32) for array in (first * scale, shift * scale + bias)]
        if not all(np.isfinite(array).all() for array in pair):
            return None
        weights[f"{before.name}.scale"], weights[f"{before.name}.bias"] = pair
    elif isinstance(before, Conv | Dense) and is_linear(before.activation) and (scale == 1).all():
        key = f"{before.name}.bias"
        weights[key] = weights.get(key, np.float32(0)) + bias
        before = replace(before, bias=True)
    else:
        return None
    del weights[f"{layer.name}.scale"], weights[f"{layer.name}.bias"]
    return before


def _without_usual_inputs(layers: list[Layer]) -> tuple[Layer, ...]:
    """A layer that reads the one before it alone does not say so."""
    before = [INPUT, *(layer.name for layer in layers)]
    return tuple(
        replace(layer, inputs=()) if layer.inputs == (previous,) else layer
        for layer, previous in zip(layers, before, strict=False)
    )
