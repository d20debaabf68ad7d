"""Parquet with a column of pictures and one of labels, as Hugging Face writes them, in one file or several.

Pictures are structs of bytes and path, or bytes alone; only the bytes are read. Names of classes are taken
from the metadata of Hugging Face's `datasets`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from model.data import limits
from model.data.formats.classes import number_labels
from model.data.formats.content import TEST_NAMES, TRAIN, WHOLE, Content, Part, Request, left_out, part_names
from model.data.formats.gather import Entry, gather
from model.data.pictures import reading
from model.data.pictures.files import shown
from model.data.pictures.headers import PictureError
from whole_file import NO_ROOM

if TYPE_CHECKING:
    import pyarrow
    from pyarrow import parquet

IMAGES = ("image", "img", "picture", "pixels")  # columns; the first that is there, or else the only one
LABELS = ("label", "labels", "fine_label", "class", "target")
ENDING = ".parquet"
BATCH = 64  # rows read at a time


class Columns(NamedTuple):
    """The columns with the pictures and the labels, and the names of the classes."""

    images: str
    labels: str
    class_names: list[str] | None


def read(request: Request) -> Content:
    """Read a file, or a folder of files called train*.parquet and test*.parquet; errors as of `Reader`."""
    from pyarrow import parquet

    paths = _files(request.path)
    total, columns = 0, None
    for path in (path for part in paths.values() for path in part):
        with _named(path), parquet.ParquetFile(path) as file:
            columns = columns or find_columns(file.schema_arrow)
            total += _check_claims(file, path)
    if columns is None or not total:
        raise ValueError("no row, expected pictures with labels")
    limits.check_byte_count(total, 0)
    gathered = gather(_entries(paths, columns), total, request, "rows")
    labels = np.array(gathered.labels)
    rows = gathered.rows()
    numbered, class_names, said = number_labels(
        {part: labels[place] for part, place in rows.items()}, columns.class_names
    )
    parts = {part: Part(gathered.images[place], numbered[part]) for part, place in rows.items()}
    used = [path.name for part in paths.values() for path in part]
    unused = left_out([path.name for path in files_in(request.path)], used)
    return Content(parts, class_names, (*said, *gathered.said, *unused))


def files_in(folder: Path) -> list[Path]:
    """The Parquet files of a folder, or of `data` in it, as repositories of Hugging Face have it; sorted."""
    for place in (folder, folder / "data"):
        if place.is_dir() and (found := sorted(place.glob(f"*{ENDING}"))):
            return [path for path in found if path.is_file()]
    return []


def find_columns(schema: pyarrow.Schema) -> Columns:
    """The columns to read. Raises ValueError where they are not there, or several could be meant."""
    features = _features(schema)
    images = [field.name for field in schema if _has_pictures(field.type)]
    labels = [field.name for field in schema if _has_labels(field.type)]
    for kind, found in (("Image", images), ("ClassLabel", labels)):
        if marked := [name for name in found if features.get(name, {}).get("_type") == kind]:
            found[:] = marked
    chosen = _choose("pictures", images, IMAGES, schema), _choose("labels", labels, LABELS, schema)
    names = features.get(chosen[1], {}).get("names")
    is_known = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return Columns(*chosen, names if is_known else None)


def _files(path: Path) -> dict[str, list[Path]]:
    """The files of each part."""
    if path.is_file():
        return {WHOLE: [path]}
    by_name: dict[str, list[Path]] = {}
    for file in files_in(path):
        small = file.name.lower()
        name = next((name for name in (TRAIN, *TEST_NAMES) if small.startswith(name)), WHOLE)
        by_name.setdefault(name, []).append(file)
    return {part: by_name[name] for name, part in part_names(by_name).items()}


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Whatever pyarrow raises for damaged bytes, which it does not document, becomes one line."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        raise ValueError(f"{shown(path.name)} cannot be read ({_short(error)})") from error
    except ValueError as error:
        raise ValueError(f"{shown(path.name)}: {_short(error)}") from error
    except Exception as error:
        raise ValueError(f"{shown(path.name)} is damaged or no Parquet file ({_short(error)})") from error


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())[:200] or type(error).__name__
    return text if text.isprintable() else ascii(text)


def _features(schema: pyarrow.Schema) -> dict[str, dict[str, Any]]:
    """What Hugging Face's metadata says about the columns, as far as it has the usual form."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {name: about for name, about in features.items() if isinstance(about, dict)}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}


def _has_pictures(type_: pyarrow.DataType) -> bool:
    from pyarrow import types

    if types.is_struct(type_):
        return any(field.name == "bytes" and _has_pictures(field.type) for field in type_)
    return bool(types.is_binary(type_) or types.is_large_binary(type_))


def _has_labels(type_: pyarrow.DataType) -> bool:
    from pyarrow import types

    if types.is_dictionary(type_):
        return _has_labels(type_.value_type)
    return bool(types.is_integer(type_) or types.is_string(type_) or types.is_large_string(type_))


def _choose(what: str, names: list[str], usual: tuple[str, ...], schema: pyarrow.Schema) -> str:
    known = next((name for name in usual if name in names), None)
    if known is not None or len(names) == 1:
        return known or names[0]
    listed = ", ".join(f"{shown(field.name)} ({str(field.type)[:40]})" for field in list(schema)[:6])
    count = "several columns" if names else "no column"
    raise ValueError(f"{count} that may hold {what} among {listed}: call the right one {usual[0]}")


def _check_claims(file: parquet.ParquetFile, path: Path) -> int:
    """The number of rows. Raises ValueError for sizes that no data set has, before any row is read."""
    metadata = file.metadata
    unpacked = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    limits.check_byte_count(metadata.num_rows, unpacked)
    limits.check_ratio(unpacked, path.stat().st_size)
    return int(metadata.num_rows)


def _entries(paths: dict[str, list[Path]], columns: Columns) -> Iterator[Entry[int | str]]:
    from pyarrow import parquet

    for part, files in paths.items():
        for path in files:
            row = 0
            with _named(path), parquet.ParquetFile(path) as file:
                for batch in file.iter_batches(
                    BATCH, columns=[columns.images, columns.labels], use_threads=False
                ):
                    pictures = batch.column(columns.images).to_pylist()
                    labels = batch.column(columns.labels).to_pylist()
                    for picture, label in zip(pictures, labels, strict=True):
                        if label is None:
                            raise ValueError(f"row {row:,} has no label")
                        name = f"row {row:,} of {shown(path.name)}"
                        yield Entry(part, name, label, partial(_bytes_of, picture))
                        row += 1


def _bytes_of(picture: bytes | dict[str, Any] | None) -> bytes:
    """The bytes of a picture. Raises PictureError where there are none: a path is never followed."""
    content = picture.get("bytes") if isinstance(picture, dict) else picture
    if not isinstance(content, bytes):
        raise PictureError("its row holds no bytes")
    if len(content) > reading.MOST_BYTES_RESIZED:
        raise PictureError(f"more than {reading.MOST_BYTES_RESIZED:,} bytes: scale it down")
    return content
