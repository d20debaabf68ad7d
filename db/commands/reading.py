"""Run one statement of a user: it can only read, its time is limited, its values are plain.

On SQLite a value is None, int, float, str or bytes, whatever a column is declared as. PostgreSQL's answers
become the same: a truth value is 1 or 0, JSON is its stored text, and whatever else has no type there (times,
arrays, UUIDs, ranges, ...) is PostgreSQL's own text for it, as psql shows it. db.engine fixes the settings
that this text depends on.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    import psycopg
    from psycopg.abc import Buffer

POSTGRESQL_MOST = 2_000_000  # seconds that PostgreSQL can limit a statement to; above, no limit
QUERY_CANCELED = "57014"  # PostgreSQL's code for a statement whose time is over
NUMBERS = ("int2", "int4", "int8", "oid", "float4", "float8", "numeric")
OTHERWISE_PLAIN = (*NUMBERS, "text", "varchar", "bpchar", "name", '"char"', "bytea")

IsOver = Callable[[DBAPIError], bool]


@contextmanager
def only_reading(connection: Connection, seconds: float | None = None) -> Iterator[IsOver]:
    """Allow the connection's statements only to read, whatever they are, and only for so many seconds.

    Also let Ctrl-C stop a long statement. Yields a function that returns whether a failure is because the
    time was over.
    """
    read = _reading_sqlite if connection.dialect.name == "sqlite" else _reading_postgresql
    with read(connection, seconds) as is_over:
        yield is_over


@contextmanager
def _reading_sqlite(connection: Connection, seconds: float | None) -> Iterator[IsOver]:
    """Also refuse ATTACH: it could open another file beside the one opened read-only."""
    driver = cast(sqlite3.Connection, connection.connection.dbapi_connection)
    deadline = inf if seconds is None else time.monotonic() + seconds

    def has_passed() -> bool:
        return time.monotonic() > deadline

    def is_over(error: DBAPIError) -> bool:
        return is_interrupted(error) and has_passed()

    driver.set_authorizer(_authorize_reading)
    driver.set_progress_handler(has_passed, 100_000)  # steps of SQLite's virtual machine between checks
    try:
        yield is_over
    except DBAPIError as error:
        if is_interrupted(error) and not is_over(error):
            raise KeyboardInterrupt from None
        raise
    finally:
        driver.set_progress_handler(None, 0)
        driver.set_authorizer(None)


def is_interrupted(error: DBAPIError) -> bool:
    """Whether SQLite interrupted a statement: its time was over, or Ctrl-C was pressed."""
    return getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT


@contextmanager
def _reading_postgresql(connection: Connection, seconds: float | None) -> Iterator[IsOver]:
    """PostgreSQL limits each statement's time by itself.

    The transaction is read-only, and stays so after its first query. Only a single statement is accepted, as
    a second one behind it could end the transaction.
    """
    driver = cast("psycopg.Connection[Any]", connection.connection.dbapi_connection)
    connection.exec_driver_sql("SET TRANSACTION READ ONLY")
    if seconds is not None and seconds < POSTGRESQL_MOST:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {max(1, round(seconds * 1000))}")
    connection.exec_driver_sql("SELECT 1")
    usual, driver.prepare_threshold = driver.prepare_threshold, 0  # only a single statement can be prepared
    try:
        with _plain_values(driver):
            yield lambda error: seconds is not None and _sqlstate(error) == QUERY_CANCELED
    finally:
        driver.prepare_threshold = usual


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def _authorize_reading(action: int, first: str | None, *_more: str | None) -> int:
    reads = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
    described = ("table_info", "table_xinfo", "table_list", "index_list", "index_info", "foreign_key_list")
    allowed = (
        action in reads
        or (action == sqlite3.SQLITE_PRAGMA and first in described)
        # SQLite declares json_each and the like this way; it lets no user change that table.
        or (action == sqlite3.SQLITE_UPDATE and first == "sqlite_master")
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


@contextmanager
def _plain_values(driver: Any) -> Iterator[None]:
    """Within the block, values that psycopg would make Python objects of are plain."""
    from psycopg.adapt import Loader
    from psycopg.pq import Format
    from psycopg.types.string import TextLoader

    class Truth(Loader):
        """Loads a truth value as 1 or 0, as on SQLite."""

        def load(self, data: "Buffer") -> int:
            return int(bytes(data) == b"t")

    adapters = driver.adapters
    plain = {adapters.types[name].oid for name in OTHERWISE_PLAIN}
    known = {oid for info in adapters.types for oid in (info.oid, info.array_oid) if oid} - plain
    before = {oid: adapters.get_loader(oid, Format.TEXT) for oid in known}
    for oid in known:
        adapters.register_loader(oid, TextLoader)
    adapters.register_loader("bool", Truth)
    try:
        yield
    finally:
        for oid, loader in before.items():
            adapters.register_loader(oid, loader or TextLoader)
