"""A network that is a Python function of the user: `--network package.module:function`.

The function takes images (B, H, W, C) float32 in [0, 1] and gives logits (B, K), or a pair of them and of
{layer: activations (B, ...)}. It has to be traceable by JAX, at inference: the logits of an image depend on
nothing else.

What identifies it (`networks.sha256`) is the sha256 over `module:function`, the source of its module's file,
and the arrays of `parameters`, a pytree that the function or its module may offer, or of the function itself
where it is a pytree. Weights that are loaded and not offered there do not count.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from model.network.architecture import COMPOSED, INPUT, NAME, OURS
from model.network.build import MOST_CELLS
from model.network.checkpoint import Checkpoint
from model.network.cnn import Network
from model.network.opaque import LOGITS, Opaque
from model.network.refusal import CheckpointError
from model.network.sliding import Shape

FORM = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
EXPECTED = "expected a function of images (B, H, W, C) float32 in [0, 1] to logits (B, classes)"
OWN = ("model", "db", "ingest", "dashapp", "migrations")  # packages that are imported already
DIFFERENCE = 1e-3  # of the largest logit: more between two batches is no rounding

LAYERS = "expected (logits, {layer: activations}) with layers named by letters, digits, '_' and '-'"
NO_PARAMETERS = (
    "its digest covers the source of its module alone: offer `parameters` there, if weights come from "
    "elsewhere"
)

Outputs = dict[str, jax.Array]


class Held:
    """A function and its text; Flax does not look into it."""

    def __init__(self, text: str, function: Callable[[jax.Array], Any]) -> None:
        """text: `package.module:function`."""
        self.text, self.function = text, function

    def __call__(self, images: jax.Array) -> Outputs:
        """Call it with images; gives its layers by name, the logits last. Raises CheckpointError."""
        with _in_one_line(self.text):
            given = self.function(images)
        logits, layers = given if isinstance(given, tuple) and len(given) == 2 else (given, {})
        if not isinstance(layers, Mapping):
            raise _refusal(self.text, f"it gives a {type(layers).__name__} beside the logits, {LAYERS}")
        outputs = {**layers, LOGITS: logits}
        for name, value in outputs.items():
            self._check(name, value, len(images))
        if LOGITS in layers or {INPUT, *OURS} & set(layers):
            taken = ", ".join((INPUT, *OURS, LOGITS))
            raise _refusal(self.text, f"its layers are {list(layers)}: expected other names than {taken}")
        return {name: _as_map_or_vector(value) for name, value in outputs.items()}

    def _check(self, name: object, value: Any, count: int) -> None:
        shape, kind = getattr(value, "shape", None), getattr(value, "dtype", None)
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise _refusal(self.text, f"a layer is named {str(name)[:60]!r}, {LAYERS}")
        if shape is None or kind is None:
            raise _refusal(self.text, f"it gives a {type(value).__name__} for {name}, expected an array")
        if not jnp.issubdtype(kind, jnp.floating) or len(shape) < 2 or shape[0] != count:
            raise _refusal(
                self.text,
                f"it gives {name} as {kind} of shape {shape} for {count} images, expected numbers with a "
                f"fraction, and {count} as the first side of two or more",
            )


class FunctionNetwork(Network):
    """A function in the place of a network that is described by its layers."""

    architecture: Opaque

    def __init__(self, architecture: Opaque, held: Held) -> None:
        """Keep the function; it has no parameters that could be trained."""
        self.architecture, self.held = architecture, held

    def __call__(self, images: jax.Array, *, dropout_key: jax.Array | None = None) -> jax.Array:
        """Images (B, H, W, C) float32 in [0, 1] to logits (B, K); it has no dropout."""
        return self.held(images)[LOGITS]

    def activations(self, images: jax.Array) -> Outputs:
        """Every named activation, (B, ...) float32, in the order of `Opaque.activation_shapes`."""
        outputs = self.held(images)
        compared = {name: outputs[name].reshape(len(images), -1) for name in self.architecture.compared}
        outputs |= compared
        outputs[COMPOSED] = jnp.concatenate(list(compared.values()), axis=-1)
        return {name: outputs[name] for name in self.architecture.activation_shapes()}

    def weights(self) -> dict[str, dict[str, jax.Array]]:
        """None that are known."""
        return {}


def is_function(text: str) -> bool:
    """Whether a text has the form `package.module:function`."""
    return FORM.fullmatch(text) is not None


def load(text: str, input_shape: Shape, classes: int) -> Checkpoint:
    """Import a function and check what it gives for images of this shape (H, W, C).

    Raises CheckpointError in one line: it cannot be imported, called or traced; it gives other shapes, or
    what is no finite number; the logits of an image depend on the other images of its batch.
    """
    module = _import(text)
    function = _attribute(text, module)
    held = Held(text, function)
    network = FunctionNetwork(_describe(held, input_shape, classes), held)
    _try(text, network)
    source = _source(text, module)
    digest = hashlib.sha256(f"{text}\n{len(source)}\n".encode() + source)
    count = 0
    for array in _parameters(function, module):
        count += 1
        digest.update(f"{array.dtype.str} {array.shape}\n".encode() + array.tobytes())
    origin = {
        "function": text,
        "file": Path(str(module.__file__)).name,
        "sha256": hashlib.sha256(source).hexdigest(),
        "notes": [f"its digest covers {count} arrays of parameters" if count else NO_PARAMETERS],
    }
    shapes = {name: list(shape) for name, shape in network.architecture.shapes}
    described = {"name": text, "input_shape": list(input_shape), "outputs": shapes}
    return Checkpoint(network, digest.hexdigest(), {"architecture": described, "origin": origin})


def _import(text: str) -> ModuleType:
    """The module of a function; the current folder is looked into for this import alone."""
    name, folder = text.partition(":")[0], os.getcwd()
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        with _in_one_line(text, "importing it"):
            return _import_module(text, name, folder)
    finally:
        sys.path.remove(folder)


def _import_module(text: str, name: str, folder: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise _refusal(text, f"it imports {error.name}, which is not installed") from None
        top = name.partition(".")[0]
        own = f"; {top} is a package of this program" if top in OWN else ""
        expected = f"expected one in {folder} or an installed one{own}"
        raise _refusal(text, f"there is no module {error.name}, {expected}") from None


def _attribute(text: str, module: ModuleType) -> Callable[[jax.Array], Any]:
    found: Any = module
    for name in text.partition(":")[2].split("."):
        if not hasattr(found, name):
            raise _refusal(text, f"{module.__name__} has no {name}")
        found = getattr(found, name)
    if isinstance(found, type) or not callable(found):
        raise _refusal(text, f"it is a {type(found).__name__}, {EXPECTED}")
    function: Callable[[jax.Array], Any] = found
    return function


def _source(text: str, module: ModuleType) -> bytes:
    path = inspect.getsourcefile(module) if getattr(module, "__file__", None) else None
    if path is None or not Path(path).is_file():
        raise _refusal(text, "its module has no source file, which identifies it: put the function in one")
    return Path(path).read_bytes()


def _parameters(function: object, module: ModuleType) -> Iterator[np.ndarray]:
    """The arrays that identify a function besides its source."""
    offered = getattr(function, "parameters", None)
    if offered is None or callable(offered):
        offered = getattr(module, "parameters", None)
    for leaf in jax.tree.leaves(function if offered is None or callable(offered) else offered):
        if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            yield np.asarray(jax.random.key_data(leaf))
        elif isinstance(leaf, jax.Array | np.ndarray | np.generic | int | float):
            yield np.asarray(leaf)


def _describe(held: Held, input_shape: Shape, classes: int) -> Opaque:
    """Trace the function, without computing anything, and check the shapes that it gives."""
    images = jax.ShapeDtypeStruct((3, *input_shape), jnp.float32)
    order: list[str] = []  # which JAX does not keep

    def traced(images: jax.Array) -> Outputs:
        outputs = held(images)
        order.extend(outputs)
        return outputs

    outputs = jax.eval_shape(traced, images)
    shapes = {name: tuple(outputs[name].shape[1:]) for name in order}
    if shapes[LOGITS] != (classes,):
        raise _refusal(
            held.text,
            f"it gives logits of shape {(3, *shapes[LOGITS])} for 3 images of {classes} classes, expected "
            f"(3, {classes})",
        )
    for name, shape in shapes.items():
        if not 1 <= math.prod(shape) <= MOST_CELLS:
            raise _refusal(
                held.text, f"it gives {name} of shape {shape}, expected at most {MOST_CELLS:,} numbers"
            )
    return Opaque(held.text, input_shape, (), shapes=tuple(shapes.items()))


def _try(text: str, network: FunctionNetwork) -> None:
    """Evaluate a function on few images, and check the numbers."""
    shape = network.architecture.input_shape
    one, two, three = np.random.default_rng(0).random((3, *shape), np.float32)
    run = jax.jit(network.held)
    with _in_one_line(text):
        outputs = [jax.device_get(run(np.stack(pair))) for pair in ((one, two), (one, three))]
    for name, values in outputs[0].items():
        if not np.isfinite(values).all():
            raise _refusal(text, f"it gives values for {name} that are no finite numbers")
    logits = [output[LOGITS][0] for output in outputs]
    if np.abs(logits[0] - logits[1]).max() > DIFFERENCE * (1 + np.abs(logits[0]).max()):
        raise _refusal(
            text, "the logits of an image depend on the others of its batch: expected a network at inference"
        )


def _as_map_or_vector(value: jax.Array) -> jax.Array:
    """Activations (B, H, W, C) or (B, D) float32; what has other sides is flattened."""
    shape = value.shape if value.ndim in (2, 4) else (len(value), -1)
    return value.reshape(shape).astype(jnp.float32)


@contextmanager
def _in_one_line(text: str, doing: str = "calling it") -> Iterator[None]:
    """Make one line of whatever the user's code raises, but for a stop."""
    try:
        yield
    except CheckpointError:
        raise
    except (Exception, SystemExit) as error:
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        traced = isinstance(error, jax.errors.JAXTypeError | jax.errors.UnexpectedTracerError)
        reason = f"{doing} raised {type(error).__name__}" + (f": {first[:200]}" if first else "")
        raise _refusal(text, f"JAX cannot trace it: {reason}" if traced else reason) from None


def _refusal(text: str, reason: str) -> CheckpointError:
    return CheckpointError(f"--network {text}: {reason}")
