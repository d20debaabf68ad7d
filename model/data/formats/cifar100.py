"""The binary form of CIFAR-100, train.bin and test.bin: two labels and 3 x 32 x 32 bytes a record.

A record begins with a coarse and a fine label; the fine ones are the classes. Source: Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html
"""

from pathlib import Path

import numpy as np

from model.data.cifar10 import SIDE, read_at_most
from model.data.formats.classes import number_labels
from model.data.formats.content import TEST, TRAIN, Content, Part, Request, part_names
from model.data.pictures.files import shown
from model.data.tar_members import PICKLES, unpack_members

FILES = {TRAIN: "train.bin", TEST: "test.bin"}
NAMES = "fine_label_names.txt"
FOLDER = "cifar-100-binary"  # of the official archive
PYTHON_FOLDER = "cifar-100-python"
RECORD_BYTES = 2 + 3 * SIDE * SIDE
COARSE, FINE = 20, 100  # classes
MOST_RECORDS = 60_000
MOST_NAME_BYTES = 1 << 16
EXPECTED = "expected train.bin and test.bin of cifar-100-binary.tar.gz"


def read(request: Request) -> Content:
    """Read a folder with the files, a folder around it, or the archive; errors as of `Reader`."""
    folder = _folder(request)
    there = [name for name, file in FILES.items() if (folder / file).is_file()]
    records = {part: _records(folder / FILES[name]) for name, part in part_names(there).items()}
    names = _names(folder / NAMES)
    labels, class_names, _ = number_labels({part: array[:, 1] for part, array in records.items()}, names)
    parts = {
        part: Part(array[:, 2:].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1), labels[part])
        for part, array in records.items()
    }
    return Content(parts, class_names)


def _folder(request: Request) -> Path:
    """The folder with the files: the one given, one in it, or that of the unpacked archive."""
    if request.path.is_dir():
        return next(
            (
                place
                for place in (request.path, request.path / FOLDER)
                if any((place / file).is_file() for file in FILES.values())
            ),
            request.path,
        )
    most = dict.fromkeys(FILES.values(), MOST_RECORDS * RECORD_BYTES) | {NAMES: MOST_NAME_BYTES}
    folder = request.scratch / FOLDER
    names = unpack_members(request.path, folder, most, "cifar-100-binary.tar.gz")
    if not any(file in names for file in FILES.values()):
        if PYTHON_FOLDER in names or {TRAIN, TEST, "meta"} <= set(names):
            raise ValueError(f"it holds the Python form of CIFAR-100: {PICKLES}; {EXPECTED}")
        some = ", ".join(shown(name[:40]) for name in sorted(names)[:4]) or "nothing"
        raise ValueError(f"an archive of {some}: {EXPECTED}; unpack any other archive first")
    return folder


def _records(path: Path) -> np.ndarray:
    """The records of a file, (N, 3074) uint8. Raises ValueError."""
    size = path.stat().st_size
    if not size or size % RECORD_BYTES or size > MOST_RECORDS * RECORD_BYTES:
        raise ValueError(
            f"{path.name} has {size:,} bytes, expected 1 to {MOST_RECORDS:,} records of {RECORD_BYTES:,}: it "
            "is truncated, or not CIFAR-100"
        )
    records = np.frombuffer(read_at_most(path, size), np.uint8).reshape(-1, RECORD_BYTES)
    coarse, fine = int(records[:, 0].max()), int(records[:, 1].max())
    if coarse >= COARSE or fine >= FINE:
        raise ValueError(
            f"{path.name} has the labels {coarse} and {fine}, expected at most {COARSE - 1} and {FINE - 1}: "
            "it is not CIFAR-100"
        )
    return records


def _names(path: Path) -> list[str]:
    """The names of the fine classes, or numbers where they are not there. Raises ValueError."""
    if not path.is_file():
        return [str(number) for number in range(FINE)]
    text = read_at_most(path, MOST_NAME_BYTES).decode("utf-8", "backslashreplace")
    names = [line.strip() for line in text.splitlines() if line.strip()]
    if len(names) != FINE:
        raise ValueError(f"{path.name} has {len(names)} names, expected {FINE}")
    return names
