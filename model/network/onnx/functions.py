"""ONNX operators on single numbers, and sums, products and the like with constants or of two branches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np

from model.network.layers import Add
from model.network.onnx.node import Node, Tensor
from model.network.onnx.pointwise import MOST_STEPS, Function, Pointwise, add_affine, erf
from model.network.onnx.values import Value, same_order, to_ours


def apply_function(node: Node) -> Tensor:
    """The function of one value that the operator computes."""
    if isinstance(node.tensor(0), np.ndarray):
        raise node.refuse("of a constant")
    return _collect(node, FUNCTIONS[node.kind](node), node.tensor(0))


def combine(node: Node) -> Tensor:
    """Two or more values or constants, one by one."""
    count = max(2, len(node.inputs)) if node.kind in ("Min", "Max", "Sum") else 2
    if node.kind in ("Min", "Max", "Sum") and len(node.inputs) == 1:
        return node.tensor(0)
    return reduce(lambda first, second: _pair(node, first, second), map(node.tensor, range(count)))


def _pair(node: Node, first: Tensor, second: Tensor) -> Tensor:
    function = COMBINATIONS[node.kind]
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        with np.errstate(all="ignore"):
            return np.asarray(function(first, second), np.float32)
    for constant, other in ((first, second), (second, first)):
        if not isinstance(constant, np.ndarray) or isinstance(other, np.ndarray):
            continue
        if constant.size == 1 and constant.ndim <= len(_base(other).axes):
            return _collect(node, function, first, second)
        value = other.settle(node.build) if isinstance(other, Pointwise) else other
        return _by_channel(node, value, constant.astype(np.float64), constant is first)
    values = [tensor for tensor in (first, second) if not isinstance(tensor, np.ndarray)]
    bases = [_base(tensor) for tensor in values]
    if bases[0].source == bases[1].source and same_order(*bases):
        return _collect(node, function, first, second)
    if node.kind not in ("Add", "Sum"):
        raise node.refuse("of two branches")
    return _add(node, *(one.settle(node.build) if isinstance(one, Pointwise) else one for one in values))


def _add(node: Node, first: Value, second: Value) -> Value:
    if first.is_map != second.is_map:
        first, second = node.as_row(first), node.as_row(second)
    if not same_order(first, second):
        raise node.refuse(
            f"of branches of shapes {first.dims} and {second.dims}, or of another order of axes"
        )
    return replace(first, source=node.build.add(Add, node.label, (first.source, second.source)))


def _by_channel(node: Node, value: Value, numbers: np.ndarray, is_first: bool) -> Value:
    """The value with a constant for each channel; `is_first`: the constant is the operator's first input."""
    shape, dims = (1,) * (len(value.axes) - numbers.ndim) + numbers.shape, value.dims
    places = [place for place, side in enumerate(shape) if side > 1]
    fits = len(shape) == len(dims) and all(shape[place] == dims[place] for place in places)
    letters = [value.axes[place] for place in places] if fits else []
    if len(letters) != 1 or letters == ["N"]:
        raise node.refuse(
            f"of shapes {dims} and {numbers.shape}: expected one number, or one for each channel"
        )
    numbers = numbers.reshape(-1)
    if letters != ["C"]:
        value = node.as_row(value)
        numbers = to_ours(value, numbers)
    one = np.ones(1)
    with np.errstate(all="ignore"):
        forms = {
            "Add": (one, numbers),
            "Sum": (one, numbers),
            "Sub": (-one, numbers) if is_first else (one, -numbers),
            "Mul": (numbers, 0 * one),
            "Div": (one / numbers, 0 * one),
        }
    if node.kind not in forms or (node.kind == "Div" and is_first):
        raise node.refuse("with a number for each channel")
    return add_affine(node.build, node.label, value, *forms[node.kind])


def _base(tensor: Value | Pointwise) -> Value:
    return tensor.base if isinstance(tensor, Pointwise) else tensor


def _collect(node: Node, function: Function, *tensors: Tensor) -> Pointwise:
    """The function of these, to be recognized when it is read."""
    arguments: list[Pointwise | Value | float] = []
    size = 1 + sum(tensor.size for tensor in tensors if isinstance(tensor, Pointwise))
    for tensor in tensors:
        if isinstance(tensor, np.ndarray):
            arguments.append(float(tensor.reshape(-1)[0]))
        elif isinstance(tensor, Pointwise) and size > MOST_STEPS:
            arguments.append(tensor.settle(node.build))
        else:
            arguments.append(tensor)
    if size > MOST_STEPS:
        size = 1
    base = next(_base(argument) for argument in arguments if not isinstance(argument, float))
    return Pointwise(base, function, tuple(arguments), node.kind, node.name, node.label, size)


def _clip(node: Node) -> Function:
    limits: list[Any] = []
    for place, name, usual in ((1, "min", -np.inf), (2, "max", np.inf)):
        given = node.optional(place, name)
        if given is not None and given.size != 1:
            raise node.refuse(f"its {name} has shape {given.shape}: expected one number")
        limits.append(node.attributes.get(name, usual) if given is None else float(given.reshape(-1)[0]))
    return lambda x: np.clip(x, *limits)


def _elu(node: Node) -> Function:
    alpha = node.number("alpha", 1.0)
    return lambda x: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _selu(node: Node) -> Function:
    alpha, gamma = node.number("alpha", 1.6732632423543772), node.number("gamma", 1.0507009873554805)
    return lambda x: gamma * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _leaky(node: Node) -> Function:
    alpha = node.number("alpha", 0.01)
    return lambda x: np.where(x > 0, x, alpha * x)


def _hard_sigmoid(node: Node) -> Function:
    alpha, beta = node.number("alpha", 0.2), node.number("beta", 0.5)
    return lambda x: np.clip(alpha * x + beta, 0, 1)


def _gelu(node: Node) -> Function:
    if node.text("approximate", "none") == "tanh":
        return lambda x: x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2
    return lambda x: x * (1 + erf(x / np.sqrt(2))) / 2


def _swish(node: Node) -> Function:
    alpha = node.number("alpha", 1.0)
    return lambda x: x * _sigmoid(alpha * x)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))


FUNCTIONS: dict[str, Callable[[Node], Function]] = {
    "Relu": lambda _: lambda x: np.maximum(x, 0),
    "LeakyRelu": _leaky,
    "Elu": _elu,
    "Selu": _selu,
    "Gelu": _gelu,
    "Sigmoid": lambda _: _sigmoid,
    "Tanh": lambda _: np.tanh,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda _: lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "Swish": _swish,
    "Mish": lambda _: lambda x: x * np.tanh(np.logaddexp(x, 0)),
    "Softplus": lambda _: lambda x: np.logaddexp(x, 0),
    "Softsign": lambda _: lambda x: x / (1 + np.abs(x)),
    "Clip": _clip,
    "Erf": lambda _: erf,
    "Exp": lambda _: np.exp,
    "Log": lambda _: np.log,
    "Neg": lambda _: np.negative,
    "Abs": lambda _: np.abs,
    "Sqrt": lambda _: np.sqrt,
    "Reciprocal": lambda _: lambda x: 1 / x,
}
COMBINATIONS: dict[str, Function] = {
    "Add": np.add,
    "Sum": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Pow": lambda x, exponent: np.power(np.asarray(x, np.float64), exponent),
    "Min": np.minimum,
    "Max": np.maximum,
    "PRelu": lambda x, slope: np.where(x > 0, x, x * slope),
}
