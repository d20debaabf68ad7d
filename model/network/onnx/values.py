"""What an ONNX value holds of one of our layers, and in which order.from model.network.sliding import Shape


ONNX files arrange maps as N, C, H, W, ours are H, W, C. No number is moved: each axis of a value says over
which of our axes it runs, so a transpose or a reshape is a new list of axes, and whoever reads the value puts
its weights in our order. Letters: N images; H rows, W columns, C channels of a map; D numbers of a vector.
An axis of length 1 has no letter, but that of the images always has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from model.network.sliding import Shape

Axis = str  # letters of our axes that it runs over, the slowest first
MAPS = ("NCHW", "NHWC")


@dataclass(frozen=True, eq=False)
class Value:
    """The output of a layer, as the file arranges it."""

    source: str  # our layer
    shape: Shape  # of the layer's output: (H, W, C) or (D,)
    batch: int  # images, as the file declares them; 1 where it leaves them open
    axes: tuple[Axis, ...]
    order: np.ndarray | None = (
        None  # vectors: the place in ours of each of the file's numbers; None: the same
    )
    softmax: str = ""  # the softmax after it, if any, that is taken off

    @property
    def sides(self) -> dict[str, int]:
        """The length of each of our axes."""
        return {"N": self.batch, **dict(zip("HWC" if self.is_map else "D", self.shape, strict=True))}

    @property
    def is_map(self) -> bool:
        """Whether the layer gives a map, though its value may be arranged as a vector."""
        return len(self.shape) == 3

    @property
    def dims(self) -> Shape:
        """The shape that the value has in the file, with the axis of images."""
        sides = self.sides
        return tuple(math.prod(sides[letter] for letter in axis) for axis in self.axes)

    def arranged(self, letters: str) -> tuple[Axis, ...]:
        """The axes of a value like this one that is arranged as these letters say."""
        sides = self.sides
        return tuple(letter if letter == "N" or sides[letter] > 1 else "" for letter in letters)

    def has_order(self, letters: str) -> bool:
        """Whether it is a map arranged so."""
        return self.is_map and self.axes == self.arranged(letters)


def new_map(source: str, shape: Shape, batch: int, letters: str) -> Value:
    """A layer's map (H, W, C), arranged as the letters say."""
    value = Value(source, shape, batch, ())
    return replace(value, axes=value.arranged(letters))


def new_vector(source: str, size: int, batch: int, rank: int = 2) -> Value:
    """A layer's vector, with axes of length 1 after it up to this many axes."""
    return Value(source, (size,), batch, ("N", "D", *[""] * (rank - 2)))


def reshape(value: Value, dims: Sequence[int]) -> Value | None:
    """The value with other axes in the same order of numbers; None where one of ours would be cut."""
    letters = "".join(value.axes)
    if not letters.startswith("N") or not dims or dims[0] != value.batch:
        return None
    sides, rest = value.sides, letters[1:]
    axes: list[Axis] = ["N"]
    for length in dims[1:]:
        axis, size = "", 1
        while size < length and rest:
            axis, size, rest = axis + rest[0], size * sides[rest[0]], rest[1:]
        if size != length:
            return None
        axes.append(axis)
    if rest and math.prod(sides[letter] for letter in rest) > 1:
        return None
    if rest:  # a vector of one number
        if len(axes) < 2:
            return None
        axes[-1] += rest
    return replace(value, axes=tuple(axes))


def transpose(value: Value, permutation: Sequence[int]) -> Value:
    """The value with its axes in another order."""
    return replace(value, axes=tuple(value.axes[place] for place in permutation))


def order_of_map(value: Value) -> np.ndarray | None:
    """For a map whose numbers stand in one row: the place in H, W, C order of each; None: the same order."""
    letters = "".join(value.axes).replace("N", "")
    order = letters + "".join(letter for letter in "HWC" if letter not in letters)
    if [letter for letter in "HWC" if letter in letters] == list(letters):
        return None
    places = np.arange(math.prod(value.shape)).reshape(value.shape)
    return places.transpose(["HWC".index(letter) for letter in order]).reshape(-1)


def same_order(first: Value, second: Value) -> bool:
    """Whether numbers at one place of the file stand at one place of ours."""
    if first.shape != second.shape or first.axes != second.axes:
        return False
    if first.order is None and second.order is None:
        return True
    orders = [np.arange(each.shape[0]) if each.order is None else each.order for each in (first, second)]
    return bool((orders[0] == orders[1]).all())


def to_ours(value: Value, numbers: np.ndarray) -> np.ndarray:
    """Numbers (D, ...) of a vector in the file's order, put in ours."""
    if value.order is None:
        return numbers
    ours = np.empty_like(numbers)
    ours[value.order] = numbers
    return ours
