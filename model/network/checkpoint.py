"""Weights on disk: an npz of plain arrays without pickle, and a JSON description beside it.

`weights.npz` holds one array per parameter, named as in the network (`conv1.kernel`). `weights.json`
holds the architecture, the sha256 of the npz, and facts about the training. The bytes are the
same for the same weights, so the digest identifies the network (`networks.sha256` in the database).
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx

from model.network import description as descriptions
from model.network.cnn import Network
from whole_file import write_whole

BUNDLED = Path(__file__).parent / "weights" / "cifar10-cnn.npz"
NPY_HEADER = 4096  # bytes that the header of an array may have; NumPy writes 128
BROKEN = (  # what zipfile and NumPy raise for bytes in another format
    *(ValueError, OSError, EOFError, LookupError, TypeError, ArithmeticError, RuntimeError, MemoryError),
    *(SyntaxError, tokenize.TokenError, struct.error, zlib.error, zipfile.BadZipFile),
)


class CheckpointError(ValueError):
    """A weights file that cannot be used; the message is one line with the way out."""


@dataclass(frozen=True)
class Checkpoint:
    """A network and its description."""

    network: Network
    sha256: str  # of the npz file's bytes, hex
    description: Mapping[str, Any]  # architecture, dataset, training, test_accuracy


def save(path: Path, network: Network, **facts: Any) -> str:
    """Write `path` (.npz) and the .json beside it, each in one step; returns the npz's sha256."""
    data = pack({".".join(map(str, key)): value for key, value in _flat(network)})
    digest = hashlib.sha256(data).hexdigest()
    description = {"architecture": descriptions.to_json(network.architecture), "sha256": digest, **facts}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data)
    write_whole(path.with_suffix(".json"), json.dumps(description, indent=1) + "\n")
    return digest


def load(path: Path = BUNDLED) -> Checkpoint:
    """Read a checkpoint back. Raises CheckpointError for a missing, altered or foreign file."""
    description_path = path.with_suffix(".json")
    for needed in (path, description_path):
        if not needed.is_file():
            raise CheckpointError(f"weights: {needed} does not exist; make it with `xpixels train`")
    try:
        description = json.loads(description_path.read_text("utf-8"))
        architecture, expected = descriptions.from_json(description["architecture"]), description["sha256"]
        if not isinstance(expected, str):
            raise ValueError(f"sha256 is {str(expected)[:60]}")
        if taken := [layer.name for layer in architecture.layers if hasattr(Network, layer.name)]:
            raise ValueError(f"no layer can be called {taken[0]}")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
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
    flat = nnx.to_flat_state(state)
    shapes = {".".join(map(str, key)): tuple(value.shape) for key, value in flat}
    wanted = sum(4 * math.prod(shape) + NPY_HEADER for shape in shapes.values())
    arrays = unpack(data, path, most=max(wanted, len(data)))
    array_shapes = {key: value.shape for key, value in arrays.items()}
    if shapes != array_shapes:
        raise CheckpointError(f"weights: {path} holds arrays {array_shapes}, the architecture needs {shapes}")
    for name, array in arrays.items():
        if array.dtype != np.float32:
            raise CheckpointError(f"weights: {path} holds {name} as {array.dtype}, expected float32")
        if not np.isfinite(array).all():
            raise CheckpointError(f"weights: {path} holds {name} with values that are no finite numbers")
    leaves = [(key, value.replace(jnp.asarray(arrays[".".join(map(str, key))]))) for key, value in flat]
    return Checkpoint(nnx.merge(graph, nnx.from_flat_state(leaves)), digest, description)


def pack(arrays: Mapping[str, npt.ArrayLike]) -> bytes:
    """Arrays as npz bytes, deterministic and free of pickle."""
    buffer = io.BytesIO()
    np.savez(buffer, **{key: np.asarray(value) for key, value in arrays.items()}, allow_pickle=False)
    return buffer.getvalue()


def unpack(data: bytes, path: Path, *, most: int | None = None) -> dict[str, np.ndarray]:
    """Arrays from npz bytes; sizes are checked before anything is unpacked.

    most: the bytes that they may unpack to; None: the length of `data`, as `pack` does not compress.

    Raises:
        CheckpointError: they are not an npz of plain arrays, or unpack to more.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            names = [member.filename.removesuffix(".npy") for member in members]
            unpacked, allowed = (
                sum(member.file_size for member in members),
                len(data) if most is None else most,
            )
            if unpacked > allowed:
                raise ValueError(f"it unpacks to {unpacked:,} bytes, expected at most {allowed:,}")
            if len(set(names)) < len(names):
                raise ValueError("it has two arrays of one name")
            return {name: _array(archive, member) for name, member in zip(names, members, strict=True)}
    except BROKEN as error:
        raise CheckpointError(
            f"weights: {path} is not an npz file of plain arrays ({' '.join(str(error).split())[:200]})"
        ) from None


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """Read a member; its header must give the exact size, because NumPy allocates that much."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{member.filename} is compressed in another way than np.savez does")
    with archive.open(member) as packed:
        stream = io.BytesIO(packed.read(member.file_size))
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"{member.filename} is of version {version}, expected 1.0 or 2.0")
    is_version_1 = version == (1, 0)
    read = np.lib.format.read_array_header_1_0 if is_version_1 else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    if dtype.hasobject:
        raise ValueError(f"{member.filename} holds objects, which are pickles")
    byte_count = len(stream.getbuffer()) - stream.tell()
    if math.prod(shape) * dtype.itemsize != byte_count or min(shape, default=0) < 0:
        raise ValueError(f"{member.filename} has {byte_count:,} bytes for {dtype} of shape {shape}")
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)


def _flat(network: Network) -> list[tuple[tuple[Any, ...], jax.Array]]:
    return [(key, value[...]) for key, value in nnx.to_flat_state(nnx.state(network, nnx.Param))]
