"""Opening a SQLite file, and its write-ahead log."""

import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from db.availability import Unavailable

UNWRITTEN = "what was to be written last was not. Put the old one back, and give the same command again."
LOG_PATIENCE = 500  # milliseconds to wait for readers when emptying a log


def identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of the file at a path, also valid after the file is renamed; None: no file."""
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
    """The file that a writing engine has opened, so that it refuses another one of the same name."""

    def __init__(self, path: Path) -> None:
        """No file is opened yet."""
        self.path = path.absolute()
        self._number: tuple[int, int] | None = None

    def require_same(self) -> None:
        """Accept any file on the first call; raises Unavailable when it is another one later."""
        number = identity(self.path)
        self._number = self._number or number
        if number is None or number != self._number:
            raise replaced(self.path)

    def require_kept(self, *_connecting: object) -> None:
        """Like `require_same`, if a file was opened before: the next connection must not make a new one."""
        if self._number is not None:
            self.require_same()

    def forget(self, _engine: object = None) -> None:
        """Accept any file that is there next."""
        self._number = None


def open_to_read(path: Path, patience: float) -> sqlite3.Connection:
    """A connection that cannot write, even if the folder cannot be written.

    To read a write-ahead log, SQLite makes a file beside the database. If it may not and there is no log to
    read, the database is opened as immutable: nobody may change it while it is open.

    patience: seconds to wait for a lock.
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
    """A connection that writes to an existing file, and never makes one. patience: as for `open_to_read`."""
    return _open(path, "rw", patience)


def write_ahead(connection: sqlite3.Connection, patience: float) -> None:
    """Turn on the write-ahead log; for this step SQLite does not wait for other processes by itself.

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
    """Move the write-ahead log into the file, as far as other processes allow; no error if they do not.

    SQLite reads a log that is left with the next file of that name.
    """
    with suppress(sqlite3.Error):
        connection.execute(f"PRAGMA busy_timeout = {LOG_PATIENCE}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _open(path: Path, mode: str, patience: float) -> sqlite3.Connection:
    address = f"file:{quote(os.fsencode(path))}?mode={mode}"  # a path is bytes
    return sqlite3.connect(address, uri=True, timeout=patience, check_same_thread=False)
