"""The first stage: the reference set of a network on a data set, built once.

It is every training image that the network classifies correctly (paper, section 4.2).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from db.engine import writing
from db.read.for_ingest import batches
from ingest import record
from ingest.runs import stage
from ingest.task import Done, Task
from model.network.cnn import activate
from model.progress import progress

CHUNK = 500  # images per transaction
BLOCKS = 4  # blocks of CHUNK images in a worker's chunk


def build_reference(task: Task) -> None:
    """Write the reference set and its activations; does nothing if it is complete."""
    with task.engine.connect() as connection:
        if batches.stage_done(connection, task.scope, "reference"):
            return
    training = task.training()
    names = task.checkpoint.network.architecture.compared
    parameters = {"dataset": training.name, "images": len(training), "layers": list(names)}
    blocks = range(-(-len(training) // CHUNK))
    with (
        stage(task.engine, "reference", task.scope, parameters) as run_id,
        progress("reference set", len(training), "images") as bar,
    ):
        seen = 0
        for done in task.crew.share("reference", task, run_id, blocks, BLOCKS):
            seen += done.items
            bar.to(seen * CHUNK)


def write_references(task: Task, run_id: int, items: list[int]) -> Iterator[Done]:
    """Write the correctly classified images of successive training blocks, one transaction each."""
    training, network = task.training(), task.checkpoint.network
    names = network.architecture.compared
    with task.engine.connect() as connection:
        known = {row.name: row.id for row in batches.layer_rows(connection, task.network_id)}
    layer_ids = {name: known[name] for name in names}
    first, last = items[0] * CHUNK, (items[-1] + 1) * CHUNK
    for outputs in activate(network, training.images[first:last], names, batch_size=CHUNK):
        predicted = outputs[names[-1]].argmax(-1)
        chunk = np.arange(first, first + len(predicted))
        correct = predicted == training.labels[chunk]
        image_rows = record.make_image_rows(training.images[chunk[correct]])  # others may write meanwhile
        chosen = {name: values[correct] for name, values in outputs.items()}
        activations = record.encode_activations(chosen, layer_ids)
        with writing(task.engine) as connection:
            sample_ids = record.write_samples(
                connection, task.dataset_id, training, chunk[correct], image_rows
            )
            record.write_reference_samples(connection, task.scope, run_id, sample_ids, activations)
        first += len(predicted)
        yield Done(1)
