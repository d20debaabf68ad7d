"""A network's predictions for the adversarial cases of other networks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sqlalchemy import Connection

from db import write
from db.schema import transfers
from ingest import rows


def write_transfers(
    connection: Connection, network_id: int, run_id: int, case_ids: Sequence[int], logits: np.ndarray
) -> int:
    """Write missing predictions by logits (N, K) float32 for N cases; returns how many were written."""
    predicted = logits.argmax(1)
    confidence = rows.probabilities(logits)[np.arange(len(logits)), predicted]
    new = [
        {
            "case_id": case_id,
            "network_id": network_id,
            "run_id": run_id,
            "predicted_class": class_,
            "confidence": sure,
        }
        for case_id, class_, sure in zip(case_ids, predicted.tolist(), confidence.tolist(), strict=True)
    ]
    return write.insert_missing(connection, transfers, new)
