"""What detectors without neighbors decide about kept cases, whose truth nobody knows."""

from __future__ import annotations

from typing import Any

import numpy as np
from sqlalchemy import Connection

from db.read.for_ingest.kept import KeptScores, kept_scores
from ingest.decide import decide_scores, score_rows
from model.detectors import baselines

PARTITION = "checked"
KEPT_DATASETS = "checked, as "  # what the names of data sets of kept images begin with


def kept_rows(
    connection: Connection, network_id: int, detector: str, threshold: float
) -> list[dict[str, Any]]:
    """Rows of `detector_decisions`, but for network and detector, of the kept cases that it can judge."""
    kept = kept_scores(connection, network_id)
    ids, scores, named = _judged(kept, detector)
    decided = decide_scores(scores, named, threshold)
    return score_rows(ids, [PARTITION] * len(ids), decided, [None] * len(ids), threshold)


def _judged(kept: KeptScores, detector: str) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Cases with their scores (N,) and the classes (N,) that the detector takes for the true ones."""
    if not kept.case_ids:
        return [], np.zeros(0), np.zeros(0, int)
    by_output = baselines.scores(kept.logits)
    if detector in by_output:
        return kept.case_ids, by_output[detector].scores, baselines.runner_up(kept.logits)
    ids = [case_id for case_id in kept.case_ids if case_id in kept.repaired]
    scores, named = ([kept.repaired[case_id][part] for case_id in ids] for part in (0, 1))
    return ids, np.array(scores, float), np.array(named, int)
