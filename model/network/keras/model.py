"""The network in a file that Keras 1 to 3 saved, `.h5` or `.keras`: no Keras is needed, no code is run.

`model.network.keras.file` reads in a process of its own what this reads in the one that calls it.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.network.architecture import Pixels
from model.network.foreign import WAY_OUT, Foreign, ForeignError
from model.network.keras import archive, hdf5
from model.network.keras.build import Build, find_style, note_style
from model.network.keras.graph import parse
from model.network.keras.hdf5 import Hdf5
from model.network.keras.weights import NamedWeights, PlacedWeights, Weights

BROKEN = (  # what h5py, zipfile, json, and a look into JSON of another form raise
    *(ValueError, OSError, EOFError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError),
    *(MemoryError, zipfile.BadZipFile, zlib.error),
)


def read_here(path: Path, pixels: Pixels) -> Foreign:
    """What `file.read` gives, read in this process: a damaged file may stop it."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
        if head == hdf5.SIGNATURE:
            return _read_hdf5(path, pixels)
        if head.startswith(archive.SIGNATURE):
            return _read_archive(path, pixels)
    except ForeignError as error:
        raise ForeignError(_one_line(str(error))) from None
    except BROKEN as error:
        reason = _one_line(f"{type(error).__name__}: {error}")[:200]
        raise ForeignError(
            f"network {path}: no file of Keras that can be read ({reason}); save it again, or {WAY_OUT}"
        ) from None
    raise ForeignError(
        f"network {path}: neither HDF5 nor zip (it begins with {head!r}): expected a .h5 or .keras file "
        "of Keras"
    )


def _read_hdf5(path: Path, pixels: Pixels) -> Foreign:
    with hdf5.opened(path) as file:
        text = file.text(file.root, "model_config")
        if text is None:
            alone = "layer_names" in file.root.attrs or "layers" in file.root
            what = "it holds weights alone" if alone else "an HDF5 file without model_config"
            raise file.fail(f"{what}: expected the whole model, as `model.save(...)` writes it")
        root = file.group(file.root, "model_weights")
        root = file.root if root is None else root
        version, backend = (
            file.text(file.root, key) or file.text(root, key) or "" for key in ("keras_version", "backend")
        )
        facts = {"format": "Keras HDF5", "program": _one_line(f"Keras {version or '1'}")[:60]}
        return _read_model(file, json.loads(text), NamedWeights(file, root), version, backend, facts, pixels)


def _read_archive(path: Path, pixels: Pixels) -> Foreign:
    members = archive.read_members(path)
    version = str(json.loads(members["metadata.json"]).get("keras_version", ""))
    facts = {"format": "Keras zip", "program": _one_line(f"Keras {version}")[:60]}
    model = json.loads(members["config.json"])
    with hdf5.opened(path, members["model.weights.h5"]) as file:
        return _read_model(file, model, PlacedWeights(file), version, "", facts, pixels)


def _read_model(
    file: Hdf5,
    model: Mapping[str, Any],
    weights: Weights,
    version: str,
    backend: str,
    facts: Mapping[str, str],
    pixels: Pixels,
) -> Foreign:
    major = int(version.split(".")[0]) if version.split(".")[0].isdecimal() else 1
    graph = parse(model, file.path, major)
    style = find_style(graph, major, backend, file.path)
    build = Build(file.path, style, weights)
    architecture = build.build(graph, pixels)
    build.notes |= note_style(style, backend)
    if file.converted:
        build.notes[f"weights stored as {', '.join(sorted(file.converted))} are converted to float32"] = None
    return Foreign(architecture, build.arrays, tuple(build.notes), facts)


def _one_line(text: str) -> str:
    """Text that may hold names from the file, with what cannot be printed replaced."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
