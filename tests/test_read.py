"""The reads of the case list against plain SQL over the same rows."""

import pytest
from sqlalchemy import delete, insert, text

import db.commands.sql
import db.engine
import db.read
from db import facets, saved_views, schema, write
from db.scope import Scope
from tests.support import database

NAMED = """
    SELECT cases.id, cases.kind, cases.partition, cases.confidence, truth.name AS true_name,
           predicted.name AS predicted_name, attacks.method, "row", "column", outcome,
           (SELECT count(*) FROM decisions WHERE case_id = cases.id AND alarm) AS alarms
    FROM cases
    JOIN classes AS truth ON truth.class = cases.true_class
    JOIN classes AS predicted ON predicted.class = cases.predicted_class
    JOIN decisions ON decisions.case_id = cases.id
    JOIN layers ON layers.id = layer_id AND layers.name = '{layer}'
    LEFT JOIN attacks ON attacks.id = cases.attack_id
    LEFT JOIN attack_pixels ON attack_pixels.attack_id = cases.attack_id
"""


@pytest.fixture(scope="module")
def engine(fresh):
    engine = fresh()
    database.fill(engine)
    return engine


def listed(engine, search):
    return db.read.list_cases(engine, *db.read.case_query(engine, search))


def all_ids(engine, search):
    query, options = db.read.case_query(engine, search)
    pages = db.read.list_cases(engine, query, options).pages
    return [
        row.id
        for page in range(1, pages + 1)
        for row in db.read.list_cases(engine, query.but(page=page), options).rows
    ]


@pytest.mark.parametrize(
    ("search", "where", "order", "layer"),
    [
        ("", "partition = 'validation'", "id", "composed"),
        ("?partition=all", "1 = 1", "id", "composed"),
        ("?partition=tuning&sort=-case", "partition = 'tuning'", "id DESC", "composed"),
        ("?kind=clean", "partition = 'validation' AND kind = 'clean'", "id", "composed"),
        ("?outcome=FP&partition=all", "outcome = 'FP'", "id", "composed"),
        ("?outcome=FN&detector=logits&partition=all", "outcome = 'FN'", "id", "logits"),
        (
            "?true=cat&partition=all&sort=-confidence",
            "true_name = 'cat'",
            "confidence DESC, id",
            "dense",
        ),
        ("?predicted=dog&partition=all", "predicted_name = 'dog'", "id", "dense"),
        ("?method=corner-sweep&partition=all", "method = 'corner-sweep'", "id", "dense"),
        ("?partition=all&sort=kind", "1 = 1", "kind, id", "dense"),
        ("?partition=all&sort=true", "1 = 1", "true_name, id", "dense"),
        ("?partition=all&sort=-predicted", "1 = 1", "predicted_name DESC, id", "dense"),
        ("?partition=all&sort=confidence", "1 = 1", "confidence, id", "dense"),
        ("?partition=all&sort=-alarms", "1 = 1", "alarms DESC, id", "dense"),
        ("?partition=all&sort=outcome&detector=flatten", "1 = 1", "outcome, id", "flatten"),
        ("?partition=all&sort=pixel", "1 = 1", '"row" IS NULL, "row", "column", id', "dense"),
        ("?partition=all&sort=-pixel", "1 = 1", '"row" IS NULL, "row" DESC, "column" DESC, id', "dense"),
        (
            "?kind=adversarial&outcome=TP&detector=dense&true=ship&sort=-confidence&partition=all",
            "kind = 'adversarial' AND outcome = 'TP' AND true_name = 'ship'",
            "confidence DESC, id",
            "dense",
        ),
    ],
)
def test_filters_and_sorts_give_the_cases_that_sql_gives_in_its_order(engine, search, where, order, layer):
    with engine.connect() as connection:
        named = f"({NAMED.format(layer=layer)}) AS named"
        expected = list(connection.scalars(text(f"SELECT id FROM {named} WHERE {where} ORDER BY {order}")))
    assert expected, "a test over no rows shows nothing"
    assert all_ids(engine, search) == expected
    assert listed(engine, search).total == len(expected)


@pytest.mark.parametrize("sort", [sign + sort for sort in db.read.SORTS for sign in ("", "-")])
def test_every_case_is_on_exactly_one_page_whatever_the_sort(engine, sort):
    ids = all_ids(engine, f"?partition=all&sort={sort}")
    assert len(ids) > db.read.PAGE_SIZE
    assert sorted(ids) == list(range(1, 65))


@pytest.mark.parametrize(
    "search",
    ["", "?partition=all&kind=adversarial&true=cat", "?outcome=TP&detector=logits&method=corner-sweep"],
)
def test_the_count_of_an_option_is_what_choosing_it_gives(engine, search):
    query, options = db.read.case_query(engine, search)
    for facet, counts in db.read.list_cases(engine, query, options).facets.items():
        for value, count in counts.items():
            if facet == "partition":
                changed = query.but(partition=value)
            else:
                changed = query.only(facet, value)
            chosen = db.read.list_cases(engine, changed, options)
            assert chosen.total == count, (facet, value)


@pytest.mark.parametrize(
    "search", ["?partition=all&sort=-alarms", "?kind=adversarial&sort=pixel", "?outcome=TP"]
)
def test_the_cases_before_and_after_are_those_of_the_list(engine, search):
    ids = all_ids(engine, search)
    for position, case_id in enumerate(ids):
        expected = (
            ids[position - 1] if position else None,
            ids[position + 1] if position + 1 < len(ids) else None,
            position + 1,
            len(ids),
        )
        assert db.read.neighbor_cases(engine, search, case_id) == expected


def test_a_case_outside_the_list_has_no_place_in_it(engine):
    (outside,) = [row.id for row in listed(engine, "?partition=tuning").rows[:1]]
    assert db.read.neighbor_cases(engine, "?kind=clean", outside) == (None, None, None, 16)


def test_names_of_the_case_view_in_an_address_do_not_disturb_the_place_in_the_list(engine):
    plain = db.read.neighbor_cases(engine, "?kind=clean", 34)
    assert db.read.neighbor_cases(engine, "?kind=clean&neighbors=all", 34) == plain


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ("?true=cart", ("true", "cart", "airplane, automobile, bird")),
        ("?predicted=", ("predicted", "airplane")),
        ("?kind=dirty", ("kind", "dirty", "clean, adversarial")),
        ("?partition=test", ("partition", "test", "validation, tuning, checked, all")),
        ("?outcome=tp", ("outcome", "tp", "TP, FP, TN, FN")),
        ("?detector=conv1", ("detector", "conv1", "flatten, dense, logits, composed, repair, confidence")),
        ("?method=magic", ("method", "magic", "corner-sweep, differential-evolution")),
        ("?network=2", ("network", "2", "expected: 1.")),
        ("?sort=id;drop table cases", ("sort", "id;drop table cases", "confidence")),
        ("?page=0", ("page", "0", "a whole number from 1")),
        ("?page=²", ("page", "²", "a whole number from 1")),
        ("?page=99999999999999999999", ("page", "a whole number from 1")),
        ("?page=2", ("page", "2", "expected: 1.")),
        ("?partition=all&page=3", ("page", "3", "1 to 2")),
        ("?color=red", ("filter", "color", "partition, detector, kind")),
        ("?page=1&page=2", ("page", "'1' and '2'", "expected: one.")),
        ("?alarms=conv1", ("alarms", "conv1", "none")),
        ("?confidence=high", ("confidence", "high", "0.5..0.9")),
        ("?confidence=0.9..0.1", ("confidence", "0.9..0.1", "low..high")),
        ("?queries=..", ("queries", "low..high")),
        ("?verdict=fine", ("verdict", "fine", "real attack, near boundary")),
        ("?tag=a%00b", ("tag", "no text")),
        ("?view=cards", ("view", "cards", "table, gallery")),
        ("?sort=true,-true", ("sort", "true,-true", "twice")),
        ("?find=" + "x" * 201, ("201 characters", "200 at most")),
    ],
)
def test_a_name_or_value_that_means_nothing_is_refused_in_one_line(engine, search, words):
    with pytest.raises(db.read.QueryError) as caught:
        listed(engine, search)
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    "search",
    [
        "",
        "?partition=tuning&detector=dense&kind=adversarial&outcome=FN&true=cat&predicted=dog&sort=-alarms&page=2",
        "?detector=logit-margin&confidence=0.00001..0.000012&unexpected=-2.5..&queries=..1234567",
        "?alarms=flatten%2Blogits&verdict=looks+fine",  # that no case has, as long as no case has it
    ],
)
def test_an_address_survives_being_read_and_written(engine, search):
    query, _ = db.read.case_query(engine, search)
    assert query.search() == search


def test_what_is_default_is_left_out_of_the_address(engine):
    query, _ = db.read.case_query(
        engine, "?partition=validation&detector=composed&sort=case&page=1&network=1"
    )
    assert query.search() == ""


def test_an_address_of_before_still_means_what_it_meant(engine):
    query, _ = db.read.case_query(engine, "?layer=dense&outcome=FN")
    assert query.search() == "?detector=dense&outcome=FN"


def test_another_filter_leads_back_to_the_first_page(engine):
    query, _ = db.read.case_query(engine, "?partition=all&page=2")
    assert query.toggled("kind", "clean").page == 1
    assert query.but(page=2).search() == "?partition=all&page=2"


def test_a_row_has_what_its_case_is_made_of(engine):
    row = next(row for row in listed(engine, "?kind=adversarial").rows)
    with engine.connect() as connection:
        case = connection.execute(schema.cases.select().where(schema.cases.c.id == row.id)).one()
        pixel = connection.execute(
            schema.attack_pixels.select().where(schema.attack_pixels.c.attack_id == case.attack_id)
        ).one()
        decided = connection.execute(
            text(
                "SELECT name, alarm, outcome FROM decisions JOIN layers ON layers.id = layer_id "
                "WHERE case_id = :id ORDER BY position"
            ),
            {"id": row.id},
        ).all()
    assert (row.confidence, row.true_class, row.predicted_class) == (
        case.confidence,
        case.true_class,
        case.predicted_class,
    )
    assert row.image != row.original
    assert row.pixel == (
        pixel.row,
        pixel.column,
        (pixel.red, pixel.green, pixel.blue),
        (pixel.original_red, pixel.original_green, pixel.original_blue),
    )
    assert [(layer, d.alarm, d.outcome) for layer, d in row.decisions.items()] == [tuple(d) for d in decided]
    assert db.read.image_png(engine, row.image)[:8] == b"\x89PNG\r\n\x1a\n"


def test_a_clean_case_shows_its_sample_itself(engine):
    row = listed(engine, "?kind=clean").rows[0]
    assert row.image == row.original
    assert (row.pixel, row.method, row.pixel_count) == (None, None, 0)


def test_an_image_that_is_not_there_is_none(engine):
    assert db.read.image_png(engine, "0" * 64) is None


def test_cases_without_decisions_are_listed_all_the_same(fresh):
    engine = fresh()
    database.fill(engine, per_group=2)
    with engine.begin() as connection:
        connection.execute(delete(schema.decisions))
        facets.refresh(connection, Scope(1, 1))
    page = listed(engine, "?sort=outcome")
    assert page.total == 4
    assert set(page.facets["outcome"].values()) == {0}
    assert all(row.decisions == {} for row in page.rows)


def test_a_database_without_a_network_has_an_empty_list(fresh):
    engine = fresh()
    assert db.read.overview(engine) == (None, None, None, 0)
    assert (listed(engine, "").rows, listed(engine, "").stored) == ((), 0)
    assert not db.read.case_exists(engine, 1)


def test_a_new_network_without_cases_does_not_hide_the_cases_of_the_old_one(fresh):
    engine = fresh()
    database.fill(engine, per_group=2)
    newer = {"id": 2, "name": "newer", "sha256": "a" * 64, "description": {}, "created_at": schema.now()}
    pair = {"network_id": 2, "dataset_id": 1, "created_at": schema.now()}
    with engine.begin() as connection:
        connection.execute(insert(schema.networks), [newer])
        connection.execute(insert(schema.network_datasets), [pair])
    assert listed(engine, "").stored == 8
    assert listed(engine, "?network=2").stored == 0
    query, _ = db.read.case_query(engine, "?network=2")
    assert query.search() == "?network=2&dataset=1"


# ---- Filters beyond one value each ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def annotated(fresh):
    """The same database with notes of people about some cases."""
    engine = fresh()
    database.fill(engine)
    with db.engine.writing(engine) as connection:
        for case_id, kind, body in (
            (33, "tag", "sky"),
            (34, "tag", "sky"),
            (34, "tag", "odd"),
            (33, "verdict", "unclear"),
            (50, "note", "A 100% Odd <b>ship</b>"),
        ):
            write.add_annotation(connection, case_id, kind=kind, body=body)
    return engine


@pytest.mark.parametrize(
    ("search", "where"),
    [
        ("?kind=clean&kind=adversarial", "partition = 'validation'"),
        ("?true=cat&true=dog&partition=all", "true_name IN ('cat', 'dog')"),
        ("?confidence=0.5..0.9&partition=all", "confidence BETWEEN 0.5 AND 0.9"),
        ("?confidence=0.9..", "confidence >= 0.9 AND partition = 'validation'"),
        ("?queries=..2000&partition=all", "kind = 'adversarial' AND method <> 'corner-sweep'"),
        ("?unexpected=3..&detector=dense&partition=all", "unexpected_count >= 3"),
        ("?find=12, 40-42&partition=all", "id IN (12, 40, 41, 42)"),
        ("?goal=untargeted", "kind = 'adversarial' AND partition = 'validation'"),
        ("?alarms=none&partition=all", "alarms = 0"),
        ("?recovered=horse&detector=logits&partition=all", "recovered_class = 7"),
    ],
)
def test_several_values_ranges_and_numbers_filter_as_sql_does(engine, search, where):
    layer = dict(part.split("=") for part in search[1:].split("&")).get("detector", "composed")
    named = NAMED.format(layer=layer).replace("outcome,", "outcome, unexpected_count, recovered_class,")
    named = f"({named}) AS named"
    with engine.connect() as connection:
        expected = list(connection.scalars(text(f"SELECT id FROM {named} WHERE {where} ORDER BY id")))
    assert expected
    assert all_ids(engine, search) == expected


def test_two_keys_sort_by_the_first_and_then_by_the_second(engine):
    with engine.connect() as connection:
        expected = (
            "SELECT id FROM cases WHERE partition = 'validation' ORDER BY true_class, confidence DESC, id"
        )
        assert all_ids(engine, "?sort=true,-confidence") == list(connection.scalars(text(expected)))
    query, _ = db.read.case_query(engine, "?sort=-confidence")
    assert query.sorted_by("true", descending_first=False).search() == "?sort=true,-confidence"
    assert query.sorted_by("confidence", descending_first=True).search() == "?sort=confidence"
    further = query.then_sorted_by("true", descending_first=False)
    assert further.search() == "?sort=-confidence,true"
    assert further.then_sorted_by("true", descending_first=False).search() == "?sort=-confidence,-true"


@pytest.mark.parametrize(
    "search", ["?sort=true,-confidence", "?sort=-unexpected,queries&detector=repair", "?sort=-outcome,pixel"]
)
def test_the_place_among_several_keys_is_that_of_the_list(engine, search):
    ids = all_ids(engine, search)
    for position in (0, 1, 15, 30, 31):
        around = (ids[position - 1] if position else None, ids[position + 1] if position < 31 else None)
        assert db.read.neighbor_cases(engine, search, ids[position]) == (*around, position + 1, 32)


@pytest.mark.parametrize(
    ("search", "cases"),
    [
        ("?tag=sky", [33, 34]),
        ("?tag=sky&tag=odd&sort=-case", [34, 33]),
        ("?verdict=unclear", [33]),
        ("?note=yes", [50]),
        ("?find=odd", [34, 50]),
        ("?find=100%25 ODD", [50]),
        ("?find=100_", []),
        ("?find=<b>", [50]),
        ("?tag=gone", []),
    ],
)
def test_what_people_wrote_filters_and_is_found(annotated, search, cases):
    assert all_ids(annotated, search) == cases


def test_what_people_wrote_is_counted_and_shown(annotated):
    page = listed(annotated, "?kind=clean&kind=adversarial")
    assert (page.facets["tag"], page.facets["verdict"], page.facets["note"]) == (
        {"sky": 2, "odd": 1},
        {"unclear": 1},
        {"yes": 1},
    )
    row = next(row for row in page.rows if row.id == 34)
    assert (row.tags, row.verdict, row.note) == (("odd", "sky"), None, False)


@pytest.mark.parametrize(
    "search",
    [
        "?true=cat&confidence=0.1..&sort=-confidence,true",
        "?detector=repair&outcome=FN&outcome=FP",
        "?tag=o'hara",
    ],
)
def test_the_shown_sql_gives_the_cases_of_the_list_at_the_sql_prompt(engine, search):
    answer = db.commands.sql.run(engine, db.read.list_sql(engine, *db.read.case_query(engine, search)))
    assert answer.columns[0] == "case_id"
    assert [row[0] for row in answer.rows] == all_ids(engine, search)


def test_a_random_case_is_one_of_the_filtered(engine):
    clean = set(all_ids(engine, "?kind=clean"))
    drawn = {db.read.random_case(engine, "?kind=clean") for _ in range(60)}
    assert drawn <= clean
    assert len(drawn) > 5
    assert db.read.random_case(engine, "?kind=clean&outcome=TP") is None


def test_the_facets_are_what_the_tables_say(engine):
    """Or lists would be counted by something else than what cases show."""
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM case_facets")) == 64
        query = """SELECT case_id FROM case_facets JOIN case_overview USING (case_id)
            WHERE case_facets.alarm_count <> case_overview.alarms
                OR case_facets.divergence <> coalesce(first_divergence, 'none')
                OR case_facets.kind <> case_overview.kind OR case_facets.queries <> case_overview.queries"""
        assert connection.execute(text(query)).all() == []


def test_a_saved_view_is_kept_replaced_and_forgotten(fresh):
    engine = fresh()
    with db.engine.writing(engine) as connection:
        saved_views.save_view(connection, "  missed   cats ", "?true=cat&outcome=FN")
        saved_views.save_view(connection, "all", "")
        saved_views.save_view(connection, "missed cats", "?true=cat")
    kept = saved_views.saved_views(engine)
    assert [(view.name, view.search) for view in kept] == [("all", ""), ("missed cats", "?true=cat")]
    with db.engine.writing(engine) as connection:
        saved_views.delete_view(connection, kept[0].id)
        for name in (" ", "x" * 61):
            with pytest.raises(ValueError, match=r"name has \d+ characters; expected 1 to 60"):
                saved_views.save_view(connection, name, "")
    assert [view.name for view in saved_views.saved_views(engine)] == ["missed cats"]
