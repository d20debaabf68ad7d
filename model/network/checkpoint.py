"""Networks on disk: a safetensors file that describes itself; older npz files; files of other programs.

A file holds one float32 array per parameter, named as in the network (`conv1.kernel`), and a description:
the architecture, and facts such as the data set, the training, or the file that the network was read from.
The bytes are the same for the same weights and description, so the sha256 of the file identifies the network
(`networks.sha256` in the database). What is read from a file of another program has the digest of the file
that we would write.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from model.network import description as descriptions
from model.network import readers, weights_safetensors
from model.network.architecture import Architecture, Pixels
from model.network.build import arrays_of, build
from model.network.cifar10_cnn import WEIGHTS
from model.network.cnn import Network
from model.network.foreign import Foreign, name_layer
from model.network.refusal import CheckpointError
from model.network.weights_npz import HEADER_BYTES, pack, unpack
from whole_file import write_whole

__all__ = ["BUNDLED", "Checkpoint", "CheckpointError", "build", "dump", "load", "pack", "save", "unpack"]

BUNDLED = WEIGHTS
SUFFIX = ".safetensors"  # of what we write
MOST_BYTES = 1 << 31  # of a file


@dataclass(frozen=True)
class Checkpoint:
    """A network and its description."""

    network: Network
    sha256: str  # of the file's bytes, hex
    description: Mapping[str, Any]  # architecture, and facts: dataset, training, test_accuracy, origin ...

    @property
    def facts(self) -> dict[str, Any]:
        """The description without the architecture and the digest."""
        others = ("architecture", "sha256")
        return {key: value for key, value in self.description.items() if key not in others}

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, where they are known; else none."""
        names = self.description.get("class_names", ())
        known = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
        return tuple(names) if known else ()


def save(path: Path, network: Network, **facts: Any) -> str:
    """Write a safetensors file in one step, and make its folder if missing; returns the file's sha256."""
    data = dump(network, facts)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data)
    return hashlib.sha256(data).hexdigest()


def dump(network: Network, facts: Mapping[str, Any]) -> bytes:
    """A network, and facts that stand beside its architecture, as the bytes of a safetensors file."""
    description = {**facts, "architecture": descriptions.to_json(network.architecture)}
    return weights_safetensors.pack(arrays_of(network), description)


def of_network(network: Network, facts: Mapping[str, Any]) -> Checkpoint:
    """The checkpoint that `load` gives of the file that `dump` makes."""
    data = dump(network, facts)
    described = json.loads(json.dumps({**facts, "architecture": descriptions.to_json(network.architecture)}))
    return Checkpoint(network, hashlib.sha256(data).hexdigest(), described)


def renamed(loaded: Checkpoint, name: str, class_names: Sequence[str] = ()) -> Checkpoint:
    """The same network by another name, perhaps with the names of its classes.

    Raises CheckpointError where these are not as many as the classes, or not all different.
    """
    architecture, facts = replace(loaded.network.architecture, name=name), loaded.facts
    if class_names:
        if len(set(class_names)) != architecture.classes or len(class_names) != architecture.classes:
            raise CheckpointError(
                f"--classes: {len(class_names)} names, {len(set(class_names))} of them different, and the "
                f"network tells {architecture.classes} classes apart: expected a name for each, in its order"
            )
        facts["class_names"] = list(class_names)
    return of_network(build(architecture, arrays_of(loaded.network)), facts)


def load(path: str | Path = BUNDLED, *, pixels: Pixels | None = None) -> Checkpoint:
    """Read a network from a file.

    Args:
        path: a file of ours (.safetensors, .npz), or of another program (`model.network.readers`).
        pixels: how pixels become inputs, for a file of another program; None: as they are, in 0..1.

    Raises:
        CheckpointError, ForeignError: one line, for a missing, altered or foreign file.
    """
    path = Path(path)
    _require_file(path)
    suffix = path.suffix.lower()
    if suffix not in readers.OURS:
        return _adopt(path, readers.read(path, pixels or Pixels()))
    if pixels is not None:
        raise CheckpointError(
            f"network {path}: the file itself says how pixels become inputs: leave out --scale, --mean, "
            "--std and --channels, which are for files of other programs"
        )
    return _load_npz(path) if suffix == ".npz" else _load_safetensors(path)


def _load_safetensors(path: Path) -> Checkpoint:
    data = path.read_bytes()
    arrays, description = weights_safetensors.unpack(data, path)
    try:
        architecture = descriptions.from_json(description["architecture"])
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise CheckpointError(
            f"network {path}: its description is not one of layers ({_one_line(error)}); expected a file "
            "that `xpixels network export` or `xpixels train` wrote"
        ) from None
    network = build(architecture, arrays, f"network {path}")
    return Checkpoint(network, hashlib.sha256(data).hexdigest(), description)


def _load_npz(path: Path) -> Checkpoint:
    description_path = path.with_suffix(".json")
    _require_file(description_path)
    try:
        description = json.loads(description_path.read_text("utf-8"))
        architecture, expected = descriptions.from_json(description["architecture"]), description["sha256"]
        if not isinstance(expected, str):
            raise ValueError(f"sha256 is {str(expected)[:60]}")
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise CheckpointError(
            f"weights: {description_path} is not a description of weights ({_one_line(error)}); expected the "
            "file that stood beside the npz"
        ) from None
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != expected:
        raise CheckpointError(
            f"weights: {path} has sha256 {digest[:12]}..., its description says {expected[:12]}...; "
            "restore the file or train again with `xpixels train`"
        )
    sizes = (4 * math.prod(shape) + HEADER_BYTES for shape in architecture.parameter_shapes().values())
    arrays = unpack(data, path, most=max(len(data), sum(sizes)))
    return Checkpoint(build(architecture, arrays, f"weights: {path}"), digest, description)


def _adopt(path: Path, foreign: Foreign) -> Checkpoint:
    """The network of a foreign file, named after it, with a note of where it came from."""
    architecture, arrays = _free_names(foreign.architecture, foreign.arrays)
    architecture = replace(architecture, name=name_layer(path.stem, ()))
    try:
        architecture = descriptions.from_json(descriptions.to_json(architecture))
    except ValueError as error:
        raise CheckpointError(f"network {path}: {_one_line(error)}") from None
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    origin = {"file": path.name, "sha256": digest, **foreign.facts, "notes": list(foreign.notes)}
    return of_network(build(architecture, arrays, f"network {path}"), {"origin": origin})


def _free_names(
    architecture: Architecture, arrays: Mapping[str, np.ndarray]
) -> tuple[Architecture, dict[str, np.ndarray]]:
    """The same with other names for layers that are called like a method of `Network`."""
    names: dict[str, str] = {}
    taken = {layer.name for layer in architecture.layers}
    for layer in architecture.layers:
        names[layer.name] = layer.name
        if hasattr(Network, layer.name):
            names[layer.name] = name_layer(f"{layer.name}_layer", taken)
            taken.add(names[layer.name])
    layers = tuple(
        replace(
            layer, name=names[layer.name], inputs=tuple(names.get(source, source) for source in layer.inputs)
        )
        for layer in architecture.layers
    )
    free = {}
    for key, array in arrays.items():
        layer_name, _, parameter = key.rpartition(".")
        free[f"{names.get(layer_name, layer_name)}.{parameter}"] = array
    return replace(architecture, layers=layers), free


def _require_file(path: Path) -> None:
    """Raise CheckpointError where there is no ordinary file, or a huge one."""
    if not path.is_file():
        found = "is no ordinary file" if path.exists() else "does not exist"
        raise CheckpointError(
            f"weights: {path} {found}; make it with `xpixels train`, or name another: {readers.SUPPORTED}"
        )
    if (size := path.stat().st_size) > MOST_BYTES:
        raise CheckpointError(f"network {path}: {size:,} bytes, expected at most {MOST_BYTES:,}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
