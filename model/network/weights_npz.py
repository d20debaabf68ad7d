"""Weights as an npz of plain arrays, the form of versions before 0.7, and of the states of a training."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model import npz
from model.network.refusal import CheckpointError

HEADER_BYTES = npz.HEADER_BYTES


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
            members = npz.members_by_name(archive)
            unpacked = sum(member.file_size for member in members.values())
            allowed = len(data) if most is None else most
            if unpacked > allowed:
                raise ValueError(f"it unpacks to {unpacked:,} bytes, expected at most {allowed:,}")
            return {name: npz.read_array(archive, member) for name, member in members.items()}
    except npz.BROKEN as error:
        raise CheckpointError(
            f"weights: {path} is not an npz file of plain arrays ({' '.join(str(error).split())[:200]})"
        ) from None
