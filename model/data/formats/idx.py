"""IDX, the form of MNIST: a file of images and one of labels, gzipped or not, for each part.

Big-endian: two zero bytes, a byte for the type of the numbers, one for the number of axes, their lengths,
then the numbers. Source: http://yann.lecun.com/exdb/mnist/
"""

import gzip
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import numpy as np

from model.data.formats.classes import number_labels
from model.data.formats.content import (
    TEST_NAMES,
    TRAIN,
    WHOLE,
    Content,
    Part,
    Request,
    check_array,
    images_of,
    part_names,
    spill,
)
from model.data.pictures.files import shown
from model.data.tar_members import GZIP

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
AXES = {"images": (3, 4), "labels": (1,)}
NAME = re.compile(r"(?P<stem>.*?)(?P<kind>images|labels)[-._]?idx\d.*", re.IGNORECASE)
EXPECTED = "expected train-images-idx3-ubyte, train-labels-idx1-ubyte and the same of t10k, or these with .gz"


class Named(NamedTuple):
    """What the name of a file says."""

    stem: str  # what pairs have in common, as "train-"
    kind: str  # images or labels


def parse_name(name: str) -> Named | None:
    """What a file of this name holds; None: it is not named as MNIST's are."""
    match = NAME.fullmatch(name)
    return None if match is None else Named(match["stem"].lower(), match["kind"].lower())


def begins_so(head: bytes) -> bool:
    """Whether a file that begins with these bytes is of this form."""
    axes = [axes for kind in AXES.values() for axes in kind]
    return len(head) >= 4 and head[:2] == b"\0\0" and head[2] in TYPES and head[3] in axes


def read(request: Request) -> Content:
    """Read pairs of files from a folder, or a pair of which one file is given; errors as of `Reader`."""
    pairs = _pairs_in(request.path) if request.path.is_dir() else {WHOLE: _pair_of(request.path)}
    labels = {}
    for part, (_, of_labels) in pairs.items():
        target = request.scratch / f"{part}-labels.raw"
        labels[part] = np.asarray(_read_array(of_labels, "labels", target))
    numbered, class_names, said = number_labels(labels)
    parts = {}
    for part, (of_images, of_labels) in pairs.items():
        images = images_of(_read_array(of_images, "images", request.scratch / f"{part}.raw"))
        if len(images) != len(numbered[part]):
            raise ValueError(
                f"{len(images):,} images in {shown(of_images.name)} and {len(numbered[part]):,} labels in "
                f"{shown(of_labels.name)}, expected as many"
            )
        parts[part] = Part(images, numbered[part])
    return Content(parts, class_names, said)


def _pairs_in(folder: Path) -> dict[str, tuple[Path, Path]]:
    """The files of images and labels of each part."""
    by_stem: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.iterdir(), reverse=True):  # so that x replaces x.gz
        named = parse_name(path.name)
        if named is not None and path.is_file():
            by_stem.setdefault(named.stem, {})[named.kind] = path
    pairs: dict[str, tuple[Path, Path]] = {}
    for stem, files in by_stem.items():
        if files.keys() != AXES.keys():
            (only,) = files.values()
            raise ValueError(f"{shown(only.name)} without its other half: {EXPECTED}")
        name = next((name for name in (TRAIN, *TEST_NAMES) if name in stem), stem)
        if name in pairs:
            raise ValueError(
                f"several pairs of files for {shown(name) or 'one part'}, as {shown(files['images'].name)}: "
                "name one of the files, or put the others elsewhere"
            )
        pairs[name] = files["images"], files["labels"]
    return {part: pairs[name] for name, part in part_names(pairs).items()}


def _pair_of(path: Path) -> tuple[Path, Path]:
    """The pair of files to which one belongs, by their names."""
    named = parse_name(path.name)
    if named is None:
        raise ValueError(f"an IDX file without a name that tells its other half: {EXPECTED}")
    pair = {}
    for other in sorted(path.parent.iterdir(), reverse=True):
        its = parse_name(other.name)
        if its is not None and its.stem == named.stem and other.is_file():
            pair[its.kind] = other
    pair[named.kind] = path
    if pair.keys() != AXES.keys():
        raise ValueError(f"{shown(path.name)} without its other half beside it: {EXPECTED}")
    return pair["images"], pair["labels"]


def _read_array(path: Path, kind: str, target: Path) -> np.ndarray:
    """The array in a file, unpacked into a new file `target`. Raises ValueError."""
    try:
        with _unpacked(path) as stream:
            dtype, shape = _read_header(stream, kind)
            byte_count = check_array(shape, dtype, path.stat().st_size)
            spill(stream, target, byte_count)
    except (EOFError, zlib.error, gzip.BadGzipFile, struct.error) as error:
        raise ValueError(f"{shown(path.name)} ends early or is damaged ({error})") from error
    except ValueError as error:
        raise ValueError(f"{shown(path.name)}: {error}") from error
    return np.memmap(target, dtype, "r", shape=shape)


@contextmanager
def _unpacked(path: Path) -> Iterator[BinaryIO]:
    with path.open("rb") as raw:
        packed = raw.read(len(GZIP)) == GZIP
        raw.seek(0)
        if packed:
            with gzip.GzipFile(fileobj=raw) as stream:
                yield cast(BinaryIO, stream)
        else:
            yield raw


def _read_header(stream: BinaryIO, kind: str) -> tuple[np.dtype, tuple[int, ...]]:
    zeros, code, axes = struct.unpack(">HBB", stream.read(4))
    if zeros or code not in TYPES:
        raise ValueError(f"it begins with {zeros:04x}{code:02x}, expected an IDX file (000008...)")
    if axes not in AXES[kind]:
        raise ValueError(f"it has {axes} axes, expected {AXES[kind][0]} for {kind}")
    shape = struct.unpack(f">{axes}I", stream.read(4 * axes))
    if not all(shape):
        raise ValueError(f"it has the shape {shape}, expected at least one of everything")
    return np.dtype(TYPES[code]), shape
