"""The squares of a map over an image: one a position, or, of a large map, one for several; pure."""

from typing import NamedTuple

import numpy as np

from db.read import PixelMap

MOST = 64  # squares of a side


class Cells(NamedTuple):
    """A map as it is drawn; axis letters: R rows and S columns of squares."""

    margins: np.ndarray  # (R, S) float32, the highest within a square; -inf: nothing was tried there
    classes: np.ndarray  # (R, S) int64
    colors: np.ndarray | None  # (R, S, 3) uint8
    rows: np.ndarray  # (R, S) int, the row of the image that the values belong to
    columns: np.ndarray  # (R, S) int
    side: int  # of a square, in pixels of the image
    joined: int  # positions of a square's side


def map_cells(over: PixelMap, most: int = MOST) -> Cells:
    """Join neighboring positions until at most `most` squares a side are left; each is its highest margin."""
    height, width = over.margins.shape
    side = -(-max(height, width) // most)
    rows, columns = (axis * over.stride for axis in np.indices((height, width)))
    if side == 1:
        return Cells(over.margins, over.classes, over.colors, rows, columns, over.stride, 1)
    down, across = -(-height // side), -(-width // side)
    padded = np.full((down * side, across * side), -np.inf, np.float32)
    padded[:height, :width] = over.margins
    squares = padded.reshape(down, side, across, side).swapaxes(1, 2).reshape(down, across, side * side)
    best = squares.argmax(axis=-1)
    at = (
        np.minimum(np.arange(down)[:, None] * side + best // side, height - 1),
        np.minimum(np.arange(across)[None, :] * side + best % side, width - 1),
    )
    colors = None if over.colors is None else over.colors[at]
    margins = squares.max(axis=-1)
    return Cells(margins, over.classes[at], colors, rows[at], columns[at], side * over.stride, side)
