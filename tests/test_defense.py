"""The defense against counting by hand."""

from collections import Counter

import numpy as np
import pytest

from model.detectors import votes

RNG = np.random.default_rng(4)
LABELS = RNG.integers(0, 4, (60, 9))
PREDICTED = RNG.integers(0, 4, 60)


@pytest.mark.parametrize("rule", votes.RULES)
def test_unexpected_counts_are_those_counted_by_hand_for_every_k(rule):
    counts = votes.unexpected_counts(LABELS, PREDICTED, rule, classes=4)
    for row in range(60):
        for k in range(1, 10):
            others = Counter(int(label) for label in LABELS[row, :k] if label != PREDICTED[row])
            expected = others.total() if rule == "total" else max(others.values(), default=0)
            assert counts[row, k - 1] == expected


def test_the_default_rule_is_total():
    np.testing.assert_array_equal(
        votes.unexpected_counts([[1, 2, 0]], [0], classes=3),
        votes.unexpected_counts([[1, 2, 0]], [0], "total", classes=3),
    )


def test_an_alarm_needs_strictly_more_than_the_threshold():
    np.testing.assert_array_equal(votes.alarms([0, 4, 5, 6], 5), [False, False, False, True])
    assert votes.alarms(np.zeros(3, int), -1).all()


def test_the_majority_class_is_unique_or_none():
    majority = votes.majority_classes(LABELS, classes=4)
    for row in range(60):
        for k in range(1, 10):
            ranked = Counter(LABELS[row, :k].tolist()).most_common()
            unique = len(ranked) == 1 or ranked[0][1] > ranked[1][1]
            assert majority[row, k - 1] == (ranked[0][0] if unique else -1)


def test_a_class_is_recovered_on_alarm_from_another_majority_only():
    alarm = np.array([True, True, True, False])
    majority = np.array([3, 1, -1, 3])
    np.testing.assert_array_equal(votes.recovered_classes(alarm, majority, np.full(4, 1)), [3, -1, -1, -1])


def test_outcomes_name_the_alarm_against_the_truth():
    alarm = np.array([True, True, False, False])
    truth = np.array([True, False, False, True])
    assert votes.outcomes(alarm, truth).tolist() == ["TP", "FP", "TN", "FN"]


@pytest.mark.parametrize(
    ("labels", "predicted", "rule", "message"),
    [
        ([[0, 4]], [0], "total", "neighbor_labels must lie in 0..3, but reach from 0 to 4"),
        ([[0, -1]], [0], "total", "neighbor_labels must lie in 0..3, but reach from -1 to 0"),
        ([[0, 1]], [9], "total", "predicted must lie in 0..3"),
        ([[0, 1]], [0, 1], "total", r"predicted \(=int64 \(2,\)\) must be integers of shape \(1,\)"),
        ([0, 1], [0], "total", r"neighbor_labels \(=int64 \(2,\)\)"),
        ([[0.5]], [0], "total", r"neighbor_labels \(=float64"),
        ([[0, 1]], [0], "median", r"rule \(='median'\) must be one of total, max-class"),
    ],
)
def test_bad_input_is_named_in_one_line(labels, predicted, rule, message):
    with pytest.raises(ValueError, match=message) as error:
        votes.unexpected_counts(labels, predicted, rule, classes=4)
    assert "\n" not in str(error.value)
