"""Resize images to the size that a network needs, and describe what was done. Pure functions.

A side that shrinks is averaged over the area of each new pixel (Pillow's BOX), a side that grows is
interpolated bicubically (BICUBIC), and empty areas are gray. `benchmarks.resizing` measures the network's
accuracy with these filters and others: no other is better by one image in a hundred.
"""

from typing import NamedTuple

from PIL import Image

FIT, CROP, STRETCH = "fit", "crop", "stretch"
RESIZES = {
    FIT: "the whole image, padded with gray",
    CROP: "the largest centered part of the right shape",
    STRETCH: "the whole image, each side scaled by itself",
}
PADDING = (128, 128, 128)


class Resized(NamedTuple):
    """An image of the wanted size."""

    picture: Image.Image
    said: str  # what was done; "": nothing


def resize(picture: Image.Image, width: int, height: int, how: str) -> Resized:
    """An RGB picture of width x height pixels; how: one of RESIZES."""
    if picture.size == (width, height):
        return Resized(picture, "")
    before = f"{picture.width} x {picture.height} pixels"
    whole = (0.0, 0.0, float(picture.width), float(picture.height))
    if how == STRETCH:
        return Resized(_scaled(picture, width, height, whole), f"stretched {before} to {width} x {height}")
    shares = width / picture.width, height / picture.height
    if how == CROP:
        across, down = (side / max(shares) for side in (width, height))
        left, top = (picture.width - across) / 2, (picture.height - down) / 2
        cut = _scaled(picture, width, height, (left, top, left + across, top + down))
        return Resized(
            cut, f"scaled the middle {_short(across)} x {_short(down)} of {before} to {width} x {height}"
        )
    inner = [max(1, round(side * min(shares))) for side in picture.size]
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    padded = Image.new("RGB", (width, height), PADDING)
    padded.paste(_scaled(picture, inner[0], inner[1], whole), (left, top))
    said = f"scaled {before} to {inner[0]} x {inner[1]}"
    if inner != [width, height]:
        said += f", padded with gray to {width} x {height}"
    return Resized(padded, said)


def _scaled(
    picture: Image.Image, width: int, height: int, box: tuple[float, float, float, float]
) -> Image.Image:
    """A part of the picture, scaled one side after the other: first across, then down."""
    left, top, right, bottom = box
    across = picture.resize(
        (width, picture.height), _filter(width, right - left), (left, 0, right, picture.height)
    )
    return across.resize((width, height), _filter(height, bottom - top), (0, top, width, bottom))


def _filter(after: int, before: float) -> Image.Resampling:
    return Image.Resampling.BOX if after < before else Image.Resampling.BICUBIC


def _short(side: float) -> str:
    return f"{side:.1f}".removesuffix(".0")
