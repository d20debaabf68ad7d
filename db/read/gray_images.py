"""Whether a stored image is gray, by its PNG's header."""

from sqlalchemy import ColumnElement, FromClause, LargeBinary, func

PLACE = 26  # of the byte that tells the kind of colors, from 1
GRAY = b"\0"


def color_type(images: FromClause) -> ColumnElement[bytes]:
    """The byte of a row of `images` that tells the kind of its colors."""
    return func.substr(images.c.png, PLACE, 1, type_=LargeBinary)


def is_gray(value: bytes | memoryview) -> bool:
    """Whether `color_type` is that of a gray image."""
    return bytes(value) == GRAY
