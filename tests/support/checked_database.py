"""A small database in which every kind of detector is tuned: conv layers, `distinct` and all."""

from pathlib import Path

from sqlalchemy import Engine

from db import engine as engines
from db.engine import writing
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
        record.compare_layers(connection, 1, architecture, ("conv1", "composed-scaled"))
    neighbors.find_neighbors(made, 1, METRICS, loaded.network)
    assert tuning.tune(made, 1, METRICS, RULES)
    assert evaluation.evaluate_detectors(made, 1, METRICS, RULES, REFERENCES)
    made.dispose()
    return path
