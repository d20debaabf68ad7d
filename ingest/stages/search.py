"""Attack by a method of the register, and write attacks as they finish: each is a row, failures included."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from db.engine import writing
from ingest import record
from ingest.batch import ANY, Batch
from ingest.stages.candidates import Pair
from ingest.task import Done, Task
from model.attacks.loop import AttackResult

WRITTEN_TOGETHER = 16  # attacks per transaction


def attack_images(task: Task, run_id: int, items: list[Any], *, batch: dict[str, Any]) -> Iterator[Done]:
    """Attack images, each an index into the test split and its target classes ([None]: any wrong one).

    Reported attacks are written at the latest when the iteration ends, however it ends. The targets of an
    image are searched for together, as the search for one may reach another, and written together, too. An
    image that needs no attack, since rounding alone makes the network err on it, has no row.

    batch: as `Batch.as_json`; its targets are those of the items.
    """
    wanted = Batch.from_json(batch)
    indices = np.array([index for index, _ in items])
    width = max(len(aims) for _, aims in items)
    targets = None
    if wanted.targets != ANY:
        targets = np.array([aims + [-1] * (width - len(aims)) for _, aims in items])
    assert wanted.method.load is not None  # sweeps are done elsewhere
    stream = wanted.method.load()(
        task.function,
        task.test.images[indices],
        task.test.labels[indices],
        targets=targets,
        key=jax.random.key(wanted.seed),
        identities=task.test.positions[indices],
        batch_size=count_in_flight() * jax.local_device_count(),
        **{parameter.name: wanted.parameters[parameter.name] for parameter in wanted.method.parameters},
    )
    shape = task.test.images.shape[1:]
    writer = _Writer(task, run_id, {**wanted.settings(shape), "screened": wanted.screen})
    found: dict[int, list[tuple[Pair, AttackResult]]] = {}
    try:
        for flat, result in stream:
            done = queries = hits = 0
            for row, place in enumerate(flat.tolist()):
                index, aims = items[place // width]
                if place % width >= len(aims):
                    continue
                of_image = found.setdefault(place // width, [])
                of_image.append(((index, aims[place % width]), AttackResult(*(x[row] for x in result))))
                if len(of_image) == len(aims):
                    attacks_of_image = [one for one in of_image if one[1].generations >= 0]  # not skipped
                    writer.add(attacks_of_image)
                    done, hits = done + 1, hits + any(one.success for _, one in attacks_of_image)
                    queries += sum(int(one.queries) for _, one in attacks_of_image)
            if done:
                yield Done(done, queries, hits)
    finally:
        writer.flush()


def count_in_flight() -> int:
    """Images in flight on one device: the same for every worker, as rounding could depend on it."""
    return 8 if jax.default_backend() == "cpu" else 16


class _Writer:
    """Gathers finished attacks and writes them a few at a time, each group in one transaction."""

    def __init__(self, task: Task, run_id: int, columns: dict[str, Any]) -> None:
        self.task = task
        self.shared = {"run_id": run_id, "network_id": task.network_id, **columns}
        self.found: list[tuple[Pair, AttackResult]] = []

    def add(self, found: Sequence[tuple[Pair, AttackResult]]) -> None:
        self.found += found
        if len(self.found) >= WRITTEN_TOGETHER:
            self.flush()

    def flush(self) -> None:
        if self.found:
            # Sorted, so that two workers that write the same samples do not deadlock.
            self.found.sort(key=lambda one: (one[0][0], -1 if one[0][1] is None else one[0][1]))
            pairs, results = zip(*self.found, strict=True)
            result = AttackResult(*map(np.stack, zip(*results, strict=True)))
            with writing(self.task.engine) as connection:
                where = (self.task.dataset_id, self.task.test)
                record.write_attacks(connection, *where, self.shared, pairs, result)
        self.found = []
