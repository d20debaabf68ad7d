"""All rows of a table or view, in an order that is the same on every database."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, Text, select

from db import schema
from db.engine import in_byte_order
from db.forms import stored_values

CHUNK = 1000  # rows read at a time: some are of 50 kB


def find_table(name: str) -> Table:
    """A table or view by its name. Raises LookupError where there is none."""
    tables = {**schema.metadata.tables, **schema.views.tables}
    if name not in tables:
        raise LookupError(f"no table or view {name}: expected one of {', '.join(sorted(tables))}")
    return tables[name]


def read_whole(
    connection: Connection, table: Table, limit: int | None = None
) -> Iterator[Sequence[tuple[Any, ...]]]:
    """Rows in the order of their key, some at a time; the first `limit` of them."""
    keys = [_in_order(connection, column) for column in schema.row_key(table)]
    query = select(*stored_values(table)).order_by(*keys).limit(limit)
    yield from connection.execute(query, execution_options={"yield_per": CHUNK}).partitions()


def _in_order(connection: Connection, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Text by its bytes and NULL first, as SQLite has it."""
    by_bytes = in_byte_order(connection, column) if isinstance(column.type, Text) else column
    return by_bytes.nulls_first() if column.nullable else by_bytes
