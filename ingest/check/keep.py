"""`xpixels check --keep`: store new images as cases of the partition `checked`.

It is unknown what such an image truly is and whether it was attacked: its kind is `unknown`, it has no true
class, its decisions have no outcome, and tuning and evaluation leave it out. Its sample belongs to a data set
of kept images, in the order of keeping, with the name of its file; the label there is the predicted class, as
no better one is known. The same pixels are one case, however often they are kept, with their first name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
from sqlalchemy import Connection, Engine

from db import facets, write
from db.engine import writing
from db.read.for_ingest import batches
from db.read.for_ingest.detectors import KnownNetwork, tuned_layers, tuned_scores
from db.read.for_ingest.kept import kept_votes
from db.schema import decisions, detector_decisions
from db.vocabulary import RULES
from ingest import record
from ingest.decide import decide_votes, vote_rows
from ingest.kept_cases import KEPT_DATASETS, PARTITION, kept_rows
from ingest.runs import stage
from ingest.stages.neighbors import find_neighbors
from model.detectors.repair import Repair
from model.network.architecture import COMPOSED
from model.network.checkpoint import Checkpoint
from model.network.cnn import activate

BATCH = 64  # images of one forward pass
SPLIT = "test"  # of the data set of kept images, which has no other


@contextmanager
def open_keeping_run(
    engine: Engine, network: KnownNetwork, checkpoint: Checkpoint
) -> Iterator[Callable[[np.ndarray, Sequence[str | None], Repair | None], list[int]]]:
    """A run that keeps images: yields `write_kept_cases` with its first arguments filled in.

    At its end the kept cases get neighbors and decisions like all other cases.
    """
    with stage(engine, "check", network.scope, {"dataset": _name_dataset(network)}) as run_id:
        yield partial(write_kept_cases, engine, network, checkpoint, run_id)
        decide_kept_cases(engine, network, checkpoint, run_id)


def write_kept_cases(
    engine: Engine,
    network: KnownNetwork,
    checkpoint: Checkpoint,
    run_id: int,
    images: np.ndarray,
    names: Sequence[str | None],
    repair: Repair | None,
) -> list[int]:
    """Write images (N, H, W, C) uint8 as cases with scores and activations; returns the ids of their cases.

    names: of their files; None: it has none. repair: their repair sweep, if one is to be kept.
    """
    with engine.connect() as connection:
        layer_ids = {
            row.name: row.id for row in batches.layer_rows(connection, network.id) if row.kind != COMPOSED
        }
    last = checkpoint.network.architecture.logits
    parts = list(activate(checkpoint.network, images, tuple(layer_ids), batch_size=BATCH))
    outputs = {name: np.concatenate([part[name] for part in parts]) for name in layer_ids}
    logits, predicted = outputs[last], outputs[last].argmax(1).tolist()
    activations = record.encode_activations(outputs, layer_ids)
    with writing(engine) as connection:
        id_pairs = write_kept_samples(connection, network, images, names, predicted)
        new = [record.NewCase(*pair, kind="unknown", partition=PARTITION) for pair in id_pairs]
        ids = record.write_cases(connection, network.scope, run_id, new, logits, activations)
        if repair is not None:
            image_ids = [image_id for _, image_id in id_pairs]
            record.write_repairs(connection, network.scope, run_id, image_ids, repair)
    return ids


def decide_kept_cases(engine: Engine, network: KnownNetwork, checkpoint: Checkpoint, run_id: int) -> None:
    """Find missing neighbors of cases, and decide kept cases at all existing operating points."""
    with engine.connect() as connection:
        metrics = sorted(batches.neighbor_counts(connection, network.scope))
    find_neighbors(engine, network.scope, metrics, checkpoint.network)
    new = []
    for metric in metrics:
        for rule in RULES:
            with engine.connect() as connection:
                points = tuned_layers(connection, network.scope, metric, rule)
            for point in points:
                with engine.connect() as connection:
                    ids, predicted, labels = kept_votes(
                        connection, network.scope, point.layer_id, metric, point.k
                    )
                key = {"layer_id": point.layer_id, "metric": metric, "rule": rule}
                at = {"k": point.k, "threshold": point.threshold}
                decided = decide_votes(labels, predicted, rule=rule, **at, classes=len(network.class_names))
                new += vote_rows(ids, decided, [None] * len(ids), key | at | {"run_id": run_id})
    with writing(engine) as connection:
        write.insert_missing(connection, decisions, new)
        for score in tuned_scores(connection, network.scope):
            key = {**network.scope._asdict(), "detector": score.name}
            found = kept_rows(connection, network.scope, score.name, score.threshold)
            write.insert_missing(connection, detector_decisions, [key | row for row in found])
        facets.refresh(connection, network.scope, PARTITION)


def write_kept_samples(
    connection: Connection,
    network: KnownNetwork,
    images: np.ndarray,
    names: Sequence[str | None],
    predicted: Sequence[int],
) -> list[tuple[int, int]]:
    """Write images (N, H, W, C) uint8 as samples of the data set of kept images, which is made if missing.

    Returns for each image the ids of its sample and of its row in `images`.
    """
    source = "images given to `xpixels check --keep`"
    dataset_id = record.register_dataset_named(
        connection, _name_dataset(network), source, network.class_names
    )
    return record.write_kept_samples(connection, dataset_id, SPLIT, images, predicted, names)


def _name_dataset(network: KnownNetwork) -> str:
    return KEPT_DATASETS + network.dataset
