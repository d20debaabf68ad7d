"""The views of networks beside one another, and what the pages read of them."""

import pytest
from sqlalchemy import insert, select, update

import db.engine
import db.read
from db import schema
from db.read import NetworksQuery, QueryError
from db.schema import network_results, transfer_matrix
from db.scope import Scope
from tests.support import small_database
from tests.support.small_database import CAT, SHIP, TIME, sha

FIRST, OTHER = Scope(1, 1), Scope(2, 1)


@pytest.fixture
def connection(fresh):
    """Small rows with a second network on the same data set, which has met nothing yet."""
    database = fresh()
    schema.metadata.create_all(database)
    with db.engine.writing(database) as connection:
        small_database.fill(connection)
        network = {"id": 2, "name": "other", "sha256": sha("e"), "created_at": TIME}
        sizes = {"parameters": 5_000_000_000, "multiply_adds": 7}
        connection.execute(insert(schema.networks), network | {"description": sizes})
        connection.execute(insert(schema.network_datasets), {**OTHER._asdict(), "created_at": TIME})
        yield connection


def result(connection, scope=FIRST):
    return connection.execute(select(network_results).where(scope.of(network_results))).mappings().one()


def add(connection, table, row, *others):
    """Copies of a row of the small database, changed."""
    like = dict(small_database.ROWS[table][row])
    like.pop("id", None)
    connection.execute(insert(schema.metadata.tables[table]), [like | other for other in others])


def test_a_network_without_results_is_a_row_of_zeros_and_nulls(connection):
    row = result(connection, OTHER)
    assert (row["network"], row["dataset"], row["classes"]) == ("other", "pets", 3)
    assert (row["height"], row["width"]) == (32, 32)
    assert (row["parameters"], row["multiply_adds"]) == (5_000_000_000, 7)  # more than 32 bits hold
    counts = [name for name, value in row.items() if value == 0]
    of_images = ["test_images", "swept_images", "swept_fallen", "evolved_images", "evolved_fallen"]
    assert counts == [*of_images, "cases", "adversarial_cases"]
    empty = ("test_accuracy", "vulnerable_share", "neighbors_auc", "repair_auc", "evaluations_per_second")
    assert [row[name] for name in empty] == [None] * 5


def test_the_accuracy_is_that_of_the_predictions(connection):
    row = result(connection)
    predicted = select(schema.predictions).where(schema.predictions.c.split == "test")
    rows = connection.execute(predicted).all()
    assert row["test_images"] == len(rows) > 1
    right = sum(one.predicted_class == one.label for one in rows)
    assert row["test_accuracy"] == pytest.approx(right / len(rows))


def test_the_accuracy_of_its_file_counts_until_there_are_predictions(connection):
    of = OTHER.of(schema.network_datasets)
    connection.execute(update(schema.network_datasets).where(of).values(test_accuracy=0.5))
    row = result(connection, OTHER)
    assert (row["test_accuracy"], row["test_images"]) == (0.5, 0)
    (read,) = [one for one in read_all(connection) if one.scope == OTHER]
    assert read.accuracy == (0.5, None, None)


def run_of(connection, method, *, stage="attack"):
    """A run of a new batch of the other network; None for `method`: of no batch."""
    batch = None
    if method is not None:
        number = len(connection.execute(select(schema.batches)).all())
        row = {**OTHER._asdict(), "parameters": {}, "method": method, "created_at": TIME}
        row |= {"name": f"of a test {number}", "pixel_count": 1, "seed": number}
        batch = connection.execute(insert(schema.batches), row).inserted_primary_key[0]
    run = {**OTHER._asdict(), "stage": stage, "status": "done", "parameters": {}, "batch_id": batch}
    run |= {"code_version": "test", "started_at": TIME, "finished_at": TIME}
    return connection.execute(insert(schema.runs), run).inserted_primary_key[0]


def swept(connection, run, sample, positions):
    row = small_database.sweep(0, sample, 0.5 if positions else -0.5, positions)
    del row["id"]
    connection.execute(insert(schema.vulnerability_maps), row | {"network_id": 2, "run_id": run})


def evolved(connection, run, sample, succeeded, **others):
    row = small_database.attack(0, sample, None, succeeded, SHIP if succeeded else CAT)
    del row["id"]
    connection.execute(insert(schema.attacks), row | {"network_id": 2, "run_id": run} | others)


def test_swept_images_are_counted_with_their_positions(connection):
    run = run_of(connection, "corner-sweep")
    swept(connection, run, 1, 3)
    swept(connection, run, 2, 0)
    row = result(connection, OTHER)
    assert (row["swept_images"], row["swept_fallen"]) == (2, 1)
    assert row["vulnerable_positions"] == 1.5
    assert row["vulnerable_share"] == pytest.approx((3 / 4 + 0) / 2)  # of 2 x 2 positions


def test_sweeps_after_attacks_of_another_kind_do_not_count_nor_those_of_fallen_images(connection):
    first = run_of(connection, "differential-evolution")
    evolved(connection, first, 1, True)
    later = run_of(connection, "corner-sweep")  # meets those that evolution left
    swept(connection, later, 2, 0)
    maps = run_of(connection, None, stage="sweep")  # of the images of cases
    swept(connection, maps, 1, 4)  # an attacked one
    swept(connection, maps, 3, 1)  # a clean case of the first batch
    case = {"run_id": first, "network_id": 2, "kind": "clean", "attack_id": None, "image_id": 3}
    add(connection, "cases", 1, case | {"sample_id": 3})
    row = result(connection, OTHER)
    assert (row["swept_images"], row["swept_fallen"], row["vulnerable_positions"]) == (1, 1, 1)
    every = run_of(connection, "corner-sweep", stage="attack all")  # leaves out none
    swept(connection, every, 4, 0)
    row = result(connection, OTHER)
    assert (row["swept_images"], row["swept_fallen"]) == (2, 1)


def test_evolution_counts_at_its_largest_budget_without_targets_and_screens(connection):
    run = run_of(connection, "differential-evolution")
    evolved(connection, run, 1, True, budget=500)  # a smaller one
    evolved(connection, run, 1, False)
    evolved(connection, run, 2, True)
    evolved(connection, run, 2, False, seed=1)  # the same image, once more
    evolved(connection, run, 3, True, screened="reachable")
    evolved(connection, run, 4, True, target_class=SHIP)
    evolved(connection, run, 4, True, pixel_count=3)
    row = result(connection, OTHER)
    assert (row["evolved_images"], row["evolved_fallen"], row["evolved_budget"]) == (2, 1, 1000)


def test_evolution_after_sweeps_does_not_count(connection):
    run = run_of(connection, "corner-sweep")
    swept(connection, run, 1, 1)
    later = run_of(connection, "differential-evolution")
    evolved(connection, later, 2, False)
    row = result(connection, OTHER)
    assert (row["swept_images"], row["evolved_images"]) == (1, 0)


def test_the_rate_is_of_maps_and_searches(connection):
    run = run_of(connection, "corner-sweep")
    swept(connection, run, 1, 1)
    evolved(connection, run, 2, False)
    evolved(connection, run, 3, True, method="corner-sweep")  # its queries are those of the map
    sweep, attack = small_database.sweep(0, 1, 0.5, 1), small_database.attack(0, 2, None, False, CAT)
    wanted = (sweep["queries"] + attack["queries"]) / (sweep["seconds"] + attack["seconds"])
    assert result(connection, OTHER)["evaluations_per_second"] == pytest.approx(wanted)


def test_detectors_are_the_best_of_their_kind(connection):
    row = result(connection)
    summary = schema.detector_summary.c
    for kind in ("neighbors", "repair", "baseline"):
        query = select(summary.detector, summary.auc).where(
            summary.kind == kind, summary.how_chosen == "tuning", summary.partition == "validation"
        )
        measured = {
            name: auc for name, auc in connection.execute(query.where(summary.case_set == "all")) if auc
        }
        assert row[f"{kind}_auc"] == max(measured.values(), default=None), kind
        if measured:
            assert measured[row[f"{kind}_detector"]] == row[f"{kind}_auc"]


def test_transfers_are_shares_of_the_cases_that_the_other_network_gets_right_before(connection):
    """Case 1 is a cat, attacked to be a dog; the other network is right about the original, and is fooled."""
    (case,) = connection.execute(select(schema.cases).where(schema.cases.c.id == 1)).all()
    (sample,) = connection.execute(select(schema.samples).where(schema.samples.c.id == case.sample_id)).all()
    given = {"case_id": 1, "network_id": 2, "run_id": 1, "predicted_class": SHIP, "confidence": 0.5}
    connection.execute(insert(schema.transfers), given)

    def matrix():
        query = select(transfer_matrix).where(transfer_matrix.c.other_network_id == 2)
        row = connection.execute(query).mappings().one()
        return tuple(row[name] for name in ("cases", "right_before", "fooled", "same_class"))

    assert matrix() == (1, 0, 0, 0)  # what it makes of the original is not known
    place = {"split": sample.split, "position": sample.position, "label": CAT, "predicted_class": CAT}
    add(connection, "predictions", 0, {**OTHER._asdict(), **place})
    assert matrix() == (1, 1, 1, 0)
    change = update(schema.transfers).where(schema.transfers.c.network_id == 2)
    connection.execute(change.values(predicted_class=case.predicted_class))
    assert matrix() == (1, 1, 1, 1)
    connection.execute(change.values(predicted_class=CAT))
    assert matrix() == (1, 1, 0, 0)
    read = db.read.read_transfers(connection)
    assert read[FIRST, 2].right_before == 1
    assert db.read.read_transfers(connection, (FIRST, OTHER)) == read


def read_all(connection, search=""):
    return db.read.read_network_results(connection, db.read.networks_query(connection, search))


def test_rows_are_found_by_words_and_sorted_with_unknown_values_last(connection):
    assert [one.scope for one in read_all(connection, "?sort=network")] == [OTHER, FIRST]  # other, small
    assert [one.scope for one in read_all(connection, "?sort=-network")] == [FIRST, OTHER]
    for sort in db.read.NETWORK_SORTS:
        assert len(read_all(connection, f"?sort={sort}")) == 2, sort
    for sort in ("accuracy", "-accuracy"):
        assert [one.scope for one in read_all(connection, f"?sort={sort}")] == [FIRST, OTHER]
    assert [one.scope for one in read_all(connection, "?find=PETS+oth")] == [OTHER]
    assert read_all(connection, "?find=nobody") == []


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ("?sort=speed", "sort 'speed'"),
        ("?order=up", "no filter 'order'"),
        ("?sort=run&sort=rate", "two values of sort"),
        ("?network=7", "network '7'"),
        (f"?find={'x' * 201}", "201 characters"),
    ],
)
def test_an_address_that_means_nothing_is_refused(connection, search, said):
    with pytest.raises(QueryError, match=said):
        db.read.networks_query(connection, search)


def test_an_address_is_written_as_it_is_read(connection):
    for search in ("", "?network=2&dataset=1&find=a+b&sort=-rate", "?sort=run"):
        assert db.read.networks_query(connection, search).search() == search
    assert NetworksQuery().search() == ""


def test_an_interval_of_a_share():
    """The values of Wilson's interval for 8 of 10, and at the ends."""
    share = db.read.measured_share(8, 10)
    assert share == pytest.approx((0.8, 0.4901625, 0.9433178), abs=1e-6)
    assert db.read.measured_share(0, 10) == pytest.approx((0, 0, 0.2775328), abs=1e-6)
    assert db.read.measured_share(10, 10) == pytest.approx((1, 0.7224672, 1), abs=1e-6)
    assert db.read.measured_share(0, 0) is None


def test_an_export_has_the_columns_of_the_view_and_the_intervals(connection):
    query = db.read.networks_query(connection, "?sort=network")
    (rows,) = db.read.export_network_results(connection, query)
    columns = [column.name for column in db.read.exported_network_columns()]
    assert [len(row) for row in rows] == [len(columns)] * 2
    first = dict(zip(columns, rows[1], strict=True))
    assert (first["network"], first["network_id"]) == ("small", 1)
    assert first["accuracy_low"] < first["accuracy_share"] == first["test_accuracy"] < first["accuracy_high"]
    assert dict(zip(columns, rows[0], strict=True))["swept_share"] is None
