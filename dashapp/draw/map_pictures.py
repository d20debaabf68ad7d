"""Convert maps of margins, and the maps of a conv layer, to small pictures with their scales; pure.

Two hues everywhere, distinguishable with every kind of color vision: orange is above zero, blue below. Where
they are transparent the surface shows through, so a picture is readable on light and on dark.
"""

import base64
import io
from typing import NamedTuple

import numpy as np
from PIL import Image

BELOW = (63, 125, 230)
ABOVE = ((255, 178, 64), (206, 44, 12))  # from zero to the highest
DIFFERENCE = (226, 104, 24)  # stronger than before, on a scale that is symmetric about zero
NEAREST = 0.78  # opacity of the largest value below zero


class Scale(NamedTuple):
    """The lowest and the highest value that a picture's colors stand for."""

    low: float
    high: float


def margin_scale(margins: np.ndarray) -> Scale:
    """From the lowest to the highest margin (...); -inf, of positions that were not tried, does not count."""
    tried = margins[np.isfinite(margins)]
    return Scale(float(tried.min()), float(tried.max()))


def margin_picture(margins: np.ndarray, scale: Scale) -> str:
    """Margins (H, W) as a data URI of a PNG, one pixel each, to lie over an image.

    Below zero blue, more opaque toward zero; above zero from light to dark orange. -inf is transparent.
    """
    below = np.clip((margins - scale.low) / max(min(scale.high, 0.0) - scale.low, 1e-6), 0, 1)
    above = np.clip(margins / max(scale.high, 1e-6), 0, 1)[..., None]
    light, dark = np.array(ABOVE, float)
    rgb = np.where(margins[..., None] > 0, light + (dark - light) * above, np.array(BELOW, float))
    opacity = np.where(margins > 0, 0.95, NEAREST * below**1.5)
    return _png(rgb, opacity)


def activation_picture(values: np.ndarray, highest: float) -> str:
    """Activations (H, W) as a data URI of a PNG: blue, more opaque if higher; transparent if negative."""
    opacity = np.clip(values / highest, 0, 1) if highest > 0 else np.zeros_like(values)
    return _png(np.broadcast_to(np.array(BELOW, float), (*values.shape, 3)), opacity)


def difference_picture(values: np.ndarray, largest: float) -> str:
    """Differences (H, W) as a data URI of a PNG: orange above zero, blue below, transparent at zero."""
    hue = np.where(values[..., None] > 0, np.array(DIFFERENCE, float), np.array(BELOW, float))
    opacity = np.clip(np.abs(values) / largest, 0, 1) if largest > 0 else np.zeros_like(values)
    return _png(hue, opacity)


def _png(rgb: np.ndarray, opacity: np.ndarray) -> str:
    pixels = np.empty((*opacity.shape, 4), np.uint8)
    pixels[..., :3] = np.round(rgb)
    pixels[..., 3] = np.round(255 * opacity)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=6)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
