import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from db import engine, migrate
from db.availability import Unavailable


@pytest.fixture
def path(migrated_file, tmp_path):
    """An upgraded database without a row."""
    return Path(shutil.copy(migrated_file, tmp_path / "xpixels.db"))


def test_a_missing_file_is_one_line_with_the_way_out_and_stays_missing(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        engine.create(tmp_path / "none.db", read_only=True)
    line = str(caught.value)
    assert str(tmp_path / "none.db") in line
    assert "xpixels demo" in line
    assert "xpixels ingest" in line
    assert "\n" not in line
    assert list(tmp_path.iterdir()) == []


def test_a_place_where_no_file_can_be_is_one_line(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"No folder {tmp_path}/nowhere"):
        engine.create(tmp_path / "nowhere" / "x.db")
    with pytest.raises(OSError, match=f"{tmp_path} is a folder"):
        engine.create(tmp_path)


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize("name", ["plain.db", "with space & percent %41 #1?.db", "größe.db"])
def test_a_file_is_found_by_path_or_url_whatever_its_name(path, tmp_path, name, read_only):
    target = tmp_path / name
    shutil.copy(path, target)
    for url in [target, str(target)] + ([f"sqlite:///{target}"] if name == "plain.db" else []):
        database = engine.create(url, read_only=read_only)
        assert engine.file(database) == target
        assert migrate.current(database) == migrate.head()
        database.dispose()


def test_a_path_from_the_home_folder_or_the_current_one_is_found(path, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for url in ("~/xpixels.db", "xpixels.db", "sqlite:///xpixels.db"):
        database = engine.create(url, read_only=True)
        assert migrate.current(database) == migrate.head()
        database.dispose()


@pytest.mark.parametrize("url", ["mysql://host/name", "http://example.org/x.db", "nothing://"])
def test_a_url_of_no_known_database_is_one_line(url):
    with pytest.raises(ValueError, match="database") as caught:
        engine.create(url)
    assert url in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_connection_checks_references_waits_for_locks_and_logs_ahead(path):
    database = engine.create(path)
    with database.connect() as first, database.connect() as second:
        for connection in (first, second):
            pragmas = [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("foreign_keys", "busy_timeout", "journal_mode", "synchronous")
            ]
            assert pragmas == [1, engine.BUSY_TIMEOUT, "wal", 1]


def test_a_failed_transaction_takes_its_ddl_back(path):
    database = engine.create(path)

    def fail_halfway():
        with engine.writing(database) as connection:
            connection.execute(text("CREATE TABLE half (made INTEGER)"))
            connection.execute(text("DROP VIEW roc_curve"))
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        fail_halfway()
    with database.connect() as connection:
        names = connection.scalars(text("SELECT name FROM sqlite_schema")).all()
    assert "half" not in names
    assert "roc_curve" in names


def test_nothing_is_written_through_a_read_only_engine(path):
    database = engine.create(path, read_only=True)
    with database.connect() as connection, pytest.raises(OperationalError, match="readonly"):
        connection.execute(text("DELETE FROM cases"))


def test_a_reader_sees_what_is_committed_while_it_is_connected(path):
    writer, reader = engine.create(path), engine.create(path, read_only=True)
    count = text("SELECT COUNT(*) FROM datasets")
    with reader.connect() as connection:
        assert connection.scalar(count) == 0
    with engine.writing(writer) as connection:
        connection.execute(text("INSERT INTO datasets VALUES (1, 'a', 'b', 'c')"))
        with reader.connect() as other:
            assert other.scalar(count) == 0  # not before it is committed, and without waiting
    with reader.connect() as connection:
        assert connection.scalar(count) == 1


@pytest.mark.parametrize("way", ["replaced", "gone"])
def test_a_process_that_writes_goes_on_with_no_other_file_of_the_same_name(path, tmp_path, way):
    """As an ingest or a worker, whose next connection would be to whatever has the name then."""
    other, kept = tmp_path / "other.db", tmp_path / "kept.db"
    for copy in (other, kept):
        shutil.copy(path, copy)
    database, row = engine.create(path), text("INSERT INTO datasets VALUES (1, 'a', 'b', 'c')")
    with database.connect():
        pass
    os.replace(path, kept)
    if way == "replaced":
        shutil.copy(other, path)

    def write():
        with engine.writing(database) as connection:
            connection.execute(row)

    def write_anew():
        with database.connect(), engine.writing(database) as connection:
            connection.execute(row)

    for ask in (write, write_anew):
        with pytest.raises(
            Unavailable, match=f"The database xpixels.db .*{way}.*the same command again"
        ) as raised:
            ask()
        assert "\n" not in str(raised.value)
    database.dispose()
    for file in (kept, path) if way == "replaced" else (kept,):
        reader = engine.create(file, read_only=True)
        with reader.connect() as connection:
            assert connection.scalar(text("SELECT COUNT(*) FROM datasets")) == 0
    assert path.exists() == (way == "replaced")


def test_writers_take_turns_even_when_each_reads_first(path):
    database = engine.create(path)
    with engine.writing(database) as connection:
        connection.execute(text("INSERT INTO datasets VALUES (0, 'd0', 'b', 'c')"))
    errors = []

    def add_one_after_another():
        try:
            for _ in range(10):
                with engine.writing(database) as connection:
                    last = connection.scalar(text("SELECT MAX(id) FROM datasets"))
                    row = {"id": last + 1, "name": f"d{last + 1}"}
                    connection.execute(text("INSERT INTO datasets VALUES (:id, :name, 'b', 'c')"), row)
        except OperationalError as error:
            errors.append(error)

    threads = [threading.Thread(target=add_one_after_another) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with database.connect() as connection:
        assert connection.scalar(text("SELECT MAX(id) FROM datasets")) == 40


UNPRIVILEGED = """
import os, sys
from db import engine
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
path, other = sys.argv[1:]
with engine.create(other, read_only=True).connect() as warm:  # imports all before rights are given up
    warm.scalar(text("SELECT COUNT(*) FROM datasets"))
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
assert not os.access(os.path.dirname(path), os.W_OK)
connection = engine.create(path, read_only=True).connect()
print(connection.scalar(text("SELECT COUNT(*) FROM alembic_version")))
try:
    connection.execute(text("DELETE FROM alembic_version"))
except OperationalError as error:
    print(error.orig)
"""


def test_a_database_in_a_folder_that_cannot_be_written_is_read(path):
    folder = Path(tempfile.mkdtemp())  # not tmp_path: other users may not enter that
    try:
        target = folder / "xpixels.db"
        shutil.copy(path, target)
        target.chmod(0o444)
        folder.chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", UNPRIVILEGED, str(target), str(path)],
            env={**os.environ, "PYTHONPATH": str(Path(engine.__file__).parents[1])},
            capture_output=True,
            text=True,
        )
        assert done.stdout.splitlines() == ["1", "attempt to write a readonly database"], done.stderr
        assert sorted(p.name for p in folder.iterdir()) == ["xpixels.db"]
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
