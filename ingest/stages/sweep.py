"""Sweep images and write each block: a vulnerability map of each image, and attacks on every class."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from db.engine import writing
from db.read.for_ingest import batches
from ingest import record
from ingest.batch import sweep_settings
from ingest.runs import stage
from ingest.stages.candidates import Pair
from ingest.task import Done, Task
from model.attacks.loop import AttackResult
from model.attacks.sweep import WORTH_EDGES, as_attacks, color_grid, sweep_stream
from model.network.incremental_pass import Incremental
from model.progress import progress

CHUNK = 32  # images that a worker sweeps together: whole blocks
CANDIDATES = 64  # at one position, of all images of a block, so that they fit the cache


def sweep_images(
    task: Task, run_id: int, items: list[list[Any]], *, levels: int, edges: bool, together: int
) -> Iterator[Done]:
    """Sweep images, each an index into the test split and the targets that count as hits ([None]: any).

    One transaction per block has each image's map, untargeted attack and one attack for every wrong class.
    levels, edges, together: as in `color_grid` and `sweep_stream`.
    """
    indices = np.array([index for index, _ in items])
    images, labels = task.test.images[indices], task.test.labels[indices]
    colors, classes = color_grid(levels), len(task.test.class_names)
    settings = sweep_settings(levels, images.shape[1:])
    shared = {"run_id": run_id, "network_id": task.network_id, **settings, "screened": None}
    began, last = time.perf_counter(), 0.0
    stream = sweep_stream(task.function, images, labels, colors=colors, together=together, edges=edges)
    for places, found in stream:
        others = (labels[places, None] + np.arange(1, classes)[None]) % classes
        untargeted, targeted = (
            as_attacks(images[places], labels[places], found, colors=colors, targets=targets)
            for targets in (None, others)
        )
        seconds = (time.perf_counter() - began - last) / len(places)
        last = time.perf_counter() - began
        pairs, result = _pairs(indices[places], others, untargeted, targeted, seconds)
        with writing(task.engine) as connection:
            attacks = record.write_attacks(connection, task.dataset_id, task.test, shared, pairs, result)
            columns = {
                "run_id": run_id,
                "network_id": task.network_id,
                "variant": settings["variant"],
                "queries": settings["budget"],
                "seconds": seconds,
            }
            sample_ids = attacks.sample_ids[: len(places)]  # of the untargeted attacks, which come first
            record.write_maps(connection, columns, sample_ids, found, labels[places])
        reached = {pair for pair, success in zip(pairs, result.success, strict=True) if success}
        hits = sum(any((items[i][0], aim) in reached for aim in items[i][1]) for i in places)
        yield Done(len(places), len(places) * settings["budget"], hits)


def arguments(levels: int, *, edges: bool) -> dict[str, Any]:
    """The arguments of `sweep_images` that all chunks of a stage share.

    Rounding depends on the size of a block and, on some CPUs, on an image's place in it: blocks are the same
    whoever sweeps them, also in a resumed ingest.
    """
    return {"levels": levels, "edges": edges, "together": max(1, CANDIDATES // levels**3)}


def _pairs(
    indices: np.ndarray, others: np.ndarray, untargeted: AttackResult, targeted: AttackResult, seconds: float
) -> tuple[list[Pair], AttackResult]:
    """All attacks of a block in one list; the time of an image is divided among its attacks."""
    pairs: list[Pair] = [(index, None) for index in indices.tolist()]
    pairs += [
        (index, target)
        for index, targets in zip(indices.tolist(), others.tolist(), strict=True)
        for target in targets
    ]
    flat = AttackResult(*(field.reshape(-1, *field.shape[2:]) for field in targeted))
    result = AttackResult(*(np.concatenate(both) for both in zip(untargeted, flat, strict=True)))
    share = seconds / (1 + others.shape[1])
    return pairs, result._replace(seconds=np.full(len(pairs), share))


def map_cases(task: Task, levels: int) -> int:
    """Sweep the source image of every case of the network that has no map yet; returns how many those were.

    Without the incremental pass it does nothing: a sweep of an image would be 8,192 full passes.
    """
    if not isinstance(task.function, Incremental):
        return 0
    variant = sweep_settings(levels, task.test.images.shape[1:])["variant"]
    with task.engine.connect() as connection:
        used = batches.used_positions(connection, task.scope)
        mapped = batches.mapped_positions(connection, task.scope, variant)
    places = {int(position): index for index, position in enumerate(task.test.positions)}
    indices = sorted(places[position] for position in used.keys() - mapped if position in places)
    if indices:
        parameters = {"dataset": task.test.name, "levels": levels, "images": "cases"}
        with (
            stage(task.engine, "sweep", task.scope, parameters) as run_id,
            progress("vulnerability maps", len(indices), "images") as bar,
        ):
            items, evaluations = [[index, [None]] for index in indices], 0
            how = arguments(levels, edges=len(used) >= WORTH_EDGES)  # of all: the same when resumed
            for done in task.crew.share("sweep", task, run_id, items, CHUNK, **how):
                evaluations += done.queries
                rate = evaluations / max(bar.seconds, 1e-9)
                bar.to(bar.done + done.items, f"{rate:,.0f} evaluations/s")
    return len(indices)
