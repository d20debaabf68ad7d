"""Functions of single numbers in an ONNX file, recognized by what they compute.

Exporters write one activation function in many ways: `x * Sigmoid(x)`, `Clip(x + 3, 0, 6) / 6`,
`0.5 * x * (1 + Erf(x / 1.4142135))`. So operators on single numbers are collected until something else reads
them. Then the whole is evaluated at many points, and is the function of `model.network.activations` that has
the same values, or x * a + b. Where it is neither, it may be a chain of such functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np

from model.network.foreign import refuse_layer
from model.network.layers import Activation, Add, Affine
from model.network.onnx.build import Build
from model.network.onnx.values import Value, same_order

Function = Callable[..., np.ndarray]
MOST_STEPS = 24  # operators of one expression
FAR = (50.0, 20.0, 80.0, 1e3, 1e5, 1e7)
GRID = np.concatenate([(0.0, 1.0, -1.0), np.linspace(-12, 12, 1201), np.negative(FAR), FAR])
NEAR = np.abs(GRID) <= 50  # here no function may overflow
TOLERANCE = 2e-6  # of values, and per unit of x: constants in files have seven digits
EXACT = 1e-9  # of what is computed here from the file's own numbers
erf: Function = np.vectorize(math.erf, otypes=[float])


@dataclass(eq=False)
class Pointwise:
    """A function of the numbers of a value, one by one, that is still being collected."""

    base: Value
    function: Function
    arguments: tuple[Pointwise | Value | float, ...]
    kind: str
    name: str  # in the file
    label: str
    size: int = 1
    settled: list[Value | None] = field(default_factory=list)  # at most one, once it was tried

    def settle(self, build: Build) -> Value:
        """Add its layers, once; returns their output. Raises ForeignError for what is no known function."""
        value = self._settle(build)
        if value is None:
            why = "no activation function that is supported"
            if sum(not isinstance(argument, float) for argument in self.arguments) > 1:
                why = "of two branches"
            raise refuse_layer(build.path, self.name, self.kind, why)
        return value

    def _settle(self, build: Build) -> Value | None:
        if not self.settled:
            self.settled.append(self._recognize(build) or self._add_branches(build))
        return self.settled[0]

    def _recognize(self, build: Build) -> Value | None:
        """The output of the layers that compute it; None where there are none."""
        starts: list[Pointwise | Value] = [self.base, *dict.fromkeys(self._steps())]
        for start in starts:
            values = _evaluate(self, start)
            form = None if values is None else identify(values)
            source = start if isinstance(start, Value) else start._settle(build) if form else None
            if form is None or source is None:
                continue
            if isinstance(form, str):
                name = build.add(Activation, self.label, (source.source,), function=form)
                return replace(source, source=name)
            scale, bias = map(np.array, form)
            return add_affine(build, self.label, source, scale, bias)
        return None

    def _steps(self) -> Iterator[Pointwise]:
        """The expressions that it is made of, the innermost first, without itself."""
        for argument in self.arguments:
            if isinstance(argument, Pointwise):
                yield from argument._steps()
                yield argument

    def _add_branches(self, build: Build) -> Value | None:
        """The sum of two functions of one value, as branches."""
        if self.kind not in ("Add", "Sum") or any(isinstance(argument, float) for argument in self.arguments):
            return None
        values = [
            argument if isinstance(argument, Value) else argument._settle(build)
            for argument in self.arguments
            if not isinstance(argument, float)
        ]
        branches = [value for value in values if value is not None]
        if len(branches) < 2 or not same_order(*branches):
            return None
        name = build.add(Add, self.label, [value.source for value in branches])
        return replace(branches[0], source=name)


def add_affine(build: Build, label: str, value: Value, scale: np.ndarray, bias: np.ndarray) -> Value:
    """Add x * scale + bias by numbers for each channel or for all; nothing where it is the identity."""
    if (scale == 1).all() and (bias == 0).all():
        return value
    shape = (value.shape[-1],)
    arrays = {"scale": np.broadcast_to(scale, shape), "bias": np.broadcast_to(bias, shape)}
    return replace(value, source=build.add(Affine, label, (value.source,), arrays))


def identify(values: np.ndarray) -> str | tuple[float, float] | None:
    """What has these values at the points of GRID: an activation function, or the a and b of x * a + b."""
    if not np.isfinite(values[NEAR]).all():
        return None
    shift, scale = float(values[0]), float(values[1] - values[0])
    line = GRID * scale + shift
    if (np.abs(values - line) <= EXACT * (np.abs(GRID * scale) + abs(shift))).all():
        return scale, shift
    for name, known in _known().items():
        if _is(values, known):
            return name
    slope, limit = (float(f"{number:.7g}") for number in (-values[2], -values[GRID == -50][0]))
    if _is(values, np.where(GRID > 0, GRID, GRID * slope)):
        return f"leaky_relu({slope!r})"
    if limit > 0 and _is(values, np.where(GRID > 0, GRID, limit * np.expm1(np.minimum(GRID, 0)))):
        return f"elu({limit!r})"
    return None


def _is(values: np.ndarray, known: np.ndarray) -> bool:
    with np.errstate(all="ignore"):
        close = np.abs(values - known) <= TOLERANCE * (1 + np.abs(GRID))
    return bool(close[NEAR | np.isfinite(values)].all())


@cache
def _known() -> dict[str, np.ndarray]:
    """The values at the points of GRID of the functions that `model.network.pointwise` computes."""
    x = GRID
    with np.errstate(all="ignore"):
        sigmoid = 1 / (1 + np.exp(-x))
        selu = 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0)))
        tanh = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
        hard = np.clip(x / 6 + 0.5, 0, 1)
        return {
            "relu": np.maximum(x, 0),
            "relu6": np.clip(x, 0, 6),
            "silu": x * sigmoid,
            "gelu": x * (1 + erf(x / math.sqrt(2))) / 2,
            "gelu_tanh": x * (1 + tanh) / 2,
            "hard_silu": x * hard,
            "hard_sigmoid": hard,
            "softplus": np.logaddexp(x, 0),
            "tanh": np.tanh(x),
            "sigmoid": sigmoid,
            "elu": np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
            "selu": selu,
        }


def _evaluate(whole: Pointwise, start: Pointwise | Value) -> np.ndarray | None:
    """Its values where the start has those of GRID; None where it depends on the value in another way."""
    known: dict[int, np.ndarray | None] = {}

    def compute(part: Pointwise | Value | float) -> np.ndarray | None:
        if part is start:
            return GRID
        if isinstance(part, float):
            return np.float64(part)  # type: ignore[return-value]
        if isinstance(part, Value):
            return None
        if id(part) not in known:
            arguments = [compute(argument) for argument in part.arguments]
            lacking = any(argument is None for argument in arguments)
            known[id(part)] = None if lacking else np.asarray(part.function(*arguments), np.float64)
        return known[id(part)]

    try:
        with np.errstate(all="ignore"):
            values = compute(whole)
    except (ArithmeticError, ValueError):
        return None
    return None if values is None else np.broadcast_to(values, GRID.shape)
