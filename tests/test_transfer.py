"""A whole database from SQLite to PostgreSQL and back: every row as it was, or none."""

import shutil

import pytest
from sqlalchemy import delete, insert, select

import xpixels
from db import annotations, engine, migrate, schema, write
from db.commands import transfer, upkeep
from tests.support import database, postgres_server

pytestmark = pytest.mark.postgresql
TABLES = [table for table in schema.metadata.sorted_tables if table is not schema.database_identity]
GONE = 40  # the id of a case that was, and is not


@pytest.fixture(scope="module")
def source(migrated_file, tmp_path_factory):
    """A SQLite database with every table filled and a case that is gone."""
    made = engine.create(shutil.copy(migrated_file, tmp_path_factory.mktemp("transfer") / "source.db"))
    database.fill(made, per_group=2, references=50)
    with engine.writing(made) as connection:
        connection.execute(delete(schema.tuning_points).where(schema.tuning_points.c.k > 5))  # one as another
        annotations.set_note(connection, 2, 'tab\t, backslash \\N, quote " and two\nlines: ünïcödé 🦌')
        annotations.add_tag(connection, 2, "odd")
        row = connection.execute(select(schema.cases).where(schema.cases.c.kind == "clean")).first()
        sample = connection.scalar(select(schema.reference_samples.c.sample_id).limit(1))
        new = {"id": GONE, "sample_id": sample}
        connection.execute(insert(schema.cases), dict(row._mapping) | new)
        connection.execute(delete(schema.cases).where(schema.cases.c.id == GONE))
    yield made
    made.dispose()


@pytest.fixture
def open_engine():
    """`engine.create`, closed after the test."""
    opened = []

    def create(url, **options):
        opened.append(engine.create(url, **options))
        return opened[-1]

    yield create
    for one in opened:
        one.dispose()


def contents(made) -> dict[str, dict[tuple, tuple]]:
    """Every row of every table by its key."""
    found = {}
    with made.connect() as connection:
        for table in TABLES:
            key = [table.c.keys().index(column.name) for column in table.primary_key.columns]
            found[table.name] = {
                tuple(row[i] for i in key): tuple(row) for row in connection.execute(select(table))
            }
    return found


def next_ids(made) -> dict[str, int]:
    """What the next row would be called where that is promised, and where it follows from the rows."""
    case = {
        "network_id": 1,
        "dataset_id": 1,
        "run_id": 1,
        "kind": "clean",
        "partition": "tuning",
        "image_id": 1,
    }
    case |= {"sample_id": 3, "true_class": 0, "predicted_class": 0, "confidence": 0.5}
    found = {}
    with engine.writing(made) as connection:
        found["cases"] = connection.execute(insert(schema.cases), case).inserted_primary_key[0]
        found["datasets"] = write.ensure(
            connection, schema.datasets, {"name": "next"}, {"source": "a test", "created_at": schema.now()}
        )
        connection.rollback()
    return found


def test_there_and_back_every_row_is_as_it_was(source, postgres, tmp_path, open_engine, capsys):
    there, back = postgres_server.make(postgres, "there"), str(tmp_path / "back.db")
    before = contents(source)
    assert all(before[table.name] for table in TABLES if table.name not in ("saved_views", "chunks"))
    assert xpixels.main(["db", "copy", str(engine.file(source)), there]) == 0
    said = capsys.readouterr()
    total = sum(map(len, before.values()))
    assert f"{total:,} rows in {len(TABLES)} tables" in said.out
    assert f"{total}/{total} rows" in said.err
    server = open_engine(there)
    assert contents(server) == before
    assert upkeep.check(server) == []
    assert next_ids(server) == {"cases": GONE + 1, "datasets": 2}
    assert xpixels.main(["db", "copy", there, back]) == 0
    returned = open_engine(back)
    assert contents(returned) == before
    assert upkeep.check(returned) == []
    # A sequence does not take back what a transaction that was undone had taken.
    assert next_ids(returned) == {"cases": GONE + 2, "datasets": 2}
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []


def test_a_database_with_rows_is_no_target(source, migrated_file, tmp_path, open_engine, capsys):
    other = open_engine(shutil.copy(migrated_file, tmp_path / "other.db"))
    key = {"name": "mine", "source": "by hand", "created_at": schema.now()}
    with engine.writing(other) as connection:
        connection.execute(insert(schema.datasets), key)
    before = contents(other)
    assert xpixels.main(["db", "copy", str(engine.file(source)), str(tmp_path / "other.db")]) == 1
    assert "other.db has 1 rows in datasets: name a new database" in capsys.readouterr().err
    assert contents(other) == before


@pytest.mark.parametrize("kind", ["new file", "empty file", "server"])
def test_a_transfer_that_is_stopped_leaves_nothing_behind(
    source, postgres, migrated_file, tmp_path, open_engine, kind
):
    path = tmp_path / "target.db"
    target = open_engine(postgres_server.make(postgres, "stopped") if kind == "server" else path)
    if kind == "empty file":
        shutil.copy(migrated_file, path)
    written, half = 0, transfer.row_count(source) // 2

    def stop_late(more):
        nonlocal written
        written += more
        if written > half:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        transfer.transfer(source, target, advance=stop_late)
    assert written > half
    if kind == "new file":
        assert list(tmp_path.iterdir()) == []
    else:
        assert transfer.row_count(target) == 0
    done = transfer.transfer(source, target)
    assert sum(done.values()) == transfer.row_count(source)
    assert contents(target) == contents(source)


def test_what_a_server_cannot_hold_stops_it_with_one_line(
    postgres, migrated_file, tmp_path, open_engine, capsys
):
    made = open_engine(shutil.copy(migrated_file, tmp_path / "nul.db"))
    key = {"name": "before\0after", "source": "by hand", "created_at": schema.now()}
    with engine.writing(made) as connection:
        connection.execute(insert(schema.datasets), key)
    there = postgres_server.make(postgres, "nul")
    assert xpixels.main(["db", "copy", str(tmp_path / "nul.db"), there]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("xpixels: ")
    assert "NUL" in said
    assert transfer.row_count(open_engine(there)) == 0
    older = open_engine(tmp_path / "older.db")
    migrate.upgrade(older, "0003")
    assert xpixels.main(["db", "copy", str(tmp_path / "older.db"), there]) == 1
    assert "run `xpixels db upgrade`" in capsys.readouterr().err
