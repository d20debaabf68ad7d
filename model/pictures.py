"""Image files from outside, read so that none can do harm: what a network can see, or one line why not.

A PNG's header says what is in it before anything is decoded, so a small file that would unpack to gigabytes
costs nothing. What becomes RGB with 8 bits a channel without loss is taken: RGB, greyscale, palettes, and any
of them with an alpha channel that is opaque everywhere. Colour profiles and gamma are not applied.
"""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from model.data import read_at_most

MOST_BYTES = 2**22  # of a file; one of 32 x 32 pixels has some kilobytes
SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER = struct.Struct(">8sI4sIIBBBBB")  # the signature, and the chunk that must come first, but for its CRC
BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)


class PictureError(ValueError):
    """A file that is no image for the network; the message is one line, without the file's name."""


class Header(NamedTuple):
    """What the first chunk of a PNG says."""

    height: int
    width: int
    bits: int  # of a sample


def find(paths: Sequence[Path]) -> Iterator[tuple[Path, PictureError | None]]:
    """Every file among the paths and, sorted, every *.png in the folders among them, each once.

    A path that leads to no image comes with what is wrong with it.
    """
    seen = set()
    for path in paths:
        if _is_folder(path):
            inside = sorted(found for found in path.rglob("*") if found.suffix.lower() == ".png")
            files = [found for found in inside if not found.is_dir()]
            if not files:
                yield path, PictureError("a folder without a *.png: expected images, here or further down")
        else:
            files = [path]
        for file in files:
            if file not in seen:
                seen.add(file)
                yield file, None


def read(path: Path, height: int, width: int) -> np.ndarray:
    """The image (height, width, 3) uint8 in a PNG file. Raises PictureError for anything else."""
    try:
        content = read_at_most(path, MOST_BYTES)
    except FileNotFoundError:
        raise PictureError("no such file: expected a PNG image or a folder of them") from None
    except OSError as error:
        raise PictureError(f"cannot be read ({error.strerror or error})") from None
    except ValueError:
        raise PictureError(f"more than {MOST_BYTES:,} bytes: expected a PNG of {width} x {height}") from None
    return decode(content, height, width)


def decode(content: bytes, height: int, width: int) -> np.ndarray:
    """The same of the bytes of a PNG file."""
    found = header(content)
    if (found.height, found.width) != (height, width):
        raise PictureError(
            f"{found.width} x {found.height} pixels, expected {width} x {height} (width x height): scale it"
        )
    if found.bits > 8:
        raise PictureError(f"{found.bits} bits a channel, expected 8: convert it to RGB with 8 bits")
    try:
        with warnings.catch_warnings(action="ignore"):
            with Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
                picture.verify()  # every chunk's checksum; decoding does not look at all of them
            with Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
                animated = getattr(picture, "is_animated", False)
                pixels = np.array(picture.convert("RGBA"))
    except BROKEN as error:
        raise PictureError(f"a damaged PNG ({_one_line(error)}): save it again") from None
    if animated:
        raise PictureError("an animation, expected a single image: save the frame that is meant")
    if pixels[..., 3].min() < 255:
        raise PictureError("has transparent pixels, expected none: what lies behind them decides; flatten it")
    return np.ascontiguousarray(pixels[..., :3])


def header(content: bytes) -> Header:
    """Read the header alone. Raises PictureError where it is none of a PNG."""
    if not content.startswith(SIGNATURE):
        what = "an empty file" if not content else "not a PNG"
        raise PictureError(f"{what}: expected a PNG image; convert it")
    try:
        _, length, name, width, height, bits, *_ = HEADER.unpack_from(content)
    except struct.error:
        raise PictureError("a damaged PNG (it ends in its header): save it again") from None
    if (length, name) != (13, b"IHDR"):
        raise PictureError("a damaged PNG (it does not begin with its header): save it again")
    return Header(height, width, bits)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a folder above it may not be entered: reading it will say so
        return False


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
