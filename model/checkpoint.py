"""Weights on disk: an npz of plain arrays without pickle, and a JSON description beside it.

`weights.npz` holds one array a parameter, named as in the network (`conv1.kernel`). `weights.json`
holds the architecture, the sha256 of the npz, and what is known of the training. The bytes are the
same for the same weights, so the digest names the network (`networks.sha256` in the database).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from model import layers
from model.cnn import Network

BUNDLED = Path(__file__).parent / "weights" / "cifar10-cnn.npz"


class CheckpointError(ValueError):
    """A weights file that cannot be used; the message is one line with the way out."""


@dataclass(frozen=True)
class Checkpoint:
    """A network with what its description says of it."""

    network: Network
    sha256: str  # of the npz file's bytes, hex
    description: dict  # architecture, dataset, training, test_accuracy


def save(path: Path, network: Network, **facts) -> str:
    """Write `path` (.npz) and the .json beside it, each in one step; gives the npz's sha256."""
    data = pack({".".join(map(str, key)): value for key, value in _flat(network)})
    digest = hashlib.sha256(data).hexdigest()
    description = {"architecture": network.architecture.to_json(), "sha256": digest, **facts}
    replace(path, data)
    replace(path.with_suffix(".json"), (json.dumps(description, indent=1) + "\n").encode())
    return digest


def load(path: Path = BUNDLED) -> Checkpoint:
    """Read a checkpoint back. Raises CheckpointError where a file is missing, altered or foreign."""
    description_path = path.with_suffix(".json")
    for needed in (path, description_path):
        if not needed.is_file():
            raise CheckpointError(f"weights: {needed} does not exist; make it with `xpixels train`")
    try:
        description = json.loads(description_path.read_text())
        architecture, expected = layers.from_json(description["architecture"]), description["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"weights: {description_path} is not a description of weights ({error}); expected the file that "
            "`xpixels train` writes beside the npz"
        ) from None
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != expected:
        raise CheckpointError(
            f"weights: {path} has sha256 {digest[:12]}..., its description says {expected[:12]}...; "
            "restore the file or train again with `xpixels train`"
        )
    network = nnx.eval_shape(lambda: Network(architecture, rngs=nnx.Rngs(0)))
    graph, state = nnx.split(network)
    arrays = unpack(data, path)
    flat = nnx.to_flat_state(state)
    shapes = {".".join(map(str, key)): tuple(value.shape) for key, value in flat}
    found = {key: value.shape for key, value in arrays.items()}
    if shapes != found:
        raise CheckpointError(f"weights: {path} holds arrays {found}, the architecture needs {shapes}")
    leaves = [(key, value.replace(jnp.asarray(arrays[".".join(map(str, key))]))) for key, value in flat]
    return Checkpoint(nnx.merge(graph, nnx.from_flat_state(leaves)), digest, description)


def pack(arrays: dict[str, np.ndarray]) -> bytes:
    """Arrays as npz bytes, deterministic and free of pickle."""
    buffer = io.BytesIO()
    np.savez(buffer, **{key: np.asarray(value) for key, value in arrays.items()}, allow_pickle=False)
    return buffer.getvalue()


def unpack(data: bytes, path: Path) -> dict[str, np.ndarray]:
    """Arrays from npz bytes. Raises CheckpointError where they are no npz of plain arrays."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"weights: {path} is not an npz file of plain arrays ({error})") from None


def replace(path: Path, data: bytes) -> None:
    """Write a whole file or nothing: a temporary file, then a rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _flat(network: Network) -> list[tuple[tuple, jax.Array]]:
    return [(key, value[...]) for key, value in nnx.to_flat_state(nnx.state(network, nnx.Param))]
