"""The stage `attack`: attack correctly classified test images until the batch has its successes.

Images are taken in an order that the seed alone decides, and each has its partition from its place in
that order. The cases of a batch are the first successes in this order, not the first to finish: an
attack that takes long counts as much as a quick one. Every attack made is a row, failures too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import jax
import numpy as np
from sqlalchemy import Engine

from db import write
from db.engine import writing
from db.read import batches
from db.schema import attack_pixels, attacks
from ingest import rows
from ingest.batch import ANY, RANDOM, Batch
from ingest.reference import add_samples
from ingest.runs import stage
from model.attack import AttackResult, attack_stream
from model.cnn import Network, logits_function
from model.data import Dataset
from model.progress import progress

WRITTEN_TOGETHER = 16  # attacks a transaction
SETTINGS = ("method", "pixel_count", "population", "budget", "seed")
KEY = ("network_id", "sample_id", "target_class", *SETTINGS)  # of an attack


@dataclass(frozen=True)
class Candidate:
    """A test image that may become a case."""

    index: int  # into the split
    partition: str
    target: int | None = None  # class to reach; None: any but the true one


def clean_choices(batch: Batch, test: Dataset, correct: np.ndarray, taken: set[int]) -> list[Candidate]:
    """The images that become the clean cases: the last of the order, before any attack has been tried.

    So they are a random draw of what the network gets right, not what attacks left over. `taken` holds the
    positions that other cases use or that this batch has attacked. A second batch draws from fewer images:
    those that became cases of the first, among them all whose attack succeeded, are gone.
    """
    free = [c for c in _in_order(batch, test, correct) if int(test.positions[c.index]) not in taken]
    return [
        candidate
        for partition in batch.partitions
        for candidate in [c for c in reversed(free) if c.partition == partition][: batch.cases]
    ]


def candidates(batch: Batch, test: Dataset, correct: np.ndarray, taken: set[int]) -> list[Candidate]:
    """The images that may be attacked, in order: classified correctly, of a wanted partition, not taken."""
    targets = target_classes(batch, test)
    found = [c for c in _in_order(batch, test, correct) if int(test.positions[c.index]) not in taken]
    if targets is None:
        return found
    aimed = [replace(c, target=int(targets[c.index])) for c in found]
    return [c for c in aimed if c.target != test.labels[c.index]]


def _in_order(batch: Batch, test: Dataset, correct: np.ndarray) -> list[Candidate]:
    order = np.random.default_rng(batch.seed).permutation(len(test)).tolist()
    places = [
        Candidate(index, batch.partition_of(place)) for place, index in enumerate(order) if correct[index]
    ]
    return [candidate for candidate in places if candidate.partition in batch.partitions]


def target_classes(batch: Batch, test: Dataset) -> np.ndarray | None:
    """The class (N,) each test image is to be taken for, or None for any wrong class.

    `random` draws one of the wrong classes for each image; a class name is the target of all others.
    """
    if batch.targets == ANY:
        return None
    names = test.class_names
    if batch.targets == RANDOM:
        step = np.random.default_rng([batch.seed, 1]).integers(1, len(names), len(test))
        return (test.labels + step) % len(names)
    if batch.targets not in names:
        raise ValueError(f"--targets {batch.targets}: expected {ANY}, {RANDOM} or one of {', '.join(names)}")
    return np.full(len(test), names.index(batch.targets))


def first_successes(
    wanted: Sequence[Candidate], succeeded: dict[int, bool], cases: int
) -> tuple[list[Candidate], bool]:
    """The first `cases` successes of each partition in order, and whether nothing is left to be tried.

    `succeeded` maps the index of every image attacked so far to what came of it. A success counts only when
    all images of its partition before it have been attacked.
    """
    chosen: list[Candidate] = []
    settled = True
    for partition in dict.fromkeys(candidate.partition for candidate in wanted):
        count = 0
        for candidate in (c for c in wanted if c.partition == partition):
            if count == cases:
                break
            if candidate.index not in succeeded:
                settled = False
                break
            if succeeded[candidate.index]:
                chosen.append(candidate)
                count += 1
    return chosen, settled


def run_attacks(
    engine: Engine,
    network_id: int,
    dataset_id: int,
    batch: Batch,
    network: Network,
    test: Dataset,
    wanted: Sequence[Candidate],
) -> list[Candidate]:
    """Attack what of `wanted` the batch still needs, write it down as it comes; gives the successes chosen.

    An image that needs no attack, since the network errs on it by a rounding, is skipped and is no row.
    """
    with engine.connect() as connection:
        known = batches.known_attacks(connection, network_id, batch.settings())
    succeeded = {
        c.index: known[key].succeeded
        for c in wanted
        if (key := (int(test.positions[c.index]), c.target)) in known
    }
    chosen, settled = first_successes(wanted, succeeded, batch.cases)
    if settled:
        return chosen
    rest = [c for c in wanted if c.index not in succeeded]
    indices = np.array([c.index for c in rest])
    targets = None if batch.targets == ANY else np.array([c.target for c in rest])
    goal = batch.cases * len({c.partition for c in wanted})
    parameters = batch.identity()
    with (
        stage(engine, "attack", network_id, parameters, seed=batch.seed) as run_id,
        progress("attacks", goal, "successes", done=len(chosen)) as shown,
    ):
        writer = _Writer(engine, run_id, network_id, dataset_id, batch, test)
        tried = evaluations = 0
        stream = attack_stream(
            logits_function(network),
            test.images[indices],
            test.labels[indices],
            targets=targets,
            pixels=batch.pixels,
            population=batch.population,
            generations=batch.generations,
            key=jax.random.key(batch.seed),
            identities=test.positions[indices],
        )
        try:
            for finished, result in stream:
                for i, success in zip(finished, result.success, strict=True):
                    succeeded[rest[i].index] = bool(success)
                attacked = result.generations >= 0  # not those that were skipped
                writer.add(
                    [rest[i] for i in finished[attacked]], AttackResult(*(f[attacked] for f in result))
                )
                chosen, settled = first_successes(wanted, succeeded, batch.cases)
                tried, evaluations = tried + len(finished), evaluations + int(result.queries.sum())
                rate = evaluations / max(shown.seconds, 1e-9)
                shown.to(len(chosen), f"{tried} images tried, {rate:,.0f} evaluations/s")
                if settled:
                    break
        finally:
            writer.flush()
    return chosen


class _Writer:
    """Gathers finished attacks and writes them a few at a time, each group in one transaction."""

    def __init__(
        self, engine: Engine, run_id: int, network_id: int, dataset_id: int, batch: Batch, test: Dataset
    ) -> None:
        self.engine, self.dataset_id, self.test = engine, dataset_id, test
        settings = batch.settings()
        self.shared = {"run_id": run_id, "network_id": network_id, **settings}
        self.finished: list[Candidate] = []
        self.results: list[AttackResult] = []

    def add(self, finished: Sequence[Candidate], result: AttackResult) -> None:
        self.finished += finished
        self.results.append(result)
        if len(self.finished) >= WRITTEN_TOGETHER:
            self.flush()

    def flush(self) -> None:
        if not self.finished:
            return
        result = AttackResult(*(np.concatenate(field) for field in zip(*self.results, strict=True)))
        indices = np.array([candidate.index for candidate in self.finished])
        with writing(self.engine) as connection:
            sample_ids = add_samples(connection, self.dataset_id, self.test, indices)
            keys = [
                {**self.shared, "sample_id": sample_id, "target_class": candidate.target}
                for sample_id, candidate in zip(sample_ids, self.finished, strict=True)
            ]
            write.insert_missing(connection, attacks, rows.attack_rows(result, keys))
            ids = write.ids_by_key(connection, attacks, KEY, [[key[name] for name in KEY] for key in keys])
            pixels = [
                row
                for attack_id, painted, index in zip(ids, result.pixels, indices, strict=True)
                for row in rows.pixel_rows(attack_id, painted, self.test.images[index])
            ]
            write.insert_missing(connection, attack_pixels, pixels)
        self.finished, self.results = [], []
