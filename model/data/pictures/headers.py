"""Read the header of an image file before anything is decoded: its format, its size, its PNG chunks.

So a small file that would unpack to gigabytes costs nothing. Formats are detected by content, never by name.
"""

import struct
import zlib
from typing import NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
EXPECTED = "expected a PNG, JPEG, WebP, BMP or TIFF image"
FORMATS = {  # by the bytes that a file begins with; "." stands for any byte
    SIGNATURE: "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"RIFF....WEBP": "WEBP",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",  # for files of more than four gigabytes, and smaller ones
    b"MM\0+": "TIFF",
}
ENDINGS = {  # of names, in small letters
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".dib": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
OTHERS = {  # recognized, but not read
    b"GIF8": "a GIF",
    b"....ftypheic": "a HEIC",
    b"....ftypmif1": "a HEIF",
    b"....ftypavif": "an AVIF",
    b"\xff\x0a": "a JPEG XL",
    b"\0\0\0\x0cJXL ": "a JPEG XL",
    b"\0\0\0\x0cjP  ": "a JPEG 2000",
    b"\x8aMNG": "a MNG",
    b"8BPS": "a Photoshop document",
    b"\0\0\x01\0": "an icon",
    b"%PDF": "a PDF",
    b"<svg": "an SVG",
    b"<?xml": "an XML document",
    b"\x93NUMPY": "a NumPy array",
    b"PK\x03\x04": "a ZIP archive",
}
NAMES = {"WEBP": "WebP"}  # as people write them, where that differs
MOST_TEXT = 2**20  # bytes of a PNG's compressed text that are unpacked
IHDR = struct.Struct(">8sI4sIIBBBBB")  # the signature, and the chunk that must come first, without its CRC


class PictureError(ValueError):
    """A file that is not an image for the network; the message is one line, without the file's name."""


class Size(NamedTuple):
    """The size of an image as stored, in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        """Width x height."""
        return f"{self.width} x {self.height}"


def file_format(content: bytes) -> str:
    """PNG, JPEG, WEBP, BMP or TIFF. Raises PictureError for anything else."""
    if not content:
        raise PictureError(f"an empty file: {EXPECTED}")
    for begins, name in FORMATS.items():
        if _matches(content, begins):
            return name
    other = next(
        (name for begins, name in OTHERS.items() if _matches(content, begins)), "none of those known"
    )
    raise PictureError(f"{other}: {EXPECTED}; convert it")


def readable(name: str) -> str:
    """The name of a format as people write it."""
    return NAMES.get(name, name)


def png_size(content: bytes) -> Size:
    """The size in a PNG's header. Raises PictureError if it is damaged or has more than 8 bits a channel."""
    try:
        _, length, name, width, height, bits, *_ = IHDR.unpack_from(content)
    except struct.error:
        raise PictureError("a damaged PNG (it ends in its header): save it again") from None
    if (length, name) != (13, b"IHDR"):
        raise PictureError("a damaged PNG (it does not begin with its header): save it again")
    if bits > 8:
        raise PictureError(too_deep(bits))
    return Size(width, height)


def webp_size(content: bytes) -> Size | None:
    """The size in a WebP's header, as its decoder allocates the whole canvas; None: it is not there."""
    kind, data = content[12:16], content[20:30].ljust(10, b"\0")
    if kind == b"VP8X":
        return Size(*(int.from_bytes(data[at : at + 3], "little") + 1 for at in (4, 7)))
    if kind == b"VP8L":
        bits = int.from_bytes(data[1:5], "little")
        return Size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", data[6:10])
        return Size(width & 0x3FFF, height & 0x3FFF)
    return None


def too_deep(bits: int) -> str:
    """The message for a file whose channels have more than eight bits."""
    return f"{bits} bits a channel, expected 8: which of them a viewer shows differs; convert it to 8 bits"


def png_chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """Names and data of a PNG's chunks up to its end, in order. Raises PictureError if one is cut off."""
    chunks, place = [], len(SIGNATURE)
    while place + 12 <= len(content):
        length, name = struct.unpack_from(">I4s", content, place)
        data = content[place + 8 : place + 8 + length]
        if len(data) < length:
            break
        chunks.append((name, data))
        if name == b"IEND":
            return chunks
        place += 12 + length
    raise PictureError("a damaged PNG (it ends before its end): save it again")


def png_of(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """A PNG file of these chunks."""
    parts = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return SIGNATURE + b"".join(parts)


def png_text(name: bytes, data: bytes) -> tuple[bytes, bytes]:
    """Keyword and text of a tEXt, zTXt or iTXt chunk; a long compressed text is cut off."""
    keyword, _, text = data.partition(b"\0")
    if name == b"iTXt":
        compressed, (_, _, text) = text[:1] == b"\1", text[2:].partition(b"\0")
        text = text.partition(b"\0")[2]
    else:
        compressed, text = name == b"zTXt", text[1:] if name == b"zTXt" else text
    if compressed:
        try:
            text = zlib.decompressobj().decompress(text, MOST_TEXT)
        except zlib.error:
            text = b""
    return keyword, text


def _matches(content: bytes, begins: bytes) -> bool:
    pairs = zip(begins, content, strict=False)
    return len(content) >= len(begins) and all(wanted in (ord("."), byte) for wanted, byte in pairs)
