"""A network as a graph of layers, and what is compared and shown of it: by kind, never by name."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Literal

from model.network.layers import Activation, Affine, BatchNorm, Conv, Dense, Flatten, GlobalPool, Layer
from model.network.sliding import Shape

INPUT = "input"  # what the first layer reads: the image, prepared by `Pixels`
COMPOSED = "composed"  # the concatenation of the compared layers, in order (paper, section 4.2)
SCALED = "composed-scaled"  # the same, each layer divided by its usual length, so none outweighs another
POOLED = "composed-pooled"  # no vectors: the votes of the single layers' neighbors, taken in turn
OURS = (COMPOSED, SCALED, POOLED)
NAME = re.compile(r"[A-Za-z][\w-]{0,63}", re.ASCII)  # of a network or a layer
MOST_VIEWED = 8  # maps that are stored for every case, so that a deep network does not fill the disk


@dataclass(frozen=True)
class Pixels:
    """How the bytes of an image become the network's input: (scale * pixel - mean) / std."""

    scale: Literal["unit", "byte"] = "unit"  # pixels in 0..1, or 0..255
    mean: tuple[float, ...] = ()  # in that scale, one a channel or one for all; none: 0
    std: tuple[float, ...] = ()  # likewise, above 0; none: 1
    channels: Literal["rgb", "bgr"] = "rgb"  # the order that the network, mean and std expect


@dataclass(frozen=True)
class Architecture:
    """A named network: its input shape (H, W, C) and its layers, each after those that it reads.

    The last layer gives the logits. Raises ValueError where a layer does not fit on those it reads, where two
    layers share a name, where one reads nothing that stands before it, or where the last one is no vector.
    """

    name: str
    input_shape: Shape
    layers: tuple[Layer, ...]
    pixels: Pixels = field(default=Pixels())

    def __post_init__(self) -> None:
        """Check the description by walking once through it."""
        names = [layer.name for layer in self.layers]
        if len(set(names)) < len(names) or {INPUT, *OURS} & set(names):
            ours = ", ".join(map(repr, (INPUT, *OURS)))
            raise ValueError(f"layer names {names} must differ from each other and from {ours}")
        known = {INPUT}
        for layer, sources in zip(self.layers, self.sources().values(), strict=True):
            if missing := [source for source in sources if source not in known]:
                raise ValueError(
                    f"layer {layer.name!r} reads {missing[0]!r}, which is no layer before it: "
                    "the graph has a cycle, or lacks a layer"
                )
            known.add(layer.name)
        if not self.layers or len(self.output_shapes()[names[-1]]) != 1 or self.classes < 2:
            raise ValueError("the last layer must give a vector of two or more numbers: the logits")

    def sources(self) -> dict[str, tuple[str, ...]]:
        """What each layer reads, by name."""
        before = (INPUT, *(layer.name for layer in self.layers))
        return {
            layer.name: layer.inputs or (previous,)
            for layer, previous in zip(self.layers, before, strict=False)
        }

    def readers(self) -> dict[str, list[str]]:
        """Which layers read each layer, and the input, in order."""
        readers: dict[str, list[str]] = {name: [] for name in (INPUT, *self.sources())}
        for name, sources in self.sources().items():
            for source in dict.fromkeys(sources):
                readers[source].append(name)
        return readers

    def output_shapes(self) -> dict[str, Shape]:
        """The shape after each layer, by name, without the batch axis."""
        shapes, sources = {INPUT: self.input_shape}, self.sources()
        for layer in self.layers:
            shapes[layer.name] = layer.output_shape(*(shapes[source] for source in sources[layer.name]))
        del shapes[INPUT]
        return shapes

    def input_shapes(self) -> dict[str, tuple[Shape, ...]]:
        """The shapes that each layer reads, by its name."""
        shapes = {INPUT: self.input_shape, **self.output_shapes()}
        return {name: tuple(shapes[source] for source in sources) for name, sources in self.sources().items()}

    def multiply_adds(self) -> int:
        """Multiply-adds of one plain forward pass."""
        shapes = self.input_shapes()
        return sum(layer.multiply_adds(*shapes[layer.name]) for layer in self.layers)

    def parameter_shapes(self) -> dict[str, Shape]:
        """The shape of every parameter, named like `conv1.kernel`."""
        shapes = self.input_shapes()
        return {
            f"{layer.name}.{name}": shape
            for layer in self.layers
            for name, shape in layer.parameters(*shapes[layer.name]).items()
        }

    @property
    def logits(self) -> str:
        """The name of the last layer, which gives the logits."""
        return self.layers[-1].name

    @property
    def classes(self) -> int:
        """How many classes the network tells apart."""
        return self.output_shapes()[self.logits][0]

    @property
    def compared(self) -> tuple[str, ...]:
        """The single layers whose activations are compared, in order.

        They are the flattened or pooled map, the hidden dense layers after their activation function, and the
        logits. A network without a vector before its logits is compared at its last map.
        """
        shapes, ends = self.output_shapes(), self._ends()
        vectors = [
            ends[layer.name] for layer in self.layers if isinstance(layer, Dense | Flatten | GlobalPool)
        ]
        if not any(name != self.logits and shapes[name] != (1,) for name in vectors):
            vectors = [layer.name for layer in self.layers if len(shapes[layer.name]) == 3][-1:]
        chosen = {*vectors, self.logits}
        return tuple(layer.name for layer in self.layers if layer.name in chosen)

    @property
    def viewed(self) -> tuple[str, ...]:
        """The maps that are stored of every case to be looked at: convolutions after their activation.

        Of many, the last of each size, and others at equal steps, up to `MOST_VIEWED`.
        """
        shapes, ends = self.output_shapes(), self._ends()
        maps = list(dict.fromkeys(ends[layer.name] for layer in self.layers if isinstance(layer, Conv)))
        if len(maps) <= MOST_VIEWED:
            return tuple(maps)
        last_of_size = {shapes[name][:2]: name for name in maps}
        others = [name for name in maps if name not in last_of_size.values()]
        chosen = {*list(last_of_size.values())[-MOST_VIEWED:]}
        free = MOST_VIEWED - len(chosen)
        chosen |= {others[(2 * i + 1) * len(others) // (2 * free)] for i in range(free)}
        return tuple(name for name in maps if name in chosen)

    def activation_shapes(self) -> dict[str, Shape]:
        """Every named activation in order: the viewed maps, the compared layers, then `composed`.

        A compared map is flattened, and then counts as compared only.
        """
        shapes, compared = self.output_shapes(), self.compared
        flat = {name: (math.prod(shapes[name]),) for name in compared}
        wanted = {*self.viewed, *compared}
        named = {
            layer.name: flat.get(layer.name, shapes[layer.name])
            for layer in self.layers
            if layer.name in wanted
        }
        return {**named, COMPOSED: (sum(size for (size,) in flat.values()),)}

    def kinds(self) -> dict[str, str]:
        """The kind of each named activation: conv for viewed maps; flatten, pool or dense if compared."""
        begins: dict[str, Layer] = {}
        ends = self._ends()
        for layer in self.layers:
            begins.setdefault(ends[layer.name], layer)
        words: dict[type[Layer], str] = {Flatten: "flatten", GlobalPool: "pool", Dense: "dense"}
        compared = self.compared
        kinds = {
            name: words.get(type(begins[name]), "flatten") if name in compared else "conv"
            for name in self.activation_shapes()
            if name != COMPOSED
        }
        return {**kinds, self.logits: "dense", COMPOSED: COMPOSED}

    def notes(self) -> dict[str, str]:
        """What each named activation, and `composed-scaled`, holds: a few words for people."""
        compared, kinds = self.compared, self.kinds()
        hidden = [name for name in compared if kinds[name] == "dense" and name != self.logits]
        texts = {
            "conv": "feature maps",
            "flatten": "image features",
            "pool": "pooled features",
            "dense": "the hidden layer" if len(hidden) == 1 else "a hidden layer",
        }
        notes = {name: texts[kind] for name, kind in kinds.items() if kind in texts}
        joined = f"{', '.join(compared[:-1])} and {compared[-1]} concatenated"
        composed = {COMPOSED: joined, SCALED: f"{joined}, each divided by its usual length"}
        return {**notes, self.logits: "the class scores", **composed}

    def _ends(self) -> dict[str, str]:
        """Each layer's last of the cell-by-cell layers that follow it alone: its activation function."""
        readers, layers = self.readers(), {layer.name: layer for layer in self.layers}
        ends: dict[str, str] = {}
        for layer in reversed(self.layers):
            following = readers[layer.name]
            passes = len(following) == 1 and isinstance(layers[following[0]], Activation | BatchNorm | Affine)
            ends[layer.name] = ends[following[0]] if passes else layer.name
        return ends
