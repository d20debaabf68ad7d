import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from db import engine, migrate, schema, write
from db.scope import Scope
from tests.support import small_database
from tests.support.small_database import CAT, DOG, SHIP

ROOT = Path(write.__file__).parents[1]
ATTACK_KEY = (
    "network_id",
    "sample_id",
    "method",
    "target_class",
    "pixel_count",
    "population",
    "budget",
    "seed",
)
RUN = {"parameters": {"cases": 8}, "code_version": "test"}


def filled(fresh):
    made = fresh()
    with engine.writing(made) as connection:
        small_database.fill(connection)
    return made


@pytest.fixture
def database(fresh):
    return filled(fresh)


@pytest.fixture(scope="module")
def undone(fresh):
    """A database for what is not kept."""
    return filled(fresh)


@pytest.fixture
def connection(undone):
    with engine.writing(undone) as connection:
        yield connection
        connection.rollback()


def count(connection, table) -> int:
    return connection.scalar(select(func.count()).select_from(table))


def run_of(database, id: int):
    with database.connect() as connection:
        return connection.execute(select(schema.runs).where(schema.runs.c.id == id)).one()


# ---- Rows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(small_database.ROWS))
def test_rows_that_are_there_already_are_not_added_again(connection, name):
    rows = small_database.ROWS[name]
    assert write.insert_missing(connection, schema.metadata.tables[name], rows) == 0
    assert count(connection, schema.metadata.tables[name]) == len(rows)


def test_only_what_is_missing_is_added_and_what_is_there_stays(connection):
    changed = small_database.neighbor(1, "flatten", 1, 4, 99.0)
    new = small_database.neighbor(3, "flatten", 1, 4, 0.5)
    assert write.insert_missing(connection, schema.neighbors, [changed, new]) == 1
    distances = select(schema.neighbors.c.distance).where(schema.neighbors.c.layer_id == 2)
    assert connection.scalars(distances.where(schema.neighbors.c.case_id == 1)).first() == 1.0
    assert connection.scalars(distances.where(schema.neighbors.c.case_id == 3)).all() == [0.5]


def test_the_same_attack_without_a_target_is_one_row_though_nulls_differ(connection):
    again = {key: value for key, value in small_database.attack(0, 1, None, True, DOG).items() if key != "id"}
    assert write.insert_missing(connection, schema.attacks, [again, again | {"seed": 1}]) == 1


def test_no_rows_are_no_work(connection):
    assert write.insert_missing(connection, schema.neighbors, []) == 0


@pytest.mark.parametrize(
    ("case", "rank", "constraint"),
    [(4, 0, "ck_neighbors_rank"), (9, 1, "(?i)foreign key")],
    ids=["rank", "case"],
)
def test_a_row_that_breaks_another_constraint_is_an_error_and_not_skipped(connection, case, rank, constraint):
    row = small_database.neighbor(case, "flatten", rank, 1, 1.0)
    with pytest.raises(IntegrityError, match=constraint):
        write.insert_missing(connection, schema.neighbors, [row])


def test_ids_come_in_the_order_of_the_keys_repeated_ones_too(connection):
    keys = [("ship",), ("cat",), ("ship",)]
    classes = [{"name": name, "source": "x", "created_at": "t"} for (name,) in keys[:2]]
    write.insert_missing(connection, schema.datasets, classes)
    ship, cat, again = write.ids_by_key(connection, schema.datasets, ["name"], keys)
    assert ship == again != cat
    assert connection.scalar(select(schema.datasets.c.name).where(schema.datasets.c.id == cat)) == "cat"


def test_ids_of_more_keys_than_a_statement_takes_are_found(connection):
    images = [{"sha256": f"{i:064d}", "height": 1, "width": 1, "png": b""} for i in range(40_000)]
    assert write.insert_missing(connection, schema.images, images) == 40_000
    wanted = [(row["sha256"],) for row in reversed(images)]
    ids = write.ids_by_key(connection, schema.images, ["sha256"], wanted)
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 40_000


def test_a_key_with_null_finds_the_row_that_has_null_there(connection):
    keys = [
        (1, 3, "differential-evolution", SHIP, 1, 100, 1000, 0),
        (1, 1, "differential-evolution", None, 1, 100, 1000, 0),
        (1, 3, "differential-evolution", CAT, 1, 100, 1000, 0),
    ]
    assert write.ids_by_key(connection, schema.attacks, ATTACK_KEY, keys) == [3, 1, 4]


def test_a_key_without_a_row_is_named(connection):
    keys = [(1, "test", 0), (1, "test", 77)]
    with pytest.raises(LookupError, match=r"samples with dataset_id=1, split='test', position=77 \(1 such"):
        write.ids_by_key(connection, schema.samples, ["dataset_id", "split", "position"], keys)


def test_ensure_inserts_once_and_then_finds(connection):
    key, others = {"name": "more"}, {"source": "x", "created_at": "t"}
    id_ = write.ensure(connection, schema.datasets, key, others)
    assert write.ensure(connection, schema.datasets, key, others | {"source": "y"}) == id_
    row = connection.execute(select(schema.datasets).where(schema.datasets.c.id == id_)).one()
    assert (row.name, row.source) == ("more", "x")


# ---- Runs ----------------------------------------------------------------------------------------


def test_a_run_is_seen_while_it_works_and_done_afterwards(database):
    with write.run(database, "attack", seed=7, scope=Scope(1, 1), **RUN) as id_:
        running = run_of(database, id_)
        assert (running.status, running.finished_at, running.seed) == ("running", None, 7)
        assert running.parameters == {"cases": 8}
    done = run_of(database, id_)
    assert (done.status, done.message) == ("done", None)
    assert done.finished_at >= done.started_at
    assert 0 <= done.seconds < 60


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (ValueError("no such weights\nand more"), "failed", "ValueError: no such weights"),
        (KeyboardInterrupt(), "interrupted", "KeyboardInterrupt"),
    ],
)
def test_an_error_ends_the_run_with_its_first_line_and_goes_on(database, error, status, message):
    def work():
        with write.run(database, "attack", **RUN):
            raise error

    with pytest.raises(type(error)):
        work()
    ended = run_of(database, 2)
    assert (ended.status, ended.message) == (status, message)
    assert ended.finished_at is not None


def test_a_run_whose_process_died_is_marked_when_the_next_one_starts(database):
    program = (
        "import os, sys; from db import engine, write; "
        "print(write.start_run(engine.create(sys.argv[1]), 'attack', parameters={}, code_version='t'), "
        "flush=True); os._exit(9)"
    )
    died = subprocess.run(
        [sys.executable, "-c", program, migrate.name(database)], cwd=ROOT, capture_output=True, text=True
    )
    dead = int(died.stdout)
    assert run_of(database, dead).status == "running"
    alive = write.start_run(database, "attack", **RUN)
    assert run_of(database, dead).status == "interrupted"
    assert run_of(database, dead).finished_at is not None
    write.start_run(database, "attack", **RUN)
    assert run_of(database, alive).status == "running"  # by this process, which lives


@pytest.mark.parametrize(
    ("process", "status"),
    [
        (f"{platform.node()}/{os.getpid()}/1", "interrupted"),  # our id, but of a process started at boot
        (f"{platform.node()}/{os.getpid()}/", "running"),  # nobody knows when it started: the id has to do
        ("another-machine/1/1", "running"),
        (None, "interrupted"),
    ],
    ids=["begun at boot", "begun nobody knows when", "on another machine", "unknown"],
)
def test_a_process_is_known_by_machine_id_and_start(database, process, status):
    id_ = write.start_run(database, "attack", **RUN)
    with engine.writing(database) as connection:
        connection.execute(update(schema.runs).where(schema.runs.c.id == id_).values(process=process))
        assert write.mark_interrupted(connection) == ([id_] if status == "interrupted" else [])
    assert run_of(database, id_).status == status


def test_finishing_a_run_that_does_not_exist_is_an_error(database):
    with pytest.raises(LookupError, match="No run 77"):
        write.finish_run(database, 77)


# ---- Tuning and annotations ----------------------------------------------------------------------

POINT = small_database.ROWS["tuning_points"][0]


def test_a_new_tuning_takes_the_place_of_the_old_one_of_its_layers_and_rule_only(connection):
    other_rule = {"rule": "max-class"}
    connection.execute(insert(schema.tuning_points), POINT | other_rule)
    new_decision = small_database.decision(1, "dense", 3, CAT, CAT, "TP")
    write.replace_tuning(
        connection,
        Scope(1, 1),
        [small_database.LAYERS["dense"]],
        "euclidean",
        "total",
        run_id=1,
        tuning_points=[POINT | {"k": 9, "threshold": 2}],
        operating_points=[small_database.operating_point("dense", "tuning")],
        decisions=[new_decision],
    )
    points = connection.execute(
        select(schema.tuning_points.c["rule", "k", "threshold"]).order_by("rule")
    ).all()
    assert points == [("max-class", 4, 1), ("total", 9, 2)]
    dense = select(schema.decisions.c["case_id", "outcome"]).where(schema.decisions.c.layer_id == 3)
    assert connection.execute(dense).all() == [(1, "TP")]
    assert count(connection, schema.decisions) == 1 + 6  # flatten, logits and composed are as they were
    assert count(connection, schema.operating_points) == 1


def test_a_tuning_with_a_row_of_another_layer_changes_nothing(connection):
    before = count(connection, schema.decisions)
    with pytest.raises(ValueError, match=r"decisions is of layer 3, euclidean, total; expected layers \[2\]"):
        write.replace_tuning(
            connection,
            Scope(1, 1),
            [2],
            "euclidean",
            "total",
            run_id=1,
            tuning_points=[],
            operating_points=[],
            decisions=[small_database.decision(1, "dense", 3, CAT, CAT, "TP")],
        )
    assert count(connection, schema.decisions) == before


def test_a_tuning_that_fails_in_the_middle_leaves_the_old_one(database):
    broken = small_database.decision(1, "dense", 3, CAT, CAT, "TP") | {"outcome": "yes"}

    def tune():
        with engine.writing(database) as connection:
            write.replace_tuning(
                connection,
                Scope(1, 1),
                [3],
                "euclidean",
                "total",
                run_id=1,
                tuning_points=[],
                operating_points=[],
                decisions=[broken],
            )

    with pytest.raises(IntegrityError):
        tune()
    with database.connect() as connection:
        assert count(connection, schema.tuning_points) == 2
        assert count(connection, schema.decisions) == 8


def test_an_annotation_is_kept_with_its_time(connection):
    id_ = write.add_annotation(connection, 2, kind=" note ", body="looks like a boat\n")
    row = connection.execute(select(schema.annotations).where(schema.annotations.c.id == id_)).one()
    assert (row.case_id, row.kind, row.body) == (2, "note", "looks like a boat")
    assert row.created_at.endswith("Z")


def test_an_annotation_of_nothing_or_without_text_is_refused(connection):
    with pytest.raises(LookupError, match="No case 99"):
        write.add_annotation(connection, 99, kind="note", body="x")
    with pytest.raises(ValueError, match="body is empty"):
        write.add_annotation(connection, 1, kind="note", body="  ")
