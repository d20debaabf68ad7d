"""Image files from outside, read as people see them and so that none can do harm; or one line why not.

What makes viewers show other pixels than those that are stored is done here too, and said: the orientation of
EXIF, an embedded color profile, gray and palettes. What they would not agree on, or a network cannot see, is
refused: transparency, animations, more than 8 bits a channel, a gamma or primaries without a profile, pixels
that are not square.
"""

import io
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import numpy as np
from PIL import Image

from model.data.pictures import colors, headers, orientation, stored
from model.data.pictures.headers import PictureError, Size
from model.data.pictures.sizes import resize

MOST_BYTES = 2**22  # of a file as large as the network wants it: 32 x 32 pixels have some kilobytes
MOST_BYTES_RESIZED = 2**26
MOST_PIXELS = 2**26  # of one that is resized

logging.getLogger("PIL").addHandler(logging.NullHandler())  # what it has to say is said in an error's line


class Picture(NamedTuple):
    """An image as a network sees it."""

    image: np.ndarray  # (H, W, 3) uint8
    read: list[str]  # what was done to the stored pixels, a few words each, in the order of doing


def most_bytes(how: str | None) -> int:
    """Of a file; how: as `decode` has it."""
    return MOST_BYTES_RESIZED if how else MOST_BYTES


def decode(
    content: bytes, height: int, width: int, *, how: str | None = None, suffix: str | None = None
) -> Picture:
    """The image in the bytes of a file.

    how: of RESIZES, for images of other sizes; None: these are refused. suffix: of the file's name, as
        ".png".

    Raises PictureError, in one line, for what is no such image.
    """
    name, wanted = headers.file_format(content), Size(width, height)
    chunks: list[tuple[bytes, bytes]] = []
    if name == "PNG":
        _check_stored_size(headers.png_size(content), wanted, how)
    elif name == "WEBP" and (size := headers.webp_size(content)):
        _check_stored_size(size, wanted, how)
    try:
        with warnings.catch_warnings(action="ignore"), _silent(name):
            if name == "PNG":
                with Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
                    picture.verify()  # every chunk's checksum; decoding does not look at all of them
                chunks = headers.png_chunks(content)
                # a text may have any name, as that of what Pillow keeps beside it
                content = headers.png_of([chunk for chunk in chunks if chunk[0] in stored.PLAIN])
            with Image.open(io.BytesIO(content), formats=(name,)) as picture:
                _check_stored_size(Size(*picture.size), wanted, how)
                return _decoded(name, content, picture, chunks, wanted, how, _other_name(name, suffix))
    except PictureError:
        raise
    except Image.DecompressionBombError:
        raise PictureError(f"far more pixels than can be read, expected {wanted}: scale it down") from None
    except Exception as error:  # Pillow says nowhere what damaged bytes raise
        what = headers.readable(name)
        raise PictureError(
            f"a damaged {what}, or of a rare kind ({_one_line(error)}): save it again"
        ) from error


@contextmanager
def _silent(name: str) -> Iterator[None]:
    """Without what LibTIFF prints of damage, past Python, to the process's standard error."""
    kept = None
    if name == "TIFF":
        with suppress(OSError):  # there may be none
            kept = os.dup(2)
    if kept is None:
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _decoded(
    name: str,
    content: bytes,
    picture: Image.Image,
    chunks: list[tuple[bytes, bytes]],
    wanted: Size,
    how: str | None,
    said: list[str],
) -> Picture:
    """The image of an opened picture; said: what was done already."""
    found = stored.stored(name, content, picture, chunks)
    turn, turned = orientation.orientation(found.tags, found.hints)
    picture.load()
    # Pillow turns a TIFF by itself
    plain = picture if name == "TIFF" else orientation.upright(picture, turn)
    if how is None and plain.size != wanted:
        raise _wrong_size(Size(*plain.size), wanted)
    colored, converted = colors.to_rgb(plain, found.profile)
    sized = resize(colored, *wanted, how) if how else None
    done = [*said, *found.said, turned, *converted, sized.said if sized else ""]
    pixels = np.array(sized.picture if sized else colored)
    return Picture(np.ascontiguousarray(pixels), [words for words in done if words])


def _check_stored_size(found: Size, wanted: Size, how: str | None) -> None:
    """Raise PictureError for a size that cannot be, before decoding; a turn exchanges the sides."""
    if how is None and sorted(found) != sorted(wanted):
        raise _wrong_size(found, wanted)
    if found.width * found.height > MOST_PIXELS:
        raise PictureError(f"{found} pixels, expected at most {MOST_PIXELS:,} of them: scale it down")


def _wrong_size(found: Size, wanted: Size) -> PictureError:
    return PictureError(
        f"{found} pixels, expected {wanted} (width x height): scale it, or have it done by --resize"
    )


def _other_name(name: str, suffix: str | None) -> list[str]:
    """What is said of a file whose ending is another format's."""
    if suffix is None or headers.ENDINGS.get(suffix.lower(), name) == name:
        return []
    return [f"read as {headers.readable(name)}, which it is, though its name ends in {suffix.lower()}"]


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:120] if text.isprintable() else ascii(text)[:120]
