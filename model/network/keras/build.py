"""Our description and weights from the graph of a Keras file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from model.network.architecture import INPUT, Architecture, Pixels
from model.network.description import MOST
from model.network.foreign import (
    MOST_CELLS,
    SOFTMAX_OFF,
    ForeignError,
    measure_layer,
    name_layer,
)
from model.network.keras.graph import Graph, Node
from model.network.keras.layers import CONVERTERS, INACTIVE, resolve_target
from model.network.keras.settings import Settings, modernize
from model.network.keras.use import Order, Part, Softmax, Style, Use
from model.network.keras.weights import Weights
from model.network.layers import Dense, Dropout, Flatten, Layer
from model.network.pixel_range import Prepared
from model.network.sliding import Shape

AFTER_SOFTMAX = (Flatten, Dropout)  # what may follow a softmax that is taken off
BEFORE_SHAPE = ("Rescaling", "Dropout", "Flatten", "Reshape", *INACTIVE)  # need no axis of channels
NEVER_RUN = ("Lambda", "tf.py_function", "tf.numpy_function")


@dataclass(frozen=True)
class Value:
    """A tensor of the file: our layer that gives it, and how the file has it."""

    name: str
    order: Order = None
    softmax: bool = False
    bare: Shape | None = None  # the file's shape of images that still lack an axis of channels
    prepared: Prepared | None = None  # where only scaling and shifting lies between it and the pixels


@dataclass
class Build:
    """The layers, each after those that it reads, and their weights."""

    path: Path
    style: Style
    weights: Weights
    layers: list[Layer] = field(default_factory=list)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    values: list[Value] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)  # in order

    def fail(self, message: str) -> ForeignError:
        """The error for this file."""
        return ForeignError(f"network {self.path}: {message}")

    def build(self, graph: Graph, pixels: Pixels) -> Architecture:
        """The architecture; notes and weights are kept here. Raises ForeignError."""
        bare = tuple(side for side in graph.input_shape if side is not None)
        shape = self._image_shape(graph)
        self.shapes[INPUT] = shape
        start = Value(INPUT, bare=bare if len(bare) < 3 else None, prepared=Prepared(np.ones(1)))
        self.values.append(start)
        for node in graph.nodes:
            self.values.append(self._add_node(node))
        output = self.values[graph.output]
        if output.order is not None:
            raise self.fail(
                "its class scores are flattened from a map with channels first: end it in a Dense layer"
            )
        self._note_end(output)
        return self._describe(shape, pixels)

    def _image_shape(self, graph: Graph) -> Shape:
        """The shape (H, W, C) of the images."""
        given = graph.input_shape
        sides = [side for side in given if isinstance(side, int) and 1 <= side <= MOST]
        if len(sides) < len(given) or not 1 <= len(sides) <= 3 or math.prod(sides) > MOST_CELLS:
            raise self.fail(
                f"its input has the shape {str(given)[:60]}: expected an image of fixed height, width and "
                "channels; build it with such an `Input(shape=...)`, load the weights, and save it again"
            )
        if len(sides) == 1:
            sides = self._reshaped(graph, sides[0])
        if len(sides) == 2:
            return (*sides, 1)
        if self.style.channels_first:
            return (*sides[1:], sides[0])
        return tuple(sides)

    def _reshaped(self, graph: Graph, size: int) -> list[int]:
        """The shape that the first Reshape makes of a vector of pixels."""
        for node in graph.nodes:
            if node.kind == "Reshape":
                use = self._use(node, [Value(INPUT)], [(size,)])
                return list(resolve_target(use, size))
            if node.kind not in BEFORE_SHAPE or node.kind == "Flatten":
                break
        raise self.fail(
            f"it reads vectors of {size:,} numbers: expected images; begin it with a Reshape to rows, "
            "columns and channels"
        )

    def _use(self, node: Node, values: Sequence[Value], shapes: Sequence[Shape]) -> Use:
        settings = Settings(self.path, node.name, *modernize(node.kind, node.config))
        return Use(
            settings=settings,
            style=self.style,
            shapes=tuple(shapes),
            orders=tuple(value.order for value in values),
            arguments=node.arguments,
            take=partial(self.weights.take, node.places),
            keywords=node.keywords,
        )

    def _add_node(self, node: Node) -> Value:
        """Add what a use of a layer becomes; returns its output."""
        values = [self.values[number] for number in node.inputs]
        use = self._use(node, values, [self.shapes[value.name] for value in values])
        kind = use.settings.kind
        if kind in NEVER_RUN:
            raise use.settings.refuse("which holds Python code: it is never run")
        if kind not in CONVERTERS or not values:
            raise use.settings.refuse()
        if node.trains(self.style.version):
            raise use.settings.refuse("called with training=True")
        bare = values[0].bare
        if bare is not None:
            if kind not in BEFORE_SHAPE:
                raise use.settings.refuse(
                    f"it reads images of shape {bare}: begin with a Reshape that adds channels"
                )
            if kind == "Reshape":
                return self._reshape_images(use, values[0])
        if kind in INACTIVE:
            self.notes[f"{kind} is left out: it does nothing once a network is trained"] = None
        parts = CONVERTERS[kind](use)
        softmax = [value.softmax for value in values]
        if any(softmax) and not all(isinstance(part.layer, AFTER_SOFTMAX) for part in parts):
            raise use.settings.refuse("it follows a softmax, which is supported at the end alone")
        return self._add_parts(use, values, parts)

    def _reshape_images(self, use: Use, value: Value) -> Value:
        """Images that a Reshape gives an axis of channels, or another form without one."""
        shape = self.shapes[INPUT]
        target = resolve_target(use, math.prod(shape))
        if len(target) == 3 and target != self.style.in_file(shape):
            raise use.settings.fail("target_shape", f"{self.style.in_file(shape)}, as the images are")
        if len(target) < 3 and shape[2] != 1:
            raise use.settings.fail("target_shape", "rows, columns and channels")
        return replace(value, bare=target if len(target) < 3 else None)

    def _add_parts(self, use: Use, values: Sequence[Value], parts: Sequence[Part]) -> Value:
        names, value = tuple(each.name for each in values), values[0]
        for part in parts:
            if isinstance(part.layer, Softmax):
                shape = self.shapes[value.name]
                if math.prod(shape[:-1]) != 1:
                    raise use.settings.refuse(f"with a softmax over each cell of {shape}")
                value = replace(value, softmax=True)
                continue
            name = self._add_layer(use, part, names)
            prepared = value.prepared and value.prepared.then(part.layer, part.arrays)
            bare = None if isinstance(part.layer, Flatten) else value.bare
            softmax = any(each.softmax for each in values)
            value, names = Value(name, part.order, softmax, bare, prepared), (name,)
        return value

    def _add_layer(self, use: Use, part: Part, sources: tuple[str, ...]) -> str:
        """Add a layer under a name of its own, which is returned."""
        name = name_layer(use.settings.name, self.shapes)
        previous = self.layers[-1].name if self.layers else INPUT
        layer = replace(part.layer, name=name, inputs=() if sources == (previous,) else sources)
        shapes = [self.shapes[source] for source in sources]
        shape, expected = measure_layer(self.path, layer, shapes, len(self.layers))
        for parameter, needed in expected.items():
            array = part.arrays[parameter]
            if array.shape != needed:
                raise self.fail(f"layer {name!r} has a {parameter} of shape {array.shape}: expected {needed}")
            self.arrays[f"{name}.{parameter}"] = np.ascontiguousarray(array, np.float32)
        self.layers.append(layer)
        self.shapes[name] = shape
        return name

    def _note_end(self, output: Value) -> None:
        """Note what was taken off; refuse a network of one number."""
        shape = self.shapes[output.name]
        last = next((layer for layer in self.layers if layer.name == output.name), None)
        function = getattr(last, "activation", getattr(last, "function", None))
        if shape == (1,):
            ending = " after a sigmoid" if function == "sigmoid" else ""
            raise self.fail(
                f"it gives one number{ending}, for two classes: expected a number for each class; end it in "
                "Dense(2) instead, with weights (0, w) and biases (0, b)"
            )
        if output.softmax:
            self.notes[SOFTMAX_OFF] = None
        if function == "sigmoid":
            self.notes["it ends in a sigmoid for each class: these values count as logits"] = None

    def _describe(self, shape: Shape, pixels: Pixels) -> Architecture:
        if pixels == Pixels() and any(
            value.prepared is not None and value.prepared.expects_bytes for value in self.values
        ):
            pixels = Pixels(scale="byte")
            self.notes["it scales pixels of 0..255 itself: it gets bytes"] = None
        if self.style.channels_first and any(isinstance(layer, Flatten | Dense) for layer in self.layers):
            self.notes[
                "channels first in the file: put last, and what follows a flatten put in that order"
            ] = None
        name = name_layer(self.path.stem, ())
        try:
            return Architecture(name, shape, tuple(self.layers), pixels)
        except ValueError as error:
            raise self.fail(str(error)) from None


def find_style(graph: Graph, version: int, backend: str, path: Path) -> Style:
    """How the file arranges numbers. Raises ForeignError where its layers do not agree.

    Keras 1 does not say which program computed: with channels first it was Theano, as far as one can tell.
    """
    formats = {
        modernize(node.kind, node.config)[1].get("data_format")
        for node in graph.nodes
        if node.kind not in ("Flatten", "Reshape")
    } - {None}
    if len(formats) > 1:
        raise ForeignError(
            f"network {path}: its layers have channels first and last: expected one data_format throughout"
        )
    shape = graph.input_shape
    looks_first = len(shape) == 3 and shape[0] in (1, 3) and shape[2] not in (1, 3)
    first = formats == {"channels_first"} or (not formats and looks_first)
    return Style(version, first, backend == "theano" or (version == 1 and first and not backend))


def note_style(style: Style, backend: str) -> Mapping[str, None]:
    """What a person should know about it."""
    if backend == "theano":
        return {"written by Theano: its kernels are mirrored": None}
    if style.version == 1 and not backend:
        text = (
            "Keras 1 does not say which backend wrote it: by its order of channels it is taken for "
            f"{'Theano' if style.theano else 'TensorFlow'}; if it recognizes few images, mirror its kernels "
            "with `convert_kernel` of Keras 2, and save it again"
        )
        return {text: None}
    return {}
