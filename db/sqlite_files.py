"""SQLite's files: one that cannot be written, the write-ahead log, and which file it is that a path names."""

import sqlite3
import time
from pathlib import Path
from urllib.parse import quote


def identity(path: Path) -> tuple[int, int] | None:
    """Which file a path names, whatever becomes of the name: device and inode; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def open_read_only(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, also where the folder cannot be written either.

    To read a write-ahead log SQLite makes a file beside the database. Where it may not and there is no
    log to read, the database is opened as one that nobody changes while it is open.
    """
    uri = f"file:{quote(str(path))}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
    try:
        connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        log = path.with_name(path.name + "-wal")
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
        if log.exists() and log.stat().st_size:
            raise
        connection = sqlite3.connect(uri + "&immutable=1", uri=True, check_same_thread=False)
    return connection


def write_ahead(connection: sqlite3.Connection, patience: float) -> None:
    """Lets the journal be a write-ahead log; here SQLite does not wait for another process by itself.

    patience: seconds that another process is waited for.
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
