"""The detectors' questions: what an address means, what the answers hold, that the shown SQL is what runs."""

import re

import pytest
from sqlalchemy import delete, select, text

import db.read
from db import schema
from db.read.detector_page import facts
from db.scope import Scope
from tests.support import database


@pytest.fixture(scope="module")
def engine(fresh):
    made = fresh()
    database.fill(made, per_group=4, references=60)
    return made


def asked(engine, search=""):
    return db.read.evidence_query(engine, search)


def test_without_a_query_string_the_honest_view_of_the_papers_detectors_is_shown(engine):
    query, options = asked(engine)
    assert (query.set, query.partition, query.metric, query.rule) == (
        "all",
        "validation",
        "euclidean",
        "total",
    )
    assert query.sort_value == "-auc"
    assert query.search() == ""
    assert options.values["metric"] == ("euclidean", "cosine")
    assert options.values["rule"] == ("total",)


def test_where_no_neighbors_were_evaluated_a_filter_has_the_usual_default(fresh):
    made = fresh()
    database.fill(made, per_group=4, references=60)
    with made.begin() as connection:
        of_neighbors = select(schema.detectors.c.id).where(schema.detectors.c.kind == "neighbors")
        connection.execute(
            delete(schema.evaluations).where(schema.evaluations.c.detector_id.in_(of_neighbors))
        )
    _, options = asked(made)
    assert options.values["metric"] == ("euclidean",)
    assert options.values["rule"] == ("total",)


@pytest.mark.parametrize(
    "search",
    [
        "?set=untargeted&partition=tuning",
        "?metric=any&reference=distinct&sort=paired",
        "?sort=-recovered&detector=dense+cosine+total",
    ],
)
def test_an_address_is_written_as_it_was_read(engine, search):
    assert asked(engine, search)[0].search() == search


@pytest.mark.parametrize(
    ("search", "problem"),
    [
        ("?metric=hamming", "metric 'hamming'.*any"),
        ("?set=targeted", "set 'targeted'"),
        ("?partition=any", "partition 'any'"),
        ("?sort=name", "sort 'name'"),
        ("?detector=nothing", "detector 'nothing'"),
        ("?network=7", "network '7'"),
        ("?color=red", "no filter 'color'"),
        ("?rule=total&rule=total", "two values of rule"),
    ],
)
def test_what_an_address_cannot_mean_is_refused_in_one_line(engine, search, problem):
    with pytest.raises(db.read.QueryError, match=problem) as error:
        asked(engine, search)
    assert "\n" not in str(error.value)


def test_another_filter_takes_the_chosen_detector_along(engine):
    query, options = asked(engine, "?detector=dense+euclidean+total")
    assert query.narrowed(options, "metric", "cosine").detector == "dense cosine total"
    assert query.narrowed(options, "metric", "any").detector == "dense euclidean total"
    assert query.narrowed(options, "partition", "tuning").detector == "dense euclidean total"
    alone = query.but(detector="repair").narrowed(options, "metric", "cosine")
    assert alone.detector == "repair"


def test_repair_and_the_baselines_stand_beside_every_choice(engine):
    for search, count in (("", 4), ("?metric=any", 8), ("?metric=any&reference=any", 16)):
        rows = db.read.evidence_summary(engine, asked(engine, search)[0])
        kinds = [row.kind for row in rows]
        assert (kinds.count("neighbors"), kinds.count("repair"), kinds.count("baseline")) == (count, 1, 2)


def test_a_row_has_its_shares_with_their_intervals_and_none_where_nothing_is_known(engine):
    rows = {row.detector: row for row in db.read.evidence_summary(engine, asked(engine)[0])}
    repair = rows["repair"]
    assert repair.auc.low <= repair.auc.value <= repair.auc.high
    assert repair.located is not None
    assert repair.k == 0
    assert rows["dense euclidean total"].located is None


@pytest.mark.parametrize("sort", db.read.EVIDENCE_SORTS)
def test_rows_come_in_the_order_asked_for_those_without_a_value_last(engine, sort):
    def values(prefix):
        rows = db.read.evidence_summary(engine, asked(engine, f"?sort={prefix}{sort}")[0])
        found = [getattr(row, {"paired": "paired_auc"}.get(sort, sort)) for row in rows]
        return [getattr(value, "value", value) for value in found]

    for prefix, reverse in (("", False), ("-", True)):
        found = values(prefix)
        known = [value for value in found if value is not None]
        assert found[: len(known)] == known
        assert known == sorted(known, reverse=reverse)


def test_a_curve_goes_from_every_alarm_to_none_at_the_detectors_k(engine):
    for search in ("", "?reference=distinct", "?set=untargeted&partition=tuning"):
        query, _ = asked(engine, search)
        rows = db.read.evidence_summary(engine, query)
        curves = db.read.evidence_curves(engine, query, rows)
        assert list(curves) == [row.detector for row in rows]
        for row in rows:
            points = curves[row.detector]
            assert (points[0].fpr, points[0].tpr) == (1, 1)
            assert (points[-1].fpr, points[-1].tpr) == (0, 0)
            assert len(points) == row.k + 2 or row.k == 0
            here = next(point for point in points if point.threshold == row.threshold) if row.k else None
            assert here is None or (here.fpr, here.tpr) == (row.fpr, row.tpr)


def test_accuracy_by_k_is_of_both_partitions(engine):
    points = db.read.evidence_by_k(engine, asked(engine)[0], "dense euclidean total")
    assert len(points) == 100
    assert {point.partition for point in points} == {"tuning", "validation"}
    assert db.read.evidence_by_k(engine, asked(engine)[0], "repair") == []


def test_every_attacked_case_diverges_in_one_layer_or_none(engine):
    for search in ("", "?metric=any&rule=any"):
        found = db.read.evidence_divergence(engine, asked(engine, search)[0])
        assert sum(one.cases for one in found) == 4


def test_the_shown_sql_is_the_question_with_its_values(engine):
    query, _ = asked(engine, "?detector=dense+euclidean+total")
    rows = db.read.evidence_summary(engine, query)
    questions = [
        db.read.summary_question(query),
        db.read.curves_question(query, rows),
        db.read.k_question(query, "dense euclidean total"),
        db.read.divergence_question(query),
        db.read.fact_question(facts.NearMedian, query.scope),
        db.read.fact_question(facts.Duplicates, query.scope, activation=0.5, pixels=50.0),
    ]
    with engine.connect() as connection:
        for question in questions:
            sql = question.sql()
            assert not re.search(r":\w", sql)
            assert connection.execute(text(sql)).all() == question.ask(connection)


def test_a_quote_in_a_value_stays_a_value():
    question = db.read.Question("SELECT :name", {"name": "it's; DROP TABLE cases"})
    assert question.sql() == "SELECT 'it''s; DROP TABLE cases'"


@pytest.mark.parametrize("kind", facts.QUESTIONS)
def test_every_fact_has_rows(engine, kind):
    values = {"activation": 0.5, "pixels": 50.0} if kind is facts.Duplicates else {}
    rows = db.read.facts(engine, kind, Scope(1, 1), **values)
    assert rows
    assert all(isinstance(row, kind) for row in rows)


def test_a_database_without_evaluations_has_nothing_to_choose(fresh):
    engine = fresh()
    database.fill(engine, per_group=1, references=50, evidence=False)
    _, options = db.read.evidence_query(engine, "?metric=cosine")
    assert options.detectors == ()
