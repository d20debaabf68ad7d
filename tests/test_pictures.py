"""Image files: what is stored in them is read as people see it, or refused, and either is said."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, ImageOps

from model.data.pictures import headers, reading, sizes
from model.data.pictures.headers import PictureError
from tests.support import color_profiles

CHANCE = np.random.default_rng(3)
# Squares of one color: lossy formats keep them, and no turn of the image is another one.
IMAGE = np.kron(CHANCE.integers(0, 256, (4, 4, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
NOISE = CHANCE.integers(0, 256, (32, 32, 3), np.uint8)
ORIENTATION = ExifTags.Base.Orientation

# How an image that stands upright is stored under each orientation, by the text of the EXIF standard: where
# row 0 and column 0 of the stored one are shown. Made of NumPy's turns, not of Pillow's.
UPRIGHT = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).swapaxes(0, 1),
    8: lambda stored: np.rot90(stored),
}
SAVED = {  # a way to save without loss, or nearly
    "PNG": ("PNG", {}),
    "JPEG": ("JPEG", {"quality": 100, "subsampling": 0}),
    "WebP": ("WEBP", {"lossless": True}),
    "TIFF": ("TIFF", {}),
    "TIFF with LZW": ("TIFF", {"compression": "tiff_lzw"}),
    "TIFF with JPEG": ("TIFF", {"compression": "jpeg", "quality": 100}),
    "BigTIFF": ("TIFF", {"big_tiff": True}),
    "BMP": ("BMP", {}),
}
TURNED = {  # the modes that Pillow writes as they are; a BMP has no place for an orientation
    "PNG": ("RGB", "L", "P", "1"),
    "JPEG": ("RGB", "L", "CMYK"),
    "WebP": ("RGB",),
    "TIFF": ("RGB", "L", "P", "1", "CMYK"),
    "TIFF with LZW": ("RGB", "L", "P", "1", "CMYK"),
    "TIFF with JPEG": ("RGB", "L"),
    "BigTIFF": ("RGB",),
}
TURNS = [
    (form, mode, orientation)
    for form, modes in TURNED.items()
    for mode in modes
    for orientation in (*UPRIGHT, 0, 9)
    if orientation in UPRIGHT or "with" not in form  # which LibTIFF does not write
]


def saved(image: Image.Image | np.ndarray, form="PNG", **options) -> bytes:
    kind, how = SAVED.get(form, (form, {}))
    stream = io.BytesIO()
    picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    picture.save(stream, kind, **how, **options)
    return stream.getvalue()


def of_mode(mode: str) -> Image.Image:
    return Image.fromarray(NOISE).convert(mode)


def exif(**tags) -> Image.Exif:
    found = Image.Exif()
    for name, value in tags.items():
        found[getattr(ExifTags.Base, name)] = value
    return found


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def raw_png(header: bytes, *chunks: bytes) -> bytes:
    return headers.SIGNATURE + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND", b"")


def with_chunk(name: bytes, data: bytes, *, last=False, image=IMAGE) -> bytes:
    """A PNG with one chunk more: behind its header, or before its end."""
    content = saved(image)
    at = len(content) - 12 if last else 33
    return content[:at] + chunk(name, data) + content[at:]


def viewed(content: bytes) -> np.ndarray:
    """What Pillow shows to people."""
    with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content)) as picture:
        return np.array(ImageOps.exif_transpose(picture).convert("RGB"))


def decode(content: bytes, **options) -> reading.Picture:
    """As `pictures.decode`, and every warning is an error there too."""
    with warnings.catch_warnings(action="error"):
        return reading.decode(content, 32, 32, **options)


def refusal(content: bytes, **options) -> str:
    with pytest.raises(PictureError) as caught:
        decode(content, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- Which way up ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("form", "mode", "orientation"), TURNS)
def test_an_image_is_turned_as_its_orientation_says_and_as_viewers_do(form, mode, orientation):
    image = Image.fromarray(IMAGE).convert(mode)
    options = {"icc_profile": color_profiles.cmyk("ink")} if mode == "CMYK" else {}
    content = saved(image, form, exif=exif(Orientation=orientation), **options)
    image_, read = decode(content)
    flat, _ = decode(saved(image, form, **options))
    np.testing.assert_array_equal(image_, UPRIGHT.get(orientation, UPRIGHT[1])(flat))
    if mode != "CMYK":
        np.testing.assert_array_equal(image_, viewed(content))
    said = [words for words in read if "orientation" in words]
    if orientation == 1:
        assert said == []
    elif orientation in UPRIGHT:
        assert said[0].endswith(f"as its EXIF orientation {orientation} says")
    else:
        assert said == [f"not turned: its EXIF orientation is {orientation}, expected 1 to 8"]


def test_the_sides_are_those_of_the_turned_image():
    wide = np.ascontiguousarray(NOISE[:24])
    lying = np.ascontiguousarray(np.rot90(wide))
    content = saved(lying, exif=exif(Orientation=6))
    np.testing.assert_array_equal(reading.decode(content, 24, 32).image, wide)
    with pytest.raises(PictureError, match="32 x 24 pixels, expected 24 x 32"):
        reading.decode(content, 32, 24)


EXIF_6 = exif(Orientation=6).tobytes().removeprefix(b"Exif\0\0")
XMP_6 = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
@pytest.mark.parametrize("last", [False, True])
def test_a_png_may_say_it_anywhere(last, prefix):
    found = decode(with_chunk(b"eXIf", prefix + EXIF_6, last=last))
    np.testing.assert_array_equal(found.image, UPRIGHT[6](IMAGE))


@pytest.mark.parametrize(
    "content",
    [
        with_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP_6),
        with_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0en\0x\0" + zlib.compress(XMP_6), last=True),
        with_chunk(b"tEXt", b"Raw profile type exif\0\nexif\n99\n" + EXIF_6.hex().encode()),
        with_chunk(
            b"zTXt",
            b"Raw profile type APP1\0\0"
            + zlib.compress(b"\nAPP1\n99\n" + (b"Exif\0\0" + EXIF_6).hex().encode()),
        ),
        saved(IMAGE, "WebP", xmp=XMP_6),
        saved(IMAGE, "JPEG", xmp=XMP_6),
        saved(IMAGE, "TIFF", tiffinfo={700: XMP_6}),
    ],
    ids=["PNG", "PNG compressed", "PNG text", "PNG compressed text", "WebP", "JPEG", "TIFF"],
)
def test_what_only_some_viewers_turn_is_refused(content):
    assert refusal(content).startswith("orientation 6 in its XMP or text, none in its EXIF")


@pytest.mark.parametrize("damage", [b"", b"x", b"II*\0", b"II*\0" + bytes(2), b"MM\0*" + b"\xff" * 30])
def test_damaged_exif_turns_nothing(damage):
    np.testing.assert_array_equal(decode(with_chunk(b"eXIf", damage)).image, IMAGE)


def test_exif_goes_before_xmp():
    both = saved(IMAGE, "WebP", xmp=XMP_6.replace(b"6", b"3"), exif=exif(Orientation=6))
    np.testing.assert_array_equal(decode(both).image, UPRIGHT[6](IMAGE))


# ---- Colors ----------------------------------------------------------------------------------------

RAMP = np.tile(np.arange(4, 256, 8, dtype=np.uint8), (32, 1))
RAMPS = np.stack([RAMP, RAMP.T, RAMP[::-1, ::-1]], -1)


def from_linear(light):
    """sRGB's values, 0 to 255, of light in [0, 1] (IEC 61966-2-1)."""
    curved = 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055
    return 255 * np.where(light <= 0.0031308, 12.92 * light, curved)


LINEAR = color_profiles.rgb("Linear\nlight", 1.0)
SWAPPED = color_profiles.rgb("\x1b[31mSwapped", 1.0, color_profiles.SWAPPED)


@pytest.mark.parametrize("form", ["PNG", "WebP", "TIFF", "TIFF with LZW"])
def test_a_color_profile_is_applied_and_said(form):
    image, read = decode(saved(RAMPS, form, icc_profile=LINEAR))
    np.testing.assert_allclose(image, from_linear(RAMPS / 255), atol=1)
    assert read == ["converted to sRGB from its color profile, Linear light"]
    image, read = decode(saved(RAMPS, form, icc_profile=SWAPPED))
    np.testing.assert_allclose(image, from_linear(RAMPS[..., [1, 0, 2]] / 255), atol=1)
    assert read == [r"converted to sRGB from its color profile, '\x1b[31mSwapped'"]


def test_a_jpeg_s_profile_is_applied_to_its_decoded_pixels():
    plain, image = (decode(saved(IMAGE, "JPEG", **o)).image for o in ({}, {"icc_profile": LINEAR}))
    np.testing.assert_allclose(image, from_linear(plain / 255), atol=1)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF"])
def test_a_profile_of_gray_is_applied_to_gray(form):
    profile = color_profiles.gray("Linear gray", 1.0)
    plain = decode(saved(RAMP, form)).image
    image, read = decode(saved(RAMP, form, icc_profile=profile))
    np.testing.assert_allclose(image, from_linear(plain / 255), atol=1)
    assert read == ["made RGB of gray", "converted to sRGB from its color profile, Linear gray"]
    for other, of in (
        (RAMPS, "GRAY and its pixels are RGB"),
        (of_mode("CMYK"), "GRAY and its pixels are CMYK"),
    ):
        if form != "PNG" or other is RAMPS:
            assert of in refusal(saved(other, form, icc_profile=profile))


@pytest.mark.parametrize("form", ["JPEG", "TIFF", "TIFF with LZW"])
def test_cmyk_is_read_by_its_profile_and_refused_without(form):
    black = Image.merge("CMYK", [Image.fromarray(part) for part in (RAMP * 0, RAMP * 0, RAMP * 0, RAMP)])
    image, read = decode(saved(black, form, icc_profile=color_profiles.cmyk("Black ink")))
    lightness = 100 * (1 - RAMP / 255)
    light = np.where(lightness > 8, ((lightness + 16) / 116) ** 3, lightness / 903.3)
    np.testing.assert_allclose(image[..., 0], from_linear(light), atol=4)
    assert read == ["converted to sRGB from its color profile, Black ink"]
    assert refusal(saved(black, form)).startswith("CMYK without a color profile")


def test_srgb_s_own_profile_changes_nothing_and_is_not_said():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert decode(saved(NOISE, icc_profile=srgb)).read == []
    np.testing.assert_array_equal(decode(saved(NOISE, icc_profile=srgb)).image, NOISE)


def test_a_profile_that_calls_itself_srgb_and_is_not_is_applied():
    image, read = decode(saved(RAMPS, icc_profile=color_profiles.rgb("sRGB IEC61966-2.1", 1.0)))
    assert not np.array_equal(image, RAMPS)
    assert read == ["converted to sRGB from its color profile, sRGB IEC61966-2.1"]


SAID_OF_MODES = {
    "RGB": [],
    "L": ["made RGB of gray"],
    "P": ["made RGB of a palette"],
    "1": ["made RGB of black and white"],
    "RGBA": ["left out an alpha channel that is opaque everywhere"],
    "LA": ["made RGB of gray", "left out an alpha channel that is opaque everywhere"],
}
FORMS_AND_MODES = [
    (form, mode)
    for form in ("PNG", "WebP", "TIFF", "TIFF with LZW", "BMP")
    for mode in SAID_OF_MODES
    if mode != "LA" or form not in ("WebP", "BMP")
]


@pytest.mark.parametrize(("form", "mode"), FORMS_AND_MODES)
def test_what_becomes_rgb_without_loss_is_taken_and_said(form, mode):
    said = SAID_OF_MODES[mode]
    image, read = decode(saved(of_mode(mode), form))
    np.testing.assert_array_equal(image, of_mode(mode).convert("RGB"))
    if form == "WebP" or (form, mode) == (
        "BMP",
        "RGBA",
    ):  # which have no gray, or no alpha channel to leave out
        said = []
    assert read == said


# A BMP of 16 bits a pixel: 5 for red, 6 for green, 5 for blue.
COARSE = CHANCE.integers(0, 2**16, (32, 32), np.uint16)
BMP_16 = struct.pack(
    "<2sIHHIIiiHHIIiiII3I",
    *(b"BM", 66 + 2048, 0, 0, 66, 40, 32, -32, 1, 16, 3, 2048, 2835, 2835, 0, 0),
    *(0xF800, 0x07E0, 0x001F),
)


def test_few_bits_are_spread_and_said():
    image, read = decode(BMP_16 + COARSE.astype("<u2").tobytes())
    wanted = np.stack([(COARSE >> 11) / 31, (COARSE >> 5 & 63) / 63, (COARSE & 31) / 31], -1) * 255
    np.testing.assert_allclose(image, wanted, atol=1)
    assert read == ["spread 5 or 6 bits a channel to 8"]


def bmp(size: int, space: bytes, end=bytes(48)) -> bytes:
    """A BMP with a header of version 4 or 5."""
    head = struct.pack("<IiiHHIIiiII", size, 32, 32, 1, 24, 0, 3072, 2835, 2835, 0, 0)
    head = (head + bytes(16) + space + end).ljust(size, b"\0")
    return (
        struct.pack("<2sIHHI", b"BM", 14 + size + 3072, 0, 0, 14 + size) + head + NOISE[..., ::-1].tobytes()
    )


@pytest.mark.parametrize("size", [108, 124])
def test_a_bmp_of_another_color_space_is_refused(size):
    for space in (b"BGRs", b" niW", bytes(4)):
        np.testing.assert_array_equal(decode(bmp(size, space)).image, NOISE[::-1])
    assert "color space calibrated" in refusal(bmp(size, bytes(4), b"\1" * 48))
    assert "color space 'MBED'" in refusal(bmp(size, b"DEBM"))


def test_a_gain_map_and_further_pictures_of_a_jpeg_are_left_out_and_said():
    hdr = saved(IMAGE, "JPEG", xmp=b'<rdf:Description hdrgm:Version="1.0"/>')
    assert decode(hdr).read == ["left out its HDR gain map, as a screen without HDR does"]
    stream, jpeg = io.BytesIO(), io.BytesIO()
    Image.fromarray(IMAGE).save(jpeg, "JPEG")
    Image.fromarray(IMAGE).save(stream, "MPO", save_all=True, append_images=[Image.new("RGB", (32, 32))])
    image, read = decode(stream.getvalue())
    np.testing.assert_array_equal(image, decode(jpeg.getvalue()).image)
    assert read == ["took the first of its 2 pictures, which viewers show"]


SRGB_CHRM = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
WIDE_CHRM = struct.pack(">8I", 31270, 32900, 70800, 29200, 17000, 79700, 13100, 4600)


@pytest.mark.parametrize(
    "content",
    [
        with_chunk(b"gAMA", struct.pack(">I", 45455)),
        with_chunk(b"cHRM", SRGB_CHRM),
        with_chunk(b"sRGB", b"\0"),
        with_chunk(b"cICP", bytes((1, 13, 0, 1))),
        with_chunk(b"gAMA", struct.pack(">I", 100000), last=True),  # too late
        with_chunk(b"pHYs", struct.pack(">IIB", 2835, 2835, 1)),
        with_chunk(b"tEXt", b"icc_profile\0none"),
        with_chunk(b"tEXt", b"transparency\0none"),
        with_chunk(b"tEXt", b"dpi\0none"),
        saved(IMAGE, "TIFF", tiffinfo={318: (0.3127, 0.3290), 319: (0.64, 0.33, 0.30, 0.60, 0.15, 0.06)}),
    ],
    ids=["gamma", "primaries", "sRGB", "cICP", "late", "square", "text 1", "text 2", "text 3", "TIFF"],
)
def test_what_says_srgb_or_nothing_changes_nothing(content):
    found = decode(content)
    np.testing.assert_array_equal(found.image, IMAGE)
    assert found.read == []


# ---- What is refused -------------------------------------------------------------------------------

BOMB = raw_png(
    struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0), chunk(b"IDAT", zlib.compress(bytes(9999)))
)
DEEP = raw_png(
    struct.pack(">IIBBBBB", 32, 32, 16, 2, 0, 0, 0), chunk(b"IDAT", zlib.compress(bytes(32 * (1 + 32 * 6))))
)
TEXT_BOMB = raw_png(
    struct.pack(">IIBBBBB", 32, 32, 8, 2, 0, 0, 0),
    chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2**24))),
    chunk(b"IDAT", zlib.compress(bytes(32 * (1 + 32 * 3)))),
)
GOOD = saved(of_mode("RGB"))
SEVERAL = {"save_all": True, "append_images": [Image.new("RGB", (32, 32))]}
INDEX = int(np.array(of_mode("P"))[0, 0])
THROUGH = Image.fromarray(np.dstack([NOISE, NOISE[..., :1]]))
MANY_BITS = Image.fromarray(np.full((32, 32), 999, np.uint16))
ADOBE_RGB = exif(Orientation=1)
ADOBE_RGB.get_ifd(ExifTags.IFD.Exif)[ExifTags.IFD.Interop] = {1: "R03"}


def tiff(data: bytes, **tags: int) -> bytes:
    """A TIFF of one gray image, as small as can be; tags as t322=..., each a number."""
    known = {"t256": 32, "t257": 32, "t258": 8, "t259": 1, "t262": 1, "t277": 1} | tags
    known = {int(name[1:]): value for name, value in known.items()}
    first = 8 + 2 + 12 * len(known) + 4
    known = {tag: first if value == -1 else value for tag, value in sorted(known.items())}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in known.items())
    return struct.pack("<2sHIH", b"II", 42, 8, len(known)) + entries + bytes(4) + data


REFUSED = {
    "empty": (b"", "an empty file"),
    "GIF": (b"GIF89a", "a GIF: expected a PNG, JPEG, WebP, BMP or TIFF image"),
    "HEIC": (b"\0\0\0\x18ftypheic\0\0", "a HEIC"),
    "a text": (b"hello", "none of those known"),
    "header cut": (GOOD[:20], "ends in its header"),
    "no header": (GOOD[:8] + GOOD[33:], "does not begin with its header"),
    "half": (GOOD[: len(GOOD) // 2], "a damaged PNG"),
    "zeros": (GOOD[:-20] + bytes(8) + GOOD[-12:], "a damaged PNG"),
    "bomb": (BOMB, "60000 x 60000 pixels, expected 32 x 32"),
    "bomb of text": (TEXT_BOMB, "a damaged PNG"),
    "16 bits": (DEEP, "16 bits a channel, expected 8"),
    "16 bits of gray": (saved(MANY_BITS), "16 bits a channel"),
    "16 bits TIFF": (saved(MANY_BITS, "TIFF"), "16 bits a channel"),
    "floats": (saved(Image.new("F", (32, 32)), "TIFF"), "32 bits a channel"),
    "transparent palette": (saved(of_mode("P"), transparency=INDEX), "transparent pixels"),
    "transparent color": (
        saved(of_mode("RGB"), transparency=tuple(map(int, NOISE[0, 0]))),
        "transparent pixels",
    ),
    "transparent gray": (saved(Image.fromarray(RAMP), transparency=4), "transparent pixels"),
    "alpha": (saved(THROUGH), "transparent pixels"),
    "alpha WebP": (saved(THROUGH, "WebP"), "transparent pixels"),
    "alpha TIFF": (saved(THROUGH, "TIFF"), "transparent pixels"),
    "alpha BMP": (saved(THROUGH, "BMP"), "a fourth channel that some viewers take for transparency"),
    "animated PNG": (saved(of_mode("RGB"), **SEVERAL), "an animation"),
    "animated WebP": (saved(of_mode("RGB"), "WebP", **SEVERAL), "an animation"),
    "pages": (saved(of_mode("RGB"), "TIFF", **SEVERAL), "several pages"),
    "gamma": (with_chunk(b"gAMA", struct.pack(">I", 100000)), "a gamma of 1 (gAMA), expected 0.45455"),
    "primaries": (with_chunk(b"cHRM", WIDE_CHRM), "primaries that are not sRGB's (cHRM)"),
    "HDR": (with_chunk(b"cICP", bytes((9, 16, 0, 1))), "not sRGB (cICP), as of HDR"),
    "primaries TIFF": (
        saved(IMAGE, "TIFF", tiffinfo={319: (0.7, 0.3, 0.3, 0.6, 0.15, 0.06)}),
        "primaries that",
    ),
    "transfer": (saved(IMAGE, "TIFF", tiffinfo={301: (0,) * 256}), "a transfer function"),
    "broken profile": (saved(IMAGE, icc_profile=b"profile"), "a damaged color profile"),
    "cut profile": (saved(IMAGE, "JPEG", icc_profile=LINEAR[:200]), "color profile"),
    "profile not packed": (with_chunk(b"iCCP", b"name\0\0nonsense"), "a damaged color profile"),
    "profile of gray": (
        saved(IMAGE, icc_profile=color_profiles.gray("g", 1.0)),
        "is of GRAY and its pixels are RGB",
    ),
    "profile of RGB": (saved(of_mode("L"), icc_profile=LINEAR), "is of RGB and its pixels are gray"),
    "Adobe RGB": (saved(IMAGE, "JPEG", exif=ADOBE_RGB), "Adobe RGB by its EXIF"),
    "Lab": (saved(Image.new("LAB", (32, 32)), "TIFF"), "pixels of the kind LAB"),
    "wide pixels": (with_chunk(b"pHYs", struct.pack(">IIB", 2, 1, 0)), "not square (2 across for 1 down)"),
    "wide pixels JPEG": (saved(IMAGE, "JPEG", dpi=(72, 144)), "not square (72 across for 144 down)"),
    "wide pixels TIFF": (saved(IMAGE, "TIFF", dpi=(204, 98)), "not square (204 across for 98 down)"),
    "wide pixels BMP": (saved(IMAGE, "BMP", dpi=(100, 50)), "not square"),
    "tiles": (
        tiff(zlib.compress(bytes(2**20)), t259=8, t322=2**15, t323=2**15, t324=-1, t325=1042),
        "tiles of 32768 x 32768",
    ),
    "thumbnail": (saved(IMAGE, "TIFF", tiffinfo={254: 1}), "a raw photograph or its preview"),
    "raw": (saved(IMAGE, "TIFF", tiffinfo={50706: b"\1\4\0\0"}), "a raw photograph or its preview"),
    "rare packing": (saved(IMAGE, "TIFF", compression="zstd"), "a TIFF packed by zstd"),
    "two of a kind": (
        with_chunk(b"eXIf", EXIF_6)[:-12] + chunk(b"eXIf", EXIF_6) + chunk(b"IEND", b""),
        "two chunks eXIf",
    ),
    "JPEG of 12 bits": (
        saved(IMAGE, "JPEG").replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"),
        "JPEG, or",
    ),
    "half a JPEG": (saved(NOISE, "JPEG")[:900], "a damaged JPEG"),
    "half a WebP": (saved(NOISE, "WebP")[:900], "a damaged WebP"),
    "half a TIFF": (saved(NOISE, "TIFF with LZW")[:900], "a damaged TIFF"),
    "half a BMP": (saved(NOISE, "BMP")[:900], "a damaged BMP"),
}


@pytest.mark.parametrize(("content", "said"), REFUSED.values(), ids=REFUSED)
def test_a_bad_file_is_one_line(content, said):
    assert said in refusal(content)
    assert said in refusal(content, how="fit") or "expected 32 x 32" in said


def test_a_tiff_made_by_hand_is_read():
    content = tiff(RAMP.tobytes(), t273=-1, t278=32, t279=1024)
    np.testing.assert_array_equal(decode(content).image[..., 0], RAMP)


@pytest.mark.parametrize("form", SAVED)
def test_another_size_is_refused_with_the_way_out(form):
    said = refusal(saved(Image.new("RGB", (40, 20)), form))
    assert said == "40 x 20 pixels, expected 32 x 32 (width x height): scale it, or use --resize"


def test_a_bomb_is_not_even_opened(monkeypatch):
    monkeypatch.setattr(Image, "open", None)
    for options in ({}, {"how": "fit"}):
        assert "60000" in refusal(BOMB, **options)
    canvas = saved(IMAGE, "WebP", exif=exif(Orientation=1))
    assert canvas[12:16] == b"VP8X"
    huge = canvas[:24] + (16382).to_bytes(3, "little") + (16382).to_bytes(3, "little") + canvas[30:]
    assert "16383 x 16383 pixels" in refusal(huge)


def test_a_file_is_read_by_its_content_and_a_name_that_says_otherwise_is_told():
    content = saved(IMAGE, "WebP")
    for suffix in (None, ".webp", ".WEBP", ".xyz", ""):
        assert decode(content, suffix=suffix).read == []
    assert decode(content, suffix=".JPG").read == ["read as WebP, which it is, though its name ends in .jpg"]


# ---- Other sizes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "how", "said"),
    [
        ((64, 48), "fit", "scaled 64 x 48 pixels to 32 x 24, padded with gray to 32 x 32"),
        ((64, 64), "fit", "scaled 64 x 64 pixels to 32 x 32"),
        ((16, 8), "fit", "scaled 16 x 8 pixels to 32 x 16, padded with gray to 32 x 32"),
        ((900, 1), "fit", "scaled 900 x 1 pixels to 32 x 1, padded with gray to 32 x 32"),
        ((64, 48), "crop", "scaled the middle 48 x 48 of 64 x 48 pixels to 32 x 32"),
        ((1, 900), "crop", "scaled the middle 1 x 1 of 1 x 900 pixels to 32 x 32"),
        ((64, 48), "stretch", "stretched 64 x 48 pixels to 32 x 32"),
        ((16, 500), "stretch", "stretched 16 x 500 pixels to 32 x 32"),
        ((32, 32), "crop", None),
    ],
)
def test_other_sizes_are_scaled_and_said(size, how, said):
    picture = Image.fromarray(NOISE).resize(size)
    image, read = decode(saved(picture), how=how)
    assert image.shape == (32, 32, 3)
    assert read == ([said] if said else [])
    assert set(sizes.RESIZES) == {"fit", "crop", "stretch"}


def test_a_shrunk_image_is_the_mean_of_what_each_pixel_covers():
    large = CHANCE.integers(0, 256, (128, 128, 3), np.uint8)
    means = large.reshape(32, 4, 32, 4, 3).mean((1, 3))
    for how in sizes.RESIZES:
        np.testing.assert_allclose(decode(saved(large), how=how).image, means, atol=1)
    wide = np.concatenate([np.zeros_like(large[:, :32]), large, np.full_like(large[:, :32], 255)], 1)
    np.testing.assert_allclose(decode(saved(wide), how="crop").image, means, atol=1)
    fitted = decode(saved(np.concatenate([large, large], 1)), how="fit").image
    assert (fitted[:8] == 128).all()
    assert (fitted[24:] == 128).all()
    np.testing.assert_allclose(fitted[8:24, :16], large.reshape(16, 8, 16, 8, 3).mean((1, 3)), atol=1)


def test_the_middle_is_cut_where_neither_side_is_a_multiple():
    ramp = np.tile(np.linspace(0, 255, 101).astype(np.uint8)[None, :, None], (77, 1, 3))
    image, read = decode(saved(ramp), how="crop")
    assert read == ["scaled the middle 77 x 77 of 101 x 77 pixels to 32 x 32"]
    np.testing.assert_allclose(image[:, ::-1].astype(int), 255 - image.astype(int), atol=2)


def test_turning_profile_and_size_are_said_in_the_order_of_doing():
    lying = np.ascontiguousarray(np.kron(NOISE, np.ones((2, 3, 1), np.uint8)))
    found = decode(saved(lying, exif=exif(Orientation=8), icc_profile=LINEAR), how="fit", suffix=".tif")
    assert [words.split()[0] for words in found.read] == ["read", "rotated", "converted", "scaled"]
    assert found.read[-1] == "scaled 64 x 96 pixels to 21 x 32, padded with gray to 32 x 32"
