"""The stage `near-median`: attacks whose pixel stays near its neighbors' median, and their repair sweeps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from db.engine import writing
from db.read.for_ingest import batches
from ingest import record
from ingest.batch import attack_settings
from ingest.runs import stage
from ingest.task import Task
from model.attacks.grid import usual_stride
from model.attacks.loop import AttackResult
from model.attacks.methods import NEAR_MEDIAN
from model.attacks.near_median import near_median_stream
from model.detectors.repair import Repair
from model.detectors.repair_screen import usual_repair
from model.network.incremental_pass import Incremental
from model.progress import Progress, progress

STAGE = NEAR_MEDIAN.name
DISTANCES = (16, 32, 64, 128)  # the most a channel may differ from the median, 0..255
CHUNK = 64  # images per transaction


def attack_near_median(task: Task, indices: Sequence[int], distances: Sequence[int] = DISTANCES) -> int:
    """Attack test images within each of the distances; returns the number of attacks.

    It writes all attacks, the images of those that succeeded, and the repair sweeps of these images. Pairs of
    image and distance that already have an attack are skipped. The caller chooses the images: if they are
    those that the corner sweep fools, success rates are shares of those.

    Without the incremental pass it does nothing: an image would take thousands of full passes per distance.
    Of images above 64 x 64 pixels it tries as many positions as a sweep does by default.
    Raises ValueError, in one line, for a distance that is not a whole number in 1..255.
    """
    if not isinstance(task.function, Incremental):
        return 0
    lacking = {distance: _find_lacking(task, indices, distance) for distance in dict.fromkeys(distances)}
    total = sum(map(len, lacking.values()))
    if not total:
        return 0
    parameters = {"dataset": task.test.name, "distances": list(lacking), "images": len(set(indices))}
    with (
        stage(task.engine, STAGE, task.scope, parameters) as run_id,
        progress("near-median attacks", total, "attacks") as bar,
    ):
        for distance, wanted in lacking.items():
            for first in range(0, len(wanted), CHUNK):
                part = wanted[first : first + CHUNK]
                result = _attack_images(task, part, distance, bar)
                fallen = np.flatnonzero(result.success)
                repaired = usual_repair(task.function, result.images[fallen]) if fallen.size else None
                _write_attacks(task, run_id, distance, part, result, repaired)
    return total


def settings(distance: int, shape: tuple[int, ...]) -> dict[str, Any]:
    """The columns of `attacks` that identify such an attack, for images of shape (H, W, C)."""
    return attack_settings(NEAR_MEDIAN, {"within": distance, "stride": 0}, shape)


def _find_lacking(task: Task, indices: Sequence[int], distance: int) -> np.ndarray:
    """The images, each once, that have no such attack yet."""
    with task.engine.connect() as connection:
        known = batches.known_attacks(connection, task.scope, settings(distance, task.test.images.shape[1:]))
    wanted = [index for index in dict.fromkeys(indices) if (task.position(index), None) not in known]
    return np.array(wanted, np.int64)


def _attack_images(task: Task, indices: np.ndarray, distance: int, bar: Progress) -> AttackResult:
    """Attack some images; each attack gets an equal share of the time."""
    began, parts = time.perf_counter(), []
    images, labels = task.test.images[indices], task.test.labels[indices]
    stride = usual_stride(images.shape[1:])
    for places, found in near_median_stream(task.function, images, labels, distance, stride=stride):
        parts.append(found)
        bar.to(bar.done + len(places), f"within {distance}")
    result = AttackResult(*(np.concatenate(field) for field in zip(*parts, strict=True)))
    share = (time.perf_counter() - began) / len(indices)
    return result._replace(seconds=np.full(len(indices), share))


def _write_attacks(
    task: Task, run_id: int, distance: int, indices: np.ndarray, result: AttackResult, repaired: Repair | None
) -> None:
    """Write the attacks, and the images and repairs of successful ones in order, in one transaction."""
    how = settings(distance, task.test.images.shape[1:])
    shared = {"run_id": run_id, "network_id": task.network_id, **how, "screened": None}
    pairs = [(index, None) for index in indices.tolist()]
    fallen = np.flatnonzero(result.success)
    image_rows = record.make_image_rows(result.images[fallen])
    with writing(task.engine) as connection:
        written = record.write_attacks(connection, task.dataset_id, task.test, shared, pairs, result)
        if repaired is None:
            return
        attack_ids = [written.attack_ids[place] for place in fallen]
        image_ids = record.write_attack_images(connection, attack_ids, image_rows)
        record.write_repairs(connection, task.scope, run_id, image_ids, repaired)
