"""What lists are filtered by follows what cases, attacks and decisions say, whoever wrote those."""

import pytest
from sqlalchemy import Engine, delete, insert, select, update

import db.read
from db import engine, facets, migrate, schema, vocabulary, write
from db.scope import Scope
from tests.support import small_database

DENSE = small_database.LAYERS["dense"]
OTHER = 2  # a second network in the same database
ITS_CASE, ITS_LAYER = 77, 77


@pytest.fixture
def database(fresh):
    """The small database, and a network beside its own that has a layer of the same name."""
    database = fresh()
    rows = small_database.ROWS
    with engine.writing(database) as connection:
        small_database.fill(connection)
        new = {"id": OTHER, "sha256": "e" * 64, "name": "the other"}
        connection.execute(insert(schema.networks), rows["networks"][0] | new)
        layer = next(row for row in rows["layers"] if row["name"] == "dense")
        connection.execute(insert(schema.layers), layer | {"id": ITS_LAYER, "network_id": OTHER})
        case = small_database.case(ITS_CASE, "validation", 1, None, 1, 0, 1) | {"network_id": OTHER}
        connection.execute(insert(schema.cases), case)
        decision = small_database.decision(ITS_CASE, "dense", 3, 1, None, "FP")
        connection.execute(insert(schema.decisions), decision | {"layer_id": ITS_LAYER})
        pair = rows["network_datasets"][0]
        connection.execute(insert(schema.network_datasets), pair | {"network_id": OTHER})
        for network in (1, OTHER):
            facets.refresh(connection, Scope(network, 1))
    return database


def listed(database: Engine) -> list[list[tuple]]:
    """Both tables, by case."""
    kept, decided = schema.case_facets, schema.detector_decisions
    queries = (
        select(kept).order_by(kept.c.case_id),
        select(decided).order_by(decided.c.case_id, decided.c.detector),
    )
    with database.connect() as connection:
        return [list(map(tuple, connection.execute(query))) for query in queries]


def test_an_upgrade_writes_what_a_refresh_writes(tmp_path):
    database = engine.create(tmp_path / "xpixels.db")
    migrate.upgrade(database, "0006")
    with engine.writing(database) as connection:
        small_database.fill(connection)
        unknown = small_database.case(5, "checked", 5, None, 5, 0, 1)
        del unknown["dataset_id"]  # not yet in this revision
        add = insert(schema.cases).values(unknown | {"kind": "unknown", "true_class": None})
        connection.execute(add)
        decided = [small_database.decision(5, layer, 3, 1, None, None) for layer in ("flatten", "dense")]
        connection.execute(insert(schema.decisions), decided)
    migrate.upgrade(database)
    upgraded = listed(database)
    assert [len(rows) for rows in upgraded] == [5, len(small_database.ROWS["decisions"]) + 2]
    assert any("flatten+dense" in row for row in upgraded[0])
    with engine.writing(database) as connection:
        facets.refresh(connection, Scope(1, 1))
    assert listed(database) == upgraded
    database.dispose()


def test_a_new_tuning_changes_the_lists_of_its_own_network_alone(database):
    before = listed(database)
    with engine.writing(database) as connection:
        write.replace_tuning(
            connection,
            Scope(1, 1),
            [DENSE],
            vocabulary.METRIC,
            vocabulary.RULE,
            run_id=1,
            tuning_points=[],
            operating_points=[],
            decisions=[small_database.decision(3, "dense", 4, None, None, "TP")],
        )
    kept, decided = listed(database)
    assert kept[-1] == before[0][-1]
    assert decided[-1] == before[1][-1]
    assert [row for row in decided if row[:3] == (1, 1, "dense")] == [
        (1, 1, "dense", "tuning", 3, 4.0, 1.0, True, "TP", None)
    ]
    alarms = {row.case_id: (row.alarms, row.alarm_count) for row in _facets(database)}
    assert alarms[3] == ("dense", 1)
    assert alarms[4] == (None, None)  # nothing is decided
    assert alarms[1] == ("flatten", 1)


def test_every_network_has_its_own_list_and_counts(database):
    for network, ids in ((1, [1, 2]), (OTHER, [ITS_CASE])):
        search = f"?network={network}&detector=dense"
        page = db.read.list_cases(database, *db.read.case_query(database, search))
        assert [row.id for row in page.rows] == ids
        assert sum(page.facets["kind"].values()) == page.total == len(ids)
        assert page.facets["outcome"]["FP"] == (network == OTHER)


def test_only_one_partition_is_written_anew_when_only_that_is_asked_for(database):
    with engine.writing(database) as connection:
        decision = small_database.decision(3, "dense", 2, None, None, "TP")
        connection.execute(insert(schema.decisions), decision)
        facets.refresh(connection, Scope(1, 1))
        connection.execute(insert(schema.decisions), decision | {"layer_id": small_database.LAYERS["logits"]})
        connection.execute(update(schema.decisions).values(unexpected_count=4, alarm=True, outcome=None))
        facets.refresh(connection, Scope(1, 1), "validation")
    alarms = {row.case_id: row.alarm_count for row in _facets(database)}
    assert (alarms[1], alarms[2], alarms[3], alarms[ITS_CASE]) == (4, 4, 1, 1)
    with engine.writing(database) as connection:
        connection.execute(delete(schema.case_facets))
        facets.add_cases(connection, Scope(1, 1))
    assert [row.case_id for row in _facets(database)] == [1, 2, 3, 4]


def _facets(database: Engine) -> list:
    with database.connect() as connection:
        return connection.execute(select(schema.case_facets).order_by(schema.case_facets.c.case_id)).all()
