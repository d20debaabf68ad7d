"""A folder of pictures: a folder for each class, named as the class; above these, perhaps, train and test."""

import os
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from model.data import limits
from model.data.formats.classes import check_names, sort_names
from model.data.formats.content import TEST_NAMES, TRAIN, WHOLE, Content, Part, Request, left_out, part_names
from model.data.formats.gather import Entry, gather
from model.data.pictures import files, reading
from model.data.pictures.files import shown
from model.data.pictures.headers import ENDINGS

DEEPEST = 20  # folders below the given one
PASSED = ("__MACOSX",)  # beside what archives of a Macintosh hold


def read(request: Request) -> Content:
    """Read a folder; errors as of `Reader`."""
    root = request.path
    passed: Counter[str] = Counter()
    places = _parts(root)
    entries = [
        entry
        for part, place in places.items()
        for class_ in sort_names(_folders(place))
        for entry in _entries(part, class_, _inside(place / class_, root), root, passed)
    ]
    if not entries:
        raise ValueError("folders without a picture, expected a folder of PNG or JPEG files for each class")
    limits.check_byte_count(len(entries), 0)
    names = sort_names({entry.label for entry in entries})
    class_names = check_names(names)
    numbers = {name: number for number, name in enumerate(names)}
    gathered = gather(entries, len(entries), request)
    labels = np.array([numbers[label] for label in gathered.labels], np.int32)
    parts = {part: Part(gathered.images[rows], labels[rows]) for part, rows in gathered.rows().items()}
    skipped = files.passed_over(passed)
    unused = [] if WHOLE in places else left_out(_folders(root), [place.name for place in places.values()])
    return Content(parts, class_names, (*gathered.said, *unused, *([skipped] if skipped else [])))


def has_class_folders(folder: Path) -> bool:
    """Whether there is a folder in this one that could be a class."""
    return bool(_folders(folder))


def _parts(root: Path) -> dict[str, Path]:
    """The folders whose folders are the classes, by part."""
    names = {name.lower(): name for name in _folders(root)}
    if TRAIN not in names or not names.keys() <= {TRAIN, *TEST_NAMES} or not _folders(root / names[TRAIN]):
        return {WHOLE: root}
    places = {part: root / names[name] for name, part in part_names(names).items()}
    return {part: _inside(place, root) for part, place in places.items()}


def _folders(place: Path) -> list[str]:
    return [
        entry.name
        for entry in os.scandir(place)
        if Path(entry).is_dir() and not entry.name.startswith(".") and entry.name not in PASSED
    ]


def _entries(part: str, class_: str, place: Path, root: Path, passed: Counter[str]) -> Iterator[Entry[str]]:
    """The pictures of a class, in its folder and further down, sorted; all else is counted in `passed`."""
    if len(place.relative_to(root).parts) > DEEPEST:
        raise ValueError(f"folders more than {DEEPEST} deep, expected pictures in the folder of their class")
    inner = []
    for entry in sorted(os.scandir(place), key=lambda entry: entry.name):
        path, ending = Path(entry), Path(entry.name).suffix.lower()
        if entry.name.startswith("."):
            passed["hidden"] += 1
        elif path.is_dir():
            inner.append(_inside(path, root))
        elif ending not in ENDINGS:
            passed[shown(ending) or "without an ending"] += 1
        elif path.is_file() or (path.is_symlink() and not path.exists()):  # a broken link is unreadable
            _inside(path, root)
            name = shown(os.path.relpath(path, root))
            yield Entry(part, name, class_, partial(files.content, str(path), reading.MOST_BYTES_RESIZED))
        else:
            passed["that are no files"] += 1  # reading a pipe or a device could block
    for path in inner:
        yield from _entries(part, class_, path, root, passed)


def _inside(path: Path, root: Path) -> Path:
    """The path; raises ValueError for a link to a folder, and for one to a file outside of the data set."""
    if not path.is_symlink():
        return path
    name = shown(os.path.relpath(path, root))
    if path.is_dir():
        raise ValueError(f"{name} is a link to a folder, which is not followed: put the folder itself there")
    try:
        inside = path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a circle
        inside = False
    if not inside:
        raise ValueError(f"{name} is a link that leads out of the folder: put the file itself there")
    return path
