import pytest
from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import IntegrityError

from db import engine, facets, schema
from tests.support import small_database
from tests.support.small_database import CAT, DOG, LAYERS, SHIP


@pytest.fixture(scope="module")
def database(fresh):
    database = fresh()
    with engine.writing(database) as connection:
        small_database.fill(connection)
        facets.refresh(connection, small_database.PETS)
    return database


@pytest.fixture
def connection(database):
    """To the small database; what is written is not kept."""
    with engine.writing(database) as connection:
        yield connection
        connection.rollback()


def rows(connection: Connection, statement: str) -> list[dict]:
    return [dict(row) for row in connection.exec_driver_sql(statement).mappings()]


# ---- Views ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(schema.views.tables))
def test_a_view_has_the_columns_that_python_knows_in_the_same_order(connection, name):
    columns = connection.exec_driver_sql(f"SELECT * FROM {name}").keys()
    assert list(columns) == [column.name for column in schema.views.tables[name].columns]


@pytest.mark.parametrize("name", sorted(schema.views.tables))
def test_a_view_can_be_read_through_its_types(connection, name):
    assert connection.execute(select(schema.views.tables[name])).all()


def test_case_overview_tells_an_attacked_case_on_one_row(connection):
    (row,) = rows(connection, "SELECT * FROM case_overview WHERE case_id = 1")
    assert row == {
        "case_id": 1,
        "network_id": 1,
        "network": "small",
        "dataset": "pets",
        "kind": "adversarial",
        "partition": "validation",
        "sample_id": 1,
        "split": "test",
        "position": 0,
        "sample_name": None,
        "batch": "first try",
        "seed": 7,
        "true_class": "cat",
        "predicted_class": "dog",
        "target_class": None,
        "true_class_id": CAT,
        "predicted_class_id": DOG,
        "target_class_id": None,
        "confidence": 0.75,
        "image_sha256": "8" * 64,
        "original_sha256": "1" * 64,
        "attack_id": 1,
        "method": "differential-evolution",
        "pixel_count": 1,
        "queries": 400,
        "attack_margin": 0.5,
        "screened": None,
        "vulnerable_positions": 3,
        "attacked_row": 3,
        "attacked_column": 30,
        "red_before": 10,
        "green_before": 20,
        "blue_before": 30,
        "red_after": 255,
        "green_after": 0,
        "blue_after": 7,
        "alarms": 1,
        "alarming_layers": "flatten",
        "first_divergence": "dense",
        "dataset_id": 1,
    }


def test_first_divergence_passes_over_ties_and_the_composed_layer(connection):
    # Case 2: tied in flatten and dense, right in logits, wrong in composed only.
    assert rows(connection, "SELECT alarms, first_divergence FROM case_overview WHERE case_id = 2") == [
        {"alarms": 2, "first_divergence": None}
    ]


def test_a_case_without_decisions_has_no_alarms_rather_than_none_of_them(connection):
    assert rows(connection, "SELECT alarms, alarming_layers FROM case_overview WHERE case_id = 4") == [
        {"alarms": None, "alarming_layers": None}
    ]


def test_the_list_and_the_view_count_the_alarms_of_a_layer_of_any_name(connection):
    layer = {"id": 6, "network_id": 1, "name": "block-7.se", "kind": "conv", "position": 5, "shape": [4]}
    connection.execute(insert(schema.layers), layer | {"compared": True, "title": "block", "note": ""})
    connection.execute(
        insert(schema.decisions), small_database.decision(1, "dense", 3, CAT, CAT, "TP") | {"layer_id": 6}
    )
    facets.refresh(connection, small_database.PETS)
    both = """SELECT alarms, alarm_count, alarming_layers, case_facets.alarms AS listed
        FROM case_overview JOIN case_facets USING (case_id) WHERE case_id = 1"""
    assert rows(connection, both.replace("SELECT alarms", "SELECT case_overview.alarms")) == [
        {
            "alarms": 2,
            "alarm_count": 2,
            "alarming_layers": "flatten+block-7.se",
            "listed": "flatten+block-7.se",
        }
    ]


def test_no_view_has_a_column_of_a_layer(connection):
    layers = {*LAYERS, "composed-scaled", "composed-pooled", "conv2d"}
    for view in schema.views.tables.values():
        assert not [column for column in view.c if any(part in layers for part in column.name.split("_"))]


@pytest.mark.parametrize("name", sorted(schema.views.tables))
def test_the_key_of_a_view_tells_its_rows_apart(connection, name):
    key = schema.row_key(schema.views.tables[name])
    keys = connection.execute(select(*key)).all()
    assert keys
    assert len(set(keys)) == len(keys)


def test_every_view_names_the_network_by_id_and_with_its_data_set():
    for view in schema.views.tables.values():
        assert {"network", "dataset", "network_id", "dataset_id"} <= set(view.c.keys()), view.name


def test_predictions_make_a_confusion_matrix_and_the_accuracy_of_classes(connection):
    cells = rows(connection, "SELECT true_class, predicted_class, images, share FROM confusion_matrix")
    assert len(cells) == 9
    found = {(cell["true_class"], cell["predicted_class"]): (cell["images"], cell["share"]) for cell in cells}
    assert found["cat", "cat"] == (2, 2 / 3)
    assert found["cat", "dog"] == (1, 1 / 3)
    assert found["cat", "ship"] == (0, 0.0)
    accuracy = rows(connection, "SELECT true_class, images, correct, accuracy FROM class_accuracy ORDER BY 1")
    assert [tuple(row.values()) for row in accuracy] == [
        ("cat", 3, 2, 2 / 3),
        ("dog", 1, 1, 1.0),
        ("ship", 1, 1, 1.0),
    ]
    wrong = "SELECT position, true_class, predicted_class, case_id FROM image_predictions WHERE NOT correct"
    assert rows(connection, wrong) == [
        {"position": 4, "true_class": "cat", "predicted_class": "dog", "case_id": None}
    ]
    assert rows(connection, "SELECT case_id FROM image_predictions WHERE position = 0") == [{"case_id": 1}]


def test_the_attacks_of_a_matrix_can_be_summed_by_their_shares(connection):
    whole = rows(
        connection, "SELECT COUNT(*) AS attacks FROM attacks WHERE method = 'differential-evolution'"
    )
    summed = """SELECT SUM(attack_share) AS attacks, SUM(attacks) AS too_many FROM attack_matrix
        WHERE method = 'differential-evolution'"""
    assert rows(connection, summed) == [{"attacks": whole[0]["attacks"], "too_many": 6}]


def test_a_targeted_case_names_its_target(connection):
    assert rows(connection, "SELECT true_class, target_class FROM case_overview WHERE case_id = 3") == [
        {"true_class": "dog", "target_class": "ship"}
    ]


def test_layer_decisions_name_classes_and_judge_the_recovered_one(connection):
    query = """SELECT case_id, layer, majority_class, recovered_class, recovered_right, alarm
        FROM layer_decisions WHERE recovered_class IS NOT NULL ORDER BY case_id"""
    assert [tuple(row.values()) for row in rows(connection, query)] == [
        (1, "flatten", "cat", "cat", 1, 1),
        (2, "composed", "cat", "cat", 0, 1),
    ]


def test_attack_matrix_counts_every_class_an_untargeted_attack_might_have_reached(connection):
    query = """SELECT targeted, true_class, to_class, attacks, successes, rate FROM attack_matrix
        WHERE method = 'differential-evolution' ORDER BY targeted, true_class, to_class"""
    assert [tuple(row.values()) for row in rows(connection, query)] == [
        (0, "cat", "dog", 2, 1, 0.5),
        (0, "cat", "ship", 2, 0, 0.0),
        (1, "dog", "cat", 1, 0, 0.0),
        (1, "dog", "ship", 1, 1, 1.0),
    ]


def test_attack_matrix_keeps_ways_of_attacking_apart(connection):
    twin = {
        column: value
        for column, value in rows(connection, "SELECT * FROM attacks WHERE id = 3")[0].items()
        if column != "id"
    }
    changes = [{"variant": "best/1"}, {"budget": 7}, {"seed": 5, "screened": "undecided"}, {"pixel_count": 3}]
    for change in changes:
        connection.execute(schema.attacks.insert(), {**twin, **change})
    query = """SELECT variant, budget, screened, pixel_count, attacks FROM attack_matrix
        WHERE true_class = 'dog' AND to_class = 'ship' AND targeted"""
    found = {tuple(row.values()) for row in rows(connection, query)}
    usual = ("rand/1", 1000, None, 1, 1)
    assert found == {
        usual,
        ("best/1", *usual[1:]),
        ("rand/1", 7, *usual[2:]),
        ("rand/1", 1000, "undecided", 1, 1),
        ("rand/1", 1000, None, 3, 1),
    }


def test_vulnerability_tells_what_a_sweep_found(connection):
    query = """SELECT "position", true_class, best_margin, vulnerable, vulnerable_positions, reached_classes,
        case_id FROM vulnerability ORDER BY "position" """
    assert [tuple(row.values()) for row in rows(connection, query)] == [
        (0, "cat", 0.5, 1, 3, 1, 1),
        (1, "ship", -0.25, 0, 0, 0, 2),
    ]


def test_case_repairs_tell_whether_the_pixel_and_the_class_were_found(connection):
    query = """SELECT case_id, score, original_score, repaired_row, recovered_class, recovered_right, located
        FROM case_repairs ORDER BY case_id"""
    assert [tuple(row.values()) for row in rows(connection, query)] == [
        (1, 2.5, -1.5, 3, "cat", 1, 1),
        (2, 0.5, 0.5, 1, "cat", 0, None),
        (3, -0.5, None, 2, "cat", 0, 0),
    ]


def test_attack_positions_count_failures_too(connection):
    query = """SELECT targeted, attacked_row, attacked_column, attacks, successes FROM attack_positions
        ORDER BY targeted"""
    assert [tuple(row.values()) for row in rows(connection, query)] == [(0, 3, 30, 2, 1), (1, 0, 1, 1, 1)]


def test_near_duplicates_name_both_samples_and_the_case_of_the_first(connection):
    query = """SELECT case_id, split, position, other_split, other_position, reference_sample_id,
        activation_distance, pixel_distance, same_picture, same_class
        FROM near_duplicates ORDER BY sample_id"""
    assert [tuple(row.values()) for row in rows(connection, query)] == [
        (1, "test", 0, "train", 0, 1, 0.25, 12.5, 0, 1),
        (2, "test", 1, "train", 3, 4, 0.25, 0.0, 1, 1),
    ]


def test_hubs_count_how_often_a_reference_sample_is_a_neighbor(connection):
    query = "SELECT layer, reference_sample_id, occurrences, share FROM hubs WHERE layer = 'dense'"
    assert [tuple(row.values()) for row in rows(connection, query)] == [("dense", 1, 4, 1.0)]


def test_first_divergence_counts_attacked_cases_by_the_first_layer_that_leaves_the_true_class(connection):
    query = "SELECT true_class, predicted_class, layer, layer_position, cases FROM first_divergence"
    assert [tuple(row.values()) for row in rows(connection, query)] == [("cat", "dog", "dense", 2, 1)]


def test_near_median_attacks_tell_what_the_repair_makes_of_them(connection):
    query = "SELECT variant, true_class, succeeded, score, recovered_right, located FROM near_median_attacks"
    assert [tuple(row.values()) for row in rows(connection, query)] == [
        ("within 32", "ship", 1, -0.5, 0, None)
    ]


def test_detector_summary_shows_baselines_beside_layers(connection):
    query = """SELECT detector, kind, layer, k, threshold, auc, paired_auc FROM detector_summary
        WHERE partition = 'validation' ORDER BY detector_id"""
    assert [tuple(row.values()) for row in rows(connection, query)] == [
        ("dense euclidean total", "neighbors", "dense", 4, 1.0, 1.0, 1.0),
        ("repair", "repair", None, 0, 0.5, 1.0, 1.0),
        ("confidence", "baseline", None, 0, 0.5, 1.0, 1.0),
    ]


def test_roc_curve_gives_rates_and_null_where_there_is_nothing_to_count(connection):
    query = """SELECT detector, layer, partition, k, fpr, tpr, fnr, accuracy FROM roc_curve
        ORDER BY layer DESC NULLS LAST, detector, partition"""
    assert [tuple(row.values()) for row in rows(connection, query)] == [
        ("dense euclidean total", "dense", "tuning", 4, 0.5, 0.75, 0.25, 4 / 6),
        ("dense euclidean total", "dense", "validation", 4, 0.2, None, None, 0.8),
        ("confidence", None, "validation", 0, 0.0, 0.5, 0.5, 0.8),
        ("repair", None, "validation", 0, 0.0, 0.5, 0.5, 0.8),
    ]


@pytest.mark.sqlite("its query plans")
@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM case_overview ORDER BY case_id LIMIT 20 OFFSET 40",
        "SELECT * FROM layer_decisions WHERE case_id = 2",
        "SELECT * FROM near_duplicates WHERE case_id = 2",
    ],
)
def test_a_page_of_a_view_reads_no_more_than_the_page(connection, query):
    plan = [row["detail"] for row in rows(connection, "EXPLAIN QUERY PLAN " + query)]
    assert [step for step in plan if step.startswith("SCAN") and step != "SCAN cases"] == []
    assert sum(step == "SCAN cases" for step in plan) == ("LIMIT" in query)


# ---- Constraints ---------------------------------------------------------------------------------

FOREIGN_KEY, NOT_NULL, UNIQUE = "(?i)foreign key", "(?i)not[ -]null", "(?i)unique"  # as both databases say it

DECISION = small_database.decision(4, "dense", 0, CAT, None, "TN")
CASE = small_database.case(9, "tuning", 5, None, 5, CAT, CAT)
PIXEL = small_database.pixel(4, 0, 0)
RUN = small_database.ROWS["runs"][0] | {"id": 9}


@pytest.mark.parametrize(
    ("table", "row", "constraint"),
    [
        ("cases", CASE | {"kind": "dirty"}, "ck_cases_kind"),
        ("cases", CASE | {"partition": "test"}, "ck_cases_partition"),
        ("cases", CASE | {"kind": "adversarial"}, "ck_cases_attack"),
        ("cases", CASE | {"attack_id": 2}, "ck_cases_attack"),
        ("cases", CASE | {"confidence": 75.0}, "ck_cases_confidence"),
        (
            "cases",
            CASE | {"sample_id": 1},
            r"cases.network_id, cases.dataset_id, cases.sample_id|uq_cases_network_id",
        ),
        ("cases", CASE | {"sample_id": 99}, FOREIGN_KEY),
        ("cases", CASE | {"predicted_class": None}, NOT_NULL),
        ("attack_pixels", PIXEL | {"red": 256}, "ck_attack_pixels_red"),
        ("attack_pixels", PIXEL | {"original_blue": -1}, "ck_attack_pixels_original_blue"),
        ("attack_pixels", PIXEL | {"column": -1}, "ck_attack_pixels_position"),
        ("attacks", small_database.attack(9, 5, SHIP, True, DOG), "ck_attacks_target_reached"),
        ("attacks", small_database.attack(9, 1, None, False, CAT), UNIQUE),
        ("attacks", small_database.attack(9, 3, SHIP, False, DOG), UNIQUE),
        ("neighbors", small_database.neighbor(4, "flatten", 0, 1, 1.0), "ck_neighbors_rank"),
        (
            "neighbors",
            small_database.neighbor(4, "flatten", 1, 1, 1.0) | {"metric": "L2"},
            "ck_neighbors_metric",
        ),
        ("decisions", DECISION | {"threshold": 5, "k": 4}, "ck_decisions_threshold"),
        ("decisions", DECISION | {"alarm": True, "outcome": "FP"}, "ck_decisions_alarm_strict"),
        ("decisions", DECISION | {"outcome": "FP"}, "ck_decisions_outcome_of_alarm"),
        ("decisions", DECISION | {"recovered_class": CAT}, "ck_decisions_recovered_class"),
        ("decisions", DECISION | {"outcome": "yes"}, "ck_decisions_outcome"),
        ("runs", RUN | {"status": "running"}, "ck_runs_finished"),
        ("runs", RUN | {"finished_at": None}, "ck_runs_finished"),
        ("annotations", {"case_id": 1, "kind": "", "body": "x", "created_at": "t"}, "ck_annotations_kind"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused_by_a_named_constraint(connection, table, row, constraint):
    with pytest.raises(IntegrityError, match=constraint):
        connection.execute(insert(schema.metadata.tables[table]), row)


def test_the_rows_before_they_are_broken_are_accepted(connection):
    for table, row in (("cases", CASE), ("attack_pixels", PIXEL), ("decisions", DECISION), ("runs", RUN)):
        connection.execute(insert(schema.metadata.tables[table]), row)


@pytest.mark.sqlite("PostgreSQL gives a name to each")
def test_every_constraint_has_a_name(connection):
    for name, sql in connection.exec_driver_sql("SELECT name, sql FROM sqlite_schema WHERE type = 'table'"):
        parts = [line.strip() for line in sql.splitlines()[1:]]
        unnamed = [p for p in parts if p.startswith(("CHECK", "UNIQUE", "FOREIGN", "PRIMARY"))]
        assert unnamed == [], name


def test_deleting_a_case_takes_its_parts_and_leaves_the_others(connection):
    connection.execute(delete(schema.cases).where(schema.cases.c.id == 1))
    for table in ("class_scores", "neighbors", "decisions"):
        left = rows(connection, f"SELECT DISTINCT case_id FROM {table} ORDER BY case_id")
        assert 1 not in [row["case_id"] for row in left]
        assert 2 in [row["case_id"] for row in left]


@pytest.mark.parametrize("table", ["images", "samples", "networks", "runs", "reference_samples", "attacks"])
def test_what_is_referred_to_cannot_be_deleted(connection, table):
    with pytest.raises(IntegrityError, match=FOREIGN_KEY):
        connection.execute(delete(schema.metadata.tables[table]))


def test_a_case_id_is_never_used_twice(connection):
    connection.execute(delete(schema.cases).where(schema.cases.c.id == 4))
    without_id = {key: value for key, value in CASE.items() if key != "id"}
    assert connection.execute(insert(schema.cases), without_id).inserted_primary_key[0] == 5


def test_shapes_and_descriptions_come_back_as_they_went_in(connection):
    assert connection.scalar(select(schema.networks.c.description)) == {"layers": list(LAYERS)}
    assert connection.scalar(select(schema.layers.c.shape)) == [4]
