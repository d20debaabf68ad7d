"""Convert stored activations to small pictures for the drawing of the network; pure."""

import base64
import io
import zlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

INK = (63, 125, 230)  # readable on light and on dark; its opacity is the activation
MAPS = 3  # channels drawn of a conv layer
STRIP_COLUMNS = {2304: 24, 512: 8}  # a vector is drawn in rows of this many


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


def strip(vector: np.ndarray) -> np.ndarray:
    """A vector (D,) of either sign as a picture (rows, columns) in [0, 1], top to bottom."""
    columns = STRIP_COLUMNS.get(len(vector), 1)
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
