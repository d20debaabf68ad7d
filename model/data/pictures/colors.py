"""Convert stored values to the colors that viewers show, sRGB with 8 bits a channel, or raise one line."""

import io
from functools import lru_cache
from typing import cast

import numpy as np
from PIL import Image, ImageCms

from model.data.pictures.headers import PictureError

GRAY = ("1", "L", "LA", "La")
PALETTES = ("P", "PA")
READ = (*GRAY, *PALETTES, "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
SPACES = {"GRAY": "L", "RGB ": "RGB", "CMYK": "CMYK"}  # a color profile's space: Pillow's mode for its pixels
SRGB_WHITE = (0.3127, 0.3290)
SRGB_PRIMARIES = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06)  # red, green, blue: x and y each
SRGB_GAMMA = 0.45455
NEAR = 0.001  # tolerance for rounding, of a chromaticity and of a gamma
SAME = 1  # of 255: a profile that moves no color further counts as sRGB
STEPS = np.linspace(0, 255, 9).astype(np.uint8)
PROBES = {  # colors to distinguish a profile from sRGB's
    "L": Image.fromarray(np.arange(256, dtype=np.uint8)[None]),
    "RGB": Image.fromarray(np.stack(np.meshgrid(STEPS, STEPS, STEPS), -1).reshape(27, 27, 3)),
}
# For gray, LittleCMS would otherwise interpolate between few levels.
EXACTLY = {"L": ImageCms.Flags.NOOPTIMIZE, "RGB": ImageCms.Flags.NONE, "CMYK": ImageCms.Flags.NONE}


def to_rgb(picture: Image.Image, profile: bytes | None) -> tuple[Image.Image, list[str]]:
    """The picture in mode RGB, and what was done to it. Raises PictureError where viewers would not agree."""
    if picture.mode not in READ:
        raise PictureError(
            f"pixels of the kind {picture.mode}, expected gray, a palette, RGB or CMYK, 8 bits a channel: "
            "convert it to RGB"
        )
    said = []
    if picture.has_transparency_data or picture.mode == "RGBX":
        picture = _opaque(picture)
        said.append("left out an alpha channel that is opaque everywhere")
    if picture.mode in GRAY:
        said.insert(0, "made RGB of black and white" if picture.mode == "1" else "made RGB of gray")
        picture = picture.convert("L")
    elif picture.mode in PALETTES:
        said.insert(0, "made RGB of a palette")
        picture = picture.convert("RGB")
    elif picture.mode == "YCbCr":
        picture = picture.convert("RGB")
    if profile:
        picture, name = _from_profile(picture, profile)
        said += [f"converted to sRGB from its color profile, {name}"] if name else []
    elif picture.mode == "CMYK":
        raise PictureError("CMYK without a color profile: its colors are undefined; convert it to RGB")
    return picture.convert("RGB"), said


def is_srgb(white: tuple[float, ...], primaries: tuple[float, ...]) -> bool:
    """Whether chromaticities are those of sRGB."""
    wanted = (*SRGB_WHITE, *SRGB_PRIMARIES)
    values = (*white, *primaries)
    return len(values) == len(wanted) and all(
        abs(one - other) <= NEAR for one, other in zip(values, wanted, strict=True)
    )


def _opaque(picture: Image.Image) -> Image.Image:
    """The picture without its alpha channel or transparent color; a gray picture stays gray."""
    fourth = picture.getchannel("X") if picture.mode == "RGBX" else picture.convert("RGBA").getchannel("A")
    if cast(tuple[float, float], fourth.getextrema())[0] < 255:  # of one channel: least and largest
        raise PictureError(
            "has transparent pixels, expected none: the result depends on what is behind them; flatten it"
        )
    if picture.mode in ("1", "L", "P", "RGB"):  # one or several transparent colors that no pixel has
        plain = picture.copy()
        plain.info.pop("transparency", None)
        return plain
    return picture.convert("L" if picture.mode in GRAY else "RGB")


def _from_profile(picture: Image.Image, content: bytes) -> tuple[Image.Image, str]:
    """The picture in sRGB and the profile's name; "" where the profile is sRGB's own."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
        space = profile.profile.xcolor_space
        name = _printable(ImageCms.getProfileDescription(profile))
    except Exception as error:  # LittleCMS and Pillow may raise anything for damaged bytes
        raise PictureError("a damaged color profile: save it again, in sRGB") from error
    if SPACES.get(space) != picture.mode:
        kinds = {"L": "gray", "RGB": "RGB", "CMYK": "CMYK"}
        raise PictureError(
            f"its color profile ({name}) is of {space.strip()} and its pixels are {kinds[picture.mode]}: "
            "convert it to sRGB"
        )
    try:
        transform = _to_srgb(content, picture.mode)
        before = PROBES.get(picture.mode)
        if before is not None:
            after = np.asarray(ImageCms.applyTransform(before, transform)).astype(int)
            if np.abs(after - np.asarray(before.convert("RGB"))).max() <= SAME:
                return picture, ""
            if picture.mode == "L":
                return Image.fromarray(after[0].astype(np.uint8)[np.asarray(picture)]), name
        converted = ImageCms.applyTransform(picture, transform)
        return cast(Image.Image, converted), name  # it returns None only when working in place
    except Exception as error:
        raise PictureError(f"a color profile that cannot be applied ({name}): convert it to sRGB") from error


@lru_cache(maxsize=4)  # many pictures have one profile, and this takes longer than to convert a small one
def _to_srgb(content: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
    return ImageCms.buildTransform(profile, _srgb(), mode, "RGB", flags=EXACTLY[mode])


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _printable(name: str) -> str:
    text = " ".join(name.split()) or "without a name"
    return (text if text.isprintable() else ascii(text))[:60]
