"""Cases and batches are deleted with all that hangs on them, and nothing else, on both databases."""

from collections import Counter

import pytest
from sqlalchemy import Connection, func, insert, select

import db.read
from db import deletion, deletion_plan, engine, facets, schema
from db.commands import upkeep
from db.scope import Scope
from tests.support import database as synthetic
from tests.support import small_database

RUN = small_database.ROWS["runs"][0]
BATCH = small_database.ROWS["batches"][0]
OTHER = 2  # a second batch, and its runs
SWEEP = 3  # a run of no batch that swept the images of cases
ALL = 4  # a batch that attacks every image, and its run


@pytest.fixture
def whole(fresh):
    """The synthetic database: a batch of 64 cases with everything that can hang on one."""
    made = fresh()
    synthetic.fill(made)
    return made


@pytest.fixture
def connection(fresh):
    """To the small database, whose runs are of one batch; what is written is not kept."""
    made = fresh()
    with engine.writing(made) as connection:
        small_database.fill(connection)
        facets.refresh(connection, Scope(1, 1))
        yield connection
        connection.rollback()


def counts(connection: Connection) -> Counter:
    return Counter(
        {
            name: connection.scalar(select(func.count()).select_from(table))
            for name, table in schema.metadata.tables.items()
        }
    )


def keys(connection: Connection, table, column: str = "id") -> list:
    return connection.scalars(select(table.c[column]).distinct().order_by(table.c[column])).all()


def add(connection: Connection, table: str, **row) -> None:
    connection.execute(insert(schema.metadata.tables[table]), row)


def add_run(connection: Connection, id: int, stage: str, batch_id: int | None) -> None:
    if batch_id not in (None, 1):
        whole = {"parameters": {"all_test": True}} if batch_id == ALL else {}
        add(connection, "batches", **BATCH | {"id": batch_id, "name": f"batch {batch_id}"} | whole)
    add(connection, "runs", **RUN | {"id": id, "stage": stage, "batch_id": batch_id})


# ---- A whole batch -------------------------------------------------------------------------------


def test_what_is_said_before_is_what_goes(whole):
    with engine.writing(whole) as connection:
        before = counts(connection)
        said = deletion.count_rows(connection, deletion_plan.rows_of_batch(connection, 1))
        assert deletion.room_of(connection, said) > 100_000
        assert deletion.delete_batch(connection, 1) == said
        gone = before - counts(connection)
        assert not counts(connection) - before
    lists = {"facet_cells"}  # counts, which are made anew
    assert {name: count for name, count in gone.items() if name not in lists} == {
        name: count for name, count in said.items() if name not in lists
    }
    assert said["cases"] == said["case_facets"] == 64


def test_with_a_batch_goes_what_hangs_on_its_cases_and_the_network_keeps_what_is_its_own(whole):
    with engine.writing(whole) as connection:
        before = counts(connection)
        deletion.delete_batch(connection, 1)
        deletion.delete_tuning(connection, Scope(1, 1))
        left = counts(connection)
    of_network = "datasets classes networks network_datasets layers reference_samples reference_activations"
    of_network += " predictions near_duplicate_pairs database_identity saved_views"
    for name in of_network.split():
        assert left[name] == before[name], name
    kept = {name for name, count in left.items() if count}
    assert kept <= {*of_network.split(), "runs", "samples", "images", "attacks", "attack_pixels"} | {
        "attack_images",
        "repairs",
        "chunks",
    }
    assert upkeep.check(whole) == []


def test_lists_and_pages_of_a_database_without_its_batch_are_empty_and_whole(whole):
    with engine.writing(whole) as connection:
        deletion.delete_batch(connection, 1)
    listed = db.read.list_cases(whole, *db.read.case_query(whole, "?partition=all"))
    assert (listed.total, listed.stored, listed.rows) == (0, 0, ())
    assert not any(count for values in listed.facets.values() for count in values.values())


def test_a_batch_that_is_not_there_is_one_line(connection):
    with pytest.raises(LookupError, match="no batch 9: it was deleted meanwhile"):
        deletion.delete_batch(connection, 9)


# ---- What several batches share ------------------------------------------------------------------


def test_an_attack_that_a_case_of_another_batch_came_from_stays_with_its_run(connection):
    add_run(connection, OTHER, "cases", OTHER)
    mine = schema.cases.c.id == 1
    connection.execute(schema.cases.update().where(mine).values(run_id=OTHER))
    deletion.delete_batch(connection, 1)
    assert keys(connection, schema.cases) == [1]
    assert keys(connection, schema.attacks) == [1]
    assert dict(map(tuple, connection.execute(select(schema.runs.c.id, schema.runs.c.batch_id)))) == {
        1: None,
        2: OTHER,
    }
    assert keys(connection, schema.batches) == [OTHER]
    assert keys(connection, schema.vulnerability_maps, "sample_id") == [1]
    assert keys(connection, schema.repairs, "image_id") == [1, 8]  # before and after the attack


def swept(connection: Connection, sample: int, run: int, first_id: int) -> None:
    """A sweep of a sample: a map, an attack without a target and one with."""
    new = {"variant": "corners", "method": "corner-sweep", "run_id": run}
    add(connection, "attacks", **small_database.attack(first_id, sample, None, False, 0) | new)
    add(connection, "attacks", **small_database.attack(first_id + 1, sample, 2, False, 0) | new)
    there = keys(connection, schema.vulnerability_maps, "sample_id")
    if sample not in there:
        add(
            connection,
            "vulnerability_maps",
            **small_database.sweep(first_id, sample, -0.5, 0) | {"run_id": run},
        )


def test_sweeps_that_were_made_of_cases_go_with_them_and_other_peoples_sweeps_stay(connection):
    add_run(connection, SWEEP, "sweep", None)
    add_run(connection, OTHER, "attack", OTHER)
    swept(connection, 4, SWEEP, 20)  # of a case of the batch, by no batch
    swept(connection, 3, OTHER, 30)  # of a case of the batch, by another batch
    swept(connection, 8, SWEEP, 40)  # of no case
    deletion.delete_batch(connection, 1)
    assert keys(connection, schema.vulnerability_maps) == [30, 40]
    assert keys(connection, schema.attacks) == [30, 31, 40, 41]
    assert keys(connection, schema.samples) == [1, 2, 3, 5, 6, 7, 8]  # near-duplicates: 1, 2


def test_the_sweep_of_an_image_that_is_a_case_of_another_batch_stays(connection):
    add_run(connection, OTHER, "cases", OTHER)
    connection.execute(schema.cases.update().where(schema.cases.c.id == 2).values(run_id=OTHER))
    swept(connection, 2, 1, 20)  # by the batch that goes, of a case of the one that stays
    swept(connection, 4, 1, 30)
    deletion.delete_batch(connection, 1)
    assert keys(connection, schema.attacks) == [20, 21]
    assert keys(connection, schema.vulnerability_maps, "sample_id") == [2]
    assert connection.scalar(select(schema.runs.c.batch_id).where(schema.runs.c.id == 1)) is None


def test_what_an_attack_on_every_image_counts_too_stays_whoever_made_it(connection):
    add_run(connection, ALL, "attack all", ALL)
    add_run(connection, SWEEP, "sweep", None)
    swept(connection, 4, SWEEP, 20)
    swept(connection, 3, 1, 30)
    swept(connection, 8, ALL, 40)
    deletion.delete_batch(connection, 1)
    assert keys(connection, schema.attacks) == [20, 21, 30, 31, 40, 41]
    assert keys(connection, schema.vulnerability_maps, "sample_id") == [1, 2, 3, 4, 8]
    deletion.delete_batch(connection, ALL)
    assert keys(connection, schema.attacks) == [20, 21, 30, 31]  # of no batch now


def test_what_another_network_has_of_the_same_images_stays(connection):
    of = {"network_id": 2, "run_id": SWEEP}
    add(connection, "networks", **small_database.ROWS["networks"][0] | {"id": 2, "sha256": "e" * 64})
    add_run(connection, SWEEP, "sweep", None)
    add(connection, "vulnerability_maps", **small_database.sweep(20, 4, -0.5, 0) | of)
    add(connection, "repairs", **small_database.repair(20, 2, 0, 0.5, 0, 1) | of)
    deletion.delete_batch(connection, 1)
    assert keys(connection, schema.vulnerability_maps) == [20]
    assert keys(connection, schema.repairs) == [20]
    assert {2, 4} <= set(keys(connection, schema.images))


# ---- Single cases --------------------------------------------------------------------------------


def test_a_case_goes_with_its_parts_and_its_attack_stays(connection):
    add(connection, "annotations", case_id=1, kind="note", body="odd", created_at=small_database.TIME)
    gone = deletion.delete_cases(connection, [1])
    assert gone["cases"] == gone["annotations"] == gone["originals"] == 1
    assert gone["neighbors"] == 5
    assert gone["images"] == 1  # what it showed; the sample is that of its attack
    assert gone["repairs"] == 2
    assert "attacks" not in gone
    assert keys(connection, schema.attacks) == [1, 2, 3, 4, 5]
    assert keys(connection, schema.cases) == [2, 3, 4]


def test_lists_stay_true_when_cases_go(connection):
    deletion.delete_cases(connection, [1, 4])
    cells = schema.facet_cells.c
    by_detector = select(cells.detector, func.sum(cells.cases)).group_by(cells.detector)
    assert {int(cases) for _, cases in connection.execute(by_detector)} == {2}
    assert keys(connection, schema.case_facets, "case_id") == [2, 3]
    assert keys(connection, schema.detector_decisions, "case_id") == [2]


def test_a_case_that_a_check_kept_goes_with_its_sample_and_image(connection):
    add(connection, "datasets", id=2, name="checked, as pets", source="kept", created_at=small_database.TIME)
    add(connection, "images", id=20, sha256="a" * 64, height=32, width=32, png=b"png")
    place = {"dataset_id": 2, "split": "test", "position": 0, "label": 1}
    for sample, image in ((20, 20), (21, 2)):
        add(connection, "samples", id=sample, image_id=image, **place | {"position": sample})
        case = small_database.case(sample, "checked", sample, None, image, 0, 1)
        add(connection, "cases", **case | {"kind": "unknown", "true_class": None})
    facets.refresh(connection, Scope(1, 1))
    gone = deletion.delete_cases(connection, [20, 21])
    assert (gone["cases"], gone["samples"], gone["images"]) == (2, 2, 1)  # the other image is a case's, too
    assert keys(connection, schema.cases) == [1, 2, 3, 4]
    assert 2 in keys(connection, schema.images)


def test_deleting_no_case_deletes_nothing(connection):
    before = counts(connection)
    assert deletion.delete_cases(connection, []) == {}
    assert deletion.delete_cases(connection, [99]) == {}
    assert counts(connection) == before
