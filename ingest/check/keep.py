"""`xpixels check --keep`: images from outside as cases of the partition `checked`.

Nobody knows what such an image truly is, nor whether it was attacked: its kind is `unknown`, it has no true
class and its decisions no outcome, and no tuning or evaluation counts it. Its sample belongs to a data set of
its own, in the order of keeping, with the name of its file; the label there is the predicted class, for want
of a better one. The same pixels are one case, however often they are kept, and keep their first name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
from sqlalchemy import Connection, Engine, update

from db import facets, write
from db.engine import lock_row, writing
from db.read.for_ingest import batches
from db.read.for_ingest.detectors import KnownNetwork, tuned_layers, tuned_scores
from db.read.for_ingest.kept import kept_samples, kept_votes
from db.schema import (
    case_activations,
    cases,
    class_scores,
    classes,
    datasets,
    decisions,
    detector_decisions,
    now,
    repairs,
    samples,
)
from db.vocabulary import RULES
from ingest import rows
from ingest.check.kept import KEPT_DATASETS, PARTITION, kept_rows
from ingest.decide import decide_votes, vote_rows
from ingest.record import add_images
from ingest.runs import stage
from ingest.stages.neighbors import find_neighbors
from model.detectors.repair import Repair
from model.network.checkpoint import Checkpoint
from model.network.cnn import activate
from model.network.layers import COMPOSED

BATCH = 64  # images of one forward pass
SPLIT = "test"  # of the data set of kept images, which has no other


@contextmanager
def keeping(
    engine: Engine, network: KnownNetwork, checkpoint: Checkpoint
) -> Iterator[Callable[[np.ndarray, Sequence[str | None], Repair | None], list[int]]]:
    """A run that keeps images: what is given is `keep` but for its first arguments.

    At its end the kept cases get neighbors and decisions, as all others have them.
    """
    with stage(engine, "check", network.id, {"dataset": _dataset(network)}) as run_id:
        yield partial(keep, engine, network, checkpoint, run_id)
        decide(engine, network, checkpoint, run_id)


def keep(
    engine: Engine,
    network: KnownNetwork,
    checkpoint: Checkpoint,
    run_id: int,
    images: np.ndarray,
    names: Sequence[str | None],
    repair: Repair | None,
) -> list[int]:
    """Write images (N, H, W, 3) uint8 as cases with scores and activations; gives the ids of their cases.

    names: of their files; None: it has none. repair: their whole repair sweep, where one is to be kept.
    """
    with engine.connect() as connection:
        layer_ids = {
            row.name: row.id for row in batches.layer_rows(connection, network.id) if row.kind != COMPOSED
        }
    last = checkpoint.network.architecture.layers[-1].name
    parts = list(activate(checkpoint.network, images, tuple(layer_ids), batch_size=BATCH))
    outputs = {name: np.concatenate([part[name] for part in parts]) for name in layer_ids}
    logits, predicted = outputs[last], outputs[last].argmax(1).tolist()
    with writing(engine) as connection:
        sample_ids = _samples(connection, network, images, names, predicted)
        shared = {"network_id": network.id, "run_id": run_id, "kind": "unknown", "partition": PARTITION}
        new = {
            sample_id: {
                **shared,
                "sample_id": sample_id,
                "attack_id": None,
                "image_id": image_id,
                "true_class": None,
                "predicted_class": predicted[i],
                "confidence": float(rows.probabilities(logits[i])[predicted[i]]),
            }
            for i, (sample_id, image_id) in enumerate(sample_ids)
        }
        write.insert_missing(connection, cases, new.values())
        keys = [(network.id, sample_id) for sample_id, _ in sample_ids]
        ids = write.ids_by_key(connection, cases, ("network_id", "sample_id"), keys)
        scores = [row for i, id_ in enumerate(ids) for row in rows.score_rows(id_, logits[i])]
        write.insert_missing(connection, class_scores, scores)
        activations = [
            {"case_id": id_, "layer_id": layer_ids[name], **rows.activation_blob(values)}
            for name in layer_ids
            for id_, values in zip(ids, outputs[name], strict=True)
        ]
        write.insert_missing(connection, case_activations, activations)
        if repair is not None:
            keys = [
                {"run_id": run_id, "network_id": network.id, "image_id": image_id}
                for _, image_id in sample_ids
            ]
            write.insert_missing(connection, repairs, rows.repair_rows(repair, keys))
        facets.add_cases(connection, network.id)
    return ids


def decide(engine: Engine, network: KnownNetwork, checkpoint: Checkpoint, run_id: int) -> None:
    """Find the neighbors that cases lack, and decide kept ones at the operating points that there are."""
    with engine.connect() as connection:
        metrics = sorted(batches.neighbor_counts(connection, network.id))
    find_neighbors(engine, network.id, metrics, checkpoint.network)
    new = []
    for metric in metrics:
        for rule in RULES:
            with engine.connect() as connection:
                points = tuned_layers(connection, network.id, metric, rule)
            for point in points:
                with engine.connect() as connection:
                    ids, predicted, labels = kept_votes(
                        connection, network.id, point.layer_id, metric, point.k
                    )
                key = {"layer_id": point.layer_id, "metric": metric, "rule": rule}
                at = {"k": point.k, "threshold": point.threshold}
                decided = decide_votes(labels, predicted, rule=rule, **at, classes=len(network.class_names))
                new += vote_rows(ids, decided, [None] * len(ids), key | at | {"run_id": run_id})
    with writing(engine) as connection:
        write.insert_missing(connection, decisions, new)
        for score in tuned_scores(connection, network.id):
            key = {"network_id": network.id, "detector": score.name}
            found = kept_rows(connection, network.id, score.name, score.threshold)
            write.insert_missing(connection, detector_decisions, [key | row for row in found])
        facets.refresh(connection, network.id, PARTITION)


def _samples(
    connection: Connection,
    network: KnownNetwork,
    images: np.ndarray,
    names: Sequence[str | None],
    predicted: Sequence[int],
) -> list[tuple[int, int]]:
    """Sample and image ids, written down if new; a sample without a name gets one where there is one."""
    facts = {"source": "images given to `xpixels check --keep`", "created_at": now()}
    dataset_id = write.ensure(connection, datasets, {"name": _dataset(network)}, facts)
    write.insert_missing(
        connection,
        classes,
        [{"dataset_id": dataset_id, "class": i, "name": name} for i, name in enumerate(network.class_names)],
    )
    image_ids = add_images(connection, [rows.image_row(image) for image in images])
    lock_row(connection, datasets, dataset_id)  # so that two checks at once do not take the same places
    known, following = kept_samples(connection, dataset_id)
    new = [image_id for image_id in dict.fromkeys(image_ids) if image_id not in known]
    labels = dict(zip(image_ids, predicted, strict=True))
    first_names: dict[int, str] = {}
    for image_id, name in zip(image_ids, names, strict=True):
        if name is not None:
            first_names.setdefault(image_id, name)
    places = [(dataset_id, SPLIT, following + i) for i in range(len(new))]
    fresh = [
        {
            "dataset_id": dataset_id,
            "split": SPLIT,
            "position": place[2],
            "label": labels[image_id],
            "image_id": image_id,
            "name": first_names.get(image_id),
        }
        for place, image_id in zip(places, new, strict=True)
    ]
    write.insert_missing(connection, samples, fresh)
    ids = write.ids_by_key(connection, samples, ("dataset_id", "split", "position"), places)
    for image_id in first_names.keys() & known.keys():
        nameless = (samples.c.id == known[image_id]) & samples.c.name.is_(None)
        connection.execute(update(samples).where(nameless).values(name=first_names[image_id]))
    known |= dict(zip(new, ids, strict=True))
    return [(known[image_id], image_id) for image_id in image_ids]


def _dataset(network: KnownNetwork) -> str:
    return KEPT_DATASETS + network.dataset
