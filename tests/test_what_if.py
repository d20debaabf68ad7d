"""Another k and threshold: the decisions, the counts and the flips, against the pipeline's own rules."""

import numpy as np
import pytest
from sqlalchemy import insert, select

import db.read
from dashapp.decide import votes
from dashapp.draw import what_if_figures
from dashapp.pages.case.address import case_view, other_case_search
from dashapp.pages.case.state import case_state
from dashapp.pages.case.what_if_parts import marks
from dashapp.words import what_if
from db import schema
from model.detectors import votes as defense
from tests.support import database
from tests.support.database import SCOPE

DENSE = 6  # id of the layer
EUCLIDEAN = {"metric": "euclidean"}


@pytest.fixture(scope="module")
def engine(fresh):
    made = fresh()
    database.fill(made, per_group=6, references=60)
    with made.connect() as connection:
        cases = connection.execute(select(schema.cases)).all()
    key = {"layer_id": DENSE, "metric": "euclidean", "rule": "max-class"}  # decided at k 5 and threshold 1
    rows = [key | {"case_id": case.id, **decide(made, case, "max-class", 5, 1)._asdict()} for case in cases]
    with made.begin() as connection:
        connection.execute(insert(schema.decisions), rows)
    return made


def decide(engine, case, rule, k, threshold):
    neighbors = db.read.case_neighbors(engine, case.id, "dense")
    return votes.decide(
        [neighbor.label for neighbor in neighbors],
        predicted=case.predicted_class,
        k=k,
        threshold=threshold,
        rule=rule,
        attacked=case.kind == "adversarial",
    )


def validation_cases(engine):
    cases = schema.cases
    with engine.connect() as connection:
        return connection.execute(select(cases).where(cases.c.partition == "validation")).all()


@pytest.mark.parametrize("rule", ["total", "max-class"])
def test_a_decision_from_labels_is_the_pipelines(rule):
    random = np.random.default_rng(1)
    labels, predicted = random.integers(0, 4, (40, 12)), random.integers(0, 4, 40)
    counts = defense.unexpected_counts(labels, predicted, rule, classes=4)
    majority = defense.majority_classes(labels, classes=4)
    for k in (1, 2, 5, 12):
        alarms = defense.alarms(counts[:, k - 1], 2)
        recovered = defense.recovered_classes(alarms, majority[:, k - 1], predicted)
        for i in range(40):
            found = votes.decide(
                labels[i].tolist(), predicted=int(predicted[i]), k=k, threshold=2, rule=rule, attacked=None
            )
            assert (found.unexpected_count, found.alarm) == (counts[i, k - 1], alarms[i])
            assert found.majority_class == (majority[i, k - 1] if majority[i, k - 1] >= 0 else None)
            assert found.recovered_class == (recovered[i] if recovered[i] >= 0 else None)
            assert found.outcome is None


def test_at_the_tuned_point_the_decision_is_the_stored_one(engine):
    tuned = db.read.tuned_point(engine, SCOPE, DENSE, metric="euclidean", rule="total")
    for case in validation_cases(engine):
        stored = next(d for d in db.read.case_decisions(engine, case.id) if d.layer == "dense")
        assert decide(engine, case, "total", *tuned) == votes.Decided(*stored[3:])


def test_more_neighbors_than_are_stored_are_refused():
    with pytest.raises(ValueError, match=r"k \(=3\) must lie in 1..2"):
        votes.decide([1, 2], predicted=1, k=3, threshold=0, rule="total", attacked=None)


@pytest.mark.parametrize(
    ("rule", "k", "threshold"),
    [("total", 1, 0), ("total", 20, 3), ("total", 9, 9), ("max-class", 13, 2), ("max-class", 50, -1)],
)
def test_flips_are_the_cases_whose_alarm_becomes_another(engine, rule, k, threshold):
    tuned = db.read.tuned_point(engine, SCOPE, DENSE, metric="euclidean", rule="total")
    expected = {}
    for case in validation_cases(engine):
        before = decide(engine, case, rule, *(tuned if rule == "total" else (5, 1)))
        after = decide(engine, case, rule, k, threshold)
        if before.alarm != after.alarm:
            expected[case.id] = after.alarm
    found = db.read.flips(engine, SCOPE, DENSE, k, threshold, rule=rule, **EUCLIDEAN)
    assert {flip.case_id: flip.alarms for flip in found.shown} == expected
    assert found.now_alarm == sum(expected.values())
    assert found.no_longer == len(expected) - sum(expected.values())


def test_flips_are_shown_from_both_directions_and_counted_in_full(engine, monkeypatch):
    whole = db.read.flips(engine, SCOPE, DENSE, 50, -1, rule="max-class", **EUCLIDEAN)
    monkeypatch.setattr("db.read.one_case.what_if.FLIPS_SHOWN", 2)
    cut = db.read.flips(engine, SCOPE, DENSE, 50, -1, rule="max-class", **EUCLIDEAN)
    assert len(cut.shown) == 2
    assert cut[1:] == whole[1:]


def test_counts_at_every_threshold_are_those_of_the_decisions(engine):
    tuned = db.read.tuned_point(engine, SCOPE, DENSE, metric="euclidean", rule="total")
    other = db.read.what_if_outcomes(engine, SCOPE, DENSE, tuned, 7, metric="euclidean", rule="total")
    assert [point.threshold for point in other.at_k] == list(range(-1, 8))
    assert {point.k for point in other.at_k} == {7}
    assert other.tuned[:2] == tuned
    decided = [decide(engine, case, "total", 7, 2).outcome for case in validation_cases(engine)]
    point = other.at_k[3]
    assert (point.tp, point.fp, point.tn, point.fn) == tuple(map(decided.count, ("TP", "FP", "TN", "FN")))
    figure = what_if_figures.roc(
        [row[1:] for row in other.at_k], k=7, threshold=2, tuned=other.tuned[1:], tuned_k=9, theme="light"
    )
    now = next(trace for trace in figure["data"] if trace.get("name") == "now")
    assert now["x"] == [point.fp / (point.fp + point.tn)]
    assert now["y"] == [point.tp / (point.tp + point.fn)]


def test_the_address_chooses_metric_rule_k_and_threshold(engine):
    case = db.read.case_detail(engine, validation_cases(engine)[0].id)
    state = case_state(engine, case, "?layer=dense")
    assert (state.k, state.threshold) == state.tuned
    assert not state.moved
    state = case_state(engine, case, "?layer=dense&k=9&threshold=2")
    assert (state.k, state.threshold, state.moved) == (9, 2, True)
    state = case_state(engine, case, "?layer=dense&k=2&threshold=7")
    assert (state.k, state.threshold) == (2, 2)
    (line,) = state.view.complaints
    assert "“7”" in line


def test_what_the_address_says_wrongly_is_named_with_what_it_can_be():
    search = "?metric=taxi&rule=most&k=51&threshold=x&panel=map&pair=0&order=up&twin=yes"
    view = case_view(search, ["dense"], ("euclidean", "cosine"), ("total",))
    assert (view.metric, view.rule, view.k, view.threshold) == ("euclidean", "total", None, None)
    assert (view.panel, view.pair, view.order, view.twin) == ("both", None, "difference", False)
    assert len(view.complaints) == 8
    assert all(word in view.complaints[0] for word in ("metric", "“taxi”", "euclidean, cosine"))
    assert "1 to 50" in view.complaints[2]
    assert other_case_search("?k=3&pair=4&kind=clean") == "?k=3&kind=clean"


def test_the_tuned_point_is_marked_on_a_slider_and_wins_over_its_ends():
    assert marks(1, 50, 20) == {"1": "1", "20": "▲ tuned 20", "50": "50"}
    low = marks(-1, 50, 0)
    assert list(low) == ["0", "50"]
    assert low["0"]["label"] == "▲ tuned 0"
    assert marks(-1, 5, 9) == {"-1": "−1", "5": "5"}  # a tuned threshold above this k is not on the slider


def test_flips_are_told_in_words():
    assert what_if.flips_sentence(0, 0, 0) == "No validation case flips."
    assert what_if.flips_sentence(1, 0, 1) == "1 validation case flips: 1 now alarm."
    sentence = what_if.flips_sentence(1200, 30, 24)
    assert sentence == "1,230 validation cases flip: 1,200 now alarm, 30 no longer do; 24 are shown."
    assert [what_if.change(*pair) for pair in ((3, 1), (1, 3), (2, 2))] == ["+2", "−2", "same"]
