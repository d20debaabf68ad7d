"""All rows of a table or view, in an order that is the same on every database."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, Text, select

from db import schema
from db.engine import in_byte_order
from db.forms import stored_values

CHUNK = 1000  # rows read at a time: some have 50 kB


def find_table(name: str) -> Table:
    """A table or view by its name. Raises LookupError if there is none."""
    tables = {**schema.metadata.tables, **schema.views.tables}
    if name not in tables:
        raise LookupError(f"no table or view {name}: expected one of {', '.join(sorted(tables))}")
    return tables[name]


def read_whole(
    connection: Connection, table: Table, limit: int | None = None
) -> Iterator[Sequence[tuple[Any, ...]]]:
    """Rows in the order of their key, in chunks; only the first `limit` if given."""
    keys = [_in_order(connection, column) for column in schema.row_key(table)]
    query = select(*stored_values(table)).order_by(*keys).limit(limit)
    yield from connection.execute(query, execution_options={"yield_per": CHUNK}).partitions()


def _in_order(connection: Connection, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Sort text by its bytes and NULL first, as SQLite does."""
    by_bytes = in_byte_order(connection, column) if isinstance(column.type, Text) else column
    return by_bytes.nulls_first() if column.nullable else by_bytes
