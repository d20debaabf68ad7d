"""The layers of a network while its ONNX file is walked through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from model.network.foreign import ForeignError, measure_layer, name_layer
from model.network.layers import Flatten, Layer
from model.network.onnx.values import Value, order_of_map
from model.network.sliding import Shape


@dataclass
class Build:
    """Layers, each after those that it reads, with their shapes and weights."""

    path: Path
    shapes: dict[str, Shape]  # of the input, and of each layer's output
    layers: list[Layer] = field(default_factory=list)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    flattened: dict[str, Value] = field(default_factory=dict)  # by the map
    row_labels: dict[str, str] = field(default_factory=dict)  # likewise: the name of its flatten layer
    notes: dict[str, None] = field(default_factory=dict)

    def add(
        self,
        kind: type[Layer],
        label: str,
        inputs: Sequence[str],
        arrays: Mapping[str, np.ndarray] | None = None,
        **fields: Any,
    ) -> str:
        """Add a layer of this kind; returns its name, as near to the label as may be. Raises ForeignError."""
        name, arrays = name_layer(label, self.shapes), arrays or {}
        sources = [self.shapes[source] for source in inputs]
        try:
            layer = kind(name, inputs=tuple(inputs), **fields)
        except ValueError as error:
            raise ForeignError(f"network {self.path}: {error}") from None
        shape, expected = measure_layer(self.path, layer, sources, len(self.layers))
        for parameter, array in arrays.items():
            if array.shape != expected[parameter]:
                raise ForeignError(
                    f"network {self.path}: {parameter} of layer {name!r} has shape {array.shape}: expected "
                    f"{expected[parameter]} for an input of shape {sources[0]}"
                )
            if not np.isfinite(array).all():
                raise ForeignError(
                    f"network {self.path}: {parameter} of layer {name!r} has NaN or infinite values: "
                    "expected finite weights"
                )
            self.arrays[f"{name}.{parameter}"] = np.ascontiguousarray(array, np.float32)
        self.layers.append(layer)
        self.shapes[name] = shape
        return name

    def as_vector(self, value: Value) -> Value:
        """The value as a vector: of a map that the file reads as one row, its flattened numbers."""
        if not value.is_map:
            return value
        if value.source not in self.flattened:
            label = self.row_labels.get(value.source, "flatten")
            name = self.add(Flatten, label, (value.source,))
            self.flattened[value.source] = Value(name, self.shapes[name], value.batch, ())
        axes = tuple("D" if set(axis) & set("HWC") else axis for axis in value.axes)
        if "D" not in axes:  # a map of one number
            axes = (*axes[:-1], f"{axes[-1]}D")
        return replace(
            self.flattened[value.source], axes=axes, order=order_of_map(value), softmax=value.softmax
        )
