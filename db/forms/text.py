"""CSV, JSON and JSON lines, in UTF-8: each value has one form, whichever database it comes from.

| value | CSV | JSON |
|---|---|---|
| NULL | empty | null |
| truth value | 1 or 0 | 1 or 0 |
| whole number | all digits | all digits |
| float | the shortest text that is that float: 0.1, 2.0, 1e-07 | the same |
| not finite | Infinity, -Infinity, NaN | refused: JSON has none |
| text; JSON as it is stored | itself | a string |
| BLOB | base64 | {"$base64": true, "encoded": base64} |

Zero has no sign: SQLite does not keep one.
"""

import base64
import csv
import json
import math
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from db.forms.columns import Chunks, Column, require_distinct_names

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # how a formula begins in a spreadsheet


def csv_pieces(
    columns: Sequence[Column], chunks: Chunks, *, for_spreadsheets: bool = False
) -> Iterator[bytes]:
    """RFC 4180 with a header and bare line feeds.

    for_spreadsheets: lines end in CRLF, and a text that a spreadsheet would run as a formula has an
    apostrophe before it, as anybody may have written it.
    """
    end = "\r\n" if for_spreadsheets else "\n"
    lines: list[str] = []
    writer = csv.writer(SimpleNamespace(write=lines.append))  # lines end in \r\n, so \r is quoted too
    writer.writerow([column.name for column in columns])
    yield _joined(lines, end)
    for rows in chunks:
        for row in _settled(columns, rows):
            safe = map(_defused, row) if for_spreadsheets else row
            writer.writerow([CSV[type(value)](value) for value in safe])
        yield _joined(lines, end)


def json_pieces(columns: Sequence[Column], chunks: Chunks) -> Iterator[bytes]:
    """A list of objects, one a line.

    Raises:
        ValueError: two columns have the same name, or a number is infinite: JSON can express neither.
    """
    between = "["
    for lines in _objects(columns, chunks):
        yield (between + ",\n ".join(lines)).encode()
        between = ",\n "
    yield b"[]\n" if between == "[" else b"]\n"


def json_line_pieces(columns: Sequence[Column], chunks: Chunks) -> Iterator[bytes]:
    """An object a line, to be read line by line. Raises what `json_pieces` raises."""
    for lines in _objects(columns, chunks):
        yield "".join(f"{line}\n" for line in lines).encode()


def json_document(value: Any) -> bytes:
    """Nested lists and dicts as JSON that is indented for people."""
    return (json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2) + "\n").encode()


def json_text(value: Any) -> str:
    """JSON text as a JSON column stores it."""
    return json.dumps(value)  # as SQLAlchemy does


def _objects(columns: Sequence[Column], chunks: Chunks) -> Iterator[list[str]]:
    """The JSON of some rows at a time, never of none."""
    require_distinct_names(columns, "JSON")
    names, count = [column.name for column in columns], 0
    for rows in chunks:
        lines = []
        for row in _settled(columns, rows):
            record = dict(zip(names, (JSON[type(value)](value) for value in row), strict=True))
            try:
                lines.append(json.dumps(record, ensure_ascii=False, allow_nan=False))
            except ValueError:
                raise ValueError(
                    f"JSON has no infinite numbers: row {count + len(lines) + 1} has one; CSV and Parquet do."
                ) from None
        if lines:
            yield lines
        count += len(lines)


def _settled(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    """Rows with floats in all columns of floats, also where the database returned a whole number."""
    floats = [place for place, column in enumerate(columns) if column.kind is float]
    for row in rows:
        if any(type(row[place]) is int for place in floats):
            row = list(row)
            for place in floats:
                row[place] = None if row[place] is None else float(row[place])
        yield row


def _joined(lines: list[str], end: str) -> bytes:
    piece = "".join(line.removesuffix("\r\n") + end for line in lines).encode()
    lines.clear()
    return piece


def _defused(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULAS) else value


def _float(value: float) -> float:
    return value + 0.0  # removes the sign of a zero


def _csv_float(value: float) -> float | str:
    if math.isfinite(value):
        return _float(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _base64_object(value: bytes) -> dict[str, Any]:
    return {"$base64": True, "encoded": _base64(value)}


def _itself(value: Any) -> Any:
    return value


class _Forms(dict[type, Callable[[Any], Any]]):
    """The conversion of a value, by its type."""

    def __missing__(self, type_: type) -> Callable[[Any], Any]:
        """Raise ValueError for a type that no database returns."""
        raise ValueError(f"A value of type {type_.__name__} has no form in a file.")


_BOTH: dict[type, Callable[[Any], Any]] = {
    type(None): _itself,
    str: _itself,
    int: _itself,
    bool: int,
    dict: json_text,
    list: json_text,
}
CSV = _Forms(_BOTH | {float: _csv_float, bytes: _base64})
JSON = _Forms(_BOTH | {float: _float, bytes: _base64_object})
