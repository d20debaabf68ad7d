"""Retune a network on a data set, regardless of earlier choices: after cases were added or deleted."""

from __future__ import annotations

from sqlalchemy import Engine

from db import deletion
from db.engine import writing
from db.read.for_ingest import batches
from db.scope import Scope
from db.vocabulary import RULES
from ingest.batch import Batch
from ingest.stages.evaluation import evaluate_detectors
from ingest.stages.neighbors import find_neighbors
from ingest.stages.tuning import tune


def retune_network(engine: Engine, scope: Scope) -> bool:
    """Find missing neighbors, tune and evaluate; returns whether there was anything to tune by.

    If there was not, earlier tunings and decisions are deleted: nothing supports them any more.
    """
    with engine.connect() as connection:
        metrics = sorted(batches.neighbor_counts(connection, scope)) or Batch().metrics
    find_neighbors(engine, scope, metrics)  # those that a stopped ingest left out
    if tune(engine, scope, metrics, RULES, again=True):
        evaluate_detectors(engine, scope, metrics, RULES, again=True)
        return True
    with writing(engine) as connection:
        deletion.delete_tuning(connection, scope)
    return False
