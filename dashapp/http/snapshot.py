"""One answer, one moment: all that a request reads is of the database as it was when it first read.

A page asks a dozen questions. While an ingest writes, each of them alone would have its own answer: layers
tuned anew beside a decision of before, a count that its rows do not come to.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import cast

import flask
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from db.engine import snapshot
from db.pinned import PinnedEngine


class Moments:
    """In the place of the Engine that pages read through: within a request, all its connections are one."""

    def __init__(self, engine: Engine, server: flask.Flask) -> None:
        """Hold to the database that is there now; the moment of a request ends with it."""
        self.database, self.dialect = PinnedEngine(engine), engine.dialect
        server.teardown_appcontext(self.end)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """The request's connection; elsewhere, as while an answer is sent in parts, one of its own."""
        if not flask.has_request_context():
            with snapshot(cast(Engine, self.database)) as connection:
                yield connection
            return
        if "moment" not in flask.g:
            moment = ExitStack()
            flask.g.moment = moment, moment.enter_context(snapshot(cast(Engine, self.database)))
        yield flask.g.moment[1]

    def end(self, *_: object) -> None:
        """Let the moment go: what is read next is of a new one."""
        if flask.has_app_context() and "moment" in flask.g:
            with suppress(SQLAlchemyError):  # of a connection that is lost: it has nothing to end
                flask.g.pop("moment")[0].close()


class Writer:
    """In the place of the Engine that pages write through: the same database as that of the moments.

    The moment ends before it writes, so that what was written can be read, and that a file without a
    write-ahead log is free.
    """

    def __init__(self, engine: Engine, moments: Moments) -> None:
        """Write through `engine` what is read through `moments`."""
        self.moments, self.database = moments, PinnedEngine(engine, moments.database)

    def connect(self) -> Connection:
        """A connection; looked at when its transaction begins, and before it is committed."""
        self.moments.end()
        return self.database.connect()
