"""Attacks by differential evolution, written down as they are done: every attack is a row, failures too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import jax
import numpy as np

from db import write
from db.engine import writing
from db.schema import attack_pixels, attacks
from ingest import rows
from ingest.batch import ANY, Batch
from ingest.choice import Candidate, Pair
from ingest.task import Task
from model.attack import AttackResult, attack_stream

WRITTEN_TOGETHER = 16  # attacks a transaction
KEY = ("network_id", "sample_id", "target_class", "method", "variant", "pixel_count", "population", "budget")
KEY += ("seed",)  # of an attack


def evolve(
    task: Task,
    run_id: int,
    batch: Batch,
    wanted: Sequence[Candidate],
    done: Mapping[Pair, bool],
) -> Iterator[tuple[list[Pair], np.ndarray, int]]:
    """Attack the pairs of `wanted` that are not `done`; gives pairs, successes and queries as they are done.

    What is given is written, or will be when the iteration ends, however it ends. An image that needs no
    attack, since the network errs on it by a rounding, is skipped: no success, and no row.
    """
    indices = np.array([candidate.index for candidate in wanted])
    targets = None
    if batch.targets != ANY:
        left = [[-1 if pair in done else pair[1] for pair in candidate.pairs] for candidate in wanted]
        targets = np.array(left)
    stream = attack_stream(
        task.function,
        task.test.images[indices],
        task.test.labels[indices],
        targets=targets,
        pixels=batch.pixels,
        population=batch.population,
        generations=batch.generations,
        key=jax.random.key(batch.seed),
        identities=task.test.positions[indices],
        strategy=batch.strategy,
        weight=batch.weight,
        crossover_rate=batch.crossover_rate,
        start=batch.start,
    )
    writer = _Writer(task, run_id, {**batch.settings(), "screened": batch.screen})
    width = 1 if targets is None else targets.shape[1]
    try:
        for flat, result in stream:
            pairs = [wanted[place // width].pairs[place % width] for place in flat]
            asked = np.array([pair not in done for pair in pairs], bool)
            attacked = result.generations >= 0  # not those that were skipped
            writer.add(
                [pair for pair, made in zip(pairs, attacked, strict=True) if made],
                AttackResult(*(field[attacked] for field in result)),
            )
            kept = [pair for pair, is_asked in zip(pairs, asked, strict=True) if is_asked]
            yield kept, result.success[asked], int(result.queries.sum())
    finally:
        writer.flush()


class _Writer:
    """Gathers finished attacks and writes them a few at a time, each group in one transaction."""

    def __init__(self, task: Task, run_id: int, columns: dict) -> None:
        self.task = task
        self.shared = {"run_id": run_id, "network_id": task.network_id, **columns}
        self.pairs: list[Pair] = []
        self.results: list[AttackResult] = []

    def add(self, pairs: Sequence[Pair], result: AttackResult) -> None:
        self.pairs += pairs
        self.results.append(result)
        if len(self.pairs) >= WRITTEN_TOGETHER:
            self.flush()

    def flush(self) -> None:
        if self.pairs:
            result = AttackResult(*(np.concatenate(field) for field in zip(*self.results, strict=True)))
            with writing(self.task.engine) as connection:
                write_attacks(connection, self.task, self.shared, self.pairs, result)
        self.pairs, self.results = [], []


def write_attacks(connection, task: Task, shared: dict, pairs: Sequence[Pair], result: AttackResult) -> None:
    """Rows of attacks and their pixels; those that are there already stay as they are."""
    indices = [index for index, _ in pairs]
    sample_ids = task.add_samples(connection, indices)
    keys = [
        {**shared, "sample_id": sample_id, "target_class": target}
        for sample_id, (_, target) in zip(sample_ids, pairs, strict=True)
    ]
    write.insert_missing(connection, attacks, rows.attack_rows(result, keys, task.test.labels[indices]))
    ids = write.ids_by_key(connection, attacks, KEY, [[key[name] for name in KEY] for key in keys])
    pixels = [
        row
        for attack_id, painted, index in zip(ids, result.pixels, indices, strict=True)
        for row in rows.pixel_rows(attack_id, painted, task.test.images[index])
    ]
    write.insert_missing(connection, attack_pixels, pixels)
