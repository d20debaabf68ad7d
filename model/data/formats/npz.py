"""NumPy's npz with images and labels, under the names that people give them. A pickle is never opened."""

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from model import npz
from model.data.formats.classes import number_labels
from model.data.formats.content import (
    TEST_NAMES,
    TRAIN,
    Content,
    Part,
    Request,
    check_array,
    images_of,
    left_out,
    part_names,
    spill,
)
from model.data.pictures.files import shown
from whole_file import NO_ROOM

IMAGES = ("images", "image", "x", "data")  # the names of arrays, the first that is there counts
LABELS = ("labels", "label", "y", "targets", "target")
CLASS_NAMES = ("class_names", "label_names", "classes", "target_names")
MOST_LABEL_BYTES = 1 << 27
EXPECTED = (
    "expected images and labels, or x_train, y_train, x_test and y_test, or train_images, train_labels, "
    "test_images and test_labels"
)


def read(request: Request) -> Content:
    """Read an npz; errors as of `Reader`."""
    try:
        with zipfile.ZipFile(request.path) as archive:
            return _read(archive, request)
    except npz.BROKEN as error:
        if type(error) is ValueError or (isinstance(error, OSError) and error.errno in NO_ROOM):
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"it is damaged ({reason}): write it again with np.savez") from error


def _read(archive: zipfile.ZipFile, request: Request) -> Content:
    members = npz.members_by_name(archive)
    pairs = choose_arrays(members)
    labels = {part: _small(archive, members[of_labels]) for part, (_, of_labels) in pairs.items()}
    of_names = next((name for name in CLASS_NAMES if name in members), None)
    names = None if of_names is None else [str(name) for name in _small(archive, members[of_names]).tolist()]
    numbered, class_names, said = number_labels(labels, names)
    parts = {}
    for part, (of_images, of_labels) in pairs.items():
        images = images_of(_large(archive, members[of_images], request.scratch / f"{part}.raw"))
        if len(images) != len(numbered[part]):
            raise ValueError(
                f"{len(images):,} images in {of_images} and {len(numbered[part]):,} labels in {of_labels}, "
                "expected as many"
            )
        parts[part] = Part(images, numbered[part])
    used = {name for pair in pairs.values() for name in pair} | {of_names}
    return Content(parts, class_names, (*said, *left_out(members, used)))


def choose_arrays(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """The names of the arrays with the images and the labels of each part. Raises ValueError."""
    by_small = {name.lower(): name for name in names}
    found: dict[str, tuple[str, str]] = {}
    for part in (TRAIN, *TEST_NAMES, ""):
        images, labels = (
            next((by_small[name] for name in _candidates(words, part) if name in by_small), None)
            for words in (IMAGES, LABELS)
        )
        if images and labels:
            found[part] = images, labels
        elif images and not found:
            raise ValueError(f"an array {shown(images)} without its labels: {EXPECTED}")
        if not part and found.keys() - {""}:
            found.pop("", None)  # a split goes before what is not split
    if not found:
        raise ValueError(f"arrays called {_listed(sorted(by_small.values()))}: {EXPECTED}")
    return {part: found[name] for name, part in part_names(found).items()}


def _candidates(words: Iterable[str], part: str) -> list[str]:
    return [form for word in words for form in ((f"{word}_{part}", f"{part}_{word}") if part else (word,))]


def _small(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """An array of labels or names."""
    if member.file_size > MOST_LABEL_BYTES:
        raise ValueError(
            f"{shown(member.filename)} unpacks to {member.file_size:,} bytes, expected at most "
            f"{MOST_LABEL_BYTES:,}"
        )
    return npz.read_array(archive, member)


def _large(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> np.ndarray:
    """An array of images, unpacked into a file."""
    header = npz.read_header(archive, member)
    byte_count = check_array(header.shape, header.dtype, member.compress_size)
    if not byte_count:
        raise ValueError(f"{shown(member.filename)} holds no image")
    with archive.open(member) as packed:
        packed.read(header.offset)
        spill(cast(BinaryIO, packed), target, byte_count)
    shape = header.shape[::-1] if header.fortran_order else header.shape
    array: np.ndarray = np.memmap(target, header.dtype, "r", shape=shape)
    return array.T if header.fortran_order else array


def _listed(names: Iterable[str]) -> str:
    listed = [shown(name) for name in names]
    return ", ".join([*listed[:6], *(["..."] if len(listed) > 6 else [])]) or "nothing"
