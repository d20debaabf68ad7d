"""Activation functions of Keras, by name, as layers of their own, and as functions in a graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.network.activations import LINEAR
from model.network.keras.settings import Settings

SOFTMAX = "softmax"  # recognized, and taken off where it is the last thing that happens
NAMES = {
    **dict.fromkeys(
        (LINEAR, "relu", "relu6", "elu", "selu", "gelu", "silu", "softplus", "tanh", "sigmoid"), ""
    ),
    "swish": "silu",
    "leaky_relu": "leaky_relu(0.2)",
    "log_softmax": SOFTMAX,
    SOFTMAX: SOFTMAX,
}
KERAS_3_NAMES = {
    "hard_sigmoid": "",
    "hard_silu": "",
    "hard_swish": "hard_silu",
}  # Keras 2 computed another one
LAYERS = ("ReLU", "LeakyReLU", "ELU", "Softmax")
FUNCTIONS = {  # of Keras 3 and of TensorFlow; what takes a parameter stands in `function_of_call`
    **{name: name.lower() for name in ("Relu", "Relu6", "Selu", "Silu", "Softplus", "Tanh", "Sigmoid")},
    **{f"tf.nn.{name}": name for name in ("relu", "relu6", "elu", "selu", "silu", "softmax")},
    **{f"tf.math.{name}": name for name in ("tanh", "sigmoid", "softplus")},
    "HardSilu": "hard_silu",
    "HardSigmoid": "hard_sigmoid",
    "Softmax": SOFTMAX,
    "tf.nn.swish": "silu",
}


def function_by_name(given: Any, settings: Settings, version: int) -> str:
    """Our name of an activation function that a layer's config gives, or SOFTMAX.

    given: a name, None, or the class and config of a layer. Raises ForeignError for an unknown one.
    """
    if given is None:
        return LINEAR
    if isinstance(given, Mapping) and given.get("class_name") in LAYERS:
        inner = Settings(settings.path, settings.name, given["class_name"], given["config"])
        return function_of_layer(inner)
    names = NAMES | (KERAS_3_NAMES if version >= 3 else {})
    if not isinstance(given, str) or given not in names:
        known = str(given.get("config") or given) if isinstance(given, Mapping) else str(given)
        raise settings.refuse(f"its activation function is {known[:60]!r}")
    return names[given] or given


def function_of_layer(settings: Settings) -> str:
    """Our name of what an activation layer computes, or SOFTMAX."""
    kind = settings.kind
    if kind == "Softmax":
        return SOFTMAX
    if kind == "ELU":
        return f"elu({settings.number('alpha', 1.0)!r})"
    if kind == "LeakyReLU":
        key = "negative_slope" if "negative_slope" in settings.config else "alpha"
        return f"leaky_relu({settings.number(key, 0.3)!r})"
    most, slope = settings.config.get("max_value"), settings.number("negative_slope", 0.0)
    if settings.number("threshold", 0.0) != 0 or (most is not None and slope != 0):
        raise settings.refuse("with a threshold, or with a slope and a largest value")
    if most is not None:
        if settings.number("max_value") != 6:
            raise settings.refuse(f"cut at {str(most)[:20]}, not at 6")
        return "relu6"
    return f"leaky_relu({slope!r})" if slope else "relu"


def function_of_call(settings: Settings) -> str | None:
    """Our name of a function in a graph, or SOFTMAX; None where it is no activation function that we know."""
    if settings.kind == "LeakyRelu":
        return f"leaky_relu({settings.number('negative_slope', 0.2)!r})"
    if settings.kind == "Elu":
        return f"elu({settings.number('alpha', 1.0)!r})"
    if settings.kind == "Gelu":
        return "gelu_tanh" if settings.flag("approximate", True) else "gelu"
    return FUNCTIONS.get(settings.kind)
