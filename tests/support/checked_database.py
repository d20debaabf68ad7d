"""A small database in which every kind of detector is tuned: conv layers, `distinct` and all."""

from pathlib import Path

from sqlalchemy import Engine

from db import engine as engines
from db.engine import writing
from db.read.network_titles import scopes
from db.vocabulary import REFERENCES, RULES
from ingest import record
from ingest.stages import evaluation, neighbors, tuning
from model.network import checkpoint
from tests.support import fresh_database

METRICS = ("euclidean",)
LAYERS = ("conv1", "flatten", "dense", "logits", "composed", "composed-scaled")
PLAIN = ("flatten", "dense", "logits", "composed", "composed-scaled", "composed-pooled")
COMPARED = ("composed-pooled", *(f"{layer}-distinct" for layer in PLAIN), "confidence", "logit-margin")
EVERY = (*LAYERS, *COMPARED, "repair")


def make(ingested: Engine, path: Path, weights: Path) -> Path:
    """A copy of the small ingest of these weights that also compares a conv layer and `composed-scaled`."""
    fresh_database.copy_file(ingested.url.database, path)
    made, loaded = engines.create(path), checkpoint.load(weights)
    with writing(made) as connection:
        architecture = loaded.network.architecture
        (scope,) = scopes(connection)
        record.compare_layers(connection, scope.network_id, architecture, ("conv1", "composed-scaled"))
    neighbors.find_neighbors(made, scope, METRICS, loaded.network)
    assert tuning.tune(made, scope, METRICS, RULES)
    assert evaluation.evaluate_detectors(made, scope, METRICS, RULES, REFERENCES)
    made.dispose()
    return path
