"""The arrays of a data set as plain .npy files, written block by block and verified when they are read."""

import hashlib
import io
from pathlib import Path

import numpy as np

from model.data.convert import Wanted, blocks, convert
from model.progress import Progress


def write_images(path: Path, images: np.ndarray, places: np.ndarray, wanted: Wanted, meter: Progress) -> str:
    """Write some of the images (N, H, W, C), converted as wanted; returns the SHA-256 (hex) of the file.

    places: (M,) int, into the images. Raises OSError.
    """
    stream = io.BytesIO()
    about = {"descr": "|u1", "fortran_order": False, "shape": (len(places), *wanted.shape(images))}
    np.lib.format.write_array_header_1_0(stream, about)
    digest = hashlib.sha256(stream.getvalue())
    with path.open("xb") as file:  # no memory map: on a full disk that would end the process
        file.write(stream.getvalue())
        for rows in blocks(images):
            data = convert(images[places[rows]], wanted).tobytes()
            file.write(data)
            digest.update(data)
            meter.to(meter.done + len(places[rows]))
    return digest.hexdigest()


def write_labels(path: Path, labels: np.ndarray) -> str:
    """Write labels (N,) as int32; returns the SHA-256 (hex) of the file. Raises OSError."""
    stream = io.BytesIO()
    np.save(stream, labels.astype("<i4"), allow_pickle=False)
    path.write_bytes(stream.getvalue())
    return hashlib.sha256(stream.getvalue()).hexdigest()


def read_array(path: Path, digest: str, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """An array mapped from its file, to be read only. Raises ValueError if it is not the one expected."""
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != digest:
        raise ValueError(f"{path.name} has SHA-256 {found[:12]}..., expected {digest[:12]}...")
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(f"{path.name} is {array.dtype} of shape {array.shape}, expected {shape}")
    return np.asarray(array)
