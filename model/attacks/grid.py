"""The grid that a sweep tries: which positions of an image, in which colors. Imports no JAX.

Shapes are (H, W, C): C = 3 channels, or 1 of gray images.
"""

from collections.abc import Sequence

import numpy as np

MOST_LEVELS = {3: 16, 1: 256}  # of a channel, by the number of channels
MOST_POSITIONS = 64 * 64  # of an image, unless a stride is asked for


def count_colors(levels: int, channels: int) -> int:
    """How many colors have so many levels in each channel. Raises ValueError for too few or too many."""
    most = MOST_LEVELS[channels]
    if not 2 <= levels <= most:
        of = "levels^3 colors" if channels == 3 else "one gray for each level"
        raise ValueError(f"levels (={levels}) must lie in 2..{most}: the grid has {of}")
    return int(levels**channels)


def check_stride(stride: int) -> None:
    """Raise ValueError, in one line, for a stride that is not a whole number of at least 1."""
    if isinstance(stride, bool) or not isinstance(stride, int | np.integer) or stride < 1:
        raise ValueError(f"stride (={stride!r}) must be a whole number of at least 1")


def usual_stride(shape: Sequence[int]) -> int:
    """The smallest stride that leaves at most 64 x 64 positions; 1 for images of so many pixels."""
    strides = range(1, max(shape[:2]) + 1)
    return next(stride for stride in strides if count_positions(shape, stride) <= MOST_POSITIONS)


def count_positions(shape: Sequence[int], stride: int) -> int:
    """How many positions every `stride`-th row and column makes, from the first on."""
    return len(range(0, shape[0], stride)) * len(range(0, shape[1], stride))
