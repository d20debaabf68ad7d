"""The images that attacks and sweeps take: gray or color; and pixels in the one form that results have.

A gray pixel has one color value, a color pixel three. Results list pixels as row, column, red, green, blue
for both: of a gray pixel the three are equal.
"""

import numpy as np

CHANNELS = (1, 3)
ROW = 5  # values of a pixel in results: row, column, red, green, blue


def check_images(images: np.ndarray, *, least_side: int = 1) -> np.ndarray:
    """The images (N, H, W, C) uint8, C = 1 or 3, H and W >= least_side.

    Raises ValueError, in one line, for anything else.
    """
    images = np.asarray(images)
    right = images.ndim == 4 and images.dtype == np.uint8
    if not right or images.shape[-1] not in CHANNELS or min(images.shape[1:3]) < least_side:
        sides = "H, W" if least_side == 1 else f"H >= {least_side}, W >= {least_side}"
        raise ValueError(
            f"images (={images.dtype} {images.shape}) must be uint8 of shape (N, {sides}, 1 or 3)"
        )
    return images


def check_labels(labels: np.ndarray, count: int, classes: int) -> np.ndarray:
    """The labels (count,) as int32, in [0, classes). Raises ValueError, in one line, for anything else."""
    labels = np.asarray(labels)
    if labels.shape != (count,) or not (np.issubdtype(labels.dtype, np.integer) or not labels.size):
        raise ValueError(f"labels (={labels.dtype} {labels.shape}) must be integers of shape ({count},)")
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"labels must lie in 0..{classes - 1}, but go from {labels.min()} to {labels.max()}")
    return labels.astype(np.int32)


def as_rgb(colors: np.ndarray) -> np.ndarray:
    """Colors (..., C) as (..., 3): of gray ones, red = green = blue."""
    return np.repeat(colors, 3, axis=-1) if colors.shape[-1] == 1 else colors


def as_rows(pixels: np.ndarray) -> np.ndarray:
    """Pixels (..., 2 + C), each row, column and color, as (..., 5) int64."""
    return np.concatenate([pixels[..., :2], as_rgb(pixels[..., 2:])], axis=-1).astype(np.int64)
