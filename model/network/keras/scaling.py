"""What scales and shifts in Keras: batch normalization, rescaling, arithmetic in a graph."""

from __future__ import annotations

import numpy as np

from model.network.keras.graph import Tensor
from model.network.keras.use import Part, Use
from model.network.layers import Add, Affine, BatchNorm

SMALLEST_STD = 1e-7  # what Keras's Normalization divides by at least
ARITHMETIC = {
    **{name: name for name in ("Add", "Subtract", "Multiply", "Divide")},
    **{f"tf.math.{name.lower()}": name for name in ("Add", "Subtract", "Multiply", "Divide")},
    "TrueDivide": "Divide",
    "tf.math.truediv": "Divide",
    "tf.__operators__.add": "Add",
}


def batch_normalization(use: Use) -> list[Part]:
    """BatchNormalization by its stored statistics; a missing gamma is 1, a missing beta 0."""
    settings, channels = use.settings, use.shape[-1]
    if not use.is_channel_axis(settings.config.get("axis", -1)):
        raise settings.refuse("over an axis that is not that of channels")
    if settings.config.get("mode", 0) != 0:
        raise settings.refuse("of a mode that normalizes by the batch")
    roles = {
        "gamma": settings.flag("scale", True),
        "beta": settings.flag("center", True),
        "moving_mean": True,
        "moving_variance": True,
    }
    stored = use.take({role: (channels,) for role, there in roles.items() if there})
    arrays = {
        "scale": stored.get("gamma", np.ones(channels, np.float32)),
        "bias": stored.get("beta", np.zeros(channels, np.float32)),
        "mean": stored["moving_mean"],
        "variance": stored["moving_variance"],
    }
    epsilon = settings.number("epsilon", 1e-3)
    if epsilon < 0 or not (arrays["variance"] + epsilon > 0).all():
        raise settings.refuse("with a variance that is not above 0")
    order = use.orders[0]
    if order is not None:
        arrays = {name: array[order] for name, array in arrays.items()}
    return [Part(BatchNorm("", epsilon=epsilon), arrays, order)]


def rescaling(use: Use) -> list[Part]:
    """Rescaling: x * scale + offset."""
    scale, offset = use.settings.numbers("scale"), use.settings.numbers("offset")
    return _affine(use, np.ones(()) if scale is None else scale, np.zeros(()) if offset is None else offset)


def normalization(use: Use) -> list[Part]:
    """Normalization by the mean and variance in its config, or in its weights."""
    settings, axis = use.settings, use.settings.config.get("axis", -1)
    of_all = axis is None or axis == []
    if not of_all and not use.is_channel_axis(axis):
        raise settings.refuse("over an axis that is not that of channels")
    mean, variance = settings.numbers("mean"), settings.numbers("variance")
    if mean is None or variance is None:
        shape = () if of_all else (use.shape[-1],)
        stored = use.take({"mean": shape, "variance": shape})
        mean, variance = (np.asarray(array, np.float64) for array in stored.values())
    if (variance < 0).any():
        raise settings.refuse("with a variance below 0")
    std = np.maximum(np.sqrt(variance.ravel()), SMALLEST_STD)
    mean = mean.ravel()
    if settings.flag("invert", False):
        return _affine(use, _along_channels(use, std), _along_channels(use, mean))
    return _affine(use, _along_channels(use, 1 / std), _along_channels(use, -mean / std))


def add_branches(use: Use) -> list[Part]:
    """Add, as a layer or a function."""
    return [Part(Add(""), {}, use.common_order())]


def calculate(use: Use) -> list[Part]:
    """Arithmetic of a map and a constant, or the sum of branches."""
    settings, function = use.settings, ARITHMETIC[use.settings.kind]
    named = (use.keywords[word] for word in ("x", "x1", "y", "x2") if word in use.keywords)
    operands = [*use.arguments, *named]
    tensors = [isinstance(operand, Tensor) for operand in operands]
    if all(tensors) and function == "Add":
        return add_branches(use)
    if len(operands) != 2 or tensors.count(True) != 1:
        raise settings.refuse(f"of {tensors.count(True)} branches and {tensors.count(False)} constants")
    constant = settings.as_array(operands[tensors.index(False)], "constant")
    one, zero = np.ones(()), np.zeros(())
    if function == "Add":
        return _affine(use, one, constant)
    if function == "Subtract":
        return _affine(use, one, -constant) if tensors[0] else _affine(use, -one, constant)
    if function == "Multiply":
        return _affine(use, constant, zero)
    if not tensors[0] or not constant.all():
        raise settings.refuse("that divides by the image, or by 0")
    return _affine(use, 1 / constant, zero)


def _affine(use: Use, scale: np.ndarray, bias: np.ndarray) -> list[Part]:
    """x * scale + bias by numbers that spread over the map as NumPy's do; nothing for the identity."""
    if (scale == 1).all() and (bias == 0).all():
        return []
    with np.errstate(over="ignore"):
        arrays = {
            name: _per_channel(use, array, name).astype(np.float32)
            for name, array in (("scale", scale), ("bias", bias))
        }
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise use.settings.refuse("by numbers beyond what float32 holds")
    return [Part(Affine(""), arrays, use.orders[0])]


def _per_channel(use: Use, array: np.ndarray, what: str) -> np.ndarray:
    """One number for each channel (C,), from an array that spreads over the file's axes."""
    shape, order = use.shape, use.orders[0]
    sides = use.style.in_file(shape)
    channel = 0 if use.style.channels_first else len(sides) - 1
    allowed = tuple(side if axis == channel else 1 for axis, side in enumerate(sides))
    given = array.reshape(array.shape[max(0, array.ndim - len(sides)) :]) if array.size else array
    full = (1,) * (len(sides) - given.ndim) + given.shape
    if array.size == 1:
        return np.full(shape[-1], array.ravel()[0])
    if full != allowed:
        raise use.settings.refuse(
            f"its {what} has shape {str(array.shape)[:40]}: expected one number a channel"
        )
    numbers = given.ravel()
    return numbers if order is None else numbers[order]


def _along_channels(use: Use, numbers: np.ndarray) -> np.ndarray:
    """Numbers for each channel, or one for all, in the shape that spreads over the file's axes."""
    if numbers.size > 1 and use.style.channels_first and len(use.shape) == 3:
        return numbers.reshape(-1, 1, 1)
    return numbers
