"""What the repair sweep and the baselines decide about a case, in numbers and in words."""

from collections import Counter

import pytest
from sqlalchemy import select

import db.read
from dashapp.words import detectors as words
from db import facets, schema
from db.reasons import ScoreFacts
from db.scope import Scope
from tests.support import small_database
from tests.support.small_database import CAT


@pytest.fixture(scope="module")
def small(fresh):
    engine = fresh()
    with engine.begin() as connection:
        small_database.fill(connection)
        decided = [
            {
                "case_id": case,
                "partition": "validation",
                "score": score,
                "threshold": 0.5,
                "alarm": score > 0.5,
                "outcome": outcome,
                "recovered_class": recovered,
            }
            for case, score, outcome, recovered in ((1, 2.5, "TP", CAT), (2, 0.5, "TN", None))
        ]
        facets.replace_detector(connection, Scope(1, 1), "repair", decided)
    return engine


def test_the_repair_sweep_of_a_case_is_held_against_the_threshold_of_all_tuning_cases(small):
    (attacked,) = db.read.score_decisions(small, 1)  # the baseline was not evaluated on tuning
    assert attacked.detector == "repair"
    assert (attacked.score, attacked.threshold, attacked.alarm, attacked.outcome) == (2.5, 0.5, True, "TP")
    assert (attacked.row, attacked.column, attacked.located) == (3, 30, True)
    assert attacked.other == attacked.recovered_class == CAT
    (clean,) = db.read.score_decisions(small, 2)  # its score is the threshold, not above it
    assert (clean.score, clean.alarm, clean.outcome) == (0.5, False, "TN")
    assert clean.other == CAT
    assert clean.recovered_class is None
    assert clean.located is None
    (waiting,) = db.read.score_decisions(small, 3)  # what nothing was decided about says nothing
    assert (waiting.score, waiting.alarm, waiting.outcome, waiting.threshold) == (None, None, None, 0.5)
    with pytest.raises(LookupError, match="case 99"):
        db.read.score_decisions(small, 99)


def test_scores_and_outcomes_are_those_of_the_evaluation(ingested):
    with ingested.connect() as connection:
        cases = connection.execute(select(schema.cases.c.id, schema.cases.c.partition)).all()
        evaluated = connection.execute(
            select(schema.detectors.c.name, schema.evaluations)
            .join(schema.detectors, schema.detectors.c.id == schema.evaluations.c.detector_id)
            .where(
                schema.detectors.c.kind != "neighbors",
                schema.evaluations.c.case_set == "all",
                schema.evaluations.c.how_chosen == "tuning",
            )
        ).all()
    found = Counter(
        (decision.detector, partition, decision.outcome)
        for case_id, partition in cases
        for decision in db.read.score_decisions(ingested, case_id)
    )
    assert {row.name for row in evaluated} == {"repair", "confidence", "logit-margin"}
    for row in evaluated:
        counted = [found[row.name, row.partition, outcome] for outcome in ("TP", "FP", "TN", "FN")]
        assert counted == [row.tp, row.fp, row.tn, row.fn], row.name


@pytest.mark.parametrize(
    ("score", "threshold", "alarm", "parts"),
    [
        (4.914, 0.03, True, ("answer cat instead", "margin 4.91", "alarms above 0.03: alarm.")),
        (0.3, 0.5, False, ("answer cat instead", "margin 0.30", "alarms above 0.50: no alarm.")),
        (-12.34, 0.5, False, ("No single pixel", "answer bird", "brings cat nearest", "margin −12.3")),
        (-0.2, -0.5, True, ("No single pixel", "margin −0.20", "alarms above −0.50: alarm.")),
    ],
)
def test_the_repair_sweeps_reason_has_place_class_and_numbers(score, threshold, alarm, parts):
    facts = ScoreFacts(score, threshold, "bird", "cat", 12, 7)
    sentence = words.reason_sentence("repair", facts, alarm=alarm)
    for part in (*parts, "row 12, column 7"):
        assert part in sentence


def test_the_baselines_say_below_what_they_alarm():
    def say(detector, score, threshold, *, alarm):
        facts = ScoreFacts(score, threshold, "bird", "cat")
        return words.reason_sentence(detector, facts, alarm=alarm).replace("\N{NO-BREAK SPACE}", " ")

    sentence = say("confidence", 1 - 0.572, 1 - 0.641, alarm=True)
    assert sentence == "The network gives bird 57.2 %; alarms below 64.1 %: alarm."
    sentence = say("logit-margin", -6.57, -1.01, alarm=False)
    assert "bird ahead of cat by 6.57 in logits" in sentence
    assert sentence.endswith("alarms below 1.01: no alarm.")
    assert "64.127 %; alarms below 64.131 %" in say("confidence", 1 - 0.64127, 1 - 0.64131, alarm=True)
    near = say("logit-margin", -1.0142, -1.0143, alarm=True)
    assert "by 1.0142 in logits; alarms below 1.0143" in near
    ends = [
        words.recovery_sentence(detector="repair", recovered="cat", true=true)
        for true in ("cat", "dog", None)
    ]
    assert [end.partition(", ")[2] or end.partition("; ")[2] for end in ends] == [
        "and the true class.",
        "but the true class is dog.",
        "the true class is not known.",
    ]
