"""The baselines' scores, in one place, for one image and for many."""

import numpy as np
import pytest
from sqlalchemy import select

from db import schema
from ingest import rows
from model.detectors import baselines


def test_baselines_score_doubt_and_a_small_lead():
    found = baselines.scores(np.array([[1.0, 40.0, 2.0]]))
    assert found["logit-margin"].scores.tolist() == [-38]
    assert found["confidence"].scores[0] == pytest.approx(np.exp(-38) + np.exp(-39), rel=1e-12)
    assert baselines.runner_up(np.array([[1.0, 40.0, 2.0]])).tolist() == [2]


def test_a_score_is_the_same_whatever_is_beside_it():
    logits = np.random.default_rng(0).normal(0, 5, (50, 10)).astype(np.float32)
    together = baselines.scores(logits)
    for name, found in together.items():
        alone = [baselines.scores(logits[i : i + 1])[name].scores[0] for i in range(50)]
        assert found.scores.tolist() == alone


def test_logits_that_move_by_the_noise_move_no_score_by_more_than_it_says():
    random = np.random.default_rng(1)
    logits = random.normal(0, 8, (500, 10))
    noise = baselines.logit_noise(logits)[:, None]
    before, after = (
        baselines.scores(one) for one in (logits, logits + noise * random.uniform(-1, 1, logits.shape))
    )
    for name, found in before.items():
        assert (np.abs(after[name].scores - found.scores) <= found.noise * 1.001).all(), name


def test_the_decisions_of_a_database_are_by_these_scores(ingested):
    decided, scores = schema.detector_decisions.c, schema.class_scores.c
    with ingested.connect() as connection:
        for case_id, detector, score in connection.execute(
            select(decided.case_id, decided.detector, decided.score).where(
                decided.detector.in_(("confidence", "logit-margin"))
            )
        ).all():
            query = select(scores.logit).where(scores.case_id == case_id).order_by(scores["class"])
            logits = np.array(connection.scalars(query).all())[None]
            assert baselines.scores(logits)[detector].scores[0] == score
            confidence = rows.probabilities(logits).max()
            if detector == "confidence":
                assert score == pytest.approx(1 - confidence, abs=1e-12)
