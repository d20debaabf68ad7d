"""One description of a network's layers, from which everything else derives.

The plain forward pass and the named activations (`model.network.cnn`), the shapes in the database and the
windows that a changed pixel can reach all follow from kernel size, padding and stride written here
once. Only what a convolutional classifier of the CIFAR kind needs is described: convolutions of
stride 1, non-overlapping max-pools, dense layers, ReLU and dropout.

Axis letters: B batch, H rows, W columns, C channels, K classes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

Shape = tuple[int, ...]
MOST = 1 << 20  # pixels of a side, channels or units
NAME = re.compile(r"[A-Za-z][\w-]{0,63}", re.ASCII)  # of a network or a layer


@dataclass(frozen=True)
class Conv:
    """A square convolution of stride 1, followed by ReLU."""

    name: str
    features: int  # output channels, >= 1
    kernel: int = 3  # side in pixels, odd
    padding: Literal["SAME", "VALID"] = "SAME"

    def output_shape(self, shape: Shape) -> Shape:
        """(H, W, C) in, (H', W', features) out; VALID shrinks each side by kernel - 1."""
        height, width, _ = _three(self, shape)
        shrink = 0 if self.padding == "SAME" else self.kernel - 1
        if min(height, width) <= shrink:
            raise ValueError(f"layer {self.name!r}: a {height} x {width} input is smaller than its kernel")
        return (height - shrink, width - shrink, self.features)


@dataclass(frozen=True)
class MaxPool:
    """A max-pool whose stride is its window; an incomplete last row or column is dropped."""

    name: str
    window: int = 2  # side in pixels

    def output_shape(self, shape: Shape) -> Shape:
        """(H, W, C) in, (H // window, W // window, C) out."""
        height, width, channels = _three(self, shape)
        if min(height, width) < self.window:
            raise ValueError(f"layer {self.name!r}: a {height} x {width} input is smaller than its window")
        return (height // self.window, width // self.window, channels)


@dataclass(frozen=True)
class Dropout:
    """Dropout while training; the identity otherwise."""

    name: str
    rate: float  # share of units dropped, [0, 1)

    def output_shape(self, shape: Shape) -> Shape:
        """Any shape in, the same out."""
        return shape


@dataclass(frozen=True)
class Flatten:
    """Rows, then columns, then channels, as one vector."""

    name: str

    def output_shape(self, shape: Shape) -> Shape:
        """(H, W, C) in, (H * W * C,) out."""
        return (math.prod(shape),)


@dataclass(frozen=True)
class Dense:
    """A fully connected layer, followed by ReLU unless it gives the logits."""

    name: str
    features: int  # output units, >= 1
    relu: bool = True

    def output_shape(self, shape: Shape) -> Shape:
        """(D,) in, (features,) out."""
        if len(shape) != 1:
            raise ValueError(f"layer {self.name!r}: a dense layer needs a flat input, not shape {shape}")
        return (self.features,)


Layer = Conv | MaxPool | Dropout | Flatten | Dense
COMPOSED = "composed"  # the concatenation of flatten and the dense layers, in order (paper, section 4.2)
SCALED = "composed-scaled"  # the same, each layer divided by its usual length, so none outweighs another
POOLED = "composed-pooled"  # no vectors: the votes of the single layers' neighbors, taken in turn


@dataclass(frozen=True)
class Architecture:
    """A named network: its input shape (H, W, C) and its layers, first to last.

    The last layer gives the logits. Raises ValueError where a layer does not fit on the one before,
    where two layers share a name, or where the last layer is not a linear dense one.
    """

    name: str
    input_shape: Shape
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        """Check the description by walking once through it."""
        names = [layer.name for layer in self.layers]
        if len(set(names)) < len(names) or {COMPOSED, SCALED, POOLED} & set(names):
            ours = f"{COMPOSED!r}, {SCALED!r} and {POOLED!r}"
            raise ValueError(f"layer names {names} must differ from each other and from {ours}")
        last = self.layers[-1] if self.layers else None
        if not isinstance(last, Dense) or last.relu:
            raise ValueError("the last layer must be a dense one without ReLU: it gives the logits")
        self.output_shapes()

    def output_shapes(self) -> dict[str, Shape]:
        """The shape after each layer, by name, without the batch axis."""
        shapes, shape = {}, self.input_shape
        for layer in self.layers:
            shape = layer.output_shape(shape)
            shapes[layer.name] = shape
        return shapes

    @property
    def classes(self) -> int:
        """How many classes the network tells apart."""
        return cast(Dense, self.layers[-1]).features  # checked when the description was made

    @property
    def compared(self) -> tuple[str, ...]:
        """The single layers whose activations are compared: flatten and the dense ones, in order."""
        return tuple(layer.name for layer in self.layers if isinstance(layer, Flatten | Dense))

    def activation_shapes(self) -> dict[str, Shape]:
        """Every named activation in order: conv layers, flatten, dense layers, then `composed`."""
        shapes = self.output_shapes()
        named = {
            layer.name: shapes[layer.name]
            for layer in self.layers
            if isinstance(layer, Conv | Flatten | Dense)
        }
        return {**named, COMPOSED: (sum(shapes[name][0] for name in self.compared),)}

    def notes(self) -> dict[str, str]:
        """What each named activation, and `composed-scaled`, holds: a few words for people."""
        dense = [layer.name for layer in self.layers if isinstance(layer, Dense)]
        hidden = "the hidden layer" if len(dense) == 2 else "a hidden layer"
        texts = {Conv: "feature maps", Flatten: "image features", Dense: hidden}
        notes = {layer.name: texts[type(layer)] for layer in self.layers if type(layer) in texts}
        joined = f"{', '.join(self.compared[:-1])} and {self.compared[-1]} concatenated"
        composed = {COMPOSED: joined, SCALED: f"{joined}, each divided by its usual length"}
        return {**notes, dense[-1]: "the class scores", **composed}

    def to_json(self) -> dict[str, Any]:
        """A description that `from_json` reads back, made of plain lists, numbers and strings."""
        layers = [{"type": type(layer).__name__, **asdict(layer)} for layer in self.layers]
        return {"name": self.name, "input_shape": list(self.input_shape), "layers": layers}


def from_json(description: Mapping[str, Any]) -> Architecture:
    """The architecture that `to_json` described. Raises ValueError naming what does not fit."""
    types = {kind.__name__: kind for kind in (Conv, MaxPool, Dropout, Flatten, Dense)}
    try:
        layers: Sequence[Layer] = [
            types[entry["type"]](**{key: value for key, value in entry.items() if key != "type"})
            for entry in description["layers"]
        ]
        _require_plain(description, layers)
        return Architecture(description["name"], tuple(description["input_shape"]), tuple(layers))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a description of a network's layers: {error}") from None


def _require_plain(description: Mapping[str, Any], layers: Sequence[Layer]) -> None:
    """Raise ValueError for values that no network has: a description may come from anywhere."""
    shape = description["input_shape"]
    if len(shape) != 3 or not all(_is_size(side) for side in shape):
        raise ValueError(f"the input shape is {str(shape)[:60]}: expected height, width and channels")
    for named in (description["name"], *(layer.name for layer in layers)):
        if not isinstance(named, str) or not NAME.fullmatch(named):
            raise ValueError(f"{str(named)[:60]!r} is no name: expected letters, digits, '_' and '-'")
    for layer in layers:
        values = asdict(layer)
        sizes = [values[field] for field in ("features", "kernel", "window") if field in values]
        if not all(map(_is_size, sizes)) or (isinstance(layer, Conv) and layer.kernel % 2 == 0):
            raise ValueError(f"layer {layer.name!r} has sizes {str(sizes)[:60]}: expected whole ones from 1")
        if isinstance(layer, Conv) and layer.padding not in ("SAME", "VALID"):
            raise ValueError(f"layer {layer.name!r} has padding {str(layer.padding)[:60]!r}: SAME or VALID")
        if isinstance(layer, Dropout) and not (isinstance(layer.rate, float | int) and 0 <= layer.rate < 1):
            raise ValueError(f"layer {layer.name!r} drops {str(layer.rate)[:60]}: expected a share below 1")
        if isinstance(layer, Dense) and not isinstance(layer.relu, bool):
            raise ValueError(
                f"layer {layer.name!r} has relu {str(layer.relu)[:60]!r}: expected true or false"
            )


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST


def _three(layer: Layer, shape: Shape) -> Shape:
    if len(shape) != 3:
        raise ValueError(f"layer {layer.name!r} needs an image-shaped input (H, W, C), not shape {shape}")
    return shape


# Keras `examples/cifar10_cnn.py`, the network of the paper (section 3): 1,250,858 parameters.
CIFAR10_CNN = Architecture(
    "cifar10-cnn",
    (32, 32, 3),
    (
        Conv("conv1", 32),
        Conv("conv2", 32, padding="VALID"),
        MaxPool("pool1"),
        Dropout("dropout1", 0.25),
        Conv("conv3", 64),
        Conv("conv4", 64, padding="VALID"),
        MaxPool("pool2"),
        Dropout("dropout2", 0.25),
        Flatten("flatten"),
        Dense("dense", 512),
        Dropout("dropout3", 0.5),
        Dense("logits", 10, relu=False),
    ),
)
