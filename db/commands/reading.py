"""One statement of a person: it can only read, it is stopped in time, its values are plain.

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

POSTGRESQL_MOST = 2_000_000  # seconds that PostgreSQL can wait for; longer is for ever
QUERY_CANCELED = "57014"  # what PostgreSQL says of a statement whose time is over
NUMBERS = ("int2", "int4", "int8", "oid", "float4", "float8", "numeric")
OTHERWISE_PLAIN = (*NUMBERS, "text", "varchar", "bpchar", "name", '"char"', "bytea")

IsOver = Callable[[DBAPIError], bool]


@contextmanager
def only_reading(connection: Connection, seconds: float | None = None) -> Iterator[IsOver]:
    """Lets the connection's statements do nothing but read, whatever they say, and for so many seconds.

    Also lets Ctrl-C stop a statement that takes long. Gives a function that tells of a failure whether it is
    that the time was over.
    """
    read = _reading_sqlite if connection.dialect.name == "sqlite" else _reading_postgresql
    with read(connection, seconds) as is_over:
        yield is_over


@contextmanager
def _reading_sqlite(connection: Connection, seconds: float | None) -> Iterator[IsOver]:
    """A file opened read-only could still be left for another one: ATTACH is refused too."""
    driver = cast(sqlite3.Connection, connection.connection.dbapi_connection)
    deadline = inf if seconds is None else time.monotonic() + seconds

    def has_passed() -> bool:
        return time.monotonic() > deadline

    def is_over(error: DBAPIError) -> bool:
        return is_interrupted(error) and has_passed()

    driver.set_authorizer(_authorize_reading)
    driver.set_progress_handler(has_passed, 100_000)  # steps of SQLite's machine between looks
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
    """Whether SQLite broke a statement off: its time was over, or Ctrl-C was pressed."""
    return getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT


@contextmanager
def _reading_postgresql(connection: Connection, seconds: float | None) -> Iterator[IsOver]:
    """PostgreSQL counts each statement's time for itself.

    The transaction is one that only reads, and stays so once it has begun to, as a second statement behind
    the first could end it.
    """
    driver = cast("psycopg.Connection[Any]", connection.connection.dbapi_connection)
    connection.exec_driver_sql("SET TRANSACTION READ ONLY")
    if seconds is not None and seconds < POSTGRESQL_MOST:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {max(1, round(seconds * 1000))}")
    connection.exec_driver_sql("SELECT 1")
    usual, driver.prepare_threshold = driver.prepare_threshold, 0  # what is prepared is one statement
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
        # How SQLite declares json_each and its like; by hand it lets nobody change that table.
        or (action == sqlite3.SQLITE_UPDATE and first == "sqlite_master")
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


@contextmanager
def _plain_values(driver: Any) -> Iterator[None]:
    """What psycopg would make Python objects of comes as plain values, until this is left."""
    from psycopg.adapt import Loader
    from psycopg.pq import Format
    from psycopg.types.string import TextLoader

    class Truth(Loader):
        """1 or 0, as SQLite has it."""

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
