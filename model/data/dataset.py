"""A data set as arrays, as every loader returns it.

Axes: N images, H rows, W columns, C = 1 (gray) or 3 (red, green, blue) channels.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

SPLITS = ("train", "test")


class DataMissingError(FileNotFoundError):
    """The full data set is not in the cache, or no source could deliver it."""


@dataclass(frozen=True)
class Dataset:
    """One split of a data set."""

    name: str  # as in `model.data.registry.names`
    split: str  # "train" or "test"
    images: np.ndarray  # (N, H, W, C) uint8, perhaps mapped from a file and not to be written to
    labels: np.ndarray  # (N,) int32, 0 for the first class
    positions: np.ndarray  # (N,) int32: place in the full split, ascending
    class_names: tuple[str, ...]
    source: str  # where the bytes come from, in words

    def __len__(self) -> int:
        """Count the images."""
        return len(self.labels)


def sample_digest(images: np.ndarray, labels: np.ndarray, positions: np.ndarray) -> str:
    """SHA-256 (hex) of the pixels (row-major, RGB), then labels (uint8, or int32 LE where one is above 255),
    then positions (int32, LE).
    """
    digest = hashlib.sha256(np.ascontiguousarray(images).data)
    digest.update(labels.astype(np.uint8 if labels.max() <= 255 else "<i4").data)
    digest.update(positions.astype("<i4").data)
    return digest.hexdigest()
