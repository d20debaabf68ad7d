"""The stages in order: reference set, attacks, cases, neighbours, tuning.

Each stage writes in chunks, a transaction each, and does only what is missing; so an ingest that was
stopped goes on when the same command is given again, and one that is complete does nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import Engine

from db import migrate
from db.engine import writing
from db.read import batches
from db.schema import RULES
from ingest import attacks, cases, defense, reference
from ingest.batch import Batch, check_possible
from model import checkpoint, data
from model.cnn import predict


@dataclass(frozen=True)
class Report:
    """What an ingest did, and what it could not do."""

    network_id: int
    added: dict[tuple[str, str], int]  # cases by (partition, kind)
    missing: dict[tuple[str, str], int]  # wanted but not to be had: every candidate was tried
    tuned: bool


def ingest(
    engine: Engine,
    batch: Batch,
    *,
    weights: Path = checkpoint.BUNDLED,
    load: Callable[[str, str], data.Dataset] = data.load,
) -> Report:
    """Bring the database to what the batch asks for; `load` gives a split of a data set by name.

    Raises ValueError, LookupError or OSError, in one line, before anything is written where it can be known.
    """
    loaded = checkpoint.load(weights)
    training, test = load(batch.dataset, "train"), load(batch.dataset, "test")
    attacks.target_classes(batch, test)  # an unknown class is told before any work, and so is
    check_possible(batch, len(test))  # what could not be even if the network were always right
    migrate.upgrade(engine)
    with writing(engine) as connection:
        dataset_id = reference.register_dataset(connection, test)
        network_id = reference.register_network(connection, loaded, dataset_id)
    before = _counts(engine, network_id, batch)
    if any(_lacks(before, batch).values()):
        correct = predict(loaded.network, test.images).argmax(-1) == test.labels
        check_possible(batch, int(correct.sum()))
        reference.build_reference(engine, network_id, dataset_id, loaded, training)
        _make_cases(engine, network_id, dataset_id, batch, loaded, test, correct)
    after = _counts(engine, network_id, batch)
    defense.find_neighbors(engine, network_id, batch.metrics)
    tuned = defense.tune(engine, network_id, batch.metrics, RULES)
    added = {key: count - before.get(key, 0) for key, count in after.items() if count > before.get(key, 0)}
    missing = {key: count for key, count in _lacks(after, batch).items() if count}
    return Report(network_id, added, missing, tuned)


def _make_cases(
    engine: Engine,
    network_id: int,
    dataset_id: int,
    batch: Batch,
    loaded: checkpoint.Checkpoint,
    test: data.Dataset,
    correct: np.ndarray,
) -> None:
    with engine.connect() as connection:
        own = batches.batch_runs(connection, network_id, batch.identity())
        others = batches.used_positions(connection, network_id, except_runs=own)
        attacked = batches.known_attacks(connection, network_id, batch.settings())
    tried = {position for position, _ in attacked}  # to have resisted an attack would be a choice
    clean = attacks.clean_choices(batch, test, correct, others.keys() | tried)
    kept = {int(test.positions[candidate.index]) for candidate in clean}
    wanted = attacks.candidates(batch, test, correct, others.keys() | kept)
    chosen = attacks.run_attacks(engine, network_id, dataset_id, batch, loaded.network, test, wanted)
    planned = cases.plan(engine, network_id, batch, test, chosen, clean)
    cases.write_cases(engine, network_id, dataset_id, batch, loaded, test, planned)


def _counts(engine: Engine, network_id: int, batch: Batch) -> dict[tuple[str, str], int]:
    with engine.connect() as connection:
        return batches.batch_counts(connection, batches.batch_runs(connection, network_id, batch.identity()))


def _lacks(counts: dict[tuple[str, str], int], batch: Batch) -> dict[tuple[str, str], int]:
    keys = [(partition, kind) for partition in batch.partitions for kind in ("adversarial", "clean")]
    return {key: max(0, batch.cases - counts.get(key, 0)) for key in keys}
