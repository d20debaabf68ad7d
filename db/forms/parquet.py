"""Parquet: a type for every column, rows in groups.

| value | type |
|---|---|
| truth value | bool where it is declared, int64 in the answer to a statement |
| whole number | int64 |
| float | double |
| text; JSON as it is stored | string |
| BLOB | binary |

A column of a statement's answer has the type of its values: whole numbers beside floats are floats, and a
column without any value has strings. Zero has no sign: SQLite does not keep one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from db.forms.columns import Chunks, Column, require_distinct_names

if TYPE_CHECKING:
    import pyarrow
    from _typeshed import ReadableBuffer

ARROW = {int: "int64", float: "float64", str: "string", bool: "bool", bytes: "binary"}  # names in Arrow
GROUP = 1 << 24  # bytes of a row group, before they are compressed
EXACT = 1 << 53  # a float64 represents all whole numbers up to this one


def parquet_pieces(columns: Sequence[Column], chunks: Chunks) -> Iterator[bytes]:
    """A Parquet file, a piece a row group.

    Raises:
        ValueError: two columns have the same name, or a column's values are of several types.
    """
    import pyarrow.parquet  # takes longer to load than all else, and is seldom used

    require_distinct_names(columns, "Parquet")
    if any(column.kind is None for column in columns):
        every = [row for some in chunks for row in some]
        columns, chunks = _kinds_by_values(columns, every), [every]
    schema = pyarrow.schema(
        [(column.name, pyarrow.type_for_alias(ARROW[cast(type, column.kind)])) for column in columns]
    )
    sink = _Sink()
    with pyarrow.parquet.ParquetWriter(sink, schema) as writer:
        waiting: list[pyarrow.Table] = []
        size = 0
        for rows in filter(None, chunks):
            waiting.append(_table(columns, schema, rows))
            size += waiting[-1].nbytes
            if size >= GROUP:
                writer.write_table(pyarrow.concat_tables(waiting))
                waiting, size = [], 0
                yield sink.drain()
        if waiting:
            writer.write_table(pyarrow.concat_tables(waiting))
    yield sink.drain()


def _table(columns: Sequence[Column], schema: pyarrow.Schema, rows: Sequence[Sequence[Any]]) -> pyarrow.Table:
    import pyarrow

    arrays = []
    for column, type_, values in zip(columns, schema.types, zip(*rows, strict=True), strict=True):
        convert = CONVERT.get(cast(type, column.kind))
        converted = [None if value is None else convert(value) for value in values] if convert else values
        try:
            arrays.append(pyarrow.array(converted, type_))
        except (TypeError, OverflowError, pyarrow.ArrowException) as error:
            reason = " ".join(str(error).split())
            raise ValueError(
                f"The column {column.name} holds what is no {type_} ({reason}): CAST it in a statement."
            ) from error
    return pyarrow.Table.from_arrays(arrays, schema=schema)


def _kinds_by_values(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> list[Column]:
    values = zip(*rows, strict=True) if rows else [()] * len(columns)
    return [
        column if column.kind else Column(column.name, _kind(column.name, found))
        for column, found in zip(columns, values, strict=True)
    ]


def _kind(name: str, values: Sequence[Any]) -> type:
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {int, float}:
        large = any(type(value) is int and abs(value) > EXACT for value in values)
        kinds = kinds if large else {float}
    if not kinds:
        return str
    if len(kinds) > 1 or not kinds <= ARROW.keys():
        names = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise ValueError(f"The column {name} holds values of {names}: CAST it to one type to get Parquet.")
    return kinds.pop()


def _float(value: float) -> float:
    return value + 0.0  # removes the sign of a zero


CONVERT: dict[type, Callable[[Any], Any]] = {float: _float, bool: bool}


class _Sink:
    """Collects written bytes until they are drained; for the writer it is a file that only grows."""

    closed = False

    def __init__(self) -> None:
        """Empty."""
        self.pieces: list[bytes] = []
        self.size = 0

    def write(self, data: ReadableBuffer) -> int:
        """Add some bytes."""
        self.pieces.append(bytes(data))
        self.size += len(self.pieces[-1])
        return len(self.pieces[-1])

    def tell(self) -> int:
        """How many bytes were written."""
        return self.size

    def flush(self) -> None:
        """Do nothing: there is no buffer."""

    def close(self) -> None:
        """Mark the end of the file."""
        self.closed = True

    def drain(self) -> bytes:
        """The bytes that were written since the last call."""
        piece = b"".join(self.pieces)
        self.pieces.clear()
        return piece
