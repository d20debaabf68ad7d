"""Moving a whole database from one engine to another: SQLite to PostgreSQL, back, or to another of its kind.

Tables are copied in the order of their references, rows unchanged, ids included. A new SQLite file gets its
name when it is whole; any other target is written in one transaction.
"""

import errno
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection, Engine, Select, Table, func, select
from sqlalchemy.exc import DBAPIError

from db import migrate, schema
from db.bulk import go_on_after, insert_all, last_id, take_statistics
from db.engine import file, snapshot, writing
from db.faults import no_room
from db.forms import as_stored, stored_values
from db.opening import opened
from whole_file import whole_file

CHUNK = 1000  # rows read at a time: some are of 50 kB


def transfer(
    source: Engine, target: Engine, *, advance: Callable[[int], object] = lambda rows: None
) -> dict[str, int]:
    """Copy all rows that `source` holds now into `target`; returns the number of rows of each table.

    A missing target is made; an existing one may have tables, but no rows.

    Args:
        source: may be read-only, and others may write to it meanwhile.
        target: nobody else may write to it meanwhile.
        advance: called with how many more rows are written.

    Raises:
        ValueError: the target has rows.
        Also what `migrate.require_current` raises for both, and `migrate.upgrade` for the target. After any
        error the target has no row of the source, and a new file is removed.
    """
    migrate.require_current(source)
    path = file(target)
    if path is None or path.exists():
        return _fill(source, target, advance)
    with whole_file(path) as partial:
        try:
            with opened(partial) as copy:  # at the end SQLite moves its log into the file
                return _fill(source, copy, advance)
        except (DBAPIError, migrate.RevisionError) as error:
            if no_room(error) or no_room(error.__cause__):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
            raise


def between(source: str, target: str, progress: Callable[..., AbstractContextManager[Any]]) -> str:
    """Transfer between two addresses, with a `model.progress.progress`; returns the line that reports it.

    Raises what `engine.create` and `transfer` raise.
    """
    with (
        opened(source, read_only=True) as origin,
        opened(target) as copy,
        progress("copy", row_count(origin), "rows") as bar,
    ):
        written = transfer(origin, copy, advance=lambda rows: bar.to(bar.done + rows))
    return f"{migrate.name(copy)}: {sum(written.values()):,} rows in {len(written)} tables"


def row_count(engine: Engine) -> int:
    """How many rows there are to write. Raises what `migrate.require_current` raises."""
    migrate.require_current(engine)
    with engine.connect() as connection:
        return sum(connection.execute(_counted(table)).scalar_one() for table in _tables())


def _tables() -> list[Table]:
    """All tables but the database's identity: the target has its own."""
    return [table for table in schema.metadata.sorted_tables if table is not schema.database_identity]


def _fill(source: Engine, target: Engine, advance: Callable[[int], object]) -> dict[str, int]:
    if migrate.current(target) is None:
        migrate.upgrade(target)
    migrate.require_current(target)
    tables = _tables()
    with snapshot(source) as origin, writing(target) as connection:
        for table in tables:
            _require_empty(connection, table)
        for table in tables:
            # JSON as its text: parsing and writing it anew could change the text of the same value.
            rows = select(*stored_values(table)).order_by(*table.primary_key.columns)
            found = origin.execute(rows, execution_options={"yield_per": CHUNK})
            insert_all(connection, as_stored(table), found.partitions(), advance)
            if "id" in table.c:
                go_on_after(connection, table, last_id(origin, table))
        take_statistics(connection, tables)
        return {table.name: connection.execute(_counted(table)).scalar_one() for table in tables}


def _require_empty(connection: Connection, table: Table) -> None:
    if count := connection.scalar(_counted(table)):
        where = migrate.name(connection.engine)
        raise ValueError(f"{where} has {count:,} rows in {table.name}: name a new database, or an empty one.")


def _counted(table: Table) -> Select[int]:
    return select(func.count()).select_from(table)
