"""Weights as a safetensors file: named arrays, and one text with the description of the network.

The bytes are the same for the same weights and description, so their sha256 identifies the network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from safetensors import SafetensorError, numpy

from model.network.refusal import CheckpointError

KEY = "explainable-pixels"  # the only entry of the file's metadata: of several, the order would vary
LENGTH = 8  # bytes that tell the length of the header


def pack(arrays: Mapping[str, np.ndarray], description: Mapping[str, Any]) -> bytes:
    """Arrays and a description, made of what JSON knows, as the bytes of a safetensors file."""
    text = json.dumps(description, sort_keys=True, separators=(",", ":"), allow_nan=False)
    plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    data: bytes = numpy.save(plain, {KEY: text})
    return data


def unpack(data: bytes, path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the description of a safetensors file.

    Raises:
        CheckpointError: the bytes are no such file, or it has no description of ours.
    """
    try:
        arrays: dict[str, np.ndarray] = numpy.load(data)  # checks the header, and that it covers the file
        header = _header(data)
    except (SafetensorError, ValueError, KeyError, RecursionError, OverflowError) as error:
        raise CheckpointError(
            f"network {path}: it is no safetensors file of plain arrays ({_one_line(error)}): it is damaged, "
            "or of another format"
        ) from None
    text = _metadata(header).get(KEY)
    if text is None:
        raise CheckpointError(
            f"network {path}: it holds arrays, but no description of the layers: expected a file that "
            "`xpixels network export` or `xpixels train` wrote; of another program's network take its ONNX "
            "export, or a Python function: `--network package.module:function`"
        )
    try:
        description = _parse(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"network {path}: its description is no JSON ({_one_line(error)})") from None
    return arrays, description


def description_of(data: bytes) -> dict[str, Any]:
    """The description in the bytes that `pack` made."""
    return _parse(_metadata(_header(data))[KEY])


def _header(data: bytes) -> dict[str, Any]:
    return _parse(data[LENGTH : LENGTH + int.from_bytes(data[:LENGTH], "little")])


def _metadata(header: Mapping[str, Any]) -> Mapping[str, str]:
    return cast(Mapping[str, str], header.get("__metadata__") or {})


def _parse(text: str | bytes) -> dict[str, Any]:
    """A JSON object. Raises ValueError for another value, and where a key stands twice."""
    value = json.loads(text, object_pairs_hook=_unique)
    if not isinstance(value, dict):
        raise ValueError(f"{str(value)[:60]} is no object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)[:60]!r} stands there twice")
    return values


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
