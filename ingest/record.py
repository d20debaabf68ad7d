"""Things that are written down once, and found again: networks, data sets, batches, samples, images."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

import numpy as np
from sqlalchemy import Connection, delete, select, update

from db import write
from db.runs import batch_names
from db.schema import batches, classes, datasets, images, layers, networks, now, runs, samples
from ingest import rows
from ingest.batch import Batch
from model.data.cifar10 import Dataset
from model.network.checkpoint import Checkpoint
from model.network.layers import SCALED, Architecture, Conv


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


def find_batch(
    connection: Connection, network_id: int, batch: Batch, *, all_test: bool = False, name: str | None = None
) -> int | None:
    """The id of the batch of a network, which gets the name that is given; None: it is not written down.

    all_test: it attacks every test image, and makes no cases.
    Raises ValueError where the name is that of another batch of the network, which may not be new either.
    """
    known = select(batches.c.id, batches.c.parameters).where(batches.c.network_id == network_id)
    asked = _identity(batch, all_test)
    same = (id_ for id_, parameters in connection.execute(known).all() if parameters == asked)
    batch_id = next(same, None)
    if name is not None:
        batch_names.require_free(connection, network_id, name, batch_id)
        if batch_id is not None:
            batch_names.rename(connection, batch_id, name)
    return batch_id


def register_batch(
    connection: Connection,
    network_id: int,
    batch: Batch,
    *,
    all_test: bool = False,
    name: str | None = None,
    usual_name: str | None = None,
) -> int:
    """The id of the batch of a network, written down if it is new. Arguments and errors as of `find_batch`.

    usual_name: of a new one, for which no name is given, unless another one has it.
    """
    batch_id = find_batch(connection, network_id, batch, all_test=all_test, name=name)
    if batch_id is not None:
        return batch_id
    taken = batch_names.names_of(connection, network_id)
    facts = {
        "network_id": network_id,
        "name": name or batch_names.free_name(usual_name or batch.title(all_test=all_test), taken),
        "parameters": _identity(batch, all_test),
        "method": batch.attack,
        "pixel_count": batch.pixels,
        "seed": batch.seed,
        "created_at": now(),
    }
    return connection.execute(batches.insert(), facts).inserted_primary_key[0]


def discard_batch(connection: Connection, batch_id: int) -> None:
    """Take back a batch of which no run came: it was written down for nothing."""
    run = select(runs.c.id).where(runs.c.batch_id == batch_id)
    connection.execute(delete(batches).where(batches.c.id == batch_id, ~run.exists()))


def _identity(batch: Batch, all_test: bool) -> dict:
    return batch.identity() | ({"all_test": True} if all_test else {})


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
    write.insert_missing(connection, samples, sorted(new, key=itemgetter("position")))
    return write.ids_by_key(connection, samples, ("dataset_id", "split", "position"), places)


def image_rows(part: Dataset, indices: np.ndarray) -> list[dict]:
    """Rows of `images` for samples of one split."""
    return [rows.image_row(part.images[index]) for index in indices]


def add_images(connection: Connection, pictures: list[dict]) -> list[int]:
    """The ids of image rows, written down if new; equal pixels share one row.

    In the order of their digests: two workers that write the same ones do not wait for each other for ever.
    """
    write.insert_missing(connection, images, sorted(pictures, key=itemgetter("sha256")))
    return write.ids_by_key(connection, images, ("sha256",), [(row["sha256"],) for row in pictures])
