"""Pictures with the channels that a network takes: color ones as they are, for a network of gray images gray.

A picture is gray if red, green and blue are equal everywhere, whatever kind of file it comes from.
"""

from __future__ import annotations

import numpy as np

from model.data.pictures.headers import PictureError
from model.data.pictures.reading import Picture

MADE_RGB = "made RGB of "  # words of `model.data.pictures.colors` for what is undone here


def fit_channels(picture: Picture, channels: int) -> Picture:
    """The picture (H, W, channels) uint8. Raises PictureError for one with colors where gray is wanted."""
    if channels == 3:
        return picture
    image = picture.image
    if not is_gray(image):
        row, column = np.argwhere((image != image[..., :1]).any(-1))[0].tolist()
        color = " ".join(map(str, image[row, column].tolist()))
        raise PictureError(
            f"has colors (red, green, blue {color} at row {row}, column {column}), expected gray, which the "
            "network takes: convert it to gray"
        )
    words = [word for word in picture.read if not word.startswith(MADE_RGB)]
    return Picture(np.ascontiguousarray(image[..., :1]), words)


def is_gray(image: np.ndarray) -> bool:
    """Whether the channels of an image (H, W, 3) uint8 are equal everywhere."""
    return bool((image == image[..., :1]).all())
