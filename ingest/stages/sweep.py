"""Sweep images and write each block: a vulnerability map of each image, and attacks on every class."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from db.engine import writing
from db.read.for_ingest import batches
from ingest import record
from ingest.batch import stride_words, sweep_settings
from ingest.runs import stage
from ingest.stages.candidates import Pair
from ingest.task import Done, Task
from model.attacks.grid import count_colors
from model.attacks.loop import AttackResult
from model.attacks.methods import stride_of
from model.attacks.sweep import WORTH_EDGES, as_attacks, color_grid, images_together, sweep_stream
from model.network.incremental_pass import Incremental
from model.progress import progress

CHUNK = 32  # images that a worker sweeps together: whole blocks
MANY_CLASSES = 100  # with more of them, attacks are rows only where their target is asked for


def sweep_images(
    task: Task, run_id: int, items: list[list[Any]], *, levels: int, stride: int, edges: bool, together: int
) -> Iterator[Done]:
    """Sweep images, each an index into the test split and the targets that count as hits ([None]: any).

    One transaction per block has each image's map, untargeted attack and one attack for every wrong class; of
    more than `MANY_CLASSES` only those for the targets that count.
    levels, stride, edges, together: as in `color_grid` and `sweep_stream`.
    """
    indices = np.array([index for index, _ in items])
    images, labels = task.test.images[indices], task.test.labels[indices]
    colors, classes = color_grid(levels, images.shape[-1]), len(task.test.class_names)
    settings = sweep_settings({"levels": levels, "stride": stride}, images.shape[1:])
    shared = {"run_id": run_id, "network_id": task.network_id, **settings, "screened": None}
    began, last = time.perf_counter(), 0.0
    how: dict[str, Any] = {"colors": colors, "stride": stride, "together": together, "edges": edges}
    targets_of = _targets(labels, [aims for _, aims in items], classes)
    for places, found in sweep_stream(task.function, images, labels, targets=targets_of, **how):
        others = targets_of[places]
        untargeted, targeted = (
            as_attacks(images[places], labels[places], found, colors=colors, targets=targets, painted=False)
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


def arguments(task: Task, values: Mapping[str, Any], *, edges: bool) -> dict[str, Any]:
    """The arguments of `sweep_images` that all chunks of a stage share; values: the parameters of a sweep.

    Rounding depends on the size of a block and, on some CPUs, on an image's place in it: blocks are the same
    whoever sweeps them, also in a resumed ingest.
    """
    shape = task.test.images.shape[1:]
    together = images_together(task.function, shape, count_colors(values["levels"], shape[2]))
    stride = stride_of(values, shape)
    return {"levels": values["levels"], "stride": stride, "edges": edges, "together": min(CHUNK, together)}


def _targets(labels: np.ndarray, aims: Sequence[Sequence[int | None]], classes: int) -> np.ndarray:
    """The targets (n, T) whose attacks are written, -1 for none; aims: those that count, of each image."""
    if classes <= MANY_CLASSES:
        every: np.ndarray = (labels[:, None] + np.arange(1, classes)[None]) % classes
        return every
    wanted = [[aim for aim in of_image if aim is not None] for of_image in aims]
    width = max(map(len, wanted))
    return np.array([own + [-1] * (width - len(own)) for own in wanted], np.int64).reshape(len(aims), width)


def _pairs(
    indices: np.ndarray, others: np.ndarray, untargeted: AttackResult, targeted: AttackResult, seconds: float
) -> tuple[list[Pair], AttackResult]:
    """All attacks of a block in one list; the time of an image is divided among its attacks."""
    pairs: list[Pair] = [(index, None) for index in indices.tolist()]
    owners, columns = np.nonzero(others >= 0)
    targets = others[owners, columns]
    pairs += list(zip(indices[owners].tolist(), targets.tolist(), strict=True))
    flat = AttackResult(*(field[owners, columns] for field in targeted))
    result = AttackResult(*(np.concatenate(both) for both in zip(untargeted, flat, strict=True)))
    share = seconds * len(indices) / len(pairs)
    return pairs, result._replace(seconds=np.full(len(pairs), share))


def map_cases(task: Task, levels: int, stride: int = 0) -> int:
    """Sweep the source image of every case of the network that has no map yet; returns how many those were.

    stride: of the positions; 0: the usual one for images of this size.

    Without the incremental pass it does nothing: a sweep of an image would be thousands of full passes.
    """
    if not isinstance(task.function, Incremental):
        return 0
    values, shape = {"levels": levels, "stride": stride}, task.test.images.shape[1:]
    variant = sweep_settings(values, shape)["variant"]
    with task.engine.connect() as connection:
        used = batches.used_positions(connection, task.scope)
        mapped = batches.mapped_positions(connection, task.scope, variant)
    places = {int(position): index for index, position in enumerate(task.test.positions)}
    indices = sorted(places[position] for position in used.keys() - mapped if position in places)
    if indices:
        parameters = {"dataset": task.test.name, "levels": levels, "images": "cases"}
        if words := stride_words(values, shape):
            parameters["stride"] = stride_of(values, shape)
            print(f"vulnerability maps of {words}", file=sys.stderr)
        with (
            stage(task.engine, "sweep", task.scope, parameters) as run_id,
            progress("vulnerability maps", len(indices), "images") as bar,
        ):
            items, evaluations = [[index, [None]] for index in indices], 0
            edges = len(used) >= WORTH_EDGES  # of all: the same when resumed
            how = arguments(task, values, edges=edges)
            for done in task.crew.share("sweep", task, run_id, items, CHUNK, **how):
                evaluations += done.queries
                rate = evaluations / max(bar.seconds, 1e-9)
                bar.to(bar.done + done.items, f"{rate:,.0f} evaluations/s")
    return len(indices)
