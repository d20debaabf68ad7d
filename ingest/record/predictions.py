"""A network's predictions for the images of a split, whether they are cases or not."""

from __future__ import annotations

import numpy as np
from sqlalchemy import Connection

from db import write
from db.schema import predictions
from ingest import rows
from model.data.dataset import Dataset


def write_predictions(
    connection: Connection,
    network_id: int,
    run_id: int,
    part: Dataset,
    indices: np.ndarray,
    logits: np.ndarray,
) -> None:
    """Write missing predictions by logits (N, K) float32 for images of a split, at `indices` (N,)."""
    predicted = logits.argmax(1)
    confidence = rows.probabilities(logits)[np.arange(len(logits)), predicted]
    columns = (part.positions[indices], part.labels[indices], predicted, confidence)
    new = [
        {
            "network_id": network_id,
            "split": part.split,
            "run_id": run_id,
            "position": position,
            "label": label,
            "predicted_class": predicted_class,
            "confidence": sure,
            "logits": values.astype("<f4").tobytes(),
        }
        for position, label, predicted_class, sure, values in zip(
            *(column.tolist() for column in columns), logits, strict=True
        )
    ]
    write.insert_missing(connection, predictions, new)
