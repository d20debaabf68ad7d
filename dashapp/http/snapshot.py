"""One snapshot transaction per request: all its queries see the database as it was at the first one.

A page runs a dozen queries. Without a snapshot, an ingest that writes meanwhile would make their results
inconsistent: newly tuned layers beside an older decision, a count that does not match its rows.
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
    """Replaces the Engine that pages read through: within a request, all its connections are one."""

    def __init__(self, engine: Engine, server: flask.Flask) -> None:
        """Pin the current database; the snapshot of a request ends with the request."""
        self.database, self.dialect = PinnedEngine(engine), engine.dialect
        server.teardown_appcontext(self.end)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """The request's connection; outside a request, as while a response is streamed, a separate one."""
        if not flask.has_request_context():
            with snapshot(cast(Engine, self.database)) as connection:
                yield connection
            return
        if "moment" not in flask.g:
            moment = ExitStack()
            flask.g.moment = moment, moment.enter_context(snapshot(cast(Engine, self.database)))
        yield flask.g.moment[1]

    def end(self, *_: object) -> None:
        """End the snapshot; the next read begins a new one."""
        if flask.has_app_context() and "moment" in flask.g:
            with suppress(SQLAlchemyError):  # the connection is lost, so there is nothing to end
                flask.g.pop("moment")[0].close()


class Writer:
    """Replaces the Engine that pages write through, with the same database as `Moments`.

    The request's snapshot ends before a write, so that later reads see the change, and so that a file
    without a write-ahead log is not locked.
    """

    def __init__(self, engine: Engine, moments: Moments) -> None:
        """Write through `engine` to the database that `moments` reads."""
        self.moments, self.database = moments, PinnedEngine(engine, moments.database)

    def connect(self) -> Connection:
        """A connection; the database is checked when its transaction begins and before it is committed."""
        self.moments.end()
        return self.database.connect()
