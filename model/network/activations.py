"""Activation functions by name: "relu", or with a parameter "leaky_relu(0.1)"."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

LINEAR = "linear"


class Known(NamedTuple):
    """An activation function that can be named."""

    parameter: float | None = None  # its value where none is given; None: it has no parameter
    settles: bool = False  # whether it has a finite limit, without slope, for inputs that fall to -inf


# What each computes is in `model.network.pointwise`.
ACTIVATIONS: dict[str, Known] = {
    LINEAR: Known(),
    "relu": Known(settles=True),
    "relu6": Known(settles=True),
    "leaky_relu": Known(0.01),  # the slope below 0
    "elu": Known(1.0),  # minus the limit for small values
    "selu": Known(),
    "gelu": Known(),  # by the error function
    "gelu_tanh": Known(),  # by its approximation
    "silu": Known(),
    "hard_silu": Known(),
    "hard_sigmoid": Known(),
    "softplus": Known(),
    "tanh": Known(),
    "sigmoid": Known(),
}
FORM = re.compile(r"([a-z0-9_]+)(?:\(([^()]*)\))?", re.ASCII)


def parse_activation(text: object) -> tuple[str, float | None]:
    """The function's name and the value of its parameter. Raises ValueError for an unknown one."""
    match = FORM.fullmatch(text) if isinstance(text, str) else None
    known = ACTIVATIONS.get(match[1]) if match else None
    if match is None or known is None:
        raise ValueError(f"activation {str(text)[:60]!r}: expected one of {', '.join(ACTIVATIONS)}")
    if match[2] is None:
        return match[1], known.parameter
    try:
        value = float(match[2])
    except ValueError:
        value = math.nan
    if known.parameter is None or not math.isfinite(value):
        raise ValueError(f"activation {match[0][:60]!r}: expected a name, or one with a number in brackets")
    return match[1], value


def require_activation(text: object) -> None:
    """Raise ValueError where it names no activation function."""
    parse_activation(text)


def is_linear(text: str) -> bool:
    """Whether it is the identity."""
    return parse_activation(text)[0] == LINEAR


def settles(text: str) -> bool:
    """Whether all inputs that are low enough give the same value."""
    return ACTIVATIONS[parse_activation(text)[0]].settles
