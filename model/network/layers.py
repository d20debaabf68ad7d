"""The kinds of layers: what each is told by, the shape of its output, and the shapes of its parameters.

A network is a graph of them (`model.network.architecture`). Everything else follows from what stands here
once: the plain pass and the named activations (`model.network.cnn`), the files (`model.network.checkpoint`),
the rows of the database, and the windows that a changed pixel can reach (`model.network.windows`).

Maps are (H, W, C), vectors (D,); the batch axis is left out. Axis letters: H rows, W columns, C channels.
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Literal

from model.network.activations import require_activation
from model.network.sliding import Margins, Padding, Shape, Sides, count_places, margins

Parameters = dict[str, Shape]


@dataclass(frozen=True)
class Layer:
    """What all kinds have: a name, and the layers that it reads."""

    name: str
    _: KW_ONLY
    inputs: tuple[str, ...] = ()  # names of layers, or `INPUT`; none: the layer before it in the list

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape of the output, from those of the inputs. Raises ValueError where they do not fit."""
        return _only(self, shapes)

    def parameters(self, *_shapes: Shape) -> Parameters:
        """The shape of each parameter by name, for inputs of these shapes."""
        return {}

    def multiply_adds(self, *_shapes: Shape) -> int:
        """Multiply-adds of one plain evaluation; cheap work, cell by cell, counts as none."""
        return 0


@dataclass(frozen=True)
class Conv(Layer):
    """A convolution, and the activation function after it."""

    features: int  # output channels, >= 1
    kernel: Sides = (3, 3)  # a number stands for two equal ones, here and below
    padding: Padding = "SAME"  # "SAME": ceil(side / stride) cells come out, more padding at the end
    stride: Sides = (1, 1)
    dilation: Sides = (1, 1)
    groups: int = 1  # of channels, in and out; as many as channels: depthwise
    bias: bool = True
    activation: str = "relu"

    def __post_init__(self) -> None:
        """Make pairs of single numbers; raises ValueError for an unknown activation function."""
        _make_pairs(self, "kernel", "stride", "dilation")
        require_activation(self.activation)

    @property
    def reach(self) -> Sides:
        """Rows and columns from the first to the last weight of the kernel."""
        rows, columns = ((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))
        return rows, columns

    def output_shape(self, *shapes: Shape) -> Shape:
        """(H, W, C) in, (H', W', features) out."""
        shape = _map(self, shapes)
        if shape[2] % self.groups or self.features % self.groups:
            raise ValueError(
                f"layer {self.name!r}: {shape[2]} channels to {self.features} do not divide into "
                f"{self.groups} groups"
            )
        return (
            *count_places(self.name, shape, self.reach, self.stride, self.padding, "kernel"),
            self.features,
        )

    def parameters(self, *shapes: Shape) -> Parameters:
        """Kernel (rows, columns, C / groups, features), and bias."""
        kernel = {"kernel": (*self.kernel, shapes[0][2] // self.groups, self.features)}
        return kernel | ({"bias": (self.features,)} if self.bias else {})

    def multiply_adds(self, *shapes: Shape) -> int:
        """Every weight, at every cell of the output."""
        weights = math.prod(self.parameters(*shapes)["kernel"])
        return math.prod(self.output_shape(*shapes)[:2]) * weights


@dataclass(frozen=True)
class Pool(Layer):
    """One value for each window; without padding an incomplete last row or column is dropped."""

    window: Sides = (2, 2)
    stride: Sides | None = None  # None: the window
    padding: Padding = "VALID"  # cells beyond the map never count

    def __post_init__(self) -> None:
        """Make pairs of single numbers."""
        _make_pairs(self, "window", "stride")

    @property
    def step(self) -> Sides:
        """Rows and columns from one window to the next."""
        return self.stride or self.window

    def output_shape(self, *shapes: Shape) -> Shape:
        """(H, W, C) in, (H', W', C) out."""
        shape = _map(self, shapes)
        sides = count_places(self.name, shape, self.window, self.step, self.padding, "window")
        for side, (before, after), window in zip(
            shape, margins(self.padding, shape, self.window, self.step), self.window, strict=False
        ):
            if max(before, after) >= window:
                raise ValueError(f"layer {self.name!r}: a window of {window} on {side} cells lies in padding")
        return (*sides, shape[2])


@dataclass(frozen=True)
class MaxPool(Pool):
    """The largest value of each window."""


@dataclass(frozen=True)
class AvgPool(Pool):
    """The mean of each window."""

    count_padding: bool = False  # whether cells of the padding count, as zeros


@dataclass(frozen=True)
class GlobalPool(Layer):
    """One number for each channel of a map: a vector of the means or of the largest values."""

    of: Literal["mean", "max"] = "mean"

    def output_shape(self, *shapes: Shape) -> Shape:
        """(H, W, C) in, (C,) out."""
        return (_map(self, shapes)[2],)


@dataclass(frozen=True)
class Pad(Layer):
    """Zeros around a map."""

    margins: Margins = ((0, 0), (0, 0))

    def output_shape(self, *shapes: Shape) -> Shape:
        """(H, W, C) in, (H + above + below, W + left + right, C) out."""
        height, width, channels = _map(self, shapes)
        (above, below), (left, right) = self.margins
        return (height + above + below, width + left + right, channels)


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Batch normalization by stored statistics, channel by channel: (x - mean) / sqrt(variance + epsilon)."""

    epsilon: float = 1e-3

    def parameters(self, *shapes: Shape) -> Parameters:
        """Scale, bias, mean and variance (C,)."""
        return dict.fromkeys(("scale", "bias", "mean", "variance"), shapes[0][-1:])


@dataclass(frozen=True)
class Affine(Layer):
    """x * scale + bias, channel by channel."""

    def parameters(self, *shapes: Shape) -> Parameters:
        """Scale and bias (C,)."""
        return dict.fromkeys(("scale", "bias"), shapes[0][-1:])


@dataclass(frozen=True)
class Activation(Layer):
    """An activation function as a layer of its own."""

    function: str = "relu"

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown function."""
        require_activation(self.function)


@dataclass(frozen=True)
class Add(Layer):
    """The sum of branches of one shape."""

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape of each in, the same out."""
        if len(shapes) < 2 or len(set(shapes)) > 1:
            raise ValueError(f"layer {self.name!r} adds {_listed(shapes)}: expected two or more of one shape")
        return shapes[0]


@dataclass(frozen=True)
class Concat(Layer):
    """Branches beside one another along the channels."""

    def output_shape(self, *shapes: Shape) -> Shape:
        """(H, W, C1), (H, W, C2) ... in, (H, W, C1 + C2 + ...) out; or vectors."""
        if len(shapes) < 2 or len({shape[:-1] for shape in shapes}) > 1:
            raise ValueError(f"layer {self.name!r} joins {_listed(shapes)}: only channels may differ")
        return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))


@dataclass(frozen=True)
class Dropout(Layer):
    """Dropout while training; the identity otherwise."""

    rate: float = 0.5  # share of units dropped, [0, 1)


@dataclass(frozen=True)
class Flatten(Layer):
    """Rows, then columns, then channels, as one vector."""

    def output_shape(self, *shapes: Shape) -> Shape:
        """(H, W, C) in, (H * W * C,) out."""
        return (math.prod(_only(self, shapes)),)


@dataclass(frozen=True)
class Dense(Layer):
    """A fully connected layer, and the activation function after it."""

    features: int  # output units, >= 1
    activation: str = "relu"
    bias: bool = True

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown activation function."""
        require_activation(self.activation)

    def output_shape(self, *shapes: Shape) -> Shape:
        """(D,) in, (features,) out."""
        shape = _only(self, shapes)
        if len(shape) != 1:
            raise ValueError(f"layer {self.name!r}: a dense layer needs a flat input, not shape {shape}")
        return (self.features,)

    def parameters(self, *shapes: Shape) -> Parameters:
        """Kernel (D, features), and bias."""
        return {"kernel": (*shapes[0], self.features)} | ({"bias": (self.features,)} if self.bias else {})

    def multiply_adds(self, *shapes: Shape) -> int:
        """Every weight once."""
        return shapes[0][0] * self.features


KINDS: dict[str, type[Layer]] = {
    kind.__name__: kind
    for kind in (
        *(Conv, Dense, MaxPool, AvgPool, GlobalPool, BatchNorm, Affine),
        *(Activation, Add, Concat, Pad, Dropout, Flatten),
    )
}


def _make_pairs(layer: Layer, *fields: str) -> None:
    for field in fields:
        value = getattr(layer, field)
        if isinstance(value, int):
            object.__setattr__(layer, field, (value, value))


def _only(layer: Layer, shapes: tuple[Shape, ...]) -> Shape:
    if len(shapes) != 1:
        raise ValueError(f"layer {layer.name!r} reads {len(shapes)} layers: expected one")
    return shapes[0]


def _map(layer: Layer, shapes: tuple[Shape, ...]) -> Shape:
    shape = _only(layer, shapes)
    if len(shape) != 3:
        raise ValueError(f"layer {layer.name!r} needs an image-shaped input (H, W, C), not shape {shape}")
    return shape


def _listed(shapes: tuple[Shape, ...]) -> str:
    return " and ".join(map(str, shapes)) or "nothing"
