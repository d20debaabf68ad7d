"""The stage `cases`: evaluate each attacked and each clean image, and write one row per case.

A case, its image, its scores and its activations are written in one transaction, so a case is always
complete. The attacked image is rebuilt from the stored pixels, and the network evaluates those bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from db.engine import writing
from db.read.for_ingest import batches
from ingest import record
from ingest.batch import Batch
from ingest.runs import stage
from ingest.stages.candidates import Candidate
from ingest.task import Task
from model.data.dataset import Dataset
from model.network.architecture import COMPOSED
from model.network.cnn import activate
from model.progress import progress

CHUNK = 64  # cases per transaction


class Planned(NamedTuple):
    """A case of a batch."""

    candidate: Candidate
    attack: batches.KnownAttack | None  # None: a clean case
    written: bool  # before, by a run that was stopped or wanted fewer cases


def plan_cases(
    task: Task,
    batch: Batch,
    attacked: Sequence[tuple[Candidate, batches.KnownAttack]],
    clean: Sequence[Candidate],
) -> list[Planned]:
    """Plan cases of successful attacks and clean images; only chunks with a missing case are returned.

    Ids follow a seeded order, so that an id does not reveal the kind of its case. A resumed batch has the
    same order and the same chunks as before, so its cases are the same to the last bit.
    """
    with task.engine.connect() as connection:
        used = batches.used_positions(connection, task.scope)
    whole = [*attacked, *((candidate, None) for candidate in clean)]
    order = batch.random("case ids").permutation(len(whole))
    planned = [
        Planned(candidate, attack, task.position(candidate.index) in used)
        for candidate, attack in (whole[index] for index in order)
    ]
    chunks = (planned[first : first + CHUNK] for first in range(0, len(planned), CHUNK))
    return [entry for chunk in chunks for entry in chunk if not all(other.written for other in chunk)]


def paint_image(image: np.ndarray, attack: batches.KnownAttack | None) -> np.ndarray:
    """The image (H, W, C) uint8 with the attack's pixels set, or as it is."""
    painted = image.copy()
    for row, column, *color in attack.pixels if attack else ():
        painted[row, column] = color[: image.shape[2]]  # of a gray pixel, red, green and blue are equal
    return painted


def write_planned_cases(task: Task, batch: Batch, batch_id: int, planned: Sequence[Planned]) -> None:
    """Write the planned cases, one transaction per chunk; no run is recorded if there are none."""
    if not planned:
        return
    test, network = task.test, task.checkpoint.network
    with task.engine.connect() as connection:
        layer_ids = {
            row.name: row.id
            for row in batches.layer_rows(connection, task.network_id)
            if row.kind != COMPOSED
        }
    pictures = np.stack([paint_image(test.images[entry.candidate.index], entry.attack) for entry in planned])
    parameters = {**batch.identity(), "cases": batch.cases, "partitions": list(batch.partitions)}
    logits_name = network.architecture.logits
    with (
        stage(task.engine, "cases", task.scope, parameters, seed=batch.seed, batch_id=batch_id) as run_id,
        progress("cases", len(planned), "cases") as bar,
    ):
        first = 0
        for outputs in activate(network, pictures, tuple(layer_ids), batch_size=CHUNK):
            chunk = slice(first, first + len(outputs[logits_name]))
            places = [
                place
                for place, entry in enumerate(planned[chunk])
                if not entry.written and _is_as_planned(entry, test, outputs[logits_name][place])
            ]
            outputs = {name: values[places] for name, values in outputs.items()}
            entries = [planned[first + place] for place in places]
            image_rows = record.make_image_rows(pictures[chunk][places])  # others may write meanwhile
            activations = record.encode_activations(outputs, layer_ids)
            with writing(task.engine) as connection:
                sample_ids = task.write_samples(connection, [entry.candidate.index for entry in entries])
                image_ids = record.write_images(connection, image_rows)
                new = [
                    _as_case(entry, test, sample_id, image_id)
                    for entry, sample_id, image_id in zip(entries, sample_ids, image_ids, strict=True)
                ]
                logits = outputs[logits_name]
                record.write_cases(connection, task.scope, run_id, new, logits, activations)
            first = chunk.stop
            bar.to(first)


def _as_case(entry: Planned, test: Dataset, sample_id: int, image_id: int) -> record.NewCase:
    return record.NewCase(
        sample_id,
        image_id,
        kind="adversarial" if entry.attack else "clean",
        partition=entry.candidate.partition,
        true_class=int(test.labels[entry.candidate.index]),
        attack_id=entry.attack.id if entry.attack else None,
    )


def _is_as_planned(entry: Planned, test: Dataset, logits: np.ndarray) -> bool:
    """Whether the network still errs on an attacked image and is right on a clean one.

    It was evaluated before in a batch of another size; if rounding changes the result, it is no case.
    """
    return (entry.attack is not None) == (int(logits.argmax()) != int(test.labels[entry.candidate.index]))
