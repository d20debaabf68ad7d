"""Read image files from outside safely and as viewers show them, or raise an error of one line.

Where viewers transform the stored pixels, the same is done here, and reported: the orientation of EXIF, an
embedded color profile, gray and palettes. Features that viewers would not agree on, or that a network cannot
see, are refused: transparency, animations, more than 8 bits a channel, a gamma or primaries without a
profile, pixels that are not square.
"""

import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import numpy as np
from PIL import Image

from model.data.pictures import colors, headers, orientation, stored
from model.data.pictures.headers import PictureError, Size
from model.data.pictures.sizes import resize

MOST_BYTES = 2**22  # of a file in the network's size: 32 x 32 pixels have some kilobytes
MOST_BYTES_RESIZED = 2**26
MOST_PIXELS = 2**26  # of an image to resize

logging.getLogger("PIL").addHandler(logging.NullHandler())  # our one-line errors replace its log


class Picture(NamedTuple):
    """An image as a network sees it."""

    image: np.ndarray  # (H, W, 3) uint8
    read: list[str]  # what was done to the stored pixels, a few words each, in order


def most_bytes(how: str | None) -> int:
    """The most bytes that a file may have; how: as in `decode`."""
    return MOST_BYTES_RESIZED if how else MOST_BYTES


def decode(
    content: bytes, height: int, width: int, *, how: str | None = None, suffix: str | None = None
) -> Picture:
    """The image in the bytes of a file.

    how: one of RESIZES, for images of other sizes; None: these are refused. suffix: of the file's name, such
        as ".png".

    Raises PictureError, in one line, for anything else.
    """
    wanted = Size(width, height)
    with _opened(content, lambda size: _check_stored_size(size, wanted, how)) as opened:
        plain, turned = _upright(opened)
        if how is None and plain.size != wanted:
            raise _wrong_size(Size(*plain.size), wanted)
        colored, converted = colors.to_rgb(plain, opened.metadata.profile)
        sized = resize(colored, *wanted, how) if how else None
    said = [*_other_name(opened.name, suffix), *opened.metadata.said, turned, *converted]
    said += [sized.said] if sized else []
    pixels = np.array(sized.picture if sized else colored)
    return Picture(np.ascontiguousarray(pixels), [words for words in said if words])


class Whole(NamedTuple):
    """An image of any size."""

    picture: Image.Image  # upright, in mode RGB
    gray: bool  # whether the file has gray pixels, not colors or a palette
    said: list[str]  # what was done to the stored pixels, a few words each, in order


def decode_whole(content: bytes) -> Whole:
    """The image in the bytes of a file, in its own size. Raises PictureError, in one line, for all else."""
    with _opened(content, _check_pixel_count) as opened:
        plain, turned = _upright(opened)
        colored, converted = colors.to_rgb(plain, opened.metadata.profile)
    said = [words for words in (*opened.metadata.said, turned, *converted) if words]
    return Whole(colored, plain.mode in colors.GRAY, said)


def measure(content: bytes) -> Size:
    """The size of the upright image in the bytes of a file, whose pixels are not decoded.

    Raises PictureError, in one line, for anything that has no readable header.
    """
    with _opened(content, _check_pixel_count) as opened:
        turn, _ = orientation.orientation(opened.metadata.tags, opened.metadata.hints)
        size = Size(*opened.picture.size)
    turned = turn in orientation.SIDEWAYS and opened.name != "TIFF"  # of which Pillow gives the turned size
    return Size(size.height, size.width) if turned else size


class _Opened(NamedTuple):
    """An image file whose header is read, and whose pixels are not yet decoded."""

    name: str  # of its format
    picture: Image.Image
    metadata: stored.Stored


@contextmanager
def _opened(content: bytes, check: Callable[[Size], None]) -> Iterator[_Opened]:
    """Open an image file; what then goes wrong in the block is a PictureError of one line, too.

    check: raises PictureError for an unwanted size as stored, before anything is allocated for it.
    """
    name = headers.file_format(content)
    chunks: list[tuple[bytes, bytes]] = []
    if name == "PNG":
        check(headers.png_size(content))
    elif name == "WEBP" and (size := headers.webp_size(content)):
        check(size)
    try:
        with warnings.catch_warnings(action="ignore"), _silent(name):
            if name == "PNG":
                with Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
                    picture.verify()  # every chunk's checksum; decoding does not check all of them
                chunks = headers.png_chunks(content)
                # a text chunk may use any keyword, even one of Pillow's own
                content = headers.png_of([chunk for chunk in chunks if chunk[0] in stored.PLAIN])
            with Image.open(io.BytesIO(content), formats=(name,)) as picture:
                check(Size(*picture.size))
                yield _Opened(name, picture, stored.stored(name, content, picture, chunks))
    except PictureError:
        raise
    except Image.DecompressionBombError:
        raise PictureError("far more pixels than can be read: scale it down") from None
    except Exception as error:  # Pillow does not document what damaged bytes raise
        what = headers.readable(name)
        raise PictureError(
            f"a damaged {what}, or of a rare kind ({_one_line(error)}): save it again"
        ) from error


def _upright(opened: _Opened) -> tuple[Image.Image, str]:
    """The decoded picture as viewers turn it, and words for the turn, "" for none."""
    turn, turned = orientation.orientation(opened.metadata.tags, opened.metadata.hints)
    opened.picture.load()
    # Pillow turns a TIFF by itself
    plain = opened.picture if opened.name == "TIFF" else orientation.upright(opened.picture, turn)
    return plain, turned


@contextmanager
def _silent(name: str) -> Iterator[None]:
    """Suppress LibTIFF's messages about damage, which bypass Python on the process's standard error."""
    stderr_copy = None
    if name == "TIFF":
        with suppress(OSError):  # it may be closed
            stderr_copy = os.dup(2)
    if stderr_copy is None:
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(stderr_copy, 2)
        os.close(stderr_copy)


def _check_stored_size(size: Size, wanted: Size, how: str | None) -> None:
    """Raise PictureError for an impossible size, before decoding; a turn exchanges the sides."""
    if how is None and sorted(size) != sorted(wanted):
        raise _wrong_size(size, wanted)
    _check_pixel_count(size)


def _check_pixel_count(size: Size) -> None:
    """Raise PictureError for a size that takes too much memory, before decoding."""
    if size.width * size.height > MOST_PIXELS:
        raise PictureError(f"{size} pixels, expected at most {MOST_PIXELS:,} of them: scale it down")


def _wrong_size(size: Size, wanted: Size) -> PictureError:
    return PictureError(f"{size} pixels, expected {wanted} (width x height): scale it, or use --resize")


def _other_name(name: str, suffix: str | None) -> list[str]:
    """Words for a file whose ending belongs to another format."""
    if suffix is None or headers.ENDINGS.get(suffix.lower(), name) == name:
        return []
    return [f"read as {headers.readable(name)}, which it is, though its name ends in {suffix.lower()}"]


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:120] if text.isprintable() else ascii(text)[:120]
