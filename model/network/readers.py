"""The readers of other programs' network files by suffix: messages, help and `checkpoint.load` follow.

To add one, write a file with `read(path, *, pixels) -> Foreign` and a row here.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import NamedTuple, cast

from model.network.architecture import Pixels
from model.network.foreign import WAY_OUT, Foreign, ForeignError


class Reader(NamedTuple):
    """A format of other programs."""

    words: str
    suffixes: tuple[str, ...]
    module: str  # which has `read`; imported when it is wanted


READERS = (
    Reader("Keras", (".h5", ".hdf5", ".keras"), "model.network.keras.file"),
    Reader("ONNX", (".onnx",), "model.network.onnx.file"),
)
OURS = {".safetensors": "safetensors", ".npz": "npz with a description beside it"}
PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib", ".dill", ".mar")
SUPPORTED = "; ".join(
    [
        f"safetensors that this program wrote ({', '.join(OURS)})",
        *(f"{reader.words} ({', '.join(reader.suffixes)})" for reader in READERS),
    ]
)


def read(path: Path, pixels: Pixels) -> Foreign:
    """A network from a file of another program. Raises ForeignError in one line, with the way out."""
    suffix = path.suffix.lower()
    for reader in READERS:
        if suffix in reader.suffixes:
            module = importlib.import_module(reader.module)
            return cast(Foreign, module.read(path, pixels=pixels))
    raise refuse_format(path)


def refuse_format(path: Path) -> ForeignError:
    """The error for a file of a format that nothing reads."""
    if path.suffix.lower() in PICKLES:
        return ForeignError(
            f"network {path}: files that end in {path.suffix} are pickles, which can run any code when they "
            f"are opened, so they never are: export the network to ONNX (torch.onnx.export), or {WAY_OUT}"
        )
    return ForeignError(
        f"network {path}: a file that ends in {path.suffix!r}: expected {SUPPORTED}; of another format "
        f"export the network to ONNX, or {WAY_OUT}"
    )
