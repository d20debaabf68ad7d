"""A dashboard and its one database: whatever takes its place is not read from, not written to, and said."""

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from functools import partial
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

import db.engine
import db.migrate
from dashapp.app import create_app
from dashapp.http.snapshot import Moments
from db import annotations, schema
from db.availability import Unavailable, unavailable
from db.engine import snapshot, writing
from db.pinned import PinnedEngine
from tests.support import database, forked_dashboards, fresh_database, postgres_server
from tests.support.callback_bodies import CASE, bodies_of, note

REPLACED = "was replaced by another one while this dashboard ran"
ENDED = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'x'"
GONE = "is gone: its file was moved or deleted while this dashboard ran"


def made(url, cases):
    """A whole database of its own identity, of an empty or a migrated one; gives its address."""
    engine = db.engine.create(url)
    db.migrate.make_or_require_current(engine)
    with writing(engine) as connection:
        connection.execute(schema.database_identity.update().values(uuid=str(uuid4())))
    database.fill(engine, per_group=cases, references=60)
    engine.dispose()
    return url


class File:
    """A SQLite file, and another one beside it."""

    def __init__(self, folder, one, other):
        self.url, self.other = folder / "x.db", folder / "other.db"
        shutil.copyfile(one, self.url)
        shutil.copyfile(other, self.other)
        self.name = "x.db"

    def moved_over(self):
        self.other.rename(self.url)

    def overwritten(self):
        self.url.write_bytes(self.other.read_bytes())  # the same inode

    def made_anew(self):
        self.url.unlink()
        shutil.copyfile(self.other, self.url)

    def restored(self):
        """A copy of the same database, with the same row that names it: the file is another one."""
        content = self.url.read_bytes()
        self.url.unlink()
        self.url.write_bytes(content)  # often given the very number of the file before

    def linked(self):
        self.url.unlink()
        self.url.symlink_to(self.other)

    def emptied(self):
        self.url.write_bytes(b"")

    def deleted(self):
        self.url.unlink()

    def moved_away(self):
        self.url.rename(self.url.with_name("elsewhere.db"))

    def a_folder(self):
        self.url.unlink()
        self.url.mkdir()

    def no_database(self):
        self.url.write_bytes(b"what is no database at all " * 1000)

    def state(self):
        """What a server must not change: everything in the folder, but for SQLite's empty companions."""
        files = [one for one in self.url.parent.iterdir() if one.is_file()]
        kept = [one for one in files if not (one.name.endswith(("-wal", "-shm")))]
        logs = [one for one in files if one.name.endswith("-wal") and one.stat().st_size]
        return {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in [*kept, *logs]}


class OnServer:
    """A database on a PostgreSQL server, and another one that can be copied."""

    def __init__(self, server, one, other):
        self.server, self.other, self.name = server, other, "x"
        self.url = postgres_server.make(server, "x", template=one)

    def dropped(self):
        postgres_server.drop(self.server, "x")

    def emptied(self):
        self.dropped()
        postgres_server.make(self.server, "x")

    def made_anew(self):
        self.dropped()
        postgres_server.make(self.server, "x", template=self.other)

    def tables_made_anew(self):
        engine = db.engine.create(self.url)
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        engine.dispose()
        made(self.url, 1)

    def state(self):
        """Every row of what people write, where there is a table."""
        engine = db.engine.create(self.url)
        try:
            with engine.connect() as connection:
                return [
                    tuple(row)
                    for table in (schema.annotations, schema.saved_views)
                    for row in connection.execute(table.select())
                ]
        except DBAPIError:
            return None
        finally:
            engine.dispose()


WAYS = [
    ("file", "moved_over", REPLACED, True),
    ("file", "overwritten", REPLACED, True),
    ("file", "made_anew", REPLACED, True),
    ("file", "restored", REPLACED, True),
    ("file", "linked", REPLACED, True),
    ("file", "emptied", REPLACED, False),
    ("file", "deleted", GONE, False),
    ("file", "moved_away", GONE, False),
    ("file", "a_folder", REPLACED, False),
    ("file", "no_database", "is not an xpixels database", False),
    ("server", "dropped", "is not on its server", False),
    ("server", "emptied", REPLACED, False),
    ("server", "made_anew", REPLACED, True),
    ("server", "tables_made_anew", REPLACED, True),
]
ways = pytest.mark.parametrize(
    ("place", "way", "words", "restarts"),
    [
        pytest.param(*way, marks=[pytest.mark.postgresql] if way[0] == "server" else [], id="-".join(way[:2]))
        for way in WAYS
    ],
    indirect=["place"],
)


@pytest.fixture(scope="session")
def files(migrated_file, tmp_path_factory):
    """Two SQLite files that are not to be changed."""
    folder = tmp_path_factory.mktemp("two")
    one, other = (shutil.copyfile(migrated_file, folder / name) for name in ("one.db", "other.db"))
    return made(one, 2), made(other, 1)


@pytest.fixture(scope="session")
def templates(migrated_server):
    """The server, and the names of two databases on it that are not to be changed."""
    for name, cases in (("one", 2), ("other", 1)):
        made(postgres_server.make(migrated_server, name, template=fresh_database.TEMPLATE), cases)
    return migrated_server, "one", "other"


@pytest.fixture
def place(request, tmp_path):
    if request.param == "file":
        yield File(tmp_path, *request.getfixturevalue("files"))
        return
    server, one, other = request.getfixturevalue("templates")
    yield OnServer(server, one, other)
    postgres_server._run(server, 'DROP DATABASE IF EXISTS "x" WITH (FORCE)')


@pytest.fixture(scope="module")
def served():
    """A function: a dashboard in a process of its own (see `forked_dashboards.starter`)."""
    with forked_dashboards.starter() as function:
        yield function


def ask(address, body=None, **headers):
    """Status, type and text of an answer."""
    data = None if body is None else json.dumps(body).encode()
    headers |= {} if body is None else {"Content-Type": "application/json"}
    request = urllib.request.Request(address, data=data, headers=headers)
    try:
        answer = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.headers.get_content_type(), answer.read().decode("utf-8", "replace")


def pages(image):
    """Every address that shows something of a database."""
    shown = ("", "?kind=clean", f"case/{CASE}", "case/999", "detectors", "elsewhere", f"images/{image}.png")
    return (*shown, "images/none.png", "export/cases.csv", "export/cases.parquet", "_dash-layout", "healthz")


@ways
def test_a_database_that_is_another_one_is_said_everywhere_and_never_touched(
    place, way, words, restarts, served, tmp_path_factory
):
    log = tmp_path_factory.mktemp("log") / "stderr"
    engine = db.engine.create(place.url, read_only=True)
    bodies = bodies_of(create_app(engine, writer=engine))
    with engine.connect() as connection:
        image = connection.execute(text("SELECT sha256 FROM images LIMIT 1")).scalar()
    engine.dispose()
    with served(place.url, log) as address:
        callback = f"{address}/_dash-update-component"
        assert ask(f"{address}/healthz") == (200, "text/plain", "OK")
        status, _, answer = ask(callback, note("of the first"))
        assert (status, "saved" in answer) == (200, True)

        getattr(place, way)()
        before = place.state()
        lines = set()
        for page in pages(image):
            status, kind, line = ask(f"{address}/{page}")
            assert (status, kind, line.count("\n")) == (503, "text/plain", 1), (page, line)
            lines.add(line)
        for body in [note("of another"), *bodies]:
            status, kind, line = ask(callback, body)
            assert (status, kind, line.count("\n")) == (503, "text/plain", 1), (body["output"], line)
            lines.add(line)
        assert len(lines) == 1
        line = lines.pop()
        assert line.startswith(f"The database {place.name} ")
        assert words in line
        # What says so on the page needs no database.
        status, kind, page = ask(f"{address}/case/{CASE}", Accept="text/html,*/*")
        assert (status, kind) == (503, "text/html")
        assert words in page
        assert ask(f"{address}/assets/connection.js")[0] == ask(f"{address}/_dash-dependencies")[0] == 200
        assert place.state() == before
    assert "Traceback" not in log.read_text(encoding="utf-8")
    if restarts:
        with served(place.url, log) as address:
            assert ask(f"{address}/case/{CASE}")[0] == 200
            page = next(body for body in bodies if "page.children" in body["output"])
            status, _, answer = ask(f"{address}/_dash-update-component", page)
            assert (status, f'"{4 if way != "restored" else 8}"' in answer) == (200, True)  # its cases


@pytest.mark.parametrize("way", ["moved_over", "overwritten", "deleted", "emptied"])
def test_a_dashboard_goes_on_when_its_own_file_is_back(files, tmp_path, way):
    place = File(tmp_path, *files)
    reader = db.engine.create(place.url, read_only=True)
    client = create_app(reader, writer=db.engine.create(place.url, existing=True)).server.test_client()
    assert client.post("/_dash-update-component", json=note("kept")).status_code == 200
    if way in ("overwritten", "emptied"):
        content = place.url.read_bytes()
        back = partial(place.url.write_bytes, content)
    else:
        os.link(place.url, tmp_path / "kept.db")
        back = partial(os.replace, tmp_path / "kept.db", place.url)
    getattr(place, way)()
    assert client.get("/healthz").status_code == 503
    assert client.post("/_dash-update-component", json=note("lost")).status_code == 503
    back()
    assert client.get("/healthz").status_code == 200
    assert said(place.url) == ["kept"]
    assert client.post("/_dash-update-component", json=note("again")).status_code == 200
    assert said(place.url) == ["again"]


def test_a_dashboard_that_is_made_again_with_the_same_engines_has_the_database_of_now(files, tmp_path):
    place = File(tmp_path, *files)
    reader, writer = db.engine.create(place.url, read_only=True), db.engine.create(place.url)
    first = create_app(reader, writer=writer).server.test_client()
    assert first.post("/_dash-update-component", json=note("of the first")).status_code == 200
    place.moved_over()
    second = create_app(reader, writer=writer).server.test_client()
    assert second.post("/_dash-update-component", json=note("of the second")).status_code == 200
    assert said(place.url) == ["of the second"]
    assert first.post("/_dash-update-component", json=note("of the first")).status_code == 503
    assert said(place.url) == ["of the second"]


def said(path):
    with sqlite3.connect(path) as connection:
        found = [body for (body,) in connection.execute("SELECT body FROM annotations ORDER BY id")]
    connection.close()
    return found


def test_nothing_of_a_dashboard_stays_beside_its_file_to_be_read_with_the_next_one(files, tmp_path):
    place = File(tmp_path, *files)
    reader = db.engine.create(place.url, read_only=True)
    client = create_app(reader, writer=db.engine.create(place.url, existing=True)).server.test_client()
    for words in ("one", "two"):
        assert client.post("/_dash-update-component", json=note(words)).status_code == 200
        assert client.get("/").status_code == 200
    place.moved_over()
    # By another process, as this one could share what it still had open.
    script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1])\n"
    script += (
        "for s in ('PRAGMA integrity_check', 'SELECT * FROM annotations'): print(c.execute(s).fetchall())"
    )
    done = subprocess.run([sys.executable, "-c", script, place.url], capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr) == (["[('ok',)]", "[]"], "")


def pinned(place):
    """Its database, to read and to write."""
    reader = PinnedEngine(db.engine.create(place.url, read_only=True))
    return reader, PinnedEngine(db.engine.create(place.url, existing=True), reader)


@pytest.mark.parametrize("way", ["moved_over", "linked", "deleted"])
def test_what_was_written_while_the_file_was_replaced_is_undone_and_not_said_to_be_saved(
    files, tmp_path, way
):
    place = File(tmp_path, *files)
    _, writer = pinned(place)
    os.link(place.url, tmp_path / "kept.db")

    def replace_while_writing():
        with writing(writer) as connection:
            annotations.set_note(connection, CASE, "between two files")
            getattr(place, way)()

    with pytest.raises(Unavailable):
        replace_while_writing()
    for path in (tmp_path / "kept.db", place.url):
        assert not path.exists() or said(path) == []


def test_what_is_read_and_what_is_written_are_the_same_database(files, tmp_path):
    place = File(tmp_path, *files)
    reader = PinnedEngine(db.engine.create(place.url, read_only=True))
    writer = PinnedEngine(db.engine.create(place.other), reader)
    with pytest.raises(Unavailable, match=r"other.db was replaced"), writing(writer) as connection:
        annotations.set_note(connection, CASE, "elsewhere")
    assert said(place.other) == []


def test_a_file_without_a_write_ahead_log_takes_verdicts_and_notes(files, tmp_path):
    path = tmp_path / "copy.db"
    with sqlite3.connect(files[0]) as connection:
        connection.execute("VACUUM INTO ?", (str(path),))  # as `xpixels db backup`
    connection.close()
    reader = db.engine.create(path, read_only=True)
    app = create_app(reader, writer=db.engine.create(path, existing=True))
    verdict = next(
        body
        for body in bodies_of(app)
        if "case-verdict" in body["output"] and "real attack" in str(body["changedPropIds"])
    )
    for body in (verdict, note("whole")):
        answer = app.server.test_client().post("/_dash-update-component", json=body)
        assert answer.status_code == 200
        assert "Not saved" not in answer.text
    assert said(path) == ["real attack", "whole"]


def test_a_locked_file_is_said_in_words_of_ours_and_the_dashboard_goes_on_after(files, tmp_path, monkeypatch):
    monkeypatch.setattr(db.engine, "BUSY_TIMEOUT", 50)
    place = File(tmp_path, *files)
    reader = db.engine.create(place.url, read_only=True)
    client = create_app(reader, writer=db.engine.create(place.url, existing=True)).server.test_client()
    locking = sqlite3.connect(place.url, isolation_level=None)
    locking.execute("BEGIN IMMEDIATE")
    assert client.get("/healthz").status_code == 200  # readers do not wait for a writer
    answer = client.post("/_dash-update-component", json=note("later"))
    assert answer.status_code == 503
    assert answer.text == (
        "The database x.db is locked by another process, and did not come free in time. "
        "The dashboard goes on when it answers again.\n"
    )
    locking.execute("ROLLBACK")
    assert client.post("/_dash-update-component", json=note("later")).status_code == 200
    locking.close()
    assert said(place.url) == ["later"]


@pytest.mark.postgresql
def test_a_locked_table_is_said_and_does_not_hold_a_request_for_ever(templates, monkeypatch):
    monkeypatch.setattr("db.pinned.BUSY_TIMEOUT", 50)
    place = OnServer(*templates)
    reader = db.engine.create(place.url, read_only=True)
    writer = db.engine.create(place.url, existing=True)
    client = create_app(reader, writer=writer).server.test_client()
    other = db.engine.create(place.url)
    with other.begin() as connection:
        connection.execute(text("LOCK TABLE annotations IN ACCESS EXCLUSIVE MODE"))
        answer = client.post("/_dash-update-component", json=note("later"))
        assert (answer.status_code, "is locked by another process" in answer.text) == (503, True)
    assert client.post("/_dash-update-component", json=note("later")).status_code == 200
    for engine in (reader, writer, other):
        engine.dispose()
    postgres_server.drop(place.server, "x")


@pytest.mark.postgresql
def test_a_server_that_was_started_anew_is_found_again_at_the_first_request():
    with postgres_server.running() as server:
        url = made(postgres_server.make(server, "x"), 1)
        reader, writer = db.engine.create(url, read_only=True), db.engine.create(url, existing=True)
        client = create_app(reader, writer=writer).server.test_client()
        assert client.post("/_dash-update-component", json=note("before")).status_code == 200
        postgres_server._run(server, ENDED)
        assert client.get("/healthz").status_code == 200
        assert client.post("/_dash-update-component", json=note("after")).status_code == 200
        for engine in (reader, writer):
            engine.dispose()


@pytest.mark.postgresql
def test_a_connection_that_is_lost_within_a_request_ends_without_an_error_of_its_own(templates):
    place = OnServer(*templates)
    reader = db.engine.create(place.url, read_only=True)
    server = Flask("lost")
    moments = Moments(reader, server)
    with server.test_request_context("/"):
        with moments.connect() as connection:
            assert connection.scalar(text("SELECT 1")) == 1
        postgres_server._run(place.server, ENDED)
        with pytest.raises(DBAPIError) as raised, moments.connect() as connection:
            connection.scalar(text("SELECT 1"))
        moments.end()
        with moments.connect() as connection:
            assert connection.scalar(text("SELECT 1")) == 1
    assert "PostgreSQL" in str(unavailable(raised.value, "x"))
    reader.dispose()
    postgres_server.drop(place.server, "x")


def test_a_page_of_another_database_changes_nothing_after_a_restart(files, tmp_path):
    """As a browser shows it when the server was started again on a file that took the place of the first."""
    place = File(tmp_path, *files)

    def client():
        reader = db.engine.create(place.url, read_only=True)
        return create_app(reader, writer=db.engine.create(place.url, existing=True)).server.test_client()

    first = client()
    token = first.get("/healthz").headers["X-Xpixels-Database"]
    assert f'<meta name="X-Xpixels-Database" content="{token}">' in first.get("/").text
    headers = {"X-Xpixels-Database": token}
    assert first.post("/_dash-update-component", json=note("one"), headers=headers).status_code == 200
    assert client().post("/_dash-update-component", json=note("two"), headers=headers).status_code == 200
    place.moved_over()
    second = client()
    answer = second.post("/_dash-update-component", json=note("three"), headers=headers)
    assert (answer.status_code, answer.text.count("\n")) == (409, 1)
    assert "another database" in answer.text
    assert said(place.url) == []
    assert second.get("/healthz").headers["X-Xpixels-Database"] != token


def test_an_engine_of_an_existing_file_makes_none(files, tmp_path):
    path = tmp_path / "x.db"
    with pytest.raises(FileNotFoundError, match="No database at"):
        db.engine.create(path, existing=True)
    shutil.copyfile(files[1], path)
    engine = db.engine.create(path, existing=True)
    path.unlink()
    with pytest.raises(DBAPIError, match="unable to open"), snapshot(engine):
        pass
    assert not path.exists()
