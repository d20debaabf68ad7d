"""The first stage: the reference set of a network, built once.

It is every training image that the network classifies correctly (paper, section 4.2).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from db import write
from db.engine import writing
from db.read.for_ingest import batches
from db.schema import reference_activations, reference_samples
from ingest import rows
from ingest.record import add_samples, image_rows
from ingest.runs import stage
from ingest.task import Done, Task
from model.network.cnn import activate
from model.progress import progress

CHUNK = 500  # images a transaction
BLOCKS = 4  # so many of these are a worker's chunk


def build_reference(task: Task) -> None:
    """Write the reference set and its activations; nothing when it is complete."""
    with task.engine.connect() as connection:
        if batches.stage_done(connection, task.network_id, "reference"):
            return
    training = task.training()
    names = task.checkpoint.network.architecture.compared
    parameters = {"dataset": training.name, "images": len(training), "layers": list(names)}
    blocks = range(-(-len(training) // CHUNK))
    with (
        stage(task.engine, "reference", task.network_id, parameters) as run_id,
        progress("reference set", len(training), "images") as shown,
    ):
        seen = 0
        for done in task.crew.share("reference", task, run_id, blocks, BLOCKS):
            seen += done.items
            shown.to(seen * CHUNK)


def keep_references(task: Task, run_id: int, items: list[int]) -> Iterator[Done]:
    """Keep what is classified correctly of successive blocks of training images, a transaction each."""
    training, network = task.training(), task.checkpoint.network
    names = network.architecture.compared
    with task.engine.connect() as connection:
        layer_ids = {row.name: row.id for row in batches.layer_rows(connection, task.network_id)}
    first, last = items[0] * CHUNK, (items[-1] + 1) * CHUNK
    for outputs in activate(network, training.images[first:last], names, batch_size=CHUNK):
        predicted = outputs[names[-1]].argmax(-1)
        chunk = np.arange(first, first + len(predicted))
        correct = predicted == training.labels[chunk]
        pictures = image_rows(training, chunk[correct])  # others may write while these are made
        blobs = {name: list(map(rows.activation_blob, outputs[name][correct])) for name in names}
        with writing(task.engine) as connection:
            sample_ids = add_samples(connection, task.dataset_id, training, chunk[correct], pictures)
            keys = [(task.network_id, sample_id) for sample_id in sample_ids]
            new = [{"network_id": key[0], "sample_id": key[1], "run_id": run_id} for key in keys]
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
        first += len(predicted)
        yield Done(1)
