"""One place decides: the same rows from tuning, an evaluation and a check, and nowhere else a rule."""

import re
from pathlib import Path

import numpy as np
import pytest

from ingest import decide
from model.detectors import votes

ROOT = Path(decide.__file__).parents[1]
# The sliders of a case decide anew what no row has, and the figure under them; tables have CHECKs.
ALLOWED = (
    "ingest/decide.py",
    "db/tables/",
    "db/read/one_case/what_if.py",
    "dashapp/decide/votes.py",
    "dashapp/draw/figures.py",
)
COMPARED = re.compile(r"(?<!<)(>|>=) (\w+\.)*threshold\b|\bthreshold (<|<=)(?!>) ")


@pytest.mark.parametrize("rule", votes.RULES)
def test_votes_are_decided_as_the_defense_counts_them(rule):
    random = np.random.default_rng(2)
    labels, predicted = random.integers(0, 5, (60, 9)), random.integers(0, 5, 60)
    counts = votes.unexpected_counts(labels, predicted, rule, classes=5)
    majority = votes.majority_classes(labels, classes=5)
    for k, threshold in ((1, 0), (4, -1), (9, 5)):
        found = decide.decide_votes(labels, predicted, rule=rule, k=k, threshold=threshold, classes=5)
        np.testing.assert_array_equal(found.scores, counts[:, k - 1])
        np.testing.assert_array_equal(found.alarms, counts[:, k - 1] > threshold)
        np.testing.assert_array_equal(found.named, majority[:, k - 1])
        named = found.recovered >= 0
        assert (found.alarms[named] & (found.recovered[named] != predicted[named])).all()


def test_scores_alarm_strictly_above_the_threshold_and_name_a_class_only_then():
    found = decide.decide_scores(np.array([0.5, 0.25, 0.75]), np.array([3, 4, -1]), 0.5)
    assert found.alarms.tolist() == [False, False, True]
    assert found.recovered.tolist() == [-1, -1, -1]
    found = decide.decide_scores(np.array([0.5, 0.75]), np.array([3, 4]), 0.5)
    assert found.recovered.tolist() == [-1, 4]


def test_an_outcome_is_told_where_the_truth_is_known():
    alarms, attacked = np.array([True, True, False, False]), np.array([True, False, True, False])
    assert decide.outcomes(alarms, attacked) == ["TP", "FP", "FN", "TN"]
    known = np.array([True, False, True, False])
    assert decide.outcomes(alarms, attacked, known) == ["TP", None, "FN", None]


def test_nowhere_else_is_a_score_held_against_a_threshold():
    found = []
    for folder in ("ingest", "db", "dashapp"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if name.startswith(ALLOWED):
                continue
            for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
                if COMPARED.search(line):
                    found.append(f"{name}:{number}: {line.strip()}")
    assert found == []
