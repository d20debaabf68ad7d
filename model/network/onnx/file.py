"""Read a network from an ONNX file, for which the extra `onnx` is needed."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from model.network.architecture import Pixels
from model.network.foreign import Foreign, ForeignError

UNPREPARED = Pixels()


def read(path: Path, *, pixels: Pixels = UNPREPARED) -> Foreign:
    """The network in a file, with its weights.

    pixels: how bytes become the network's input. A file that scales bytes itself gets the scale "byte".
    Raises ForeignError for a file that is no network we can describe, or where the package onnx is missing;
    OSError for a file that cannot be opened.
    """
    if find_spec("onnx") is None:
        raise ForeignError(
            f"network {path}: ONNX files need the extra `onnx`: run `pip install explainable-pixels[onnx]`"
        )
    network: Foreign = import_module("model.network.onnx.network").read_network(path, pixels)
    return network
