"""One answer, one moment: all that a request reads is of the database as it was when it first read.

A page asks a dozen questions. While an ingest writes, each of them alone would have its own answer: layers
tuned anew beside a decision of before, a count that its rows do not come to.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import flask
from sqlalchemy import Connection, Engine, event

from db.engine import snapshot


class Moments:
    """In the place of the Engine that pages read through: within a request, all its connections are one."""

    def __init__(self, engine: Engine, server: flask.Flask, writer: Engine | None = None) -> None:
        """The moment ends with the request; also when `writer` has written, so that this can be read."""
        self.engine, self.dialect = engine, engine.dialect
        server.teardown_appcontext(self.end)
        if writer is not None:
            event.listen(writer, "commit", self.end)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """The request's connection; elsewhere, as while an answer is sent in parts, one of its own."""
        if not flask.has_request_context():
            with self.engine.connect() as connection:
                yield connection
            return
        if "moment" not in flask.g:
            moment = ExitStack()
            flask.g.moment = moment, moment.enter_context(snapshot(self.engine))
        yield flask.g.moment[1]

    def end(self, *_) -> None:
        """Let the moment go: what is read next is of a new one."""
        if flask.has_app_context() and "moment" in flask.g:
            flask.g.pop("moment")[0].close()
