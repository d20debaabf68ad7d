"""Make an Engine from a URL: pragmas, transactions, read-only opening.

Most code for dialects is here, in db.bulk and in db.commands.reading, and all code for SQLite's files here
and in db.sqlite_file.

Every SQLite connection checks foreign keys, has a write-ahead log as its journal (readers and one writer do
not wait for one another), waits for locks, and has transactions that cover DDL, too.
The same function makes engines for PostgreSQL.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    Insert,
    Table,
    collate,
    create_engine,
    event,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from db import sqlite_file
from db.address import parse, shown

if TYPE_CHECKING:
    import psycopg
    from psycopg.abc import Buffer

# After two minutes PostgreSQL releases the locks of a vanished machine, but not of a computing one.
LOCKS = {"tcp_keepalives_idle": 60, "tcp_keepalives_interval": 20, "tcp_keepalives_count": 3}
LOCKS |= {"idle_in_transaction_session_timeout": 0}
# PostgreSQL writes values alike whatever the server's settings are, and floats without loss.
WRITTEN = {"extra_float_digits": 1, "timezone": "UTC", "datestyle": "ISO", "intervalstyle": "iso_8601"}
UPGRADE = 0x787069  # a number for the lock of upgrades, which has no table
CONNECT_TIMEOUT = 10  # seconds to wait for a connection to a PostgreSQL server
BUSY_TIMEOUT = 5000  # milliseconds a statement waits for another process's lock
READS = "xpixels_reads"  # execution option of a connection: it has nothing to commit
FILE = "file"  # key of a connection's `info`: the `sqlite_file.identity` of the file that it opened
PAGES_KEPT = 65_536  # KiB of a writing connection's cache: index writes are scattered


def create(url: str | os.PathLike[str], *, read_only: bool = False, existing: bool = False) -> Engine:
    """An Engine for a database URL or the path of a SQLite file.

    Args:
        url: `sqlite:///xpixels.db`, `postgresql://...`, or a plain path (`~` is the home folder).
        read_only: nothing can be written through this engine; the file has to exist.
        existing: the file has to exist, now and whenever a connection is made; this engine never makes it.

    Without either, the first statement makes a SQLite file that does not exist;
    `migrate.require_current` detects that beforehand.

    Raises:
        FileNotFoundError: the file has to exist and does not; or its folder does not.
        ValueError: not a database URL, or the path of a folder.
    """
    address = parse(url)
    if address.get_backend_name() == "postgresql":
        return _postgresql(address, read_only)
    path = _path(address)
    if path is not None and (read_only or existing):
        require_file(path)
        opener = sqlite_file.open_to_read if read_only else sqlite_file.open_to_write
        # A file is opened anew for each reading, so that its replacement by another one is seen at once.
        pool = {"poolclass": NullPool} if read_only else {}
        engine = create_engine(address, creator=partial(opener, path.absolute(), BUSY_TIMEOUT / 1000), **pool)
    else:
        _require_place(path)
        engine = create_engine(address)
    opened = None if path is None or read_only else sqlite_file.OpenedFile(path)
    if opened is not None:
        event.listen(engine, "do_connect", opened.require_kept)
        look_before_commits(engine, lambda _connection: opened.require_same())
        event.listen(engine, "engine_disposed", opened.forget)

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
        if opened is not None:
            opened.require_same()
        connection.isolation_level = None  # transactions begin below, and nowhere else
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT}")
        connection.execute("PRAGMA foreign_keys = ON")
        if read_only:
            connection.execute("PRAGMA query_only = ON")
        else:
            sqlite_file.write_ahead(connection, BUSY_TIMEOUT / 1000)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA cache_size = -{PAGES_KEPT}")
        if path is not None:
            record.info[FILE] = sqlite_file.identity(path)

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
    """Whether several processes can write at once, each with locks on its own rows."""
    return engine.dialect.name == "postgresql"


def lock_writes(connection: Connection, table: Table) -> None:
    """Block other writers of the table until the transaction ends; on SQLite `writing` does already."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE")


def lock_row(connection: Connection, table: Table, id_: int) -> None:
    """Wait for locks on this row, and lock it until the transaction ends; on SQLite `writing` does already.
    Transactions that only refer to the row do not wait.
    """
    connection.execute(select(table.c.id).where(table.c.id == id_).with_for_update(key_share=True))


def lock_upgrades(connection: Connection) -> None:
    """Block other upgrades of the database until the transaction ends; on SQLite `writing` does already."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({UPGRADE})")


def insert_or_skip(connection: Connection, table: Table) -> Insert:
    """An INSERT into the table that skips the rows whose key exists already, and no others."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement: Insert = dialect.insert(table).on_conflict_do_nothing()
    return statement


def insert_many(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert rows with the same columns, skip those whose key exists, and return how many were added.

    On SQLite they go to the driver as tuples, without SQLAlchemy's work for each row: in half the time.
    """
    statement, dialect = insert_or_skip(connection, table), connection.dialect
    if dialect.name != "sqlite":
        counted = {"preserve_rowcount": True}  # not the default for an INSERT
        return connection.execute(statement, rows, execution_options=counted).rowcount
    compiled = statement.compile(dialect=dialect, column_keys=list(rows[0]))
    columns = []
    for name in compiled.positiontup or ():
        write = table.c[name].type.dialect_impl(dialect).bind_processor(dialect)
        values = map(itemgetter(name), rows)
        columns.append(map(write, values) if write else values)
    return connection.exec_driver_sql(str(compiled), list(zip(*columns, strict=True))).rowcount


def in_byte_order(connection: Connection, text: ColumnElement[Any]) -> ColumnElement[Any]:
    """A text to sort by its UTF-8 bytes; PostgreSQL would otherwise sort by the rules of some language."""
    return collate(text, "C") if connection.dialect.name == "postgresql" else text


def look_before_commits(engine: Engine, require: Callable[[Connection], object]) -> None:
    """Call `require` before each commit through the engine, and roll back where it raises."""

    @event.listens_for(engine, "commit")
    def look(connection: Connection) -> None:
        try:
            require(connection)
        except BaseException:
            # SQLAlchemy considers a transaction over once its commit was tried: only here it is certain to be
            # rolled back.
            connection.engine.dialect.do_rollback(connection.connection)
            raise


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that sees the database as it is now, whatever others write meanwhile.

    It is for reading: PostgreSQL refuses a write in it.
    """
    on_server = engine.dialect.name == "postgresql"
    level = {"isolation_level": "REPEATABLE READ"} if on_server else {}
    with engine.connect().execution_options(**level, **{READS: True}) as connection, connection.begin():
        if on_server:
            # By a statement: SQLAlchemy's option would always make the connection writable afterwards.
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        yield connection


def file(engine: Engine) -> Path | None:
    """The path of the engine's SQLite file; None for a database in memory or on a server."""
    if engine.dialect.name != "sqlite":
        return None
    return _path(engine.url)


def remove(path: Path) -> None:
    """Delete a SQLite file and the files that SQLite put beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def require_file(path: Path) -> None:
    """Raises OSError, with the way out, when there is no file at the path."""
    _require_kind(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"No database at {shown(path)}: make one with `xpixels demo` or `xpixels ingest`, "
            "or name another with --database."
        )


def _path(address: URL) -> Path | None:
    database = address.database
    return Path(database) if database and database != ":memory:" else None


def _require_place(path: Path | None) -> None:
    if path is not None:
        _require_kind(path)
    if path is not None and not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"No folder {path.parent} for the database {path.name}: make it first.")


def _require_kind(path: Path) -> None:
    """Raises OSError when something other than a file is at the path."""
    if path.is_dir():
        raise OSError(f"{shown(path)} is a folder: name a file for the database, as {path / 'xpixels.db'}.")
    if path.is_symlink() and not path.exists():
        raise OSError(f"{shown(path)} is a link that leads to no file: mend it, or name another database.")
    if path.exists() and not path.is_file():
        raise OSError(f"{shown(path)} is no ordinary file: name another database.")


def _postgresql(address: URL, read_only: bool) -> Engine:
    settings = LOCKS | WRITTEN | ({"default_transaction_read_only": "on"} if read_only else {})
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    try:
        patience = {} if "connect_timeout" in address.query else {"connect_timeout": CONNECT_TIMEOUT}
        # With a ping: a server that was restarted has closed the pooled connections.
        engine = create_engine(address, pool_pre_ping=True, connect_args={"options": options} | patience)
        from psycopg.adapt import Loader
    except ImportError as error:
        raise ValueError(
            f"A PostgreSQL database needs the package psycopg ({' '.join(str(error).split())}), which the "
            "extra `postgresql` brings: run `pip install --constraint requirements.lock --editable "
            "'.[postgresql]'`, or use SQLite."
        ) from None

    class Number(Loader):
        """Loads sums and roundings of numbers as int or float, as on SQLite, and not as Decimal."""

        def load(self, data: "Buffer") -> int | float:
            text = bytes(data).decode("ascii")
            return int(text) if text.lstrip("-").isdecimal() else float(text)

    @event.listens_for(engine, "connect")
    def configure(connection: "psycopg.Connection[Any]", _record: object) -> None:
        connection.adapters.register_loader("numeric", Number)

    return engine
