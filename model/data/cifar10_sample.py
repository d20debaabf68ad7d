"""The sample of CIFAR-10 that ships with the code: the first images of each class.

A split is a sheet of images side by side (PNG), with labels, positions and a digest in `sample.json`.

Axes: N images, H = W = 32 rows and columns.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from model.data.cifar10 import CLASS_NAMES, SIDE
from model.data.dataset import Dataset, sample_digest
from model.data.png import decode_png, encode_png

NAME = "cifar10-sample"
SAMPLE_FOLDER = Path(__file__).parent / "sample"
SAMPLE_COLUMNS = 50  # images side by side in a sheet
SAMPLE_PER_CLASS = {"train": 400, "test": 100}


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
    digest = sample_digest(images, labels, positions)
    if digest != expected:
        raise ValueError(f"{sheet} and {index.name} have SHA-256 {digest}, expected {expected}: {way_out}")
    return Dataset(
        name=NAME,
        split=split,
        images=images,
        labels=labels,
        positions=positions,
        class_names=CLASS_NAMES,
        source=f"CIFAR-10 (Krizhevsky 2009), first {len(labels) // 10} images of each class, {split} split",
    )


def write_sample(folder: Path, full: Sequence[Dataset], per_class: dict[str, int] = SAMPLE_PER_CLASS) -> None:
    """Cut the bundled sample out of the full splits: the first images of each class, by position.

    full: the loaded splits. per_class: images of each class, by split. Writes a PNG sheet per split (images
    as tiles, `SAMPLE_COLUMNS` in a row) and sample.json (labels, positions, SHA-256 by `sample_digest`).
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


def _to_sheet(images: np.ndarray) -> np.ndarray:
    """(N, 32, 32, 3) -> (N / columns * 32, columns * 32, 3); N must fill whole rows."""
    rows = images.reshape(-1, SAMPLE_COLUMNS, SIDE, SIDE, 3)
    return rows.transpose(0, 2, 1, 3, 4).reshape(-1, SAMPLE_COLUMNS * SIDE, 3)


def _from_sheet(sheet: np.ndarray) -> np.ndarray:
    """Undo `_to_sheet`."""
    rows = sheet.reshape(-1, SIDE, SAMPLE_COLUMNS, SIDE, 3)
    return rows.transpose(0, 2, 1, 3, 4).reshape(-1, SIDE, SIDE, 3)
