"""Tuning a network anew, whatever was chosen before: for new cases, or when some are gone."""

from __future__ import annotations

from sqlalchemy import Engine

from db import deletion
from db.engine import writing
from db.read.for_ingest import batches
from db.vocabulary import RULES
from ingest.batch import Batch
from ingest.stages.evaluation import evaluate_detectors
from ingest.stages.neighbors import find_neighbors
from ingest.stages.tuning import tune


def retune_network(engine: Engine, network_id: int) -> bool:
    """Find neighbors that are lacking, tune and evaluate; whether there was anything to tune by.

    Where there is not, what was tuned and decided before goes: nothing stands for it any more.
    """
    with engine.connect() as connection:
        metrics = sorted(batches.neighbor_counts(connection, network_id)) or Batch().metrics
    find_neighbors(engine, network_id, metrics)  # what a stopped ingest left to do
    if tune(engine, network_id, metrics, RULES, again=True):
        evaluate_detectors(engine, network_id, metrics, RULES, again=True)
        return True
    with writing(engine) as connection:
        deletion.delete_tuning(connection, network_id)
    return False
