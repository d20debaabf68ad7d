"""The first stage: the network, its layers, and its reference set, built once a network.

The reference set is every training image that the network classifies correctly (paper, section 4.2).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sqlalchemy import Connection, Engine, update

from db import write
from db.engine import writing
from db.read import batches
from db.schema import (
    classes,
    datasets,
    images,
    layers,
    networks,
    now,
    reference_activations,
    reference_samples,
    samples,
)
from ingest import rows
from ingest.runs import stage
from model.checkpoint import Checkpoint
from model.cnn import activate
from model.data import Dataset
from model.layers import SCALED, Architecture, Conv
from model.progress import progress

CHUNK = 500  # images a transaction


def register_network(connection: Connection, checkpoint: Checkpoint, dataset_id: int) -> int:
    """The id of the network on a data set, written down with its layers if it is new."""
    architecture = checkpoint.network.architecture
    facts = {
        "name": architecture.name,
        "description": checkpoint.description,
        "test_accuracy": checkpoint.description.get("test_accuracy"),
        "created_at": now(),
    }
    key = {"sha256": checkpoint.sha256, "dataset_id": dataset_id}
    network_id = write.ensure(connection, networks, key, facts)
    write.insert_missing(connection, layers, rows.layer_rows(network_id, architecture))
    return network_id


def compare_layers(
    connection: Connection, network_id: int, architecture: Architecture, names: Sequence[str]
) -> None:
    """Have more layers compared: conv layers, or `composed-scaled`.

    Raises ValueError for a name that is neither.
    """
    convs = [layer.name for layer in architecture.layers if isinstance(layer, Conv)]
    for name in names:
        if name not in (*convs, SCALED):
            known = ", ".join((SCALED, *convs))
            raise ValueError(f"--layer {name}: expected one of {known}; the others are compared anyway")
        if name == SCALED:
            write.insert_missing(connection, layers, [rows.scaled_row(network_id, architecture)])
        else:
            named = (layers.c.network_id == network_id) & (layers.c.name == name)
            connection.execute(update(layers).where(named).values(compared=True))


def register_dataset(connection: Connection, dataset: Dataset) -> int:
    """The id of the data set, written down with its classes if it is new."""
    facts = {"source": dataset.source, "created_at": now()}
    dataset_id = write.ensure(connection, datasets, {"name": dataset.name}, facts)
    names = enumerate(dataset.class_names)
    write.insert_missing(
        connection, classes, [{"dataset_id": dataset_id, "class": i, "name": name} for i, name in names]
    )
    return dataset_id


def add_samples(
    connection: Connection,
    dataset_id: int,
    part: Dataset,
    indices: np.ndarray,
    pictures: list[dict] | None = None,
) -> list[int]:
    """The ids of samples of one split, at `indices` into it, written down with their images if new.

    pictures: their image rows, where these were made before the transaction began.
    """
    image_ids = add_images(connection, image_rows(part, indices) if pictures is None else pictures)
    places = [(dataset_id, part.split, int(part.positions[index])) for index in indices]
    new = [
        {
            "dataset_id": place[0],
            "split": place[1],
            "position": place[2],
            "label": int(label),
            "image_id": image_id,
        }
        for place, label, image_id in zip(places, part.labels[indices], image_ids, strict=True)
    ]
    write.insert_missing(connection, samples, new)
    return write.ids_by_key(connection, samples, ("dataset_id", "split", "position"), places)


def image_rows(part: Dataset, indices: np.ndarray) -> list[dict]:
    """Rows of `images` for samples of one split."""
    return [rows.image_row(part.images[index]) for index in indices]


def add_images(connection: Connection, pictures: list[dict]) -> list[int]:
    """The ids of image rows, written down if new; equal pixels share one row."""
    write.insert_missing(connection, images, pictures)
    return write.ids_by_key(connection, images, ("sha256",), [(row["sha256"],) for row in pictures])


def build_reference(
    engine: Engine, network_id: int, dataset_id: int, checkpoint: Checkpoint, training: Dataset
) -> None:
    """Write the reference set and its activations, a chunk a transaction; nothing when it is complete."""
    with engine.connect() as connection:
        if batches.stage_done(connection, network_id, "reference"):
            return
        layer_ids = {row.name: row.id for row in batches.layer_rows(connection, network_id)}
    names = checkpoint.network.architecture.compared
    parameters = {"dataset": training.name, "images": len(training), "layers": list(names)}
    with (
        stage(engine, "reference", network_id, parameters),
        progress("reference set", len(training), "images") as shown,
    ):
        first = kept = 0
        for outputs in activate(checkpoint.network, training.images, names, batch_size=CHUNK):
            predicted = outputs[names[-1]].argmax(-1)
            chunk = np.arange(first, first + len(predicted))
            correct = predicted == training.labels[chunk]
            pictures = image_rows(training, chunk[correct])  # others may write while these are made
            blobs = {name: list(map(rows.activation_blob, outputs[name][correct])) for name in names}
            with writing(engine) as connection:
                sample_ids = add_samples(connection, dataset_id, training, chunk[correct], pictures)
                keys = [(network_id, sample_id) for sample_id in sample_ids]
                new = [{"network_id": key[0], "sample_id": key[1]} for key in keys]
                write.insert_missing(connection, reference_samples, new)
                ids = write.ids_by_key(connection, reference_samples, ("network_id", "sample_id"), keys)
                for name in names:
                    activations = [
                        {
                            "reference_sample_id": identity,
                            "layer_id": layer_ids[name],
                            "shape": blob["shape"],
                            "data": blob["data"],
                        }
                        for identity, blob in zip(ids, blobs[name], strict=True)
                    ]
                    write.insert_missing(connection, reference_activations, activations)
            first, kept = first + len(predicted), kept + int(correct.sum())
            shown.to(first, f"{kept} classified correctly")
