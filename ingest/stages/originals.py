"""The stage `originals`: the images of adversarial cases as they were before the attack.

Each is the counterpart of its case in paired evaluation and in the case view, so it gets what a case gets:
the network's prediction, and its activations in every layer. Missing activations of a layer are added, such
as the conv maps in a database of an earlier version.
"""

from __future__ import annotations

import numpy as np

from db.engine import writing
from db.read.for_ingest import batches
from db.read.for_ingest.images import image_files
from db.read.for_ingest.originals import cases_without_original
from ingest import record
from ingest.runs import stage
from ingest.task import Task
from model.data.png import decode_png
from model.network.architecture import COMPOSED
from model.network.cnn import activate
from model.progress import progress

CHUNK = 64  # images per transaction


def write_missing_originals(task: Task) -> int:
    """Write missing or incomplete originals, one transaction per chunk; returns how many those were."""
    with task.engine.connect() as connection:
        layer_ids = {
            row.name: row.id
            for row in batches.layer_rows(connection, task.network_id)
            if row.kind != COMPOSED
        }
        lacking = cases_without_original(connection, task.scope, list(layer_ids.values()))
        if not lacking:
            return 0
        pictures = [decode_png(png) for png in image_files(connection, [entry.image_id for entry in lacking])]
    logits_name = task.checkpoint.network.architecture.logits
    names = tuple(layer_ids)
    with (
        stage(task.engine, "originals", task.scope, {"layers": list(names)}) as run_id,
        progress("originals", len(lacking), "images") as bar,
    ):
        first = 0
        for outputs in activate(task.checkpoint.network, np.stack(pictures), names, batch_size=CHUNK):
            entries = lacking[first : first + len(outputs[logits_name])]
            new = [record.Original(entry.case_id, entry.image_id) for entry in entries]
            activations = record.encode_activations(outputs, layer_ids)
            with writing(task.engine) as connection:
                record.write_originals(connection, run_id, new, outputs[logits_name], activations)
            first += len(entries)
            bar.to(first)
    return len(lacking)
