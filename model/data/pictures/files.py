"""Find image files in folders, read their bytes, and make their names safe to print."""

import os
import stat
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from model.data.pictures import reading
from model.data.pictures.headers import ENDINGS, EXPECTED, PictureError
from model.data.pictures.reading import Picture

STANDARD_INPUT = "-"


def find(names: Sequence[str], passed: Counter[str]) -> Iterator[tuple[str, PictureError | None]]:
    """Yield every file named and, sorted, every image in the folders named, each once; "-" stays.

    A name that leads to no image comes with its error. passed: counts everything else in folders, by ending.
    """
    seen: set[tuple[bool, Path]] = set()
    for name in names:
        if name != STANDARD_INPUT and _is_folder(name):
            entries = _inside(name, passed)
            if not any(error is None for _, error in entries):
                entries.append(
                    (name, PictureError("a folder without an image, here or further down, " + EXPECTED))
                )
        else:
            entries = [(name, None)]
        for file, error in entries:
            key = file == STANDARD_INPUT, Path(file)  # "./-" is a file
            if key not in seen:
                seen.add(key)
                yield file, error


def read(name: str, height: int, width: int, how: str | None = None) -> Picture:
    """The image in a file or on standard input; how: as in `decode`. Raises PictureError for all else."""
    data = content(name, reading.most_bytes(how))
    return reading.decode(data, height, width, how=how, suffix=_suffix(name))


def content(name: str, most: int) -> bytes:
    """The bytes of a file, or of standard input, at most so many. Raises PictureError."""
    try:
        if name == STANDARD_INPUT:
            if sys.stdin is None:
                raise PictureError(f"standard input is closed: {EXPECTED} there")
            return _read(sys.stdin.buffer, most)
        with open(name, "rb") as stream:
            return _read(stream, most)
    except FileNotFoundError:
        raise PictureError(f"no such file: {EXPECTED}, or a folder of them") from None
    except OSError as error:
        raise PictureError(f"cannot be read ({error.strerror or error})") from None
    except ValueError as error:  # a NUL byte in its name
        if isinstance(error, PictureError):
            raise
        raise PictureError(f"cannot be read ({error})") from None


def shown(name: str) -> str:
    """A name that is safe to print and store: bytes that are not UTF-8 and control characters are escaped."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def own_name(name: str) -> str | None:
    """The name of a file without its folders, safe to store; None for standard input."""
    return None if name == STANDARD_INPUT else shown(os.path.basename(name)) or None


def passed_over(passed: Counter[str]) -> str:
    """A line about the files in folders that are not images, by ending; "": there are none."""
    if not passed:
        return ""
    kinds = sorted(passed.items(), key=lambda pair: (-pair[1], pair[0]))
    listed = ", ".join(f"{count:,} {ending}" for ending, count in kinds[:8])
    rest = sum(count for _, count in kinds[8:])
    return f"skipped in folders: {listed}" + (f", {rest:,} others" if rest else "")


def _inside(folder: str, passed: Counter[str]) -> list[tuple[str, PictureError | None]]:
    """The images in a folder, and the folders that cannot be read, sorted by path."""
    entries: list[tuple[str, PictureError | None]] = []
    problems: list[OSError] = []
    for place, folders, files in os.walk(folder, onerror=problems.append):
        for name in (*folders, *files):
            path, ending = os.path.join(place, name), _suffix(name)
            if name in folders:
                if os.path.islink(path):
                    passed["links to folders"] += 1  # not followed: they may form a loop
            elif ending not in ENDINGS:
                passed[shown(ending) or "without an ending"] += 1
            elif not _is_file(path):
                passed["that are no files"] += 1  # reading a pipe or a device could block
            else:
                entries.append((path, None))
    for error in problems:
        entries.append((str(error.filename), PictureError(f"cannot be read ({error.strerror})")))
    return sorted(entries, key=lambda entry: Path(entry[0]))


def _read(stream: BinaryIO, most: int) -> bytes:
    data = stream.read(most + 1)
    if len(data) > most:
        raise PictureError(f"more than {most:,} bytes: scale it down, or use --resize")
    return data


def _suffix(name: str) -> str:
    return "" if name == STANDARD_INPUT else Path(name).suffix.lower()


def _is_folder(name: str) -> bool:
    try:
        return os.path.isdir(name)
    except ValueError:
        return False


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False
