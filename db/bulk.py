"""Whole tables: insert all rows as fast as the database can, and continue the ids after them."""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any
from typing import cast as cast_type

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Integer,
    Subquery,
    Table,
    TableClause,
    Text,
    bindparam,
    cast,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSON

if TYPE_CHECKING:
    import psycopg


def insert_all(
    connection: Connection,
    table: TableClause,
    chunks: Iterable[Sequence[Any]],
    advance: Callable[[int], object],
) -> None:
    """Insert rows with every column of the table, in its order, as fast as the database can.

    `advance` is called after each chunk with its number of rows.
    Raises ValueError for a row that PostgreSQL does not take.
    """
    if connection.dialect.name == "postgresql":
        try:
            _copy(connection, table, chunks, advance)
        except connection.dialect.loaded_dbapi.Error as error:
            raise ValueError(f"A row of {table.name} could not be written: {error}") from error
    else:
        names = table.c.keys()
        for rows in chunks:
            connection.execute(table.insert(), [dict(zip(names, row, strict=True)) for row in rows])
            advance(len(rows))


def given_rows(connection: Connection, columns: Sequence[Column[Any]]) -> Subquery:
    """A subquery of rows that are passed in the statement's parameter `rows`, a JSON list of lists.

    Its columns are like the given ones; `place` is each row's index in the list, from 0.

    It takes any number of rows, and is compiled once; a list of VALUES is compiled anew each time.
    """
    rows = bindparam("rows", type_=Text)
    if connection.dialect.name == "postgresql":
        each = func.json_array_elements(cast(rows, JSON)).table_valued("value", with_ordinality="number")
        each = each.render_derived()
        values: list[ColumnElement[Any]] = [
            cast(each.c.value.op("->>")(i), column.type) for i, column in enumerate(columns)
        ]
        place = each.c.number - 1
    else:
        each = func.json_each(rows).table_valued("key", "value")
        values = [func.json_extract(each.c.value, f"$[{i}]") for i in range(len(columns))]
        place = each.c.key
    named = [value.label(column.name) for value, column in zip(values, columns, strict=True)]
    return select(place.label("place"), *named).subquery("given")


def among(connection: Connection, column: Column[Any], values: Collection[int]) -> ColumnElement[bool]:
    """Whether the column's value is one of these integers, any number of them, passed as one parameter."""
    given = bindparam("among", json.dumps(list(values)), type_=Text, unique=True)
    if connection.dialect.name == "postgresql":
        each = func.json_array_elements_text(cast(given, JSON)).table_valued("value")
        return column.in_(select(cast(each.c.value, Integer)))
    return column.in_(select(func.json_each(given).table_valued("value").c.value))


def last_id(connection: Connection, table: Table) -> int:
    """The highest id in the table, or ever used in it where ids are never reused; 0: none."""
    last = connection.scalar(select(func.max(table.c.id))) or 0
    if not _never_reuses_ids(table):
        return last
    if connection.dialect.name == "postgresql":
        query = f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {_sequence(connection, table)}"
    else:
        query = f"SELECT MAX(seq) FROM sqlite_sequence WHERE name = '{table.name}'"
    return max(last, connection.scalar(text(query)) or 0)


def go_on_after(connection: Connection, table: Table, last: int) -> None:
    """Continue the ids of new rows above `last`, which is at least `last_id`."""
    if connection.dialect.name == "postgresql":
        moved = text("SELECT setval(CAST(:sequence AS regclass), :last, :used)")
        values = {"sequence": _sequence(connection, table), "last": max(last, 1), "used": last > 0}
        connection.execute(moved, values)
    elif _never_reuses_ids(table):
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
        row = {"name": table.name, "last": last}
        connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"), row)


def take_statistics(connection: Connection, tables: Iterable[Table]) -> None:
    """Update PostgreSQL's statistics for its query plans now; by itself it would do so later."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"ANALYZE {', '.join(table.name for table in tables)}")


def _never_reuses_ids(table: Table) -> bool:
    return bool(table.dialect_options["sqlite"]["autoincrement"])


def _sequence(connection: Connection, table: Table) -> str:
    sequence = select(func.pg_get_serial_sequence(table.name, "id"))
    return cast_type(str, connection.scalar(sequence))


def _copy(
    connection: Connection,
    table: TableClause,
    chunks: Iterable[Sequence[Any]],
    advance: Callable[[int], object],
) -> None:
    quote_name = connection.dialect.identifier_preparer.quote
    names = ", ".join(quote_name(column.name) for column in table.c)
    binds = [
        column.type.dialect_impl(connection.dialect).bind_processor(connection.dialect) for column in table.c
    ]
    command = f"COPY {quote_name(table.name)} ({names}) FROM STDIN"
    driver = cast_type("psycopg.Connection[Any]", connection.connection.dbapi_connection)
    with driver.cursor() as cursor, cursor.copy(command) as copy:
        for rows in chunks:
            for row in rows:
                pairs = zip(row, binds, strict=True)
                copy.write_row(
                    [bind(value) if bind and value is not None else value for value, bind in pairs]
                )
            advance(len(rows))
