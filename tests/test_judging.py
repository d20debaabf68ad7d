"""What a detector's evaluation is made of: sets, partitions, ways of choosing k; against plain counting."""

import numpy as np
import pytest

from db.read.for_ingest.evaluated import EvaluatedCases
from ingest.stages import evaluation_rows
from ingest.stages.evaluation_rows import Scored
from model.detectors import evaluation, tuning, votes

CLASSES, K_MAX = 4, 12


def made(count: int = 160, seed: int = 0, *, one_set: bool = False) -> EvaluatedCases:
    """Cases of both kinds in both partitions, targeted and not."""
    random = np.random.default_rng(seed)
    adversarial = np.arange(count) % 2 == 0
    predicted = random.integers(0, CLASSES, count)
    return EvaluatedCases(
        ids=np.arange(10, 10 + count),
        partitions=np.where(np.arange(count) % 4 < 2, "tuning", "validation"),
        adversarial=adversarial,
        targeted=np.full(count, one_set) | (np.arange(count) % 8 < 4),
        predicted=predicted,
        true=np.where(adversarial, (predicted + 1) % CLASSES, predicted),
        logits=random.normal(0, 1, (count, CLASSES)),
    )


CASES = made()


def near(cases: EvaluatedCases, seed: int = 1) -> np.ndarray:
    """Labels (N, k) of neighbors: of adversarial cases more often not the predicted class."""
    random = np.random.default_rng(seed)
    other = random.random((len(cases.ids), K_MAX)) < np.where(cases.adversarial, 0.5, 0.2)[:, None]
    step = random.integers(1, CLASSES, other.shape)
    return (cases.predicted[:, None] + np.where(other, step, 0)) % CLASSES


LABELS = near(CASES)


def judged(cases=CASES, labels=LABELS, rule="total", **options):
    count = int(cases.adversarial.sum())
    before = near(cases, seed=2)[cases.adversarial]
    options = {"paper_k": None, "with_points": True} | options
    return evaluation_rows.judge_neighbors(cases, labels, before, np.zeros(count, int), rule, **options)


def chosen(rows, **key):
    return [row for row in rows if key.items() <= row.items()]


def test_sets_are_told_apart_only_where_there_are_both():
    sets = evaluation_rows.case_sets(CASES)
    assert list(sets) == ["all", "targeted", "untargeted"]
    assert (sets["targeted"] ^ sets["untargeted"]).all()
    assert list(evaluation_rows.case_sets(made(one_set=True))) == ["all"]


@pytest.mark.parametrize("rule", votes.RULES)
def test_k_and_threshold_come_from_the_tuning_cases_of_the_set_alone(rule):
    counts = votes.unexpected_counts(LABELS, CASES.predicted, rule, classes=CLASSES)
    rows = judged(rule=rule).evaluations
    other = LABELS.copy()
    other[CASES.partitions == "validation"] = 0
    for case_set, inside in evaluation_rows.case_sets(CASES).items():
        members = inside & (CASES.partitions == "tuning")
        point = tuning.choose(tuning.sweep(counts[members], CASES.adversarial[members], K_MAX))
        for row in chosen(rows, case_set=case_set, how_chosen="tuning"):
            assert (row["k"], row["threshold"]) == point
        (again,) = chosen(
            judged(labels=other, rule=rule).evaluations,
            case_set=case_set,
            how_chosen="tuning",
            partition="tuning",
        )
        assert (again["k"], again["threshold"]) == point


def test_every_row_is_what_counting_gives():
    counts = votes.unexpected_counts(LABELS, CASES.predicted, "total", classes=CLASSES)
    majority = votes.majority_classes(LABELS, classes=CLASSES)
    rows = judged(paper_k=7).evaluations
    assert len(rows) == 3 * 3 * 2  # sets, ways, partitions
    for row in rows:
        inside = evaluation_rows.case_sets(CASES)[row["case_set"]] & (CASES.partitions == row["partition"])
        attacked, clean = inside & CASES.adversarial, inside & ~CASES.adversarial
        scores = counts[:, row["k"] - 1]
        assert row["tp"] == (scores[attacked] > row["threshold"]).sum()
        assert row["fp"] == (scores[clean] > row["threshold"]).sum()
        assert row["tp"] + row["fn"] == attacked.sum()
        assert row["fp"] + row["tn"] == clean.sum()
        assert row["auc"] == pytest.approx(evaluation.auc(scores[attacked], scores[clean]))
        right = majority[attacked, row["k"] - 1] == CASES.true[attacked]
        assert row["recovered"] == pytest.approx(right.mean())
        assert row["pairs"] == attacked.sum()
        assert row["located"] is None
    assert {row["k"] for row in chosen(rows, how_chosen="paper")} == {7}


def test_k_points_hold_each_k_with_its_tuning_threshold():
    result = judged()
    for case_set, inside in evaluation_rows.case_sets(CASES).items():
        counts = votes.unexpected_counts(LABELS, CASES.predicted, "total", classes=CLASSES)
        parts = {p: inside & (CASES.partitions == p) for p in ("tuning", "validation")}
        sweeps = {p: tuning.sweep(counts[m], CASES.adversarial[m], K_MAX) for p, m in parts.items()}
        thresholds = tuning.equal_error_rates(sweeps["tuning"]).thresholds
        for partition, members in parts.items():
            rows = chosen(result.k_points, case_set=case_set, partition=partition)
            assert [row["k"] for row in rows] == list(range(1, K_MAX + 1))
            assert [row["threshold"] for row in rows] == thresholds.tolist()
            for row in rows:
                alarm = counts[members, row["k"] - 1] > row["threshold"]
                assert row["accuracy"] == pytest.approx((alarm == CASES.adversarial[members]).mean())


def test_points_are_a_curve_at_each_k_that_was_evaluated_and_leave_out_what_tuning_points_has():
    result = judged(paper_k=7)
    for case_set in ("all", "targeted"):
        ks = {row["k"] for row in chosen(result.evaluations, case_set=case_set)}
        points = chosen(result.detector_points, case_set=case_set, partition="validation")
        assert {row["k"] for row in points} == ks
        for k in ks:
            assert [row["threshold"] for row in points if row["k"] == k] == list(range(-1, k + 1))
    assert not chosen(judged(with_points=False).detector_points, case_set="all")
    assert chosen(judged(with_points=False).detector_points, case_set="targeted")


def test_a_detector_without_neighbors_has_one_threshold_from_tuning():
    random = np.random.default_rng(3)
    scores = random.normal(0, 1, len(CASES.ids)) + CASES.adversarial
    before = np.where(CASES.adversarial, scores - 0.5, np.nan)
    result = evaluation_rows.judge_scores(CASES, Scored(scores, before, CASES.true, CASES.adversarial))
    assert result.k_points == []
    for row in result.evaluations:
        inside = evaluation_rows.case_sets(CASES)[row["case_set"]]
        tuned, here = (inside & (CASES.partitions == p) for p in ("tuning", row["partition"]))
        assert row["threshold"] == evaluation.choose(
            scores[tuned & CASES.adversarial], scores[tuned & ~CASES.adversarial]
        )
        assert row["k"] == 0
        assert (row["recovered"], row["located"], row["paired_wins"]) == (1, 1, 1)
        points = chosen(result.detector_points, case_set=row["case_set"], partition=row["partition"])
        assert len(points) == len(set(scores[here].tolist())) + 1


def test_without_originals_nothing_is_paired():
    none = evaluation_rows.judge_neighbors(
        CASES, LABELS, np.zeros((0, K_MAX), int), np.zeros(0, int), "total", paper_k=None, with_points=False
    )
    assert {row["paired_auc"] for row in none.evaluations} == {None}
    assert {row["pairs"] for row in none.evaluations} == {0}


def test_a_partition_with_one_kind_only_is_left_out():
    clean = CASES.partitions == "validation"
    cases = CASES._replace(adversarial=CASES.adversarial & ~clean)
    count = int(cases.adversarial.sum())
    result = evaluation_rows.judge_neighbors(
        cases, LABELS, LABELS[:count], np.zeros(count, int), "total", paper_k=None, with_points=True
    )
    assert {row["partition"] for row in result.evaluations} == {"tuning"}
    assert {row["how_chosen"] for row in result.evaluations} == {"tuning"}
