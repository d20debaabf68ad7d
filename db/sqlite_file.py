"""Opening a SQLite file, and its write-ahead log."""

import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from db.availability import Unavailable

UNWRITTEN = "what was to be written last was not. Put the old one back, and give the same command again."
LOG_PATIENCE = 500  # milliseconds that emptying a log waits for those who read it


def identity(path: Path) -> tuple[int, int] | None:
    """Which file a path names, whatever becomes of the name: device and inode; None where there is none."""
    try:
        there = path.stat()
    except OSError:
        return None
    return there.st_dev, there.st_ino


def replaced(path: Path) -> Unavailable:
    """The error for a database that is not the one that was opened."""
    what = "was replaced by another one" if path.exists() else "is gone"
    return Unavailable(f"The database {path.name} {what}: {UNWRITTEN}")


class OpenedFile:
    """Which file an engine that writes has opened, so that it goes on with no other one of the same name."""

    def __init__(self, path: Path) -> None:
        """None yet."""
        self.path = path.absolute()
        self._number: tuple[int, int] | None = None

    def require_same(self) -> None:
        """Go on with the file that is there, at first; raises Unavailable when it is another one later."""
        number = identity(self.path)
        self._number = self._number or number
        if number is None or number != self._number:
            raise replaced(self.path)

    def require_kept(self, *_connecting: object) -> None:
        """As `require_same`, of a file that was opened before: the next connection makes no new one."""
        if self._number is not None:
            self.require_same()

    def forget(self, _engine: object = None) -> None:
        """Go on with whichever is there next."""
        self._number = None


def open_to_read(path: Path, patience: float) -> sqlite3.Connection:
    """A connection that cannot write, also where the folder cannot be written either.

    To read a write-ahead log SQLite makes a file beside the database. Where it may not and there is no
    log to read, the database is opened as one that nobody changes while it is open.

    patience: seconds that a lock is waited for.
    """
    connection = _open(path, "ro", patience)
    try:
        connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        log = path.with_name(path.name + "-wal")
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
        if log.exists() and log.stat().st_size:
            raise
        connection = _open(path, "ro&immutable=1", patience)
    return connection


def open_to_write(path: Path, patience: float) -> sqlite3.Connection:
    """A connection that writes into the file, and never makes one. patience: as of `open_to_read`."""
    return _open(path, "rw", patience)


def write_ahead(connection: sqlite3.Connection, patience: float) -> None:
    """Lets the journal be a write-ahead log; here SQLite does not wait for another process by itself.

    patience: seconds.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def empty_log(connection: sqlite3.Connection) -> None:
    """Take what stands in the write-ahead log into the file, as far as others let it; no error if not.

    A log that is left beside a file is read with whatever file has that name next.
    """
    with suppress(sqlite3.Error):
        connection.execute(f"PRAGMA busy_timeout = {LOG_PATIENCE}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _open(path: Path, mode: str, patience: float) -> sqlite3.Connection:
    address = f"file:{quote(os.fsencode(path))}?mode={mode}"  # a path is bytes
    return sqlite3.connect(address, uri=True, timeout=patience, check_same_thread=False)
