"""Read the data beside the pixels that viewers apply, by format; refuse data that they would not agree on."""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from model.data.pictures.colors import NEAR, SRGB_GAMMA, is_srgb
from model.data.pictures.headers import PictureError, png_text, too_deep
from model.data.pictures.orientation import ORIENTATION, profile_text, read_exif, xmp_orientation

SQUARE = 0.02  # a pixel's sides may differ by this much: resolutions are rounded
CICP_SRGB = bytes((1, 13, 0, 1))  # primaries, transfer, matrix and range of a PNG in sRGB
OF_COLOR = (b"iCCP", b"cICP", b"sRGB", b"gAMA", b"cHRM")  # valid only before the pixels
ONCE = (*OF_COLOR, b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"pHYs", b"IEND")
PLAIN = (b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"pHYs", b"IDAT", b"IEND")  # what decoding needs
XMP, EXIF_TEXTS = b"XML:com.adobe.xmp", (b"Raw profile type exif", b"Raw profile type APP1")
GAIN_MAPS = (b"urn:iso:std:iso:ts:21496:-1", b"hdrgm:Version", b"HDRGainMap")
BMP_SPACES = (b"BGRs", b" niW")  # little-endian "sRGB", and "Win ", which is sRGB too
TIFF_COMPRESSIONS = (
    *("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "jpeg"),
    *("tiff_ccitt", "group3", "group4"),
)
TIFF_TILE = 2**22  # pixels of a tile: a small file may claim large ones
DNG, THUMBNAIL = 50706, 1
BLACK_AND_WHITE = ((0, 255, 0, 255, 0, 255), (0, 255, 128, 255, 128, 255))  # RGB, YCbCr: no change


@dataclass
class Stored:
    """The data stored beside the pixels."""

    tags: Image.Exif | None = None  # of EXIF
    hints: list[int] = field(default_factory=list)  # orientations from places where few viewers look
    profile: bytes | None = None  # color profile
    said: list[str] = field(default_factory=list)


def stored(name: str, content: bytes, picture: Image.Image, chunks: list[tuple[bytes, bytes]]) -> Stored:
    """The data stored in an image of the format `name`, opened but not decoded; chunks: of a PNG.

    Raises PictureError for more than one image, and for data that viewers treat differently.
    """
    metadata = Stored(profile=picture.info.get("icc_profile"))
    if "icc_profile" in picture.info and not metadata.profile:
        raise PictureError("a damaged color profile: save it again, in sRGB")
    _check_square(picture.info)
    if name == "PNG":
        _of_png(metadata, chunks)
    elif name == "BMP":
        _of_bmp(metadata, content, picture)
    elif name == "TIFF":
        _of_tiff(metadata, picture)
    else:
        metadata.tags = read_exif(picture.info.get("exif"))
        if name == "JPEG":
            _of_jpeg(metadata, picture)
        elif getattr(picture, "n_frames", 1) > 1:
            raise PictureError("an animation, expected a single image: save the frame that is meant")
    if isinstance(xmp := picture.info.get("xmp"), bytes):
        metadata.hints += [value for value in (xmp_orientation(xmp),) if value is not None]
    _check_space(metadata)
    return metadata


def _of_png(metadata: Stored, chunks: list[tuple[bytes, bytes]]) -> None:
    by_name: dict[bytes, bytes] = {}
    for name, data in chunks:
        if name in OF_COLOR and b"IDAT" in by_name:
            continue  # too late: viewers ignore it
        if name in ONCE and name in by_name:
            raise PictureError(f"a damaged PNG (two chunks {name.decode()}): save it again")
        by_name.setdefault(name, data)
    if b"acTL" in by_name:
        raise PictureError("an animation, expected a single image: save the frame that is meant")
    metadata.tags = read_exif(by_name.get(b"eXIf"))
    for name, data in chunks:
        if name in (b"tEXt", b"zTXt", b"iTXt"):
            keyword, text = png_text(name, data)
            if keyword == XMP:
                hint = xmp_orientation(text)
            else:
                tags = read_exif(profile_text(text)) if keyword in EXIF_TEXTS else None
                hint = None if tags is None else tags.get(ORIENTATION)
            metadata.hints += [hint] if isinstance(hint, int) else []
    if by_name.get(b"cICP", CICP_SRGB) != CICP_SRGB:
        raise PictureError("its colors are not sRGB (cICP), as of HDR: convert it to sRGB")
    if b"cICP" in by_name:
        metadata.profile = None  # cICP takes precedence
    elif b"iCCP" not in by_name and b"sRGB" not in by_name:
        gamma = by_name.get(b"gAMA", b"")
        if len(gamma) == 4 and abs(int.from_bytes(gamma, "big") / 1e5 - SRGB_GAMMA) > NEAR:
            stated = int.from_bytes(gamma, "big") / 1e5
            raise PictureError(f"a gamma of {stated:g} (gAMA), expected {SRGB_GAMMA:g}: convert it to sRGB")
        if len(by_name.get(b"cHRM", b"")) == 32:
            values = [value / 1e5 for value in struct.unpack(">8I", by_name[b"cHRM"])]
            _check_primaries(values[:2], values[2:], "cHRM")


def _of_jpeg(metadata: Stored, picture: Image.Image) -> None:
    if getattr(picture, "icclist", None):  # its parts came too late to be joined
        raise PictureError("a damaged color profile: save it again, in sRGB")
    if picture.mode == "CMYK" and "adobe" not in picture.info:
        raise PictureError("CMYK of which nobody knows whether it is inverted: convert it to RGB")
    if any(mark in data for _, data in getattr(picture, "applist", ()) for mark in GAIN_MAPS):
        metadata.said.append("left out its HDR gain map, as a screen without HDR does")
    if (pictures := getattr(picture, "n_frames", 1)) > 1:
        metadata.said.append(f"took the first of its {pictures} pictures, which viewers show")


def _of_bmp(metadata: Stored, content: bytes, picture: Image.Image) -> None:
    size, bits = struct.unpack_from("<I", content, 14)[0], struct.unpack_from("<H", content, 28)[0]
    if size >= 108 and (space := content[70:74]) not in BMP_SPACES and any(content[70:122]):
        stated = "calibrated" if space == bytes(4) else ascii(space[::-1].decode("latin-1"))
        raise PictureError(f"its colors are not sRGB (color space {stated}): convert it to sRGB")
    if size > 12 and bits == 32 and content[30:34] == bytes(4):
        start, (width, height) = struct.unpack_from("<I", content, 10)[0], picture.size
        if set(content[start + 3 : start + 4 * width * height : 4]) not in ({0}, {255}):
            raise PictureError("a fourth channel that some viewers take for transparency: flatten it")
    if size > 12 and bits == 16:
        metadata.said.append("spread 5 or 6 bits a channel to 8")


def _of_tiff(metadata: Stored, picture: Image.Image) -> None:
    if cast(TiffImageFile, picture).is_animated:
        raise PictureError("several pages, expected a single image: save the page that is meant")
    tags = cast(TiffImageFile, picture).tag_v2
    if DNG in tags or int(tags.get(254, 0)) & THUMBNAIL:
        raise PictureError("a raw photograph or its preview, expected an image: develop and convert it")
    bits, formats = tags.get(258, (1,)), tags.get(339, (1,))
    if max(bits) > 8:
        raise PictureError(too_deep(max(bits)))
    if max(formats) > 1 and formats != (4,):
        raise PictureError("channels that are no whole numbers from 0 to 255, expected these: convert it")
    if (packed := picture.info.get("compression")) not in TIFF_COMPRESSIONS:
        raise PictureError(f"a TIFF packed by {packed}: save it with LZW or Deflate")
    if int(tags.get(322, 1)) * int(tags.get(323, 1)) > TIFF_TILE:
        raise PictureError(f"tiles of {tags[322]} x {tags[323]} pixels: save it in strips")
    if tuple(map(float, tags.get(532, BLACK_AND_WHITE[0]))) not in BLACK_AND_WHITE:
        raise PictureError("a black and a white of its own (ReferenceBlackWhite): convert it to RGB")
    if 0 < max(tags.get(320, (0,))) < 256:
        raise PictureError("a palette of 8 bits, expected 16: some viewers show it black; save it again")
    if tags.get(332, 1) != 1:
        raise PictureError("inks other than cyan, magenta, yellow and black: convert it to RGB")
    exif = Image.Exif()
    if ORIENTATION in tags:
        exif[ORIENTATION] = tags[ORIENTATION]
    metadata.tags = exif
    if metadata.profile is None:
        if 301 in tags:
            raise PictureError("a transfer function of its own, expected sRGB's: convert it to sRGB")
        if 318 in tags or 319 in tags:
            _check_primaries(tags.get(318, ()), tags.get(319, ()), "white point and primaries")


def _check_primaries(white: Iterable[Any], primaries: Iterable[Any], where: str) -> None:
    if not is_srgb(tuple(map(float, white)), tuple(map(float, primaries))):
        raise PictureError(f"primaries that are not sRGB's ({where}): convert it to sRGB")


def _check_square(info: Mapping[Any, Any]) -> None:
    """Raise PictureError for pixels that are not square: some viewers stretch them and others do not."""
    for name in ("dpi", "aspect", "resolution", "jfif_density"):
        value = info.get(name)
        if isinstance(value, tuple) and len(value) == 2 and all(float(side) > 0 for side in value):
            across, down = map(float, value)
            if abs(across / down - 1) > SQUARE:
                raise PictureError(
                    f"pixels that are not square ({across:.6g} across for {down:.6g} down): some viewers "
                    "stretch them and others do not; scale it"
                )


def _check_space(metadata: Stored) -> None:
    """Raise PictureError for Adobe RGB marked in EXIF alone, which few viewers read."""
    if metadata.profile is None and metadata.tags is not None:
        try:
            index = metadata.tags.get_ifd(0xA005).get(1)
        except Exception:  # damaged: viewers ignore it
            return
        if index in ("R03", b"R03"):
            raise PictureError("Adobe RGB by its EXIF, without a color profile: convert it to sRGB")
