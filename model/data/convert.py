"""Make images of the wanted kind: numbers become 0 to 255, gray or color, of one size. Pure functions.

Axes: N images, H rows, W columns, C = 1 (gray) or 3 (red, green, blue) channels.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

from model.data.pictures.sizes import resize

BLOCK = 1 << 24  # bytes of an array that are looked at together
DARK = 128  # of 255: where no image has a larger value, the range is not 0 to 255
GRAY, RGB = "gray", "rgb"
COLORS = {GRAY: 1, RGB: 3}  # channels
LUMINANCE = (19595, 38470, 7471)  # of 65536: ITU-R 601, rounded as Pillow does it


class Wanted(NamedTuple):
    """How images are to be."""

    limits: tuple[float, float] | None = None  # the values that become 0 and 255; None: they are 0 to 255
    size: tuple[int, int] | None = None  # (H, W)
    how: str = "stretch"  # they get it, one of `model.data.pictures.sizes.RESIZES`
    colors: str | None = None  # one of COLORS; None: as they are

    def shape(self, images: np.ndarray) -> tuple[int, int, int]:
        """The shape (H, W, C) that images (N, H, W, C) get."""
        height, width = self.size or images.shape[1:3]
        return height, width, COLORS[self.colors] if self.colors else images.shape[3]


def blocks(images: np.ndarray) -> Iterator[slice]:
    """Rows (N,) of an array that are looked at together."""
    step = max(1, BLOCK // max(1, images[:1].nbytes))
    return (slice(first, first + step) for first in range(0, len(images), step))


def check_values(arrays: Iterable[np.ndarray], limits: tuple[float, float] | None) -> str:
    """A line about how values become 0 to 255, "" where they are so. Raises ValueError where they cannot.

    limits: as in `Wanted`.
    """
    least, most, whole = np.inf, -np.inf, True
    for images in arrays:
        for rows in blocks(images):
            block = images[rows]
            low, high = float(block.min()), float(block.max())
            if not (np.isfinite(low) and np.isfinite(high)):
                raise ValueError("pixel values that are no finite numbers, expected 0 to 255")
            least, most = min(least, low), max(most, high)
            whole = whole and (block.dtype.kind != "f" or bool((block == np.rint(block)).all()))
    found = f"pixel values from {least:g} to {most:g}"
    if limits is None:
        if least < 0 or most > 255 or not whole:
            kind = "" if whole else " with fractions"
            raise ValueError(
                f"{found}{kind}, expected whole numbers from 0 to 255: give --range LOW HIGH, the values of "
                "black and of white"
            )
        if most < DARK:
            raise ValueError(
                f"{found}, so that 255 would not be white: give --range {least:g} {most:g} if {most:g} is "
                "white, or --range 0 255 if all images are dark"
            )
        return ""
    low, high = limits
    if least < low or most > high:
        raise ValueError(f"{found}, outside of --range {low:g} {high:g}")
    return "" if (low, high) == (0, 255) and whole else f"{low:g} to {high:g} became 0 to 255, rounded"


def convert(images: np.ndarray, wanted: Wanted) -> np.ndarray:
    """Images (N, H, W, C) uint8 as wanted, of images of any numbers that `check_values` has passed."""
    scaled = _scale(images, wanted.limits)
    sized = _resize(scaled, wanted.size, wanted.how) if wanted.size else scaled
    return np.ascontiguousarray(_recolor(sized, wanted.colors))


def _scale(images: np.ndarray, limits: tuple[float, float] | None) -> np.ndarray:
    if images.dtype == np.uint8 and limits in (None, (0, 255)):
        return images
    low, high = limits or (0, 255)
    scaled: np.ndarray = np.rint((images.astype(np.float64) - low) * (255 / (high - low))).astype(np.uint8)
    return scaled


def _resize(images: np.ndarray, size: tuple[int, int], how: str) -> np.ndarray:
    height, width = size
    if images.shape[1:3] == size:
        return images
    made = np.empty((len(images), height, width, images.shape[3]), np.uint8)
    for row, image in enumerate(images):
        picture = Image.fromarray(np.broadcast_to(image, (*image.shape[:2], 3)).copy())
        made[row] = np.asarray(resize(picture, width, height, how).picture)[..., : images.shape[3]]
    return made


def _recolor(images: np.ndarray, colors: str | None) -> np.ndarray:
    channels = images.shape[3]
    if colors is None or COLORS[colors] == channels:
        return images
    if channels == 1:
        return np.repeat(images, 3, axis=3)
    weighted = images.astype(np.uint32) @ np.array(LUMINANCE, np.uint32)
    gray: np.ndarray = ((weighted + 0x8000) >> 16).astype(np.uint8)[..., None]
    return gray
