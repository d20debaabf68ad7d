"""CIFAR-10 as arrays: the full set from the user's cache folder, or the sample that ships with the code.

The cache holds the six files of the official binary archive: records of 3073 bytes, one label byte, then
1024 red, 1024 green and 1024 blue bytes, row by row. `model.data.fetch.fetch` puts them there; nothing here
is ever unpickled. Source of the data: Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny
Images", https://www.cs.toronto.edu/~kriz/cifar.html

Axes: N images, H = W = 32 rows and columns, C = 3 channels (red, green, blue).
"""

import hashlib
import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 32
RECORD_BYTES = 1 + 3 * SIDE * SIDE
CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SPLITS = ("train", "test")
NAMES = ("cifar10", "cifar10-sample")

SAMPLE_FOLDER = Path(__file__).parent / "sample"
SAMPLE_COLUMNS = 50  # images side by side in a sheet
SAMPLE_PER_CLASS = {"train": 400, "test": 100}


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
        """Bytes."""
        return self.records * RECORD_BYTES


CIFAR10 = (
    BinaryFile("data_batch_1.bin", "train", 0, "5dd7e06a14cb22eb9f671a540d1b7c25"),
    BinaryFile("data_batch_2.bin", "train", 10_000, "5ea93a67294ea407fff1d09f752e9692"),
    BinaryFile("data_batch_3.bin", "train", 20_000, "942cd6a4bcdd0dd3c604fbe906cb4421"),
    BinaryFile("data_batch_4.bin", "train", 30_000, "ae636b3ba5c66a11e91e8cb52e771fcb"),
    BinaryFile("data_batch_5.bin", "train", 40_000, "53f37980c15c3d472c316c40844f3f0d"),
    BinaryFile("test_batch.bin", "test", 0, "803d5f7f4d78ea53de84dbe85f74fb6d"),
)


class DataMissingError(FileNotFoundError):
    """The full data set is not in the cache, or no source could deliver it."""


@dataclass(frozen=True)
class Dataset:
    """One split of a data set."""

    name: str  # "cifar10" or "cifar10-sample"
    split: str  # "train" or "test"
    images: np.ndarray  # (N, H, W, C) uint8
    labels: np.ndarray  # (N,) int32, 0..9
    positions: np.ndarray  # (N,) int32: place in the full split, ascending
    class_names: tuple[str, ...]
    source: str  # where the bytes come from, in words

    def __len__(self) -> int:
        """Count the images."""
        return len(self.labels)


def load(name: str, split: str, *, cache_dir: str | Path | None = None) -> Dataset:
    """Load a split, every byte checked against its known digest.

    name: "cifar10" (50,000 and 10,000 images, from the cache) or "cifar10-sample" (4,000 and 1,000, bundled).
    split: "train" or "test". cache_dir: as in `cache_folder`.
    Raises LookupError for an unknown name or split, DataMissingError (a FileNotFoundError) when the cache
    is empty or incomplete, ValueError when a file is not the one expected.
    """
    if name not in NAMES:
        raise LookupError(f"unknown data set {name!r}: there are {', '.join(NAMES)}")
    if split not in SPLITS:
        raise LookupError(f"unknown split {split!r} of {name}: there are {', '.join(SPLITS)}")
    if name == "cifar10":
        return load_binary(cache_folder(cache_dir), split)
    return load_sample(split)


def cache_folder(cache_dir: str | Path | None = None) -> Path:
    """Name the folder of the binary files, existing or not.

    It lies in cache_dir, else $XPIXELS_CACHE, else $XDG_CACHE_HOME/xpixels, else ~/.cache/xpixels.
    """
    root = cache_dir or os.environ.get("XPIXELS_CACHE")
    if not root:
        base = os.environ.get("XDG_CACHE_HOME", "")
        # The XDG specification: a relative path is invalid and to be ignored.
        root = (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "xpixels"
    return Path(root).expanduser() / "cifar-10-batches-bin"


def load_binary(folder: Path, split: str, files: Sequence[BinaryFile] = CIFAR10) -> Dataset:
    """Load a split from the binary files in a folder; errors as in `load`."""
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
        name="cifar10",
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
    """Read a file whole; raises ValueError, having read little more, when it has more than so many bytes."""
    with path.open("rb") as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise ValueError(f"{path.name} has {path.stat().st_size:,} bytes, expected at most {most:,}")
    return content


def check_digest(content: bytes, file: BinaryFile, where: str) -> None:
    """Raise ValueError unless content is the file's, byte for byte."""
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != file.md5:
        raise ValueError(f"{where} has MD5 {found}, expected {file.md5}: it is altered or not CIFAR-10")


def load_sample(split: str, folder: Path = SAMPLE_FOLDER) -> Dataset:
    """Load a split of the sample written by `write_sample`; raises ValueError when it is not intact."""
    way_out = "restore model/data/sample from the repository"
    index, sheet = folder / "sample.json", folder / f"{split}.png"
    try:
        entry = json.loads(index.read_bytes())[split]
        labels = np.array(entry["labels"], np.int32)
        positions = np.array(entry["positions"], np.int32)
        expected = entry["sha256"]
        images = _from_sheet(decode_png(sheet.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"the bundled sample in {folder} is damaged ({error}): {way_out}") from error
    found = sample_digest(images, labels, positions)
    if found != expected:
        raise ValueError(f"{sheet} and {index.name} have SHA-256 {found}, expected {expected}: {way_out}")
    return Dataset(
        name="cifar10-sample",
        split=split,
        images=images,
        labels=labels,
        positions=positions,
        class_names=CLASS_NAMES,
        source=f"CIFAR-10 (Krizhevsky 2009), first {len(labels) // 10} images of each class, {split} split",
    )


def write_sample(folder: Path, full: Sequence[Dataset], per_class: dict[str, int] = SAMPLE_PER_CLASS) -> None:
    """Cut the bundled sample out of the full splits: the first images of each class, by position.

    full: the loaded splits. per_class: images of each class, by split. Writes a PNG sheet a split (images as
    tiles, `SAMPLE_COLUMNS` in a row) and sample.json (labels, positions, SHA-256 as of `sample_digest`).
    """
    index = {}
    for data in full:
        first = [np.flatnonzero(data.labels == label)[: per_class[data.split]] for label in range(10)]
        chosen = np.sort(np.concatenate(first))
        images, labels, positions = data.images[chosen], data.labels[chosen], data.positions[chosen]
        (folder / f"{data.split}.png").write_bytes(encode_png(_to_sheet(images)))
        index[data.split] = {
            "sha256": sample_digest(images, labels, positions),
            "labels": labels.tolist(),
            "positions": positions.tolist(),
        }
    (folder / "sample.json").write_text(json.dumps(index, separators=(",", ":")) + "\n", "utf-8")


def sample_digest(images: np.ndarray, labels: np.ndarray, positions: np.ndarray) -> str:
    """SHA-256 (hex) of the pixels (row-major, RGB), then labels (uint8, or int32 LE where one is above 255),
    then positions (int32, LE).
    """
    digest = hashlib.sha256(np.ascontiguousarray(images).data)
    digest.update(labels.astype(np.uint8 if labels.max() <= 255 else "<i4").data)
    digest.update(positions.astype("<i4").data)
    return digest.hexdigest()


def pixel_digest(image: np.ndarray) -> str:
    """SHA-256 (hex) of the pixels of an image (H, W, 3) uint8, row by row: what it is known by."""
    return hashlib.sha256(np.ascontiguousarray(image).data).hexdigest()


def encode_png(image: np.ndarray) -> bytes:
    """Encode (H, W, 3) uint8 as a PNG, losslessly; raises ValueError for another shape or type."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image is {image.dtype} of shape {image.shape}, expected uint8 (H, W, 3)")
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def decode_png(content: bytes) -> np.ndarray:
    """Decode an RGB PNG to (H, W, 3) uint8; raises ValueError when it is anything else, or damaged."""
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
            mode, image = picture.mode, np.array(picture)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{len(content):,} bytes are not an intact PNG: {error}") from error
    if mode != "RGB":
        raise ValueError(f"the PNG has mode {mode}, expected RGB")
    return image


def _to_sheet(images: np.ndarray) -> np.ndarray:
    """(N, 32, 32, 3) -> (N / columns * 32, columns * 32, 3); N must fill whole rows."""
    rows = images.reshape(-1, SAMPLE_COLUMNS, SIDE, SIDE, 3)
    return rows.transpose(0, 2, 1, 3, 4).reshape(-1, SAMPLE_COLUMNS * SIDE, 3)


def _from_sheet(sheet: np.ndarray) -> np.ndarray:
    """Undo `_to_sheet`."""
    rows = sheet.reshape(-1, SIDE, SAMPLE_COLUMNS, SIDE, 3)
    return rows.transpose(0, 2, 1, 3, 4).reshape(-1, SIDE, SIDE, 3)
