"""What a reader is asked for, what it gives, and what readers share.

Axes: N images, H rows, W columns, C = 1 (gray) or 3 (red, green, blue) channels.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

import numpy as np

from model.data import limits
from model.data.pictures.files import shown

TRAIN, TEST, WHOLE = "train", "test", "all"
# Other names for the images to test with, the best first. Validation images serve where there are no others.
TEST_NAMES = (TEST, "t10k", "validation", "valid", "val", "dev")
PIECE = 1 << 22  # bytes copied at a time


class Request(NamedTuple):
    """What a reader is asked for."""

    path: Path
    scratch: Path  # an existing, empty folder on the disk of the cache, for its own files
    size: tuple[int, int] | None = None  # (H, W) of the images to make of pictures of any size
    how: str = "stretch"  # how they get that size, one of `model.data.pictures.sizes.RESIZES`
    skip_unreadable: bool = False  # go on without the files that cannot be read


class Part(NamedTuple):
    """Images with their labels."""

    images: np.ndarray  # (N, H, W, C), numbers of any type, perhaps a file in `scratch`
    labels: np.ndarray  # (N,) int32, 0 for the first class


class Content(NamedTuple):
    """What a reader has found."""

    parts: Mapping[str, Part]  # TRAIN and TEST, or WHOLE: the files have no split
    class_names: tuple[str, ...]
    said: tuple[str, ...] = ()  # what was done or left out, a line each


class Reader(Protocol):
    """Read a data set, or raise ValueError or OSError in one line that does not name the path."""

    def __call__(self, request: Request) -> Content:
        """Read what is at `request.path`."""
        ...


def part_names(found: Iterable[str]) -> dict[str, str]:
    """Name the part for each of the names that files give to their parts, such as `train` and `val`.

    One alone is the whole. Raises ValueError where there are several and no `train`.
    """
    names = list(found)
    if len(names) == 1:
        return {names[0]: WHOLE}
    test = next((name for name in TEST_NAMES if name in names), None)
    if TRAIN not in names or test is None:
        listed = ", ".join(shown(name) for name in sorted(names))
        raise ValueError(f"parts called {listed}, expected train and test: rename them")
    return {TRAIN: TRAIN, test: TEST}


def left_out(found: Iterable[str], used: Iterable[str | None]) -> list[str]:
    """A line about what was found and is not used, as validation images beside test images; or none."""
    names = [shown(name) for name in sorted(set(found) - set(used))]
    some = ", ".join([*names[:6], *(["..."] if len(names) > 6 else [])])
    return [f"left out {some}"] if names else []


def images_of(array: np.ndarray) -> np.ndarray:
    """Images (N, H, W, C) of an array (N, H, W), (N, H, W, C) or (N, C, H, W). Raises ValueError."""
    shape = array.shape
    if array.ndim == 3:
        array = array[..., None]
    elif array.ndim == 4 and shape[3] not in limits.CHANNELS and shape[1] in limits.CHANNELS:
        array = array.transpose(0, 2, 3, 1)
    if array.ndim != 4 or array.shape[3] not in limits.CHANNELS:
        raise ValueError(
            f"images of shape {shape}, expected (N, H, W), (N, H, W, 1) or (N, H, W, 3): reshape them"
        )
    return array


def check_array(shape: Sequence[int], dtype: np.dtype, packed: int) -> int:
    """The bytes of an array of images; packed: those that it has in its file.

    Raises ValueError for an array that is too large for a data set, before anything is read for it.
    """
    if dtype.kind not in "biuf":
        raise ValueError(f"images of the type {dtype}, expected numbers")
    count = dtype.itemsize
    for side in shape:
        count *= int(side)
    limits.check_byte_count(int(shape[0]) if shape else 0, count)
    limits.check_ratio(count, packed)
    return count


def spill(stream: BinaryIO, target: Path, byte_count: int) -> None:
    """Copy so many bytes, and all that a stream has, to a new file. Raises ValueError for another number."""
    limits.check_room(target.parent, byte_count)
    left = byte_count
    with target.open("xb") as copy:
        while left and (piece := stream.read(min(left, PIECE))):
            copy.write(piece)
            left -= len(piece)
    if left:
        raise ValueError(f"it ends early: {byte_count - left:,} bytes of pixels, expected {byte_count:,}")
    if stream.read(1):
        raise ValueError(f"more than the {byte_count:,} bytes of pixels that its header announces")
