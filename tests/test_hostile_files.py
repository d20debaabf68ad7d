"""Generated files: whatever the bytes are, they are read, or refused in one line; nothing else happens.

Every file is made from SEED and its number, both printed when it fails; XPIXELS_REQUESTS and XPIXELS_SEED as
in test_hostile_requests.
"""

import hashlib
import io
import json
import struct
import zipfile

import numpy as np
import pytest
from flax import nnx
from PIL import Image
from test_cnn import SMALL

from model.data import archive
from model.data.pictures import reading
from model.data.pictures.headers import PictureError
from model.network import checkpoint, cnn
from model.network import description as descriptions
from tests.support import color_profiles
from tests.support.hostile_files import (
    HEADER,
    TIMES,
    damaged,
    little_memory,
    npy,
    npz,
    of,
    one_line,
    read_or_refused,
)
from tests.support.tiny_cifar10 import Tiny, tar


@pytest.fixture(scope="module")
def packed():
    """The npz and the description of a small network."""
    state = nnx.state(nnx.eval_shape(lambda: cnn.Network(SMALL, rngs=nnx.Rngs(0))), nnx.Param)
    chance = np.random.default_rng(0)
    arrays = {
        ".".join(map(str, key)): chance.normal(size=value.shape).astype(np.float32)
        for key, value in nnx.to_flat_state(state)
    }
    return arrays, checkpoint.pack(arrays), {"architecture": descriptions.to_json(SMALL), "sha256": ""}


@pytest.fixture
def offered(tmp_path, packed):
    """Load other bytes, with a description that agrees with them."""

    def load(data, description=packed[2]):
        path = tmp_path / "weights.npz"
        path.write_bytes(data)
        told = {**description, "sha256": hashlib.sha256(data).hexdigest()}
        path.with_suffix(".json").write_text(json.dumps(told))
        return checkpoint.load(path)

    return load


ZEROS = bytes(1 << 26)
BAD = {  # each made when its test wants it: to compress a bomb takes a while
    "a bomb": lambda: npz(npy(HEADER.format("<f4", (1 << 24,)), ZEROS), compression=zipfile.ZIP_DEFLATED),
    "a bomb of bzip2": lambda: npz(npy("", ZEROS), compression=zipfile.ZIP_BZIP2),
    "a bomb of lzma": lambda: npz(npy("", ZEROS), compression=zipfile.ZIP_LZMA),
    "a bomb that claims to be small": lambda: npz(ZEROS, compression=zipfile.ZIP_DEFLATED, claims=100),
    "an array that claims to be large": lambda: npz(npy(HEADER.format("<f4", (1 << 40,)))),
    "an array that claims to be larger than there are numbers": lambda: npz(
        npy(HEADER.format("<f4", (1 << 70,)))
    ),
    "an array with a negative side": lambda: npz(npy(HEADER.format("<f4", (-1, -1)), bytes(4))),
    "an array of objects": lambda: npz(npy(HEADER.format("|O", (1,)), b"cos\nsystem\n(S'touch owned'\ntR.")),
    "an array of records": lambda: npz(
        npy(HEADER.format("<f4", (1,)).replace("'<f4'", "[('a', '|O')]"), bytes(8))
    ),
    "a header that is a program": lambda: npz(npy("__import__('os').system('touch owned')")),
    "a header of brackets": lambda: npz(npy("(" * 100)),
    "a header that ends early": lambda: npz(b"\x93NUMPY\x01\x00\xff\xff{"),
    "a member that is no array": lambda: npz(b"cos\nsystem\n(S'touch owned'\ntR."),
    "a member outside of its folder": lambda: npz(b"x", name="../../outside"),
    "no member": lambda: npz(b"")[:0] or b"PK\x05\x06" + bytes(18),
    "a pickle": lambda: b"\x80\x04cos\nsystem\n(S'touch owned'\ntR.",
    "an array without an archive": lambda: npy(HEADER.format("<f4", (1,)), bytes(4)),
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
def test_weights_that_are_none_are_refused_in_one_line_and_without_room_for_what_they_claim(
    offered, make, tmp_path
):
    data = make()
    with little_memory(), pytest.raises(checkpoint.CheckpointError) as caught:
        offered(data)
    one_line(caught.value, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["weights.json", "weights.npz"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda array: np.full_like(array, np.nan), "conv1.bias with values that are no finite numbers"),
        (lambda array: np.full_like(array, -np.inf), "conv1.bias with values that are no finite numbers"),
        (lambda array: array.astype(np.float64), "conv1.bias as float64, expected float32"),
        (lambda array: array.astype(np.int32), "conv1.bias as int32, expected float32"),
        (lambda array: array.astype("U4"), "conv1.bias as <U4, expected float32"),
        (lambda array: array.astype(">f4"), "conv1.bias as >f4, expected float32"),
        (lambda array: array[:-1], "the architecture needs"),
        (lambda array: array[None], "the architecture needs"),
    ],
    ids=["nan", "infinite", "double", "whole", "texts", "big-endian", "shorter", "deeper"],
)
def test_arrays_that_are_no_weights_are_named(packed, offered, change, said):
    arrays = packed[0]
    with pytest.raises(checkpoint.CheckpointError, match=said):
        offered(checkpoint.pack({**arrays, "conv1.bias": change(arrays["conv1.bias"])}))


def test_compressed_weights_of_the_right_size_are_taken(packed, offered):
    stream = io.BytesIO()
    np.savez_compressed(stream, **packed[0])
    loaded = offered(stream.getvalue()).network
    np.testing.assert_array_equal(loaded.conv1.bias[...], packed[0]["conv1.bias"])


def test_damaged_weights_are_read_or_refused_in_one_line(packed, tmp_path):
    refused = []
    for number in range(1500 * TIMES):
        data = damaged(of("weights", number), packed[1])
        with read_or_refused(f"weights/{number}", checkpoint.CheckpointError, refused):
            checkpoint.unpack(data, tmp_path, most=len(packed[1]))
    assert len(refused) > 500


VALUES = (
    None,
    True,
    -1,
    0,
    1,
    2,
    1.5,
    float("nan"),
    10**400,
    "",
    "SAME",
    "__class__",
    "a b",
    [],
    [1],
    {},
    {"a": 1},
)


def changed(chance, node):
    """A description with one value of it replaced or left out."""
    node = json.loads(json.dumps(node))
    at = node
    while True:
        key = chance.choice(list(at) if isinstance(at, dict) else range(len(at)))
        if not isinstance(at[key], dict | list) or not at[key] or chance.random() < 0.2:
            break
        at = at[key]
    if chance.random() < 0.2:
        del at[key]
    else:
        at[key] = chance.choice(VALUES)
    return node


def test_other_descriptions_describe_a_network_or_are_refused_in_one_line(packed):
    described = 0
    for number in range(1500 * TIMES):
        description = changed(of("description", number), packed[2]["architecture"])
        with read_or_refused(f"description/{number} {description}", ValueError):
            architecture = descriptions.from_json(description)
            described += 1
            assert all(min(shape) > 0 for shape in architecture.output_shapes().values())
    assert described > 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"architecture": 3}, "is not a description of weights"),
        ({"architecture": []}, "is not a description of weights"),
        ({"architecture": descriptions.to_json(SMALL) | {"input_shape": [9, 9, 3.5]}}, "the input shape is"),
        (
            {"architecture": descriptions.to_json(SMALL) | {"input_shape": [1 << 20, 1 << 20, 3]}},
            "the architecture needs",
        ),
        (
            {
                "architecture": json.loads(
                    json.dumps(descriptions.to_json(SMALL)).replace("conv1", "activations")
                )
            },
            "called activat",
        ),
        (
            {
                "architecture": json.loads(
                    json.dumps(descriptions.to_json(SMALL)).replace("conv1", "__init__")
                )
            },
            "is no name",
        ),
    ],
    ids=["number", "list", "half a pixel", "huge", "a method", "dunder"],
)
def test_a_description_of_no_network_is_refused_in_one_line(packed, offered, change, said):
    with little_memory(), pytest.raises(checkpoint.CheckpointError, match=said) as caught:
        offered(packed[1], packed[2] | change)
    one_line(caught.value, None)


def test_a_description_of_ten_thousand_brackets_is_refused(packed, tmp_path):
    path = tmp_path / "weights.npz"
    path.write_bytes(packed[1])
    path.with_suffix(".json").write_text("[" * 100_000)
    with pytest.raises(checkpoint.CheckpointError, match="is not a description of weights"):
        checkpoint.load(path)


SQUARES = np.kron(
    np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8), np.ones((4, 4, 1), np.uint8)
)
EXIF = Image.Exif()
EXIF[274] = 6
PROFILE = color_profiles.rgb("Linear light", 1.0)
PICTURES = {
    "PNG": ("PNG", "RGB", {"exif": EXIF, "icc_profile": PROFILE}),
    "PNG with a palette": ("PNG", "P", {"transparency": 255, "dpi": (72, 72)}),
    "JPEG": ("JPEG", "RGB", {"exif": EXIF, "icc_profile": PROFILE}),
    "progressive JPEG": ("JPEG", "L", {"progressive": True}),
    "CMYK": ("JPEG", "CMYK", {"icc_profile": color_profiles.cmyk("Ink")}),
    "WebP": ("WEBP", "RGB", {"exif": EXIF, "icc_profile": PROFILE}),
    "lossless WebP": ("WEBP", "RGB", {"lossless": True}),
    "BMP": ("BMP", "RGB", {}),
    "BMP with a palette": ("BMP", "P", {}),
    "TIFF": ("TIFF", "RGB", {"exif": EXIF, "icc_profile": PROFILE}),
    "TIFF with LZW": ("TIFF", "P", {"compression": "tiff_lzw"}),
    "TIFF with Deflate": ("TIFF", "RGB", {"compression": "tiff_adobe_deflate", "exif": EXIF}),
    "TIFF with JPEG": ("TIFF", "RGB", {"compression": "jpeg"}),
    "TIFF of a fax": ("TIFF", "1", {"compression": "group4"}),
    "BigTIFF": ("TIFF", "L", {"big_tiff": True}),
}


def picture_file(name, size=None):
    form, mode, options = PICTURES[name]
    picture = Image.fromarray(SQUARES).convert(mode)
    stream = io.BytesIO()
    (picture.resize(size) if size else picture).save(stream, form, **options)
    return stream.getvalue()


@pytest.mark.parametrize("name", PICTURES)
def test_damaged_pictures_are_read_or_refused_in_one_line(name, capfd):
    good, refused = picture_file(name), []
    for number in range(300 * TIMES):
        chance = of(f"picture/{name}", number)
        how = chance.choice((None, "fit", "crop", "stretch"))
        with read_or_refused(f"picture/{name}/{number}", PictureError, refused):
            found = reading.decode(damaged(chance, good), 32, 32, how=how)
            assert found.image.shape == (32, 32, 3)
            assert all(words.isprintable() for words in found.read)
    assert len(refused) > 50
    assert capfd.readouterr() == ("", "")  # libraries in C print as they please


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_that_claims_to_be_huge_takes_no_room_for_it(name):
    """Its sides are in its first bytes, one way or another: all of them become large in turn."""
    good = picture_file(name, (48, 40))
    sides = (48, 40, 47, 39)
    with little_memory():
        for place in range(min(len(good) - 4, 400)):
            for code in ("<I", ">I", "<H", ">H"):
                if struct.unpack_from(code, good, place)[0] in sides:
                    claims = bytearray(good)
                    struct.pack_into(code, claims, place, 60_000)
                    for how in (None, "fit"):
                        with read_or_refused(f"{name}, {place}, {code}", PictureError):
                            reading.decode(bytes(claims), 32, 32, how=how)


def test_damaged_archives_of_images_are_refused_in_one_line(tmp_path):
    tiny = Tiny()
    forms = (
        tar(tiny.binary),
        tar(tiny.binary, mode="w"),
        tar(tiny.sheets, top="package/"),
        tar(tiny.sheets, mode="w"),
    )
    for number in range(300 * TIMES):
        chance = of("archive", number)
        path, scratch, ready = (tmp_path / f"{name}{number}" for name in ("offer", "scratch", "ready"))
        path.write_bytes(damaged(chance, chance.choice(forms)))
        with read_or_refused(f"archive/{number}", ValueError):
            archive.assemble(path, scratch, ready, tiny.files)
            assert {file.name: file.read_bytes() for file in ready.iterdir()} == tiny.binary
