"""How much room tables take, with their indexes, in bytes."""

from __future__ import annotations

from sqlalchemy import Connection, Table, func, select, text
from sqlalchemy.exc import OperationalError

from db.schema import metadata

SQLITE = """
    SELECT made.tbl_name, SUM(dbstat.pgsize)
    FROM dbstat JOIN sqlite_schema AS made ON made.name = dbstat.name
    WHERE dbstat.aggregate = 1 GROUP BY made.tbl_name"""
MISSING = "no such table: dbstat"


def table_sizes(connection: Connection) -> dict[str, int] | None:
    """The size of every table, by name; None where SQLite was built without `dbstat`, which measures it."""
    names = sorted(metadata.tables)
    if connection.dialect.name == "postgresql":
        sizes = select(*(func.pg_total_relation_size(name) for name in names))
        return dict(zip(names, connection.execute(sizes).one(), strict=True))
    try:
        found = dict(map(tuple, connection.execute(text(SQLITE))))
    except OperationalError as error:
        if MISSING in str(error.orig):
            return None
        raise
    return {name: found[name] for name in names}


def with_parts(table: Table) -> list[str]:
    """The table, and those whose rows are deleted with the row of it that they belong to, by name."""
    names = {table.name}
    for other in metadata.sorted_tables:  # a table comes after those that it refers to
        owners = {key.column.table.name for key in other.foreign_keys if key.ondelete == "CASCADE"}
        if owners & names:
            names.add(other.name)
    return sorted(names)
