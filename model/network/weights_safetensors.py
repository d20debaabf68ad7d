"""Weights as a safetensors file: named arrays, and one text with the description of the network.

The bytes are the same for the same weights and description, so their sha256 identifies the network. The text
has the sha256 of the arrays, too: a file that was altered is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from safetensors import SafetensorError, numpy

from model.network.refusal import CheckpointError

KEY = "explainable-pixels"  # the only entry of the file's metadata: of several, the order would vary
ARRAYS = "arrays_sha256"  # in the description; a file that another program made may lack it
LENGTH = 8  # bytes that tell the length of the header
MOST_HEADER = 100_000_000  # bytes, as the library allows


def pack(arrays: Mapping[str, np.ndarray], description: Mapping[str, Any]) -> bytes:
    """Arrays of one type, and a description made of what JSON knows, as the bytes of a safetensors file."""
    plain = {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}
    digest = hashlib.sha256()
    for array in plain.values():  # the order in which the file has them
        digest.update(array.data)
    described = {**description, ARRAYS: digest.hexdigest()}
    text = json.dumps(described, sort_keys=True, separators=(",", ":"), allow_nan=False)
    data: bytes = numpy.save(plain, {KEY: text})
    return data


def unpack(data: bytes, path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the description of a safetensors file.

    Raises:
        CheckpointError: the bytes are no such file, were altered, or have no description of ours.
    """
    try:
        arrays: dict[str, np.ndarray] = numpy.load(data)  # checks the header, and that it covers the file
    except (SafetensorError, ValueError, KeyError, RecursionError, OverflowError) as error:
        raise _damaged(path, error) from None
    length = LENGTH + int.from_bytes(data[:LENGTH], "little")
    description = _described(data[:length], path)
    expected = description.pop(ARRAYS, None)
    digest = hashlib.sha256(memoryview(data)[length:]).hexdigest()
    if expected not in (None, digest):
        raise CheckpointError(
            f"network {path}: its arrays have sha256 {digest[:12]}..., its description says "
            f"{str(expected)[:12]}...: restore the file, or make it again"
        )
    return arrays, description


def read_description(path: Path) -> dict[str, Any]:
    """The description of a file, without its arrays. Raises as `unpack` does, and OSError."""
    with path.open("rb") as file:
        length = file.read(LENGTH)
        header = length + file.read(min(int.from_bytes(length, "little"), MOST_HEADER))
    description = _described(header, path)
    description.pop(ARRAYS, None)
    return description


def _described(data: bytes, path: Path) -> dict[str, Any]:
    """The description in the bytes of a header, with its length before it."""
    try:
        metadata = _parse(data[LENGTH:]).get("__metadata__") or {}
        text = cast(Mapping[str, str], metadata).get(KEY)
    except (ValueError, AttributeError, RecursionError) as error:
        raise _damaged(path, error) from None
    if text is None:
        raise CheckpointError(
            f"network {path}: it holds arrays, but no description of the layers: expected a file that "
            "`xpixels network export` or `xpixels train` wrote; of another program's network take its ONNX "
            "export, or a Python function: `--network package.module:function`"
        )
    try:
        return _parse(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"network {path}: its description is no JSON ({_one_line(error)})") from None


def _damaged(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"network {path}: it is no safetensors file of plain arrays ({_one_line(error)}): it is damaged, or "
        "of another format"
    )


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
