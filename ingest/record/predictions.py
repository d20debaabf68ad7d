"""A network's predictions for the images of a split, whether they are cases or not."""

from __future__ import annotations

import numpy as np
from sqlalchemy import Connection, case, func, select, update

from db import write
from db.schema import network_datasets, predictions
from db.scope import Scope
from ingest import rows
from model.data.dataset import Dataset


def write_predictions(
    connection: Connection,
    scope: Scope,
    run_id: int,
    part: Dataset,
    indices: np.ndarray,
    logits: np.ndarray,
) -> None:
    """Write missing predictions by logits (N, K) float32 for images of a split, at `indices` (N,).

    Those of the test split give the network's accuracy on the data set.
    """
    predicted = logits.argmax(1)
    confidence = rows.probabilities(logits)[np.arange(len(logits)), predicted]
    columns = (part.positions[indices], part.labels[indices], predicted, confidence)
    new = [
        {
            **scope._asdict(),
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
    if part.split == "test":
        _measure(connection, scope)


def _measure(connection: Connection, scope: Scope) -> None:
    """Set the accuracy on the test split, the share of right predictions."""
    right = case((predictions.c.predicted_class == predictions.c.label, 1.0), else_=0.0)
    share = select(func.avg(right)).where(scope.of(predictions), predictions.c.split == "test")
    change = update(network_datasets).where(scope.of(network_datasets))
    connection.execute(change.values(test_accuracy=share.scalar_subquery()))
