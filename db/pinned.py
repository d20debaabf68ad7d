"""An engine pinned to the database that it was opened on: it touches no other one at the same address.

A file can be replaced, overwritten, moved or deleted while a server has it open, and a database on a server
can be dropped and made anew. Every transaction first checks that the database is the same, and one that wrote
is only committed if it still is. A connection to a file is closed after use: an open one would see the old
file, or its own cache of it, and its log would be taken for the new file's.
"""

import hashlib
import os
import stat
import weakref
from pathlib import Path
from typing import NamedTuple, cast

from sqlalchemy import Connection, Engine, column, event, func, select, table
from sqlalchemy.exc import DBAPIError

from db import schema
from db.availability import WAY_OUT, Unavailable, unavailable
from db.engine import BUSY_TIMEOUT, file, look_before_commits
from db.migrate import name as full_name
from db.sqlite_file import empty_log


class Identity(NamedTuple):
    """What identifies a database: its file or its number on the server, and the UUID in its own row."""

    file: tuple[int, int] | None  # device and inode
    number: int | None  # of the database, on a PostgreSQL server
    uuid: str | None


class PinnedEngine:
    """A replacement for an Engine: it connects only to the database that was there at first."""

    def __init__(self, engine: Engine, reader: "PinnedEngine | None" = None) -> None:
        """Pin the database that is there now; an engine that writes pins the database of its `reader`.

        Raises:
            Unavailable: there is none.
        """
        self.dialect, self.url = engine.dialect, engine.url
        path = file(engine)
        self.path, self.reader = path and path.absolute(), reader
        self.name = self.path.name if self.path else engine.url.database or "in memory"
        self.full_name = full_name(engine)
        self._engine = engine.execution_options()  # the same connections, with listeners of its own
        event.listen(self._engine, "begin", self._require_same)
        self.identity = None
        if self.path is not None:
            engine.dispose()  # closes connections that may be to an earlier file
        if reader is None:
            if self.path is not None:
                # While it is open, no other file gets its number; it reads and locks nothing.
                weakref.finalize(self, os.close, os.open(self.path, os.O_PATH))
            with self.connect() as connection, connection.begin():
                self.identity = self._read(connection)
        else:
            self.identity = reader.identity
            look_before_commits(self._engine, self._require_file)
            if self.path is not None:
                event.listen(engine, "close_detached", empty_log)

    def connect(self) -> Connection:
        """A connection like an Engine's, checked when its transaction begins. Raises Unavailable."""
        if self.reader is not None:
            # A writing connection may change the file (its journal): a reading one checks it first.
            self.reader.check()
        self._require_file()
        try:
            connection = self._engine.connect()
        except DBAPIError as error:
            raise unavailable(error, self.name) or error from error
        if self.path is not None:
            connection.detach()  # from the pool: it is closed after use
        return connection

    def check(self) -> None:
        """Check that the database is there and the same. Raises Unavailable."""
        with self.connect() as connection, connection.begin():
            pass

    def token(self) -> str:
        """The identity as a short text that reveals nothing."""
        return hashlib.sha256(repr(self.identity).encode()).hexdigest()[:16]

    def _require_file(self, _connection: Connection | None = None) -> None:
        if self.path is not None and self.identity is not None and self._number() != self.identity.file:
            raise self._other()

    def _number(self) -> tuple[int, int]:
        """The file's device and inode."""
        try:
            there = os.stat(cast(Path, self.path))
        except FileNotFoundError as error:
            raise self._gone() from error
        except OSError as error:
            raise self._hidden(error) from error
        if not stat.S_ISREG(there.st_mode):
            raise self._other()
        return there.st_dev, there.st_ino

    def _require_same(self, connection: Connection) -> None:
        """Check, when a transaction begins, that it will see the same database."""
        self._require_file()
        if self.identity is None:
            return
        try:
            now = self._read(connection)
        except DBAPIError as error:
            raise unavailable(error, self.name) or self._other() from error
        if now != self.identity:
            raise self._other()

    def _read(self, connection: Connection) -> Identity:
        uuid = select(schema.database_identity.c.uuid).scalar_subquery()
        if self.dialect.name == "postgresql":
            here = table("pg_database", column("oid"), column("datname"))
            # Wait for locks as long as on SQLite, and not forever.
            patience = func.set_config("lock_timeout", str(BUSY_TIMEOUT), True)
            query = select(here.c.oid, uuid, patience).where(here.c.datname == func.current_database())
            return Identity(None, *connection.execute(query).one()[:2])
        return Identity(None if self.path is None else self._number(), None, connection.scalar(select(uuid)))

    def _gone(self) -> Unavailable:
        return Unavailable(
            f"The database {self.name} is gone: its file was moved or deleted while this dashboard ran. "
            "Put it back, or start the dashboard again with another one."
        )

    def _hidden(self, error: OSError) -> Unavailable:
        return Unavailable(f"The database {self.name} cannot be reached: {error.strerror}. {WAY_OUT}")

    def _other(self) -> Unavailable:
        back = "Put the old one back, or start" if self.path else "Start"
        return Unavailable(
            f"The database {self.name} was replaced by another one while this dashboard ran: nothing is read "
            f"from it or written to it. {back} the dashboard again to see the new one."
        )
