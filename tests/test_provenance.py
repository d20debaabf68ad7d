"""Every row leads to the run that wrote it: by the schema, after a real ingest, and after a migration."""

import pytest
from sqlalchemy import UniqueConstraint, func, insert, select, text, update

from db import engine, migrate, schema, write
from db.runs import leases, provenance
from ingest.command import retune
from tests.support import small_database

RUN = {name: value for name, value in small_database.ROWS["runs"][0].items() if name != "batch_id"}
REFERENCE, EVALUATION = {"reference"}, {"evaluation"}
ATTACKS, NEIGHBORS, ORIGINALS, TUNING = {"attack", "sweep"}, {"neighbors"}, {"originals"}, {"tuning"}
# The stages that write a table, but for `check`, and for `near-median`, which the study alone has.
STAGES = {
    "attack_images": set(),
    "attack_pixels": ATTACKS,
    "attacks": ATTACKS,
    "case_activations": {"cases"},
    "cases": {"cases"},
    "class_scores": {"cases"},
    "decisions": TUNING,
    "detector_points": EVALUATION,
    "detectors": EVALUATION,
    "evaluations": EVALUATION,
    "k_points": EVALUATION,
    "near_duplicate_pairs": {"near-duplicates"},
    "neighbors": NEIGHBORS,
    "operating_points": TUNING,
    "original_activations": ORIGINALS,
    "original_neighbors": NEIGHBORS,
    "originals": ORIGINALS,
    "predictions": {"predictions"},
    "reference_activations": REFERENCE,
    "reference_samples": REFERENCE,
    "repairs": {"repair"},
    "searches": NEIGHBORS,
    "transfers": {"transfer"},
    "tuning_points": TUNING,
    "vulnerability_maps": {"sweep"},
}


# ---- The schema ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(schema.metadata.tables))
def test_a_table_leads_to_a_run_in_one_way_or_is_listed_apart(name):
    table = schema.metadata.tables[name]
    own = any(key.parent.name == "run_id" and key.column.table is schema.runs for key in table.foreign_keys)
    ways = [name in provenance.APART, name in provenance.WITH, own and name not in provenance.APART]
    assert ways.count(True) == 1
    if name in provenance.WITH:
        whole = provenance.WITH[name]
        keys = [whole.table.primary_key]
        keys += [key for key in whole.table.constraints if isinstance(key, UniqueConstraint)]
        known = {*whole.key.values(), *whole.fixed}
        assert any(set(key.columns.keys()) <= known for key in keys), "a part has one whole"
        assert not any(table.c[column].nullable for column in whole.key), "and every part has one"
        assert "run_id" in whole.table.c


def test_every_run_id_has_an_index_as_a_lease_is_a_run_that_is_deleted():
    lacking = [
        table.name
        for table in schema.metadata.tables.values()
        if "run_id" in table.c and not any(index.columns[0] is table.c.run_id for index in table.indexes)
    ]
    assert lacking == []


# ---- What an ingest writes -----------------------------------------------------------------------


def stages_of_rows(database) -> dict[str, dict[str | None, int]]:
    """How many rows of each table lead to a run of each stage; None: to no run."""
    found = {}
    with database.connect() as connection:
        for table in provenance.tables():
            rows, run = provenance.written(table)
            query = select(schema.runs.c.stage, func.count()).select_from(rows)
            query = query.join(schema.runs, schema.runs.c.id == run).group_by(schema.runs.c.stage)
            found[table.name] = dict(map(tuple, connection.execute(query)))
            lost = connection.scalar(select(func.count()).select_from(table)) - sum(
                found[table.name].values()
            )
            if lost:
                found[table.name][None] = lost
    return found


def test_after_an_ingest_every_row_leads_to_a_run_of_the_stage_that_writes_such_rows(ingested):
    found = stages_of_rows(ingested)
    assert set(found) == set(STAGES)
    for name, stages in found.items():
        assert set(stages) <= STAGES[name], name
        assert stages or name in ("attack_images", "near_duplicate_pairs", "transfers"), f"no {name}"


def test_what_a_new_tuning_chose_and_decided_is_of_that_run(copy):
    retune(copy.url.render_as_string())
    with copy.connect() as connection:
        last = connection.scalar(select(func.max(schema.runs.c.id)).where(schema.runs.c.stage == "tuning"))
        for table in (schema.tuning_points, schema.operating_points, schema.decisions):
            rows, run = provenance.written(table)
            assert connection.scalars(select(run).select_from(rows).distinct()).all() == [last], table.name


def test_neighbors_that_are_there_stay_of_the_run_that_found_them(tmp_path):
    database = engine.create(tmp_path / "small.db")
    migrate.upgrade(database)
    found = [small_database.neighbor(2, "logits", rank, rank, rank) for rank in (1, 2)]
    with engine.writing(database) as connection:
        small_database.fill(connection)
        connection.execute(insert(schema.runs), [RUN | {"id": id_} for id_ in (2, 3)])
        for run_id in (2, 3):
            write.add_neighbors(connection, schema.neighbors, found, run_id)
        write.add_neighbors(connection, schema.original_neighbors, [found[0] | {"case_id": 3}], 3)
        told = connection.execute(select(schema.searches.c["case_id", "searched", "run_id"])).all()
    assert told == [(2, "case", 2), (3, "original", 3)]
    database.dispose()


# ---- What a migration says of rows from before -----------------------------------------------------


def noted(id_: int, stage: str, status: str = "done", **parameters) -> dict:
    return RUN | {"id": id_, "stage": stage, "status": status, "parameters": parameters}


HISTORY = [
    noted(2, "reference"),
    noted(3, "near-duplicates", "interrupted"),
    noted(4, "near-duplicates"),
    noted(5, "originals", layers=["dense"]),
    noted(6, "neighbors", "interrupted", metrics=["euclidean"], layers=["dense"]),
    noted(7, "neighbors", metrics=["euclidean", "cosine"], layers=["flatten", "dense"]),
    noted(8, "tuning", metrics=["euclidean"], rules=["total"], layers=["flatten", "dense", "logits"]),
    noted(9, "tuning", "failed", metrics=["euclidean"], rules=["total"], layers=["flatten"]),
    noted(10, "cases"),
    noted(11, "neighbors", metrics=["euclidean"], layers=["dense"]),
]


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    """The small database with that history, upgraded from the revision before; case 4 came with run 10."""
    database = engine.create(tmp_path_factory.mktemp("migrated") / "old.db")
    migrate.upgrade(database, "0008")
    points = [small_database.operating_point(layer, "tuning") for layer in ("flatten", "dense")]
    with engine.writing(database) as connection:
        small_database.fill(connection)
        small_database.fill(connection, {"runs": HISTORY, "operating_points": points})
        connection.execute(update(schema.cases).where(schema.cases.c.id == 4).values(run_id=10))
    migrate.upgrade(database)
    yield database
    database.dispose()


@pytest.mark.parametrize(
    ("query", "runs"),
    [
        ("SELECT DISTINCT run_id FROM reference_samples", [2]),
        ("SELECT DISTINCT run_id FROM near_duplicate_pairs", [None]),  # the first run was stopped
        ("SELECT DISTINCT run_id FROM originals", [5]),
        ("SELECT DISTINCT run_id FROM original_activations", [5]),
        ("SELECT run_id FROM searches WHERE layer_id = 2 ORDER BY case_id, searched", [7, 7]),
        # of cases 1 to 3 in `dense` it may be run 6 or 7; of 4, which came later, it can only be 11
        ("SELECT run_id FROM searches WHERE layer_id = 3 ORDER BY case_id, searched", [None] * 5 + [11]),
        ("SELECT run_id FROM operating_points ORDER BY layer_id", [None, 8]),  # run 9 may have been there
        ("SELECT run_id FROM decisions WHERE case_id = 1 ORDER BY layer_id", [None, 8, 8, None]),
        ("SELECT run_id FROM detectors ORDER BY id", [1, 1, 1]),
    ],
    ids=[
        "reference",
        "pairs",
        "originals",
        "activations",
        "flatten",
        "dense",
        "points",
        "decisions",
        "detectors",
    ],
)
def test_an_upgrade_notes_the_run_where_only_one_can_have_written_a_row(migrated, query, runs):
    with migrated.connect() as connection:
        assert connection.scalars(text(query)).all() == runs


def test_a_lease_can_still_go_after_the_upgrade(migrated):
    lease = leases.take(migrated, "test")
    leases.release(migrated, lease)
    with migrated.connect() as connection:
        assert connection.scalar(select(func.max(schema.runs.c.id))) == 11
