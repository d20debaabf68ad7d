"""What the activation functions of `model.network.activations` compute."""

from __future__ import annotations

from collections.abc import Callable

import jax
from jax import Array

from model.network.activations import parse_activation

FUNCTIONS: dict[str, Callable[..., Array]] = {
    "linear": lambda x: x,
    "relu": jax.nn.relu,
    "relu6": jax.nn.relu6,
    "leaky_relu": jax.nn.leaky_relu,
    "elu": jax.nn.elu,
    "selu": jax.nn.selu,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "gelu_tanh": lambda x: jax.nn.gelu(x, approximate=True),
    "silu": jax.nn.silu,
    "hard_silu": jax.nn.hard_silu,
    "hard_sigmoid": jax.nn.hard_sigmoid,
    "softplus": jax.nn.softplus,
    "tanh": jax.numpy.tanh,
    "sigmoid": jax.nn.sigmoid,
}


def activate(text: str, x: Array) -> Array:
    """Apply the activation function of this name to x of any shape."""
    name, parameter = parse_activation(text)
    return FUNCTIONS[name](x) if parameter is None else FUNCTIONS[name](x, parameter)
