"""Describe a database driver's error in one line of ours: the object, what was expected, the way out."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
from typing import NamedTuple

from sqlalchemy.exc import DBAPIError

from db.address import hide_passwords
from whole_file import NO_ROOM

LATER = "run the command again when that is over"
PERMISSIONS = "let this user write the file and its folder, or name another one"
ADDRESS = "check the address"
START = "start it, or check host and port in the address"
DISK = "check the disk, or name another one"
LOCKED = "is locked by another process, and did not come free in time"


class Fault(NamedTuple):
    """A problem of a database; each text completes a sentence."""

    what: str  # after the database's name
    way_out: str  # for the user of a command
    of_writing: bool = False  # the database can still be read


# By SQLite's primary result codes.
SQLITE = {
    sqlite3.SQLITE_READONLY: Fault("cannot be written", PERMISSIONS, of_writing=True),
    sqlite3.SQLITE_CANTOPEN: Fault("cannot be opened", PERMISSIONS),
    sqlite3.SQLITE_PERM: Fault("cannot be opened", PERMISSIONS),
    sqlite3.SQLITE_BUSY: Fault(LOCKED, LATER),
    sqlite3.SQLITE_LOCKED: Fault(LOCKED, LATER),
    sqlite3.SQLITE_PROTOCOL: Fault(LOCKED, LATER),
    sqlite3.SQLITE_FULL: Fault("has no room left on its disk", "make room", of_writing=True),
    sqlite3.SQLITE_CORRUPT: Fault("is damaged", "`xpixels db check` says more; go back to a copy of it"),
    sqlite3.SQLITE_NOTADB: Fault("is not an xpixels database", "name another with --database"),
    sqlite3.SQLITE_IOERR: Fault("cannot be read or written, says the file system", DISK),
    sqlite3.SQLITE_NOMEM: Fault("needs more memory than there is", LATER),
    sqlite3.SQLITE_TOOBIG: Fault(
        "holds no value above 1,000,000,000 bytes", "make it smaller", of_writing=True
    ),
}
# Failed connections to PostgreSQL, by the message of its library.
CONNECTING = (
    (
        r'database "(?P<name>.*?)" does not exist',
        Fault("is not on its server", "make it with `createdb {name}`"),
    ),
    (r'role "(?P<name>.*?)" does not exist', Fault("has no user {name} on its server", ADDRESS)),
    (r"authentication failed|no password supplied|pg_hba\.conf", Fault("does not let this user in", ADDRESS)),
    (r"resolve host|translate host name|service not known", Fault("has an unknown host", ADDRESS)),
    (r"timeout expired|timed out|connection timeout", Fault("does not answer in time", ADDRESS)),
    (r"too many clients|remaining connection slots", Fault("has no connection left on its server", LATER)),
    (r'option "(?P<name>.*?)"', Fault("has an option {name}, which PostgreSQL lacks", ADDRESS)),
    (r'invalid (?P<name>\w+) value: "(?P<value>.*?)"', Fault("cannot have {value} for {name}", ADDRESS)),
    (r"bad value for (?P<name>\w+): '?(?P<value>.*?)'?$", Fault("cannot have {value} for {name}", ADDRESS)),
    (r"SSL (?!SYSCALL)|certificate", Fault("gets no encrypted connection", f"{ADDRESS}, sslmode ({{said}})")),
    (r"", Fault("has no PostgreSQL server that answers", START)),
)
# By SQLSTATE of PostgreSQL, or the first characters of a class of them.
STATES = {
    "08": Fault("has lost its connection", "run the command again when the server answers"),
    "28": Fault("does not let this user in", ADDRESS),
    "3D": Fault("is not on its server", ADDRESS),
    "40": Fault("was changed by another process at the same moment", "give the command again"),
    "53100": Fault("has no room left on its server's disk", "make room", of_writing=True),
    "53": Fault("has a PostgreSQL server without memory or connections left", LATER),
    "42501": Fault("does not let this user do that ({said})", "ask its owner", of_writing=True),
    "25006": Fault("is read-only", "its server is a standby, or is configured so", of_writing=True),
    "55P03": Fault(LOCKED, LATER),
    "57014": Fault("has a PostgreSQL server that ended a statement", "it took longer than the server allows"),
    "57P": Fault(
        "has a PostgreSQL server that is being stopped or started", "run the command again when it runs"
    ),
    "58": Fault("cannot be read or written, says its server", DISK),
    "XX001": Fault("is damaged", "go back to a copy of it"),
    "XX002": Fault("is damaged", "go back to a copy of it"),
}


def find(error: BaseException) -> Fault | None:
    """The problem of the database when its driver raised this error, wrapped by SQLAlchemy or not.

    None where it has none: a statement was wrong, or the error is not a driver's.
    """
    cause = driver_error(error)
    if cause is None:
        return None
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", None)
        if code is None:
            return None
        return SQLITE.get(sqlite3.SQLITE_FULL if code == sqlite3.SQLITE_IOERR_WRITE else code & 0xFF)
    return _of_server(error, cause)


def explain(error: BaseException, database: str = "the database") -> str | None:
    """The line for a driver's error; None where `find` has none. database: its name without a password."""
    fault = find(error)
    return None if fault is None else f"{database} {fault.what}: {fault.way_out}"


OF_CONNECTION = ("OperationalError", "InterfaceError", "ConnectionTimeout")  # errors of PostgreSQL's driver
FAULT = "a fault of this program; XPIXELS_TRACEBACK=1 shows where it came from"
EXPECTED = (
    ValueError,
    LookupError,
    ArithmeticError,
    OSError,
    RuntimeError,
    ImportError,
    MemoryError,
    DBAPIError,
)
# Errors of the file system, by their numbers.
FILES = {
    errno.ENOENT: "there is no such file or folder",
    errno.EACCES: "this user may not read or write it",
    errno.EPERM: "this user may not read or write it",
    errno.EROFS: "it lies where nothing can be written",
    errno.EISDIR: "it is a folder, and a file was expected",
    errno.ENOTDIR: "a part of the path is a file, and a folder was expected",
    errno.EEXIST: "there is something of that name already",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ELOOP: "its links lead in a circle",
    errno.ENOSPC: "there is no room left on the disk",
    errno.EDQUOT: "there is no room left for this user",
    errno.EFBIG: "the file may not grow any more",
    errno.EMFILE: "this process has too many files open: raise `ulimit -n`",
    errno.EIO: "the disk cannot be read or written: check it",
}


def describe(error: BaseException, database: str = "the database") -> str:
    """What went wrong, in one line and without a password."""
    line = explain(error, database)
    if line is None and isinstance(error, OSError) and error.errno in FILES:
        what = "standard output" if error.filename is None else os.fsdecode(error.filename)
        line = f"{what}: {FILES[error.errno]}"
    if line is None and isinstance(error, ModuleNotFoundError):
        line = f"the package {error.name} is missing: install explainable-pixels again, as its README says"
    if line is None and isinstance(error, UnicodeDecodeError | UnicodeEncodeError):
        line = f"{error.object[:60]!a} is no text in UTF-8: give the file another name, or save it in UTF-8"
    if line is None:
        line = " ".join(str(driver_error(error) or error).split()) or type(error).__name__
        if line.startswith("Could not determine home directory"):
            line = "the home folder that ~ stands for is unknown: write whole paths, or set HOME"
        elif not isinstance(error, EXPECTED):
            line = f"{type(error).__name__}: {line} ({FAULT})"
    return hide_passwords(line)


def driver_error(error: BaseException) -> BaseException | None:
    """The driver's own error; None where the error is not a driver's."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    is_driver = isinstance(cause, sqlite3.Error) or type(cause).__module__.partition(".")[0] == "psycopg"
    return cause if is_driver else None


def no_room(error: BaseException | None) -> bool:
    """Whether a write failed because the disk is full, or the file may not grow."""
    if isinstance(error, OSError):
        return error.errno in NO_ROOM
    cause = None if error is None else driver_error(error)
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", 0)
        return code & 0xFF == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_WRITE
    return getattr(cause, "sqlstate", None) == "53100"  # PostgreSQL: disk_full


def is_damage(error: BaseException) -> bool:
    """Whether the error is about damaged pages of a SQLite file."""
    code = getattr(driver_error(error), "sqlite_errorcode", None)
    return code is not None and code & 0xFF == sqlite3.SQLITE_CORRUPT


def _of_server(error: BaseException, cause: BaseException) -> Fault | None:
    said = " ".join(str(cause).split())
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        starts = sorted((start for start in STATES if state.startswith(start)), key=len)
        return _filled(STATES[starts[-1]], said=said) if starts else None
    lost = getattr(error, "connection_invalidated", False) or type(cause).__name__ in OF_CONNECTION
    for pattern, fault in CONNECTING if lost else CONNECTING[:-1]:
        if match := re.search(pattern, said):
            return _filled(fault, said=said, **match.groupdict())
    return None


def _filled(fault: Fault, **values: str | None) -> Fault:
    return fault._replace(what=fault.what.format(**values), way_out=fault.way_out.format(**values))
