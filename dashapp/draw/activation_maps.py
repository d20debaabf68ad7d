"""Convert stored activations to small pictures for the drawing of the network; pure."""

import base64
import io
import zlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

INK = (63, 125, 230)  # readable on light and on dark; its opacity is the activation
MAPS = 3  # channels drawn of a conv layer
STRIP = 8  # a strip is this many times as tall as wide
SMALL = 40  # pixels of the longest side of a map in the drawing of the network


def decode(data: bytes, encoding: str, shape: Sequence[int]) -> np.ndarray:
    """Decode stored little-endian float16 activations to float32, shape `shape`.

    Raises:
        ValueError: an unknown encoding, or bytes that do not fill the shape.
    """
    if encoding not in ("raw", "zlib"):
        raise ValueError(f"encoding must be raw or zlib, not {encoding!r}")
    raw = zlib.decompress(data) if encoding == "zlib" else data
    return np.frombuffer(raw, "<f2").reshape(tuple(shape)).astype(np.float32)


def strongest_maps(activations: np.ndarray, count: int = MAPS) -> list[tuple[int, np.ndarray]]:
    """Channels of (H, W, C) with the largest means, strongest first: (channel, (H, W) in [0, 1])."""
    means = activations.mean(axis=(0, 1))
    channels = np.argsort(-means, kind="stable")[:count]
    return [(int(c), _to_unit(activations[:, :, c])) for c in channels]


def small(values: np.ndarray) -> np.ndarray:
    """Values (H, W) of at most SMALL a side: larger ones as the means of squares."""
    side = -(-max(values.shape) // SMALL)
    if side == 1:
        return values
    height, width = (-(-length // side) * side for length in values.shape)
    padded = np.pad(values, ((0, height - values.shape[0]), (0, width - values.shape[1])), mode="edge")
    squares = padded.reshape(height // side, side, width // side, side)
    return np.asarray(squares.mean(axis=(1, 3)))


def strip(vector: np.ndarray) -> np.ndarray:
    """A vector (D,) of either sign as a picture (rows, columns) in [0, 1], top to bottom."""
    columns = max(1, round((len(vector) / STRIP) ** 0.5))
    rows = -(-len(vector) // columns)
    padded = np.zeros(rows * columns, np.float32)
    padded[: len(vector)] = _to_unit(vector)
    return padded.reshape(rows, columns)


def picture(values: np.ndarray) -> str:
    """Values (H, W) in [0, 1] as a data URI of a PNG, one pixel each, opacity by value."""
    pixels = np.empty((*values.shape, 4), np.uint8)
    pixels[..., :3] = INK
    pixels[..., 3] = np.round(255 * values)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _to_unit(values: np.ndarray) -> np.ndarray:
    low, high = min(float(values.min()), 0.0), float(values.max())
    if not high > low:
        return np.zeros_like(values, np.float32)
    return ((values - low) / (high - low)).astype(np.float32)
