"""What readers are told while others write: each answer is of one moment.

A real ingest with readers beside it is in `test_interruption`, where one has been compiled already.
"""

import sqlite3
from contextlib import closing
from itertools import count

import pytest
from sqlalchemy import delete, event, func, select

import db.engine
from benchmarks.pages import Visit, callbacks_of
from dashapp.app import create_app
from db import facets, schema, vocabulary
from db.scope import Scope
from ingest.stages import tuning
from tests.support import database

VISITS = (
    ("/", "?partition=all"),
    ("/case/1", "?layer=dense&neighbors=all&twin=1&pair=1&map=repair&activations=conv1&k=5"),
    ("/detectors", ""),
)


class Recorded(Visit):
    """A browser that remembers what it asked for."""

    def __init__(self, client):
        super().__init__(client, callbacks_of(client))
        self.asked = []

    def ask(self, method, address, **body):
        if method == "POST" or address == "/_dash-layout":  # a document is another one each time
            self.asked.append((method, address, body))
        return super().ask(method, address, **body)


class Swapped:
    """A database that is wholly another one, and back, whenever it is told to be."""

    def __init__(self, folder):
        self.live, self.states, self.now = folder / "live.db", [], 0
        for seed in (0, 1):
            path = folder / f"{seed}.db"
            engine = db.engine.create(path)
            database.fill(engine, per_group=2, references=50, seed=seed)
            with engine.connect() as connection:
                connection.connection.dbapi_connection.execute("VACUUM")
            engine.dispose()
            self.states.append(sqlite3.connect(path, check_same_thread=False))
        self.writer = sqlite3.connect(self.live, check_same_thread=False)
        self.writer.execute("PRAGMA journal_mode = WAL")
        self.writer.execute("PRAGMA synchronous = OFF")
        self.swap(0)

    def swap(self, state=None):
        """Write, in one transaction, the state that it is not in, or the one that is named."""
        self.now = 1 - self.now if state is None else state
        self.states[self.now].backup(self.writer)

    def close(self):
        for connection in (*self.states, self.writer):
            connection.close()


@pytest.fixture
def swapped(tmp_path):
    with closing(Swapped(tmp_path)) as found:
        yield found


def test_an_answer_is_of_one_moment_though_all_is_written_anew_between_its_statements(swapped):
    engine = db.engine.create(swapped.live, read_only=True)
    client = create_app(engine).server.test_client()
    asked = []
    for visit in VISITS:
        browser = Recorded(client)
        browser.open(*visit)
        if "/case/" in visit[0]:
            browser.follow("?layer=logits&pair=1&map=vulnerability")
        asked += browser.asked
    asked += [("GET", f"/export/cases.{form}?partition=all", {}) for form in ("csv", "parquet")]

    def answers():
        return [client.open(address, method=method, **body).data for method, address, body in asked]

    wanted = []
    for state in (0, 1):
        swapped.swap(state)
        wanted.append(answers())
    statements = count(1)

    def write(_connection, _cursor, statement, *_):
        if statement != "BEGIN" and next(statements) % 3 == 0:
            swapped.swap()

    event.listen(engine, "after_cursor_execute", write)
    torn = [
        (method, address, str(body)[:200])
        for (method, address, body), found, *whole in zip(asked, answers(), *wanted, strict=True)
        if found not in whole
    ]
    assert not torn, f"{len(torn)} of {len(asked)} answers are of several moments: {torn[:3]}"


def test_nobody_sees_layers_that_are_tuned_beside_layers_that_are_not(tmp_path):
    engine = db.engine.create(tmp_path / "cases.db")
    database.fill(engine, per_group=4, references=50)
    with db.engine.writing(engine) as connection:
        for table in (schema.decisions, schema.operating_points, schema.tuning_points):
            connection.execute(delete(table))
        facets.refresh(connection, Scope(1, 1))
    decided, listed = schema.decisions.c.layer_id, schema.detector_decisions.c.detector
    names = select(schema.layers.c.name)
    reader, seen = db.engine.create(tmp_path / "cases.db", read_only=True), set()

    @event.listens_for(engine.pool, "checkin")
    def look(*_):  # after each of its transactions
        with reader.connect() as connection:
            seen.add(
                (
                    connection.scalar(select(func.count(decided.distinct()))),
                    connection.scalar(select(func.count(listed.distinct())).where(listed.in_(names))),
                )
            )

    assert tuning.tune(engine, Scope(1, 1), ["euclidean"], vocabulary.RULES)
    assert seen == {(0, 0), (4, 4)}
