"""Build a network from an architecture and arrays that may come from anywhere: all of it is checked first."""

from __future__ import annotations

import math
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from flax import nnx

from model.network.architecture import Architecture
from model.network.cnn import Network
from model.network.layers import BatchNorm
from model.network.refusal import CheckpointError
from model.network.sliding import Shape

MOST_CELLS = 1 << 28  # numbers that a layer may give for one image: a gigabyte
MOST_LISTED = 4  # arrays of a kind that a message names


def build(architecture: Architecture, arrays: Mapping[str, np.ndarray], what: str = "weights") -> Network:
    """The network of an architecture with these parameters, named as in `Architecture.parameter_shapes`.

    Args:
        architecture: the layers.
        arrays: float32, by name.
        what: the words that errors begin with, such as "weights: FILE".

    Raises:
        CheckpointError: one line, for other names, shapes or types, for values that are no finite numbers,
            for layers that cannot be called so, and for what no machine could evaluate.
    """
    for layer in architecture.layers:
        if hasattr(Network, layer.name):
            raise CheckpointError(f"{what}: no layer can be called {layer.name}")
    _require_shapes(architecture.parameter_shapes(), arrays, what)
    for name, shape in architecture.output_shapes().items():
        if math.prod(shape) > MOST_CELLS:
            raise CheckpointError(
                f"{what}: layer {name!r} gives {math.prod(shape):,} numbers for an image, expected at most "
                f"{MOST_CELLS:,}"
            )
    for name, array in arrays.items():
        if array.dtype != np.float32:
            raise CheckpointError(f"{what} holds {name} as {array.dtype}, expected float32")
        if not np.isfinite(array).all():
            raise CheckpointError(f"{what} holds {name} with values that are no finite numbers")
    for layer in architecture.layers:
        if isinstance(layer, BatchNorm) and (arrays[f"{layer.name}.variance"] + layer.epsilon <= 0).any():
            raise CheckpointError(f"{what} holds {layer.name}.variance with values that are not above 0")
    graph, state = nnx.split(nnx.eval_shape(lambda: Network(architecture, rngs=nnx.Rngs(0))))
    leaves = [
        (key, value.replace(jnp.asarray(arrays[".".join(map(str, key))])))
        for key, value in nnx.to_flat_state(state)
    ]
    return nnx.merge(graph, nnx.from_flat_state(leaves))


def arrays_of(network: Network) -> dict[str, np.ndarray]:
    """The parameters of a network, named as in `Architecture.parameter_shapes`, statistics included."""
    return {
        ".".join(map(str, key)): np.asarray(value[...])
        for key, value in nnx.to_flat_state(nnx.state(network))
    }


def _require_shapes(wanted: Mapping[str, Shape], arrays: Mapping[str, np.ndarray], what: str) -> None:
    given = {name: array.shape for name, array in arrays.items()}
    if given == wanted:
        return
    missing = [name for name in wanted if name not in given]
    foreign = [name for name in given if name not in wanted]
    other = [
        f"{name} of shape {given[name]} where it is {shape}"
        for name, shape in wanted.items()
        if name in given and given[name] != shape
    ]
    parts = [
        *([f"lacks {_listed(missing)}"] if missing else []),
        *([f"holds {_listed(foreign)} besides"] if foreign else []),
        *([f"holds {_listed(other)}"] if other else []),
    ]
    raise CheckpointError(
        f"{what} holds {len(given)} arrays, the architecture needs {len(wanted)}: it {', and '.join(parts)}"
    )


def _listed(names: list[str]) -> str:
    shown = [" ".join(name[:120].split()) for name in names[:MOST_LISTED]]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")
