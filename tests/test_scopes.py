"""A network is one row, whatever data it meets: migration 0012, there and back, and results kept apart."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, MetaData, insert, select, text

import db.read
from db import deletion, engine, facets, migrate, schema
from db.read.for_ingest.detectors import known_networks
from db.read.network_titles import network_titles
from db.scope import Scope
from tests.support import postgres_server, small_database

SHIFT = 100  # between the ids of the two networks' rows
SHIFTED = ("id", "network_id", "dataset_id", "layer_id", "sample_id", "other_sample_id", "run_id", "batch_id")
SHIFTED += ("attack_id", "case_id", "reference_sample_id", "detector_id")
PETS, MORE = Scope(1, 1), Scope(1, 1 + SHIFT)  # the one network, on both data sets
EXTRA = {"id": 6 + SHIFT, "network_id": 1 + SHIFT, "name": "composed-scaled", "kind": "composed"}
EXTRA |= {"position": 5, "shape": [4], "compared": True, "title": "composed-scaled", "note": ""}
# The columns that a merge changes.
MERGED = {"network_id": {1 + SHIFT: 1}, "layer_id": {i + SHIFT: i for i in range(1, 6)}}


def merged(row: dict) -> dict:
    """A row as it is after a merge."""
    return {key: MERGED[key].get(value, value) if key in MERGED else value for key, value in row.items()}


def shifted(row: dict) -> dict:
    """A row with the ids of the other network's rows."""
    moved = {key for key, value in row.items() if key in SHIFTED and value is not None}
    return {key: value + SHIFT if key in moved else value for key, value in row.items()}


def others() -> dict[str, list[dict]]:
    """The rows of `small_database` again: the same weights and pictures, met as another data set."""
    made = {
        name: [shifted(row) for row in rows] for name, rows in small_database.ROWS.items() if name != "images"
    }
    made["datasets"][0]["name"] = "more pets"
    made["network_datasets"][0]["test_accuracy"] = 0.9
    old = {"dataset_id": MORE.dataset_id, "test_accuracy": 0.9}  # columns until revision 0011
    made["networks"][0] |= old | {"name": "the same again"}
    made["layers"][0]["compared"] = True  # conv1
    made["layers"].append(EXTRA)
    return made


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def bare(request, tmp_path) -> Iterator[Engine]:
    """An address without a table."""
    if request.param == "sqlite":
        made = engine.create(tmp_path / "xpixels.db")
        yield made
        made.dispose()
        return
    server = request.getfixturevalue("postgres")
    made = engine.create(postgres_server.make(server, "scopes"))
    yield made
    made.dispose()
    postgres_server.drop(server, "scopes")


def rows(database: Engine) -> dict[str, list[dict]]:
    """Every row of every table, sorted."""
    found = {}
    with database.connect() as connection:
        there = MetaData()
        there.reflect(connection)
        for name, table in there.tables.items():
            if name != "alembic_version":
                known = [dict(row) for row in connection.execute(select(table)).mappings()]
                found[name] = sorted(known, key=lambda row: repr(sorted(row.items())))
    return found


def as_merged(before: dict[str, list[dict]]) -> dict[str, list[dict]]:
    """What an upgrade makes of two networks with the same weights, in all tables but those of networks."""
    of_network = {row["id"]: row["dataset_id"] for row in before["networks"]}
    of_layer = {row["id"]: of_network[row["network_id"]] for row in before["layers"]}
    scoped = {table.name for table in schema.metadata.tables.values() if "dataset_id" in table.c}
    after = {}
    for name in before.keys() - {"networks", "layers", "facet_cells", "saved_views"}:
        after[name] = []
        for row in before[name]:
            new = merged(row)
            if name in scoped - {"classes", "samples"}:
                new["dataset_id"] = of_network.get(row.get("network_id")) or of_layer.get(row.get("layer_id"))
            after[name].append(new)
        after[name].sort(key=lambda row: repr(sorted(row.items())))
    return after


def fill_both(database: Engine, revision: str) -> None:
    """Both networks, their lists made by the migrations from 0006 on."""
    migrate.upgrade(database, "0006")
    with engine.writing(database) as connection:
        small_database.fill(connection)
        small_database.fill(connection, others())
    migrate.upgrade(database, revision)


def test_two_networks_of_the_same_weights_become_one_and_keep_every_row(bare):
    fill_both(bare, "0011")
    with engine.writing(bare) as connection:
        for name, search in (
            ("a", f"?network={1 + SHIFT}&kind=clean"),
            ("b", "?network=1"),
            ("c", "?kind=clean"),
        ):
            add = "INSERT INTO saved_views (name, search, created_at) VALUES (:name, :search, '')"
            connection.execute(text(add), {"name": name, "search": search})
    before = rows(bare)
    assert len(before["networks"]) == 2
    migrate.upgrade(bare)
    after = rows(bare)
    expected = as_merged(before)
    assert {name: after[name] for name in expected} == expected
    assert sum(map(len, expected.values())) > 200
    (network,) = after["networks"]
    assert (network["id"], network["name"], network["sha256"]) == (1, "small", "f" * 64)
    pairs = [
        (row["network_id"], row["dataset_id"], row["test_accuracy"]) for row in after["network_datasets"]
    ]
    assert sorted(pairs) == [(*PETS, 0.8), (*MORE, 0.9)]
    layers = {row["name"]: (row["id"], row["compared"]) for row in after["layers"]}
    assert layers.pop("composed-scaled") == (EXTRA["id"], True)  # which only the other one compared
    assert {name: id_ for name, (id_, _) in layers.items()} == small_database.LAYERS
    assert all(compared for _, compared in layers.values())
    searches = {row["name"]: row["search"] for row in after["saved_views"]}
    assert searches == {
        "a": f"?network=1&dataset={MORE.dataset_id}&kind=clean",
        "b": "?network=1",
        "c": "?kind=clean",
    }
    with bare.connect() as connection:
        assert list(network_titles(connection).values()) == ["small on pets #1", "small on more pets #1"]
        assert [(one.name, one.dataset) for one in known_networks(connection)] == [
            ("small", "pets"),
            ("small", "more pets"),
        ]


def test_lists_after_a_merge_are_what_a_refresh_makes(bare):
    fill_both(bare, "head")
    upgraded = rows(bare)
    with engine.writing(bare) as connection:
        for scope in (PETS, MORE):
            facets.refresh(connection, scope)
    refreshed = rows(bare)
    for name in ("case_facets", "detector_decisions", "facet_cells"):
        without = [{key: value for key, value in row.items() if key != "id"} for row in upgraded[name]]
        anew = [{key: value for key, value in row.items() if key != "id"} for row in refreshed[name]]
        assert sorted(map(repr, without)) == sorted(map(repr, anew)), name
        assert without


def test_a_downgrade_makes_a_network_for_each_data_set_and_an_upgrade_takes_it_back(bare):
    fill_both(bare, "head")
    with engine.writing(bare) as connection:
        add = "INSERT INTO saved_views (name, search, created_at) VALUES ('a', :search, '')"
        connection.execute(text(add), {"search": f"?network=1&dataset={MORE.dataset_id}&kind=clean"})
    before = rows(bare)
    migrate.downgrade(bare, "0011")
    between = rows(bare)
    assert [(row["sha256"], row["dataset_id"]) for row in between["networks"]] == [
        ("f" * 64, PETS.dataset_id),
        ("f" * 64, MORE.dataset_id),
    ]
    new = next(row["id"] for row in between["networks"] if row["dataset_id"] == MORE.dataset_id)
    assert {row["network_id"] for row in between["cases"] if row["id"] > SHIFT} == {new}
    assert {row["network_id"] for row in between["attacks"] if row["id"] > SHIFT} == {new}
    mine = {row["id"] for row in between["layers"] if row["network_id"] == new}
    assert {row["layer_id"] for row in between["neighbors"] if row["case_id"] > SHIFT} <= mine
    assert {row["layer_id"] for row in between["reference_activations"]} <= mine | set(range(1, 6))
    assert between["saved_views"][0]["search"] == f"?network={new}&kind=clean"
    migrate.upgrade(bare)
    migrate.require_current(bare)
    after = rows(bare)
    unlike = {"facet_cells", "layers"}
    assert {name: after[name] for name in after.keys() - unlike} == {
        name: before[name] for name in before.keys() - unlike
    }
    cells = [
        sorted(repr({key: value for key, value in row.items() if key != "id"}) for row in of["facet_cells"])
        for of in (before, after)
    ]
    assert cells[0] == cells[1]
    if bare.dialect.name == "postgresql":  # ids go on after those that were given by hand
        with engine.writing(bare) as connection:
            other = {"name": "new", "sha256": "0" * 64, "description": {}, "created_at": "t"}
            assert connection.execute(insert(schema.networks), other).inserted_primary_key[0] > 1


def test_a_network_that_met_no_data_has_no_place_in_the_older_revision(bare):
    migrate.upgrade(bare)
    alone = {"name": "alone", "sha256": "0" * 64, "description": {}, "created_at": "t"}
    with engine.writing(bare) as connection:
        connection.execute(insert(schema.networks), alone)
    with pytest.raises(ValueError, match="The network alone has met no data set"):
        migrate.downgrade(bare, "0011")
    assert migrate.current(bare) == migrate.head()


# ---- One network on two data sets ------------------------------------------------------------------


@pytest.fixture(scope="module")
def both(fresh) -> Engine:
    """The small database, and the same network with as many rows on another data set."""
    made = fresh()
    with engine.writing(made) as connection:
        small_database.fill(connection)
        more = others()
        for name in ("networks", "layers"):
            del more[name]
        small_database.fill(connection, {name: [*map(merged, rows)] for name, rows in more.items()})
        for scope in (PETS, MORE):
            facets.refresh(connection, scope)
    return made


@pytest.mark.parametrize(
    ("search", "scope"),
    [
        ("", MORE),  # of the newest case
        ("?network=1", PETS),  # the first data set
        (f"?network=1&dataset={MORE.dataset_id}", MORE),
        ("?dataset=1", PETS),
        (f"?dataset={MORE.dataset_id}", MORE),
    ],
)
def test_an_address_chooses_the_network_and_the_data_set(both, search, scope):
    query, options = db.read.case_query(both, search)
    assert query.scope == options.scope == scope
    assert db.read.case_query(both, query.search())[0].scope == scope
    listed = db.read.list_cases(both, query, options)
    assert listed.stored == 4
    assert {row.id > SHIFT for row in listed.rows} == {scope is MORE}
    evidence, _ = db.read.evidence_query(both, search)
    assert evidence.scope == scope
    assert db.read.evidence_query(both, evidence.search())[0].scope == scope
    assert db.read.overview(both, query.scope).test_accuracy == (0.9 if scope is MORE else 0.8)


@pytest.mark.parametrize("search", ["?network=2", "?network=1&dataset=2", "?dataset=pets"])
def test_a_network_or_a_data_set_that_is_not_there_is_refused(both, search):
    for query in (db.read.case_query, db.read.evidence_query):
        with pytest.raises(db.read.QueryError, match="does not exist"):
            query(both, search)


def test_every_view_keeps_the_data_sets_apart(both):
    with both.connect() as connection:
        for name, view in schema.views.tables.items():
            found = connection.execute(select(view.c.network_id, view.c.dataset_id, view.c.dataset)).all()
            apart = [sum(row.dataset_id == scope.dataset_id for row in found) for scope in (PETS, MORE)]
            assert apart[0] == apart[1] > 0, name
            assert sum(apart) == len(found), name
            assert {tuple(row)[1:] for row in found} == {(1, "pets"), (MORE.dataset_id, "more pets")}, name


def test_what_is_deleted_on_one_data_set_stays_on_the_other(both, fresh_copies):
    both.dispose()
    with fresh_copies(both) as copied, engine.writing(copied) as connection:
        before = _counts(connection)
        deletion.delete_batch(connection, 1)
        deletion.delete_tuning(connection, PETS)
        left = _counts(connection)
    of_others = {name: n for name, n in before.items() if name in ("cases", "repairs", "operating_points")}
    assert {name: left[name] for name in of_others} == {name: n // 2 for name, n in of_others.items()}


def _counts(connection) -> dict[str, int]:
    return {name: connection.scalar(text(f"SELECT COUNT(*) FROM {name}")) for name in schema.metadata.tables}
