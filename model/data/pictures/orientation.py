"""Which way up viewers show an image: the EXIF orientation, which cameras write instead of turning pixels."""

import re

from PIL import Image

from model.data.pictures.headers import PictureError

ORIENTATION = 274  # the tag of EXIF and TIFF
UPRIGHT = 1
TURNS = {  # orientation: the operation that makes it upright, and words for it
    2: (Image.Transpose.FLIP_LEFT_RIGHT, "mirrored left to right"),
    3: (Image.Transpose.ROTATE_180, "rotated by 180 degrees"),
    4: (Image.Transpose.FLIP_TOP_BOTTOM, "mirrored top to bottom"),
    5: (Image.Transpose.TRANSPOSE, "mirrored along its diagonal"),
    6: (Image.Transpose.ROTATE_270, "rotated by 90 degrees clockwise"),
    7: (Image.Transpose.TRANSVERSE, "mirrored along its other diagonal"),
    8: (Image.Transpose.ROTATE_90, "rotated by 90 degrees counterclockwise"),
}
SIDEWAYS = (5, 6, 7, 8)  # orientations that exchange the sides
IN_XMP = re.compile(rb"tiff:Orientation\s*(?:=\s*[\"']|>)\s*(\d+)")


def read_exif(data: bytes | None) -> Image.Exif | None:
    """EXIF data, with or without the prefix that JPEG gives it; None: there is none, or it is damaged."""
    if not data:
        return None
    exif = Image.Exif()
    try:
        exif.load(data)
        exif.get(ORIENTATION)
    except Exception:  # Pillow does not document what damaged data raises; viewers ignore it
        return None
    return exif


def orientation(tags: Image.Exif | None, hints: list[int]) -> tuple[int, str]:
    """The orientation, 1 to 8, and words for it, "" for an upright image.

    tags: of EXIF. hints: from elsewhere in the file, which some viewers follow and others do not.

    Raises PictureError if only a hint has an orientation, and pixels are not upright.
    """
    value = None if tags is None else tags.get(ORIENTATION)
    if isinstance(value, tuple) and len(value) == 1:
        (value,) = value
    if value is None:
        turned = next((hint for hint in hints if hint in TURNS), None)
        if turned is not None:
            raise PictureError(
                f"orientation {turned} in its XMP or text, none in its EXIF: some viewers turn it and others "
                "do not; save it upright"
            )
        return UPRIGHT, ""
    if value in TURNS:
        return int(value), f"{TURNS[value][1]}, as its EXIF orientation {value} says"
    if value == UPRIGHT:
        return UPRIGHT, ""
    return UPRIGHT, f"not turned: its EXIF orientation is {ascii(value)[:20]}, expected 1 to 8"


def xmp_orientation(xmp: bytes) -> int | None:
    """The orientation in XMP data; None: there is none."""
    match = IN_XMP.search(xmp)
    return None if match is None else int(match[1][:4])


def profile_text(text: bytes) -> bytes:
    """EXIF data that older programs put into a PNG's text, in hexadecimal after three lines; b"": none."""
    try:
        return bytes.fromhex("".join(text.decode("ascii").split("\n")[3:]))
    except ValueError:
        return b""


def upright(picture: Image.Image, value: int) -> Image.Image:
    """The picture, turned upright from an orientation."""
    return picture.transpose(TURNS[value][0]) if value in TURNS else picture
