"""Rows that refer to nothing, made in every table by SQL without its checks, are found and repaired."""

import sqlite3
from contextlib import closing, contextmanager

import pytest
from sqlalchemy import Engine, ForeignKey, delete, func, insert, select, text

import xpixels
from db import engine as engines
from db import facets, schema
from db.commands import upkeep
from db.runs import fences
from db.scope import Scope
from db.soundness import orphans
from ingest import repair_database
from tests.support import database as synthetic
from tests.support import fresh_database

REFERENCES = {
    f"{key.parent.table.name}.{key.parent.name}": key
    for table in schema.metadata.sorted_tables
    for key in sorted(table.foreign_keys, key=lambda key: key.parent.name)
}
PARENTS = {
    name: [key for key in REFERENCES.values() if key.column.table.name == name]
    for name in {key.column.table.name for key in REFERENCES.values()}
}
AT_WORK = 99  # the run that repairs
ELSEWHERE = ("run `xpixels tune`", "run `xpixels ingest`")  # the ways out of what a repair leaves to others


@pytest.fixture(scope="module")
def filled(fresh):
    """A database with every table filled, to be copied."""
    made = fresh()
    synthetic.fill(made, per_group=2, references=50)
    with engines.writing(made) as connection:
        connection.execute(text("UPDATE reference_samples SET run_id = 1"))
        for table in ("searches", "originals", "near_duplicate_pairs", "operating_points", "decisions"):
            connection.execute(text(f"UPDATE {table} SET run_id = 1"))
        connection.execute(text("UPDATE original_activations SET run_id = 1"))
        connection.execute(text("UPDATE detectors SET run_id = 1"))
        chunk = {"run_id": 1, "work": "sweep", "arguments": {}, "item_count": 1}
        connection.execute(insert(schema.chunks), chunk)
        note = {"case_id": 1, "kind": "note", "body": "odd", "created_at": schema.now()}
        connection.execute(insert(schema.annotations), note)
        connection.execute(
            insert(schema.runs),
            {
                "id": AT_WORK,
                "stage": "attack",
                "parameters": {},
                "status": "running",
                "seed": 0,
                "code_version": "0.6.0",
                "started_at": schema.now(),
            },
        )
    made.dispose()
    return made


@pytest.fixture
def copied(filled, fresh_copies):
    """A copy of it."""
    with fresh_copies(filled) as made:
        yield made


@contextmanager
def unchecked(database: Engine):
    """A function that runs SQL on a database that does not check references."""
    if database.dialect.name == "postgresql":
        with engines.writing(database) as connection:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            yield connection.exec_driver_sql
        return
    with closing(sqlite3.connect(engines.file(database))) as other:
        yield other.execute
        other.commit()


def lose_a_parent(database: Engine, key: ForeignKey) -> None:
    """Delete a row that is referred to by this reference."""
    with database.connect() as connection:
        lost = connection.scalar(select(key.parent).where(key.parent.is_not(None)).limit(1))
    assert lost is not None, "the test has no row that refers so"
    parent = key.column.table.name
    with unchecked(database) as run:
        run(f"DELETE FROM {parent} WHERE {key.column.name} = {int(lost)}")


def repair(database: Engine) -> None:
    """Repair it, with a fence as the command has one."""
    with fences.held(database, AT_WORK):
        repair_database.repair(database)


def counts(database: Engine) -> dict[str, int]:
    with database.connect() as connection:
        return {
            name: connection.scalar(select(func.count()).select_from(table))
            for name, table in schema.metadata.tables.items()
        }


@pytest.mark.parametrize("part", range(5))
def test_a_row_that_is_gone_takes_all_that_refers_to_it(filled, fresh_copies, part, capsys):
    """Of each table alone on SQLite; on PostgreSQL, whose databases take long to copy, of several at once."""
    parents = sorted(PARENTS)[part::5]
    for lost in [parents] if filled.dialect.name == "postgresql" else [[parent] for parent in parents]:
        with fresh_copies(filled) as copied:
            takes_all_that_refers_to_it(copied, lost, capsys)


def takes_all_that_refers_to_it(copied: Engine, parents: list[str], capsys) -> None:
    keys = [key for parent in parents for key in PARENTS[parent]]
    for key in keys:
        lose_a_parent(copied, key)
    with copied.connect() as connection:
        lost = orphans.count_orphans(connection)
        assert {key.parent.table.name for key in keys} <= set(lost)
        said = orphans.rows_that_go(connection)
    before = counts(copied)
    repair(copied)
    left = [line for line in upkeep.check(copied) if not any(way in line for way in ELSEWHERE)]
    assert left == []
    gone = {name: before[name] - n for name, n in counts(copied).items() if n < before[name]}
    gone.pop("facet_cells", None)  # counts, which are made anew
    made_anew = ("case_facets", "detector_decisions", "searches", "neighbors", "original_neighbors")
    assert {name: n for name, n in gone.items() if name not in made_anew} == {
        name: n for name, n in said.items() if name not in (*made_anew, "facet_cells")
    }
    assert all(gone.get(name, 0) >= said.get(name, 0) for name in ("neighbors", "searches"))
    assert ("deleted no row" in capsys.readouterr().out) == (not said)


def test_every_reference_that_may_be_empty_is_emptied_or_needed():
    nullable = {name for name, key in REFERENCES.items() if key.parent.nullable}
    emptied = {name for name in nullable if name.split(".")[1] in orphans.LEFT_EMPTY}
    assert nullable - emptied == {"cases.attack_id"}  # without it a case would be no attacked one


def test_what_is_referred_to_has_a_key_of_one_column():
    assert all(len(key.column.table.primary_key.columns) == 1 for key in REFERENCES.values())


def test_a_row_whose_writer_is_gone_stays_without_it(copied):
    with unchecked(copied) as run:
        run("UPDATE decisions SET run_id = 77")
        run("UPDATE runs SET batch_id = 77")
    before = counts(copied)
    with engines.writing(copied) as connection:
        gone, emptied = orphans.delete_orphans(connection)
    assert gone == {"batches": 1}  # which has no run any more
    assert emptied == {name: before[name] for name in ("decisions", "runs", "case_facets", "facet_cells")}
    assert counts(copied) == before | {"batches": 0}


def test_lists_of_neighbors_that_lack_a_rank_are_found_anew(copied):
    with unchecked(copied) as run:
        run("DELETE FROM neighbors WHERE rank = 3 AND case_id = 1")
        run("DELETE FROM original_neighbors WHERE case_id = (SELECT MIN(case_id) FROM original_neighbors)")
    assert [line for line in upkeep.check(copied) if "leave a rank out" in line or "no search tells" in line]
    repair(copied)
    with copied.connect() as connection:
        listed = connection.scalar(text("SELECT COUNT(*) FROM neighbors WHERE case_id = 1"))
        known = connection.scalar(
            text("SELECT COUNT(*) FROM searches WHERE case_id = 1 AND searched = 'case'")
        )
    assert (listed, known) == (0, 0)
    assert [line for line in upkeep.check(copied) if not any(way in line for way in ELSEWHERE)] == []


def rows(database: Engine) -> dict[str, list]:
    """Every row of every table; those of counts, which are made anew, without their own ids."""
    found = {}
    with database.connect() as connection:
        for name, table in schema.metadata.tables.items():
            columns = [column for column in table.c if (name, column.name) != ("facet_cells", "id")]
            found[name] = sorted(map(repr, connection.execute(select(*columns))))
    return found


def test_a_sound_database_is_left_alone(copied):
    before = rows(copied)
    repair(copied)
    assert rows(copied) == before


def test_lists_an_identity_views_and_indexes_come_back(copied, capsys):
    with engines.writing(copied) as connection:
        connection.execute(delete(schema.case_facets))
        connection.execute(delete(schema.database_identity))
        connection.exec_driver_sql("DROP VIEW case_overview")
        connection.exec_driver_sql("DROP INDEX ix_cases_run_id")
    repair(copied)
    out = capsys.readouterr().out
    assert out == "deleted no row\nrestored index ix_cases_run_id\nrestored view case_overview\n"
    assert upkeep.check(copied) == []
    with engines.writing(copied) as connection:
        before = connection.execute(select(schema.facet_cells.c.cases)).all()
        facets.refresh(connection, Scope(1, 1))
        assert connection.execute(select(schema.facet_cells.c.cases)).all() == before


# ---- The command ---------------------------------------------------------------------------------


def check(database: Engine, *arguments: str) -> int:
    address = database.url.render_as_string(hide_password=False)
    return xpixels.main(["db", "check", *arguments, "--database", address])


def test_the_command_says_what_goes_asks_and_ends_sound(ingested_small, tmp_path, capsys):
    copy = engines.create(fresh_database.copy_file(ingested_small.url.database, tmp_path / "copy.db"))
    with unchecked(copy) as run:
        run("DELETE FROM images WHERE id = (SELECT MIN(image_id) FROM cases WHERE kind = 'adversarial')")
    assert check(copy) == 1
    out, err = capsys.readouterr()
    assert "rows that refer to nothing, in " in out
    assert err == "`xpixels db check --repair` deletes rows that refer to nothing\n"
    assert check(copy, "--repair") == 2
    out, err = capsys.readouterr()
    assert "a repair deletes " in out
    assert "1 of cases" in out
    assert err.startswith("xpixels: standard input is no terminal")
    assert check(copy, "--repair", "--yes") == 0
    out, _ = capsys.readouterr()
    assert out.endswith(": sound\n")
    assert check(copy) == 0
    assert check(copy, "--repair") == 0  # nothing to do, so nobody is asked
    assert check(copy, "--yes") == 2


def test_what_cannot_be_repaired_is_one_line_and_nothing_is_touched(copied, capsys):
    cascade = " CASCADE" if copied.dialect.name == "postgresql" else ""
    with unchecked(copied) as run:
        run(f"DROP TABLE annotations{cascade}")
        run("DELETE FROM images WHERE id = 1")
    assert check(copied, "--repair", "--yes") == 1
    err = capsys.readouterr().err
    assert err.startswith("xpixels: this cannot be repaired: table annotations is missing")
    assert err.count("\n") == 1
