"""What every reader of a foreign file gives: a description, the weights, and what a person should know."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from model.network.architecture import INPUT, OURS, Architecture
from model.network.description import MOST_LAYERS
from model.network.layers import Layer, Parameters
from model.network.sliding import Shape

MOST_CELLS = 1 << 26  # numbers in one layer's output
SOFTMAX_OFF = "softmax taken off: the logits before it are what is compared"

SUPPORTED = (
    "convolution (stride, padding, dilation, groups), dense, max-, average and global pool, batch "
    "normalization, per-channel scale and shift, sum and concatenation of branches, zero padding, dropout, "
    "flatten, softmax at the end, and common activation functions"
)
WAY_OUT = "give a Python function instead: `--network package.module:function`"


class ForeignError(ValueError):
    """A file that is no network we can read; the message is one line with the way out."""


@dataclass(frozen=True)
class Foreign:
    """A network read from a foreign file."""

    architecture: Architecture
    arrays: Mapping[str, np.ndarray]  # float32, with the shapes of `Architecture.parameter_shapes`
    notes: tuple[str, ...] = ()  # what was recognized, taken off or permuted, a sentence each
    facts: Mapping[str, str] = field(default_factory=dict)  # format, and the program that wrote it


def refuse_layer(path: object, name: str, kind: str, why: str = "") -> ForeignError:
    """The error for a layer that cannot be described."""
    reason = f" ({why})" if why else ""
    return ForeignError(
        f"network {path}: layer {name[:80]!r} is a {kind[:60]}{reason}, which cannot be described; "
        f"supported: {SUPPORTED}; {WAY_OUT}"
    )


def measure_layer(
    path: object, layer: Layer, shapes: Sequence[Shape], before: int
) -> tuple[Shape, Parameters]:
    """The shapes of a layer's output and parameters, for inputs of these shapes.

    before: how many layers there are already. Raises ForeignError where they do not fit, and for a layer or a
    number of layers that is too large.
    """
    try:
        shape, parameters = layer.output_shape(*shapes), layer.parameters(*shapes)
    except ValueError as error:
        raise ForeignError(f"network {path}: {error}") from None
    if before >= MOST_LAYERS or math.prod(shape) > MOST_CELLS:
        raise ForeignError(
            f"network {path}: layer {layer.name!r} of shape {shape}: expected at most {MOST_CELLS:,} numbers "
            f"a layer, and {MOST_LAYERS:,} layers"
        )
    return shape, parameters


def name_layer(text: str, taken: Collection[str]) -> str:
    """A valid layer name that is not taken, as near to `text` as may be."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_")[-56:].lstrip("_-") or "layer"
    if not name[0].isalpha():
        name = f"layer_{name}"
    chosen, number = name, 2
    while chosen in taken or chosen in (INPUT, *OURS):
        chosen, number = f"{name}_{number}", number + 1
    return chosen
