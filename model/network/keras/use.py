"""One use of a layer of a Keras file: what it is told, what it reads, and what it becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from model.network.activations import LINEAR
from model.network.keras.activations import SOFTMAX, function_by_name
from model.network.keras.settings import Settings
from model.network.layers import Conv, Dense, Layer
from model.network.sliding import Padding, Shape, Sides

Order = np.ndarray | None  # for each number of a vector its place in the file's; None: the same
VERSION_1 = 1


class Style(NamedTuple):
    """How the file's program arranges numbers."""

    version: int  # of Keras
    channels_first: bool
    theano: bool  # whose kernels are mirrored

    def in_file(self, shape: Shape) -> Shape:
        """A shape (H, W, C), or (D,), as the file has it."""
        return (shape[2], *shape[:2]) if self.channels_first and len(shape) == 3 else shape

    def flat_order(self, shape: Shape) -> Order:
        """Where the file has the numbers of a map (H, W, C) that it flattened as it stands."""
        if not self.channels_first or len(shape) != 3 or 1 in (shape[2], shape[0] * shape[1]):
            return None
        height, width, channels = shape
        return (
            np.arange(height * width * channels).reshape(channels, height, width).transpose(1, 2, 0).ravel()
        )


@dataclass(frozen=True)
class Softmax(Layer):
    """A softmax, which is no layer of ours: the builder takes it off, or refuses."""


class Part(NamedTuple):
    """A layer that a use becomes, without its name, and its weights."""

    layer: Layer
    arrays: Mapping[str, np.ndarray] = {}
    order: Order = None  # of its output


@dataclass(frozen=True)
class Use:
    """One use of a layer of the file."""

    settings: Settings
    style: Style
    shapes: tuple[Shape, ...]  # of what it reads, (H, W, C) or (D,)
    orders: tuple[Order, ...]  # likewise
    arguments: tuple[Any, ...]  # Tensors and constants, as in `model.network.keras.graph.Node`
    take: Callable[[Mapping[str, Shape]], dict[str, np.ndarray]]  # the weights of these roles and shapes
    keywords: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> Shape:
        """The shape of the one input. Raises ForeignError for several."""
        if len(self.shapes) != 1:
            raise self.settings.refuse(f"it reads {len(self.shapes)} layers: expected one")
        return self.shapes[0]

    @property
    def map_shape(self) -> Shape:
        """The shape (H, W, C) of the one input. Raises ForeignError for a vector."""
        if len(self.shape) != 3:
            raise self.settings.refuse(f"it reads shape {self.shape}: expected rows, columns and channels")
        return self.shape

    def kernel_shape(self, kernel: Sides, inputs: int, features: int) -> Shape:
        """The shape of a convolution's kernel in the file."""
        if self.style.version == VERSION_1 and self.style.channels_first:
            return (features, inputs, *kernel)
        return (*kernel, inputs, features)

    def turned(self, kernel: np.ndarray) -> np.ndarray:
        """That kernel as (rows, columns, inputs, features), to be slid without mirroring it."""
        if self.style.version == VERSION_1 and self.style.channels_first:
            kernel = kernel.transpose(2, 3, 1, 0)
        return kernel[::-1, ::-1] if self.style.theano else kernel

    def padding(self, reach: Sides | None) -> Padding:
        """The padding of a convolution whose kernel has this reach, or of a pool (None)."""
        padding = self.settings.text("padding", "valid")
        if padding == "valid":
            return "VALID"
        if padding != "same":
            raise self.settings.fail("padding", "same or valid")
        if not self.style.theano:
            return "SAME"
        if reach is None or not all(side % 2 for side in reach):
            raise self.settings.refuse("padded as only Theano does it")
        rows, columns = ((side // 2, side // 2) for side in reach)
        return rows, columns

    def is_channel_axis(self, axis: object) -> bool:
        """Whether an axis of the file, or a list of one, is that of channels; the first is the batch."""
        if isinstance(axis, list | tuple) and len(axis) == 1:
            axis = axis[0]
        rank = len(self.shapes[0]) + 1
        if isinstance(axis, bool) or not isinstance(axis, int) or not -rank <= axis < rank:
            return False
        return axis % rank == (1 if self.style.channels_first or rank == 2 else 3)

    def softmax(self, axis: object) -> Part:
        """A softmax over the classes. Raises ForeignError for another axis."""
        if not self.is_channel_axis(axis):
            raise self.settings.refuse("with a softmax over something else than the classes")
        return Part(Softmax(""))

    def finish(self, layer: Conv | Dense, arrays: Mapping[str, np.ndarray]) -> list[Part]:
        """The layer with its activation function; a softmax follows it."""
        function = function_by_name(self.settings.config.get("activation"), self.settings, self.style.version)
        if function == SOFTMAX:
            return [Part(replace(layer, activation=LINEAR), arrays), self.softmax(-1)]
        return [Part(replace(layer, activation=function), arrays)]

    def common_order(self) -> Order:
        """The order of vectors that are added. Raises ForeignError where they differ."""
        first, *others = self.orders
        for other in others:
            same = other is first or (
                first is not None and other is not None and np.array_equal(first, other)
            )
            if not same:
                raise self.settings.refuse("of vectors in different orders")
        return first
