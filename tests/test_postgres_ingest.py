"""A real ingest into PostgreSQL writes what the same one writes into SQLite."""

import shutil
from dataclasses import replace

import pytest
from sqlalchemy import Engine, select

from db import engine, schema
from db.commands import upkeep
from ingest import pipeline
from tests.support import fresh_database, ingested_batch, postgres_server

pytestmark = pytest.mark.postgresql
BATCH = replace(ingested_batch.BATCH, attack="corner-sweep", cases=1)
ASIDE = {"created_at", "started_at", "finished_at", "seconds", "process"}  # when, for how long, by whom


def contents(made: Engine) -> dict[str, list[str]]:
    """Every row of every table, sorted; in the place of ids stands what they refer to."""
    named: dict[tuple[str, int], str] = {}
    found = {}
    with made.connect() as connection:
        for table in schema.metadata.sorted_tables:
            if table is schema.database_identity:  # each its own
                continue
            described = []
            for row in connection.execute(select(table)).mappings():
                values = {}
                for column in table.c:
                    value = row[column.name]
                    for key in column.foreign_keys:
                        value = named.get((key.column.table.name, value))
                    if column.name not in ("id", *ASIDE):
                        values[column.name] = value
                text = f"{table.name} {hash(repr(values))}"
                described.append(text)
                if "id" in row:
                    named[table.name, row["id"]] = text
            found[table.name] = sorted(described)
    return found


@pytest.fixture(scope="module")
def both(migrated_file, migrated_server, load, small_weights, tmp_path_factory):
    """SQLite and PostgreSQL after the same ingest, and its evaluation."""
    addresses = (
        str(shutil.copy(migrated_file, tmp_path_factory.mktemp("ingest") / "xpixels.db")),
        postgres_server.make(migrated_server, "ingested", template=fresh_database.TEMPLATE),
    )
    made = [engine.create(address) for address in addresses]
    for one in made:
        pipeline.ingest(one, BATCH, load=load, weights=small_weights)
    yield made
    for one in made:
        one.dispose()


def test_both_hold_the_same_rows(both):
    lite, post = map(contents, both)
    assert {name: len(rows) for name, rows in post.items()} == {
        name: len(rows) for name, rows in lite.items()
    }
    assert [name for name in lite if post[name] != lite[name]] == []
    assert all(lite[name] for name in ("attacks", "neighbors", "decisions", "repairs", "vulnerability_maps"))
    assert upkeep.check(both[1]) == []


def test_the_same_command_again_adds_nothing(both, load, small_weights):
    before = contents(both[1])
    report = pipeline.ingest(both[1], BATCH, load=load, weights=small_weights)
    assert not any(report.added.values())
    after = contents(both[1])
    assert {name for name in after if after[name] != before[name]} <= {"runs"}
