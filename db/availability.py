"""Why a database cannot be used at the moment, in one line for whoever asked for something from it."""

import sqlite3

from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as NoConnection

# SQLite's primary result codes; PostgreSQL's SQLSTATEs by their first characters.
FILES = {
    sqlite3.SQLITE_BUSY: "is locked by another process, and did not come free in time",
    sqlite3.SQLITE_LOCKED: "is locked by another process, and did not come free in time",
    sqlite3.SQLITE_PROTOCOL: "is locked by another process, and did not come free in time",
    sqlite3.SQLITE_IOERR: "cannot be read: its disk reports an error",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_PERM: "may not be opened by this server",
    sqlite3.SQLITE_NOMEM: "cannot be read: this machine is out of memory",
    sqlite3.SQLITE_CORRUPT: "cannot be read: its file is damaged, or is being overwritten",
    sqlite3.SQLITE_NOTADB: "cannot be read: its file is damaged, or is being overwritten",
}
SERVERS = {
    "08": "does not answer: PostgreSQL cannot be reached",
    "28": "does not answer: PostgreSQL does not let this server in any more",
    "3D": "is gone from its PostgreSQL server",
    "40": "is changed by somebody else at the same moment",
    "53": "does not answer: its PostgreSQL server is out of room, memory or connections",
    "55P03": "is locked by another process, and did not come free in time",
    "57014": "did not answer in time",
    "57P": "does not answer: PostgreSQL is shutting down, starting, or has ended the connection",
    "58": "cannot be read: the disk of its PostgreSQL server reports an error",
    "XX001": "cannot be read: its files are damaged",
    "XX002": "cannot be read: its files are damaged",
}
LOST = "does not answer: PostgreSQL is down, refuses this server, or has no such database any more"
WAY_OUT = "The dashboard goes on when it answers again."


class Unavailable(RuntimeError):
    """The database cannot be used now; the text is one line that says why, and the way out."""


def unavailable(error: BaseException, name: str) -> Unavailable | None:
    """What to say of an error that a database raised; None when it was there and did not like the statement.

    name: the database as whoever asks may see it, without its folder or server.
    """
    if isinstance(error, Unavailable):
        return error
    if isinstance(error, NoConnection):
        return _say(name, "is asked by too many at once")
    if not isinstance(error, DBAPIError):
        return None
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return _say(name, FILES.get((getattr(cause, "sqlite_errorcode", None) or 0) & 0xFF))
    state = getattr(cause, "sqlstate", None)
    if state is None:  # of the connection, not of a statement
        lost = error.connection_invalidated or isinstance(error, InterfaceError) or _is_of_connection(cause)
        return _say(name, LOST if lost else None)
    return _say(name, next((words for start, words in SERVERS.items() if state.startswith(start)), None))


def _is_of_connection(cause: BaseException | None) -> bool:
    """Whether PostgreSQL's driver could not connect, or lost its connection."""
    return type(cause).__module__.startswith("psycopg") and type(cause).__name__ in (
        "OperationalError",
        "ConnectionTimeout",
    )


def _say(name: str, what: str | None) -> Unavailable | None:
    return None if what is None else Unavailable(f"The database {name} {what}. {WAY_OUT}")
