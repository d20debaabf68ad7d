"""An operator of an ONNX file, with what it reads, checked as it is asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from model.network.foreign import ForeignError, refuse_layer
from model.network.onnx.build import Build
from model.network.onnx.pointwise import Pointwise
from model.network.onnx.values import Value

Tensor = np.ndarray | Value | Pointwise


@dataclass(frozen=True)
class Node:
    """An operator of the file, with what it reads."""

    build: Build
    kind: str
    name: str
    inputs: tuple[Tensor | None, ...]
    input_names: tuple[str, ...]
    attributes: Mapping[str, Any]  # numbers, text as str, lists of numbers
    opset: int
    label: str  # a name for its layer

    def refuse(self, why: str) -> ForeignError:
        """The error that names this node."""
        return refuse_layer(self.build.path, self.name, self.kind, why)

    def tensor(self, place: int) -> Tensor:
        """An input that must be there."""
        tensor = self.inputs[place] if place < len(self.inputs) else None
        if tensor is None:
            raise self.refuse(f"without its input {place + 1}")
        return tensor

    def value(self, place: int = 0) -> Value:
        """An input that comes from the images. Raises ForeignError where it is constant."""
        tensor = self.tensor(place)
        if isinstance(tensor, np.ndarray):
            raise self.refuse(f"its input {self.input_names[place][:60]!r} does not depend on the image")
        return tensor.settle(self.build) if isinstance(tensor, Pointwise) else tensor

    def constant(self, place: int, what: str) -> np.ndarray:
        """An input that must not depend on the images."""
        tensor = self.tensor(place)
        if not isinstance(tensor, np.ndarray):
            raise self.refuse(f"its {what} depends on the image")
        return tensor

    def optional(self, place: int, what: str) -> np.ndarray | None:
        """Such an input, where it is there."""
        there = place < len(self.inputs) and self.inputs[place] is not None
        return self.constant(place, what) if there else None

    def integer(self, name: str, usual: int) -> int:
        """A whole number among the attributes."""
        value = self.attributes.get(name, usual)
        if not isinstance(value, int):
            raise self.refuse(f"its {name} is {str(value)[:40]!r}: expected a whole number")
        return value

    def number(self, name: str, usual: float) -> float:
        """A finite number among the attributes."""
        value = self.attributes.get(name, usual)
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise self.refuse(f"its {name} is {str(value)[:40]!r}: expected a number")
        return float(value)

    def text(self, name: str, usual: str) -> str:
        """A text among the attributes."""
        value = self.attributes.get(name, usual)
        return value if isinstance(value, str) else str(value)[:40]

    def integers(self, name: str, place: int | None = None) -> list[int] | None:
        """Whole numbers: an attribute, or by later versions an input; None where there is neither."""
        given: Any = self.attributes.get(name)
        if given is None and place is not None:
            array = self.optional(place, name)
            if array is not None and (array.dtype.kind not in "iu" or array.ndim > 1):
                raise self.refuse(
                    f"its {name} are {array.dtype} of shape {array.shape}: expected whole numbers"
                )
            given = None if array is None else array.reshape(-1).tolist()
        if given is not None and not (isinstance(given, list) and all(isinstance(one, int) for one in given)):
            raise self.refuse(f"its {name} are {str(given)[:40]}: expected whole numbers")
        return given

    def axes(self, rank: int, name: str = "axes", place: int | None = 1) -> list[int] | None:
        """Axes from 0 to below the rank, in the order given; None where none are given."""
        given = self.integers(name, place)
        return None if given is None else [self.axis(axis, rank) for axis in given]

    def axis(self, axis: int, rank: int) -> int:
        """An axis counted from the front. Raises ForeignError where there is no such axis."""
        if not -rank <= axis < rank:
            raise self.refuse(f"its axis {axis} is none of {rank}")
        return axis % rank

    def map(self, place: int) -> Value:
        """An input that is a map in the file's usual order."""
        value = self.value(place)
        if not value.has_order("NCHW"):
            raise self.refuse(
                f"its input of shape {value.dims} is no map of images, channels, rows and columns"
            )
        return value

    def as_row(self, value: Value) -> Value:
        """A value whose numbers lie along one axis, as a vector. Raises ForeignError for others."""
        if sum(bool(axis) for axis in value.axes) > 2:
            raise self.refuse(f"its input of shape {value.dims} is no vector")
        return self.build.as_vector(value)
