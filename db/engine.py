"""From a URL to an Engine: pragmas, transactions, read-only opening. With db.bulk all that knows dialects,
and with db.sqlite_files all that knows SQLite's files.

SQLite, on every connection: foreign keys are checked, the journal is a write-ahead log (readers and one
writer do not wait for one another), a lock is waited for, and a transaction covers DDL too.
PostgreSQL goes through the same function.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from math import inf
from operator import itemgetter
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Insert, Table, create_engine, event, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError

from db import sqlite_files

POSTGRESQL_MOST = 2_000_000  # seconds that PostgreSQL can wait for; longer is for ever
# So that PostgreSQL lets go, after two minutes, what was locked by a machine that is gone without a word, and
# not what is locked by one that computes.
LOCKS = {"tcp_keepalives_idle": 60, "tcp_keepalives_interval": 20, "tcp_keepalives_count": 3}
LOCKS |= {"idle_in_transaction_session_timeout": 0}
UPGRADE = 0x787069  # a number for the lock of upgrades, which no table stands for
BUSY_TIMEOUT = 5000  # milliseconds a statement waits for another process's lock
FILE = "file"  # of a connection's `info`: which file it opened, as `sqlite_files.identity` has it
PAGES_KEPT = 65_536  # KiB that a connection that writes keeps at most: indexes are written here and there


def create(url: str | os.PathLike, *, read_only: bool = False) -> Engine:
    """An Engine for a database URL or the path of a SQLite file.

    Args:
        url: `sqlite:///xpixels.db`, `postgresql://...`, or a plain path (`~` is the home folder).
        read_only: nothing can be written through this engine; the file has to exist.

    Without `read_only` a SQLite file that does not exist is made by the first statement;
    `migrate.require_current` tells beforehand.

    Raises:
        FileNotFoundError: read_only, and the file does not exist; or its folder does not.
        ValueError: not a database URL, or the path of a folder.
    """
    address = _address(url)
    if address.get_backend_name() == "postgresql":
        return _postgresql(address, read_only)
    path = _path(address)
    if read_only and path is not None:
        require_file(path)
        engine = create_engine(address, creator=partial(sqlite_files.open_read_only, path.absolute()))
    else:
        _require_place(path)
        engine = create_engine(address)

    @event.listens_for(engine, "connect")
    def configure(connection, record) -> None:
        connection.isolation_level = None  # transactions are begun below, and by nobody else
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT}")
        connection.execute("PRAGMA foreign_keys = ON")
        if read_only:
            connection.execute("PRAGMA query_only = ON")
        else:
            sqlite_files.write_ahead(connection, BUSY_TIMEOUT / 1000)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA cache_size = -{PAGES_KEPT}")
        if path is not None:
            record.info[FILE] = sqlite_files.identity(path)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("xpixels_writing", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that writes: committed at the end, undone when an error leaves it.

    On SQLite it takes the write lock at once, waiting for another writer: a transaction that first reads
    and then writes could otherwise fail when someone else wrote in between.
    """
    with engine.connect().execution_options(xpixels_writing=True) as connection, connection.begin():
        yield connection


def locks_rows(engine: Engine) -> bool:
    """Whether several can write at once, each holding locks on rows of its own."""
    return engine.dialect.name == "postgresql"


def lock_writes(connection: Connection, table: Table) -> None:
    """Keep others from writing to the table until the transaction ends; on SQLite `writing` does already."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE")


def lock_row(connection: Connection, table: Table, id_: int) -> None:
    """Wait for others that lock this row, and let them wait, until the transaction ends; on SQLite `writing`
    does already. Who only refers to the row waits for nobody.
    """
    connection.execute(select(table.c.id).where(table.c.id == id_).with_for_update(key_share=True))


def lock_upgrades(connection: Connection) -> None:
    """Let nobody else upgrade the database until the transaction ends; on SQLite `writing` does already."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({UPGRADE})")


def insert_or_skip(connection: Connection, table: Table) -> Insert:
    """INSERT of rows into the table that skips those whose key is there already, and no others."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing()


def insert_many(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert rows with the same columns, skipping those whose key is there; how many were added.

    On SQLite they go to the driver as tuples, past what SQLAlchemy does for each: half the time.
    """
    statement, dialect = insert_or_skip(connection, table), connection.dialect
    if dialect.name != "sqlite":
        counted = {"preserve_rowcount": True}  # as it otherwise is not of an INSERT
        return connection.execute(statement, rows, execution_options=counted).rowcount
    compiled = statement.compile(dialect=dialect, column_keys=list(rows[0]))
    columns = []
    for name in compiled.positiontup:
        write = table.c[name].type.dialect_impl(dialect).bind_processor(dialect)
        values = map(itemgetter(name), rows)
        columns.append(map(write, values) if write else values)
    return connection.exec_driver_sql(str(compiled), list(zip(*columns, strict=True))).rowcount


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that sees the database as it is now, whatever others write meanwhile.

    It is there to read: PostgreSQL refuses a write in it.
    """
    level = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    level = level if engine.dialect.name == "postgresql" else {}
    with engine.connect().execution_options(**level) as connection, connection.begin():
        yield connection


@contextmanager
def only_reading(connection: Connection, seconds: float | None = None) -> Iterator[Callable[[], bool]]:
    """Lets the connection's statements do nothing but read, whatever they say, and for so many seconds.

    A file opened read-only could still be left for another one: ATTACH is refused too. Also lets Ctrl-C
    stop a statement that takes long: it then fails as `interrupted`, as it does when its time is over.
    Gives a function that tells whether it is. PostgreSQL counts each statement's time for itself, and says
    so in its own words; there the transaction is one that only reads, and stays so once it has begun to, as
    a second statement behind the first could end it.
    """
    driver = connection.connection.dbapi_connection
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        if seconds is not None and seconds < POSTGRESQL_MOST:
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {max(1, round(seconds * 1000))}")
        connection.exec_driver_sql("SELECT 1")
        usual, driver.prepare_threshold = driver.prepare_threshold, 0  # what is prepared is one statement
        try:
            yield lambda: False
        finally:
            driver.prepare_threshold = usual
        return
    deadline = inf if seconds is None else time.monotonic() + seconds

    def is_over() -> bool:
        return time.monotonic() > deadline

    driver.set_authorizer(_authorize_reading)
    driver.set_progress_handler(is_over, 100_000)  # steps of SQLite's machine between looks
    try:
        yield is_over
    finally:
        driver.set_progress_handler(None, 0)
        driver.set_authorizer(None)


def _authorize_reading(action: int, first: str | None, _second, _database, _trigger) -> int:
    reads = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
    described = ("table_info", "table_xinfo", "table_list", "index_list", "index_info", "foreign_key_list")
    allowed = (
        action in reads
        or (action == sqlite3.SQLITE_PRAGMA and first in described)
        # How SQLite declares json_each and its like; by hand it lets nobody change that table.
        or (action == sqlite3.SQLITE_UPDATE and first == "sqlite_master")
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def no_room(error: BaseException) -> bool:
    """Whether a write failed since the disk is full, or the file may not grow; then it was undone."""
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", 0)
        return code & 0xFF == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_WRITE
    return getattr(cause, "sqlstate", None) == "53100"  # PostgreSQL: disk_full


def file(engine: Engine) -> Path | None:
    """The path of the engine's SQLite file; None for a database in memory or on a server."""
    if engine.dialect.name != "sqlite":
        return None
    return _path(engine.url)


def require_file(path: Path) -> None:
    """Raises FileNotFoundError, naming the way out, when there is no file at the path."""
    if not path.is_file():
        raise FileNotFoundError(
            f"No database at {path}: make one with `xpixels demo` or `xpixels ingest`, "
            "or name another with --database."
        )


def _address(url: str | os.PathLike) -> URL:
    text = os.fspath(url)
    if "://" not in text:
        database = text if text == ":memory:" else str(Path(text).expanduser())
        return URL.create("sqlite", database=database)
    try:
        address = make_url(text)
        address.get_dialect()
    except (ArgumentError, ImportError) as error:
        raise ValueError(
            f"Not a database URL: {text!r}; expected a path, sqlite:///PATH or postgresql://... ({error})"
        ) from None
    if address.get_backend_name() not in ("sqlite", "postgresql"):
        raise ValueError(f"Not a database this program knows: {text!r}; expected SQLite or PostgreSQL.")
    return address


def _path(address: URL) -> Path | None:
    database = address.database
    return Path(database) if database and database != ":memory:" else None


def _require_place(path: Path | None) -> None:
    if path is not None and path.is_dir():
        raise ValueError(f"{path} is a folder: name a file for the database, as {path / 'xpixels.db'}.")
    if path is not None and not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"No folder {path.parent} for the database {path.name}: make it first.")


def _postgresql(address: URL, read_only: bool) -> Engine:
    settings = LOCKS | ({"default_transaction_read_only": "on"} if read_only else {})
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    try:
        engine = create_engine(address, connect_args={"options": options})
        from psycopg.adapt import Loader
    except ModuleNotFoundError as error:
        raise ValueError(
            f"A PostgreSQL database needs the package {error.name}, which the extra `postgresql` brings: "
            "run `pip install --constraint requirements.lock --editable '.[postgresql]'`, or use SQLite."
        ) from None

    class Number(Loader):
        """What sums of whole numbers, and roundings, are: int or float, as on SQLite, and not Decimal."""

        def load(self, data) -> int | float:
            text = bytes(data).decode("ascii")
            return int(text) if text.lstrip("-").isdecimal() else float(text)

    @event.listens_for(engine, "connect")
    def configure(connection, _record) -> None:
        connection.adapters.register_loader("numeric", Number)

    return engine
