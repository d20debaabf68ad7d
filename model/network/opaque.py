"""What is known of a network that is a Python function: the shapes of what it gives, not its layers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from model.network.architecture import COMPOSED, MOST_VIEWED, SCALED, Architecture
from model.network.sliding import Shape

LOGITS = "logits"
UNKNOWN = "the layers of a Python function are not known"


@dataclass(frozen=True)
class Opaque(Architecture):
    """A function with the activations that it names: maps (H, W, C), and vectors (D,); the logits come last.

    Vectors and the logits are compared; without a vector before the logits, the last map is. What would need
    the layers raises ValueError with the reason.
    """

    shapes: tuple[tuple[str, Shape], ...] = ()

    def __post_init__(self) -> None:
        """There are no layers to check; `model.network.function` checks the shapes."""

    def sources(self) -> dict[str, tuple[str, ...]]:
        """Not known: raises ValueError."""
        raise ValueError(UNKNOWN)

    def readers(self) -> dict[str, list[str]]:
        """Not known: raises ValueError."""
        raise ValueError(UNKNOWN)

    def input_shapes(self) -> dict[str, tuple[Shape, ...]]:
        """Not known: raises ValueError."""
        raise ValueError(UNKNOWN)

    def output_shapes(self) -> dict[str, Shape]:
        """The shapes of what the function gives, by name."""
        return dict(self.shapes)

    @property
    def logits(self) -> str:
        """The name of the logits."""
        return LOGITS

    @property
    def compared(self) -> tuple[str, ...]:
        """Every vector, else the last map; then the logits."""
        others = [(name, shape) for name, shape in self.shapes if name != LOGITS]
        vectors = [name for name, shape in others if len(shape) == 1]
        return (*(vectors or [name for name, _ in others][-1:]), LOGITS)

    @property
    def viewed(self) -> tuple[str, ...]:
        """The maps, of many the last ones."""
        return tuple(name for name, shape in self.shapes if len(shape) == 3)[-MOST_VIEWED:]

    def activation_shapes(self) -> dict[str, Shape]:
        """Every map and vector in order, then `composed`; a compared map is flattened."""
        compared, viewed = self.compared, self.viewed
        named = {
            name: (math.prod(shape),) if name in compared else shape
            for name, shape in self.shapes
            if name in (*compared, *viewed)
        }
        return {**named, COMPOSED: (sum(math.prod(named[name]) for name in compared),)}

    def kinds(self) -> dict[str, str]:
        """The kind of each: conv for maps that are viewed, flatten for one that is compared, else dense."""
        shapes, compared = self.output_shapes(), self.compared
        kinds = {
            name: "dense" if len(shapes[name]) == 1 else "flatten" if name in compared else "conv"
            for name in self.activation_shapes()
            if name != COMPOSED
        }
        return {**kinds, COMPOSED: COMPOSED}

    def notes(self) -> dict[str, str]:
        """What each holds, as far as the function tells: a few words for people."""
        texts = {"conv": "feature maps", "flatten": "image features", "dense": "a vector of the function"}
        kinds = self.kinds()
        notes = {name: texts[kind] for name, kind in kinds.items() if kind in texts}
        joined = " and ".join([", ".join(self.compared[:-1]), LOGITS]) if self.compared[1:] else LOGITS
        composed = {COMPOSED: f"{joined} concatenated" if self.compared[1:] else joined}
        scaled = {SCALED: f"{composed[COMPOSED]}, each divided by its usual length"}
        return {**notes, LOGITS: "the class scores", **composed, **scaled}
