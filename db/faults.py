"""What a database's driver raised, in one line of ours: the thing, what was expected, the way out."""

from __future__ import annotations

import errno
import os
import re
import sqlite3

from sqlalchemy.exc import DBAPIError

from db.address import hide_passwords

ANOTHER = "or name another one"
LATER = "give the command again when that is done"
PERMISSIONS = f"let this user write the file and its folder, {ANOTHER}"
# By SQLite's primary result codes; each line follows the database's name.
SQLITE = {
    sqlite3.SQLITE_READONLY: f"cannot be written: {PERMISSIONS}",
    sqlite3.SQLITE_CANTOPEN: f"cannot be opened: {PERMISSIONS}",
    sqlite3.SQLITE_PERM: f"cannot be opened: {PERMISSIONS}",
    sqlite3.SQLITE_BUSY: f"is locked by another program that writes to it: {LATER}",
    sqlite3.SQLITE_LOCKED: f"is locked by another program that writes to it: {LATER}",
    sqlite3.SQLITE_FULL: "has no room left on its disk",
    sqlite3.SQLITE_CORRUPT: "is damaged: `xpixels db check` says more; go back to a copy of it",
    sqlite3.SQLITE_NOTADB: "is not an xpixels database: name another with --database",
    sqlite3.SQLITE_IOERR: f"cannot be read or written, says the file system: look after the disk, {ANOTHER}",
    sqlite3.SQLITE_NOMEM: "needs more memory than there is",
    sqlite3.SQLITE_TOOBIG: "cannot hold a value of more than 1,000,000,000 bytes",
}
ADDRESS = "look at the address"
# What is said where no connection to PostgreSQL comes about, by what its library says.
CONNECTING = (
    (r'database "(?P<name>.*?)" does not exist', "is not on its server: make it with `createdb {name}`"),
    (r'role "(?P<name>.*?)" does not exist', f"has no user {{name}} on its server: {ADDRESS}"),
    (r"authentication failed|no password supplied|pg_hba\.conf", f"does not let this user in: {ADDRESS}"),
    (r"resolve host|translate host name|service not known", f"has a host that nobody knows: {ADDRESS}"),
    (r"timeout expired|timed out|connection timeout", f"does not answer in time: {ADDRESS}"),
    (r"too many clients|remaining connection slots", f"has no connection left on its server: {LATER}"),
    (
        r'invalid connection option "(?P<name>.*?)"',
        f"has an option {{name}}, which PostgreSQL lacks: {ADDRESS}",
    ),
    (r'invalid (?P<name>\w+) value: "(?P<value>.*?)"', f"cannot have {{value}} for {{name}}: {ADDRESS}"),
    (r"bad value for (?P<name>\w+): '?(?P<value>.*?)'?$", f"cannot have {{value}} for {{name}}: {ADDRESS}"),
    (
        r"refused|No such file|starting up|shutting down|closed the connection|terminating connection|"
        r"is closed|is lost|could not receive|SSL SYSCALL|already closed|EOF|consuming input",
        "has no PostgreSQL server that answers: start it, or look at host and port in the address",
    ),
    (r"SSL|certificate", f"gets no encrypted connection ({{said}}): {ADDRESS}"),
)
# By SQLSTATE of PostgreSQL, or the first digits of a class of them.
STATES = {
    "53100": "has no room left on its server's disk",
    "53300": f"has no connection left on its server: {LATER}",
    "42501": "does not let this user do that ({said}): ask its owner",
    "25006": f"only lets itself be read: its server is a standby, or is set so; {ANOTHER}",
    "40P01": "was wanted by another program in another order: give the command again",
    "55P03": f"is locked by another program: {LATER}",
    "57014": "has a server that ended a statement, as it took longer than it allows",
    "57P": "has a server that is being stopped: give the command again when it runs",
    "08": "has lost its connection: give the command again when the server answers",
}


def explain(error: BaseException, database: str = "the database") -> str | None:
    """The line for what a driver raised, wrapped by SQLAlchemy or not; None where that is not known here.

    database: as it may be shown.
    """
    cause = driver_error(error)
    if cause is None:
        return None
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", None)
        if code is None:
            return None
        code = sqlite3.SQLITE_FULL if code == sqlite3.SQLITE_IOERR_WRITE else code & 0xFF
        line = SQLITE.get(code)
        return line and f"{database} {line}"
    return _of_server(cause, database)


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
# What the file system says, by its numbers.
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
    errno.EIO: "the disk cannot be read or written: look after it",
}
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def describe(error: BaseException, database: str = "the database") -> str:
    """What went wrong, in one line and without a password."""
    line = explain(error, database)
    if line is None and isinstance(error, OSError) and error.errno in FILES:
        what = "standard output" if error.filename is None else os.fsdecode(error.filename)
        line = f"{what}: {FILES[error.errno]}"
    if line is None and isinstance(error, ModuleNotFoundError):
        line = f"the package {error.name} is missing: install explainable-pixels again, as its README says"
    if line is None and isinstance(error, UnicodeError):
        line = f"{error.object[:60]!a} is no text in UTF-8: give the file another name, or save it in UTF-8"
    if line is None:
        line = " ".join(str(driver_error(error) or error).split()) or type(error).__name__
        if line.startswith("Could not determine home directory"):
            line = "nobody knows the home folder that ~ stands for: write whole paths, or set HOME"
        elif not isinstance(error, EXPECTED):
            line = f"{type(error).__name__}: {line} ({FAULT})"
    return hide_passwords(line)


def driver_error(error: BaseException) -> BaseException | None:
    """What the driver itself raised; None where the error is not a driver's."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    is_driver = isinstance(cause, sqlite3.Error) or type(cause).__module__.partition(".")[0] == "psycopg"
    return cause if is_driver else None


def no_room(error: BaseException) -> bool:
    """Whether a write failed since the disk is full, or the file may not grow."""
    if isinstance(error, OSError):
        return error.errno in NO_ROOM
    cause = driver_error(error)
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", 0)
        return code & 0xFF == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_WRITE
    return getattr(cause, "sqlstate", None) == "53100"  # PostgreSQL: disk_full


def is_damage(error: BaseException) -> bool:
    """Whether a SQLite file has pages that are not what they were."""
    code = getattr(driver_error(error), "sqlite_errorcode", None)
    return code is not None and code & 0xFF == sqlite3.SQLITE_CORRUPT


def _of_server(cause: BaseException, database: str) -> str | None:
    said = " ".join(str(cause).split())
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        line = next((STATES[key] for key in (state, state[:3], state[:2]) if key in STATES), None)
        return line and f"{database} {line.format(said=said)}"
    for pattern, line in CONNECTING:
        found = re.search(pattern, said)
        if found:
            return f"{database} {line.format(said=said, **found.groupdict())}"
    return None
