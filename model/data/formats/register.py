"""The forms of data sets by name, each with its recognizer and its reader: help and errors derive from it.

To add one, write a file with a reader and a row here (CONTRIBUTING.md).
"""

import gzip
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from model.data.formats import cifar100, folder, idx, npz, parquet
from model.data.formats.content import Reader
from model.data.pictures.files import shown
from model.data.tar_members import GZIP, PICKLES

HEAD = 512  # bytes of a file by which it is recognized
MANY = 100_000  # names of a folder that are looked at
PICKLE_ENDINGS = (".pkl", ".pickle", ".joblib", ".pt", ".pth")
PICKLED_NAMES = {"batches.meta", "data_batch_1", "cifar-10-batches-py", "cifar-100-python"}


class Offer(NamedTuple):
    """What is offered, as far as it takes to recognize it."""

    path: Path
    head: bytes  # the first bytes of a file, unpacked where it is gzipped; b"" of a folder
    names: tuple[str, ...]  # of what is in a folder; empty for a file


class Format(NamedTuple):
    """A form of a data set."""

    name: str
    meaning: str  # words for people
    recognizes: Callable[[Offer], bool]
    read: Reader
    free_values: bool = False  # its numbers may be of any range, so that `--range` says which


FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        Format(
            "npz",
            "an .npz with images and labels, or x_train, y_train, x_test, y_test, or train_images, ...",
            lambda offer: offer.head.startswith((b"PK\x03\x04", b"PK\x05\x06")),
            npz.read,
            free_values=True,
        ),
        Format(
            "idx",
            "the IDX files of MNIST, gzipped or not: a folder with them, or one file of a pair",
            lambda offer: idx.begins_so(offer.head) or any(idx.parse_name(name) for name in offer.names),
            idx.read,
            free_values=True,
        ),
        Format(
            "cifar100",
            "the binary form of CIFAR-100, as the archive or as a folder with train.bin and test.bin",
            lambda offer: (
                offer.head[257:262] == b"ustar"
                or bool({*cifar100.FILES.values(), cifar100.FOLDER} & {*offer.names})
            ),
            cifar100.read,
        ),
        Format(
            "parquet",
            "Parquet with a column of pictures and one of labels, as of Hugging Face: a file, or a folder "
            "with train*.parquet and test*.parquet",
            lambda offer: (
                offer.head.startswith(b"PAR1") or bool(offer.names and parquet.files_in(offer.path))
            ),
            parquet.read,
        ),
        Format(
            "folder",
            "a folder with a folder of PNG or JPEG files for each class, or with train and test above these",
            lambda offer: bool(offer.names) and folder.has_class_folders(offer.path),
            folder.read,
        ),
    )
}


def recognize(path: Path) -> Format:
    """The form of the data set at a path, by what is there.

    Raises FileNotFoundError if nothing is there, ValueError for what nobody recognizes, OSError for what
    cannot be looked at. Pickles are not opened.
    """
    offer = _look_at(path)
    if not is_pickled(offer):
        for row in FORMATS.values():
            if row.recognizes(offer):
                return row
        found = ", ".join(repr(shown(name[:40])) for name in sorted(offer.names)[:4]) or "nothing"
        what = (
            f"found {found}" if path.is_dir() else f"its first bytes are {offer.head[:8].hex() or 'missing'}"
        )
    else:
        what = f"it holds {PICKLES}"
    raise ValueError(f"{path} is no data set in a known form ({what}), expected {supported()}")


def supported() -> str:
    """The forms that can be read, in words."""
    return "; ".join(row.meaning for row in FORMATS.values())


def is_pickled(offer: Offer) -> bool:
    """Whether a file is a pickle, or a folder the Python form of CIFAR, by bytes and names."""
    if offer.names:
        cifar100 = all((offer.path / name).is_file() for name in ("train", "test", "meta"))
        return cifar100 or bool(PICKLED_NAMES & {*offer.names})
    begins = offer.head[:1] == b"\x80" and offer.head[1:2] in (b"\2", b"\3", b"\4", b"\5")
    return begins or offer.path.suffix.lower() in PICKLE_ENDINGS


def _look_at(path: Path) -> Offer:
    if path.is_dir():
        with os.scandir(path) as entries:
            return Offer(path, b"", tuple(entry.name for entry, _ in zip(entries, range(MANY), strict=False)))
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist, expected {supported()}")
    if not path.is_file():
        raise ValueError(f"{path} is no file and no folder, expected {supported()}")
    with path.open("rb") as raw:
        head = raw.read(HEAD)
        if head.startswith(GZIP):
            raw.seek(0)
            try:
                with gzip.GzipFile(fileobj=raw) as stream:
                    head = stream.read(HEAD)
            except (OSError, EOFError, zlib.error):
                pass  # a damaged file is described by its own bytes
    return Offer(path, head, ())
