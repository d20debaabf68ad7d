"""The stage `predictions`: a network's prediction for every image of a split, written once."""

from __future__ import annotations

import numpy as np
from sqlalchemy import Engine

from db.engine import writing
from db.read.for_ingest import batches
from db.scope import Scope
from ingest import record
from ingest.runs import stage
from model.data.dataset import Dataset
from model.network.cnn import Network, predict


def predict_split(engine: Engine, scope: Scope, network: Network, part: Dataset) -> np.ndarray:
    """The class (N,) that the network predicts for each image of a split, read if it is stored."""
    known = _read_known(engine, scope, part.split)
    lacking = np.array([int(place) not in known for place in part.positions], bool)
    if lacking.any():
        write_missing_predictions(engine, scope, part, predict(network, part.images))
        known = _read_known(engine, scope, part.split)
    return np.array([known[int(place)] for place in part.positions], np.int64)


def write_missing_predictions(engine: Engine, scope: Scope, part: Dataset, logits: np.ndarray) -> None:
    """Write predictions by logits (N, K) for the images of a split that have none yet."""
    known = _read_known(engine, scope, part.split)
    new = np.array([i for i, place in enumerate(part.positions.tolist()) if place not in known], int)
    if not new.size:
        return
    parameters = {"dataset": part.name, "split": part.split}
    with (
        stage(engine, "predictions", scope, parameters) as run_id,
        writing(engine) as connection,
    ):
        record.write_predictions(connection, scope, run_id, part, new, logits[new])


def _read_known(engine: Engine, scope: Scope, split: str) -> dict[int, int]:
    with engine.connect() as connection:
        return batches.predicted_classes(connection, scope, split)
