"""Decisions of detectors without neighbors about kept cases, for which the truth is unknown."""

from __future__ import annotations

from typing import Any

import numpy as np
from sqlalchemy import Connection

from db.read.for_ingest.kept import KeptScores, kept_scores
from db.scope import Scope
from ingest.decide import decide_scores, score_rows
from model.detectors.registry import DETECTORS, Detector, Evidence, Scores

PARTITION = "checked"
KEPT_DATASETS = "checked, as "  # prefix of the names of data sets of kept images


def kept_rows(connection: Connection, scope: Scope, detector: str, threshold: float) -> list[dict[str, Any]]:
    """Rows of `detector_decisions`, except scope and detector, for the kept cases that it can judge."""
    kept = kept_scores(connection, scope)
    ids, scored = _score(kept, DETECTORS[detector])
    decided = decide_scores(scored.scores, scored.named, threshold)
    return score_rows(ids, [PARTITION] * len(ids), decided, [None] * len(ids), threshold)


def _score(kept: KeptScores, detector: Detector) -> tuple[list[int], Scores]:
    """The ids of the cases that the detector can judge, and their scores."""
    can = [case_id in kept.repaired or not detector.repairs for case_id in kept.case_ids]
    ids = [case_id for case_id, able in zip(kept.case_ids, can, strict=True) if able]
    if not ids:
        return [], Scores(np.zeros(0), np.zeros(0, int), np.zeros(0))
    logits = kept.logits[np.array(can)]
    if not detector.repairs:
        return ids, detector.score(Evidence(logits))
    scores, classes = zip(*(kept.repaired[case_id] for case_id in ids), strict=True)
    return ids, detector.score(Evidence(logits, np.array(scores, float), np.array(classes, int)))
