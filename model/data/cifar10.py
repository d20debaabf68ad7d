"""CIFAR-10 as arrays, from the user's cache folder.

The cache holds the six files of the official binary archive: records of 3073 bytes, one label byte, then
1024 red, 1024 green and 1024 blue bytes, row by row. `model.data.fetch.fetch` puts them there; nothing here
is ever unpickled. Source of the data: Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny
Images", https://www.cs.toronto.edu/~kriz/cifar.html

Axes: N images, H = W = 32 rows and columns, C = 3 channels (red, green, blue).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.data.cache import cache_root
from model.data.dataset import DataMissingError, Dataset

SIDE = 32
RECORD_BYTES = 1 + 3 * SIDE * SIDE
CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
NAME = "cifar10"


@dataclass(frozen=True)
class BinaryFile:
    """One file of the binary archive: what it must hold, byte for byte."""

    name: str
    split: str
    first: int  # position in the split of its first record
    md5: str  # of the whole file
    records: int = 10_000

    @property
    def size(self) -> int:
        """Size in bytes."""
        return self.records * RECORD_BYTES


CIFAR10 = (
    BinaryFile("data_batch_1.bin", "train", 0, "5dd7e06a14cb22eb9f671a540d1b7c25"),
    BinaryFile("data_batch_2.bin", "train", 10_000, "5ea93a67294ea407fff1d09f752e9692"),
    BinaryFile("data_batch_3.bin", "train", 20_000, "942cd6a4bcdd0dd3c604fbe906cb4421"),
    BinaryFile("data_batch_4.bin", "train", 30_000, "ae636b3ba5c66a11e91e8cb52e771fcb"),
    BinaryFile("data_batch_5.bin", "train", 40_000, "53f37980c15c3d472c316c40844f3f0d"),
    BinaryFile("test_batch.bin", "test", 0, "803d5f7f4d78ea53de84dbe85f74fb6d"),
)


def cache_folder(cache_dir: str | Path | None = None) -> Path:
    """Name the folder of the binary files, existing or not; cache_dir: as `cache_root` takes it."""
    return cache_root(cache_dir) / "cifar-10-batches-bin"


def load_binary(folder: Path, split: str, files: Sequence[BinaryFile] = CIFAR10) -> Dataset:
    """Load a split from the binary files in a folder; errors as in `model.data.load`."""
    parts = []
    for file in (file for file in files if file.split == split):
        try:
            content = read_binary(folder, file)
        except FileNotFoundError as error:
            raise DataMissingError(
                f"CIFAR-10 is not in the cache ({folder / file.name} does not exist): "
                f"run `xpixels data fetch cifar10`"
            ) from error
        except ValueError as error:
            raise ValueError(f"{folder}: {error}; run `xpixels data fetch cifar10` to replace it") from error
        parts.append(np.frombuffer(content, np.uint8).reshape(file.records, RECORD_BYTES))
    records = np.concatenate(parts)
    images = records[:, 1:].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
    return Dataset(
        name=NAME,
        split=split,
        images=np.ascontiguousarray(images),
        labels=records[:, 0].astype(np.int32),
        positions=np.arange(len(records), dtype=np.int32),
        class_names=CLASS_NAMES,
        source=f"CIFAR-10 (Krizhevsky 2009), all of the {split} split",
    )


def read_binary(folder: Path, file: BinaryFile) -> bytes:
    """Read and verify a file of the binary form.

    Raises FileNotFoundError when it is not in the folder, ValueError when it has another size or MD5.
    """
    content = read_at_most(folder / file.name, file.size)
    if len(content) != file.size:
        raise ValueError(f"{file.name} has {len(content):,} bytes, expected {file.size:,}: it is truncated")
    check_digest(content, file, file.name)
    return content


def read_at_most(path: Path, most: int) -> bytes:
    """Read a whole file; raises ValueError, after `most` + 1 bytes, when it has more than `most`."""
    with path.open("rb") as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise ValueError(f"{path.name} has {path.stat().st_size:,} bytes, expected at most {most:,}")
    return content


def check_digest(content: bytes, file: BinaryFile, where: str) -> None:
    """Raise ValueError unless content is the file's, byte for byte."""
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if digest != file.md5:
        raise ValueError(f"{where} has MD5 {digest}, expected {file.md5}: it is altered or not CIFAR-10")
