"""The stages in order: reference set, near-duplicates, attacks, cases, originals, sweeps, neighbours, tuning,
evaluation.

Each stage writes in chunks, a transaction each, and does only what is missing; so an ingest that was
stopped goes on when the same command is given again, and one that is complete does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import Engine

from db import migrate
from db.engine import writing
from db.read import batches
from db.schema import RULES
from ingest import cases, choice, defense, reference
from ingest.batch import Batch, check_possible
from ingest.duplicates import find_duplicates
from ingest.evaluation import evaluate_detectors
from ingest.neighbors import find_neighbors
from ingest.originals import write_originals
from ingest.repairs import repair_cases
from ingest.search import search
from ingest.sweeps import map_cases
from ingest.task import Task
from ingest.turn import Turn
from model import checkpoint, data
from model.cnn import predict
from model.incremental import fastest


@dataclass(frozen=True)
class Added:
    """The cases of a batch: what came, and what could not."""

    task: Task
    added: dict[tuple[str, str], int]  # cases by (partition, kind)
    missing: dict[tuple[str, str], int]  # wanted but not to be had: every candidate was tried


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
    evaluation: str = "auto",
    maps: bool = True,
    repairs: bool = True,
) -> Report:
    """Bring the database to what the batch asks for.

    load: gives a split of a data set by name. evaluation: of candidates, as in `model.incremental.fastest`.
    maps, repairs: as in `explain_cases`.

    Raises ValueError, LookupError or OSError, in one line, before anything is written where it can be known.
    """
    with Turn(engine) as turn:
        cases = add_cases(engine, batch, weights=weights, load=load, evaluation=evaluation, turn=turn)
        tuned = explain_cases(cases.task, batch.metrics, levels=batch.levels, maps=maps, repairs=repairs)
    return Report(cases.task.network_id, cases.added, cases.missing, tuned)


def add_cases(
    engine: Engine,
    batch: Batch,
    *,
    weights: Path = checkpoint.BUNDLED,
    load: Callable[[str, str], data.Dataset] = data.load,
    evaluation: str = "auto",
    turn: Turn | None = None,
) -> Added:
    """The first half of an ingest: the reference set, the attacks, the cases. Raises what `ingest` raises.

    turn: taken before anything is read or written; its holder lets it go when all is done.
    """
    loaded, test = checkpoint.load(weights), load(batch.dataset, "test")
    training = load(batch.dataset, "train")
    check_possible(batch, len(test))  # what could not be even if the network were always right
    task = _task(engine, batch, loaded, test, evaluation, turn)
    before = _counts(task, batch)
    if any(_lacks(before, batch).values()):
        correct = predict(loaded.network, test.images).argmax(-1) == test.labels
        check_possible(batch, int(correct.sum()))
        reference.build_reference(engine, task.network_id, task.dataset_id, loaded, training)
        find_duplicates(task, training)
        _make_cases(task, batch, correct)
    after = _counts(task, batch)
    added = {key: count - before.get(key, 0) for key, count in after.items() if count > before.get(key, 0)}
    return Added(task, added, {key: count for key, count in _lacks(after, batch).items() if count})


def explain_cases(
    task: Task, metrics: Sequence[str], *, levels: int = 2, maps: bool = True, repairs: bool = True
) -> bool:
    """The second half, for every case of the network: all that is known of a case; whether it could tune.

    maps: whether the source image of every case is swept for its vulnerability map. repairs: whether the
        images of a case and before its attack are repaired pixel by pixel.
    """
    engine, network_id = task.engine, task.network_id
    write_originals(task)
    if maps:
        map_cases(task, levels)
    if repairs:
        repair_cases(task)
    with engine.connect() as connection:
        stored = batches.neighbor_counts(connection, network_id)
    metrics = tuple(dict.fromkeys((*metrics, *sorted(stored))))  # new cases get what old ones have
    find_neighbors(engine, network_id, metrics, task.checkpoint.network)
    tuned = defense.tune(engine, network_id, metrics, RULES)
    evaluate_detectors(engine, network_id, metrics, RULES)
    return tuned


def attack_all(
    engine: Engine,
    batch: Batch,
    *,
    weights: Path = checkpoint.BUNDLED,
    load: Callable[[str, str], data.Dataset] = data.load,
    evaluation: str = "auto",
) -> Task:
    """Attack every test image that the network classifies correctly, as the batch says; makes no cases.

    Raises what `ingest` raises.
    """
    loaded, test = checkpoint.load(weights), load(batch.dataset, "test")
    with Turn(engine) as turn:
        task = _task(engine, batch, loaded, test, evaluation, turn)
        correct = predict(loaded.network, test.images).argmax(-1) == test.labels
        search(task, batch, choice.candidates(batch, test, correct, set()), every=True)
    return task


def _task(
    engine: Engine,
    batch: Batch,
    loaded: checkpoint.Checkpoint,
    test: data.Dataset,
    evaluation: str,
    turn: Turn | None,
) -> Task:
    choice.target_classes(batch, test)  # an unknown class is told before any work, and so is
    fastest(
        loaded.network, pixels=batch.pixels, form=evaluation
    )  # a network that cannot be asked in this way
    migrate.make_or_require_current(engine)
    if turn is not None:
        turn.take()
    with writing(engine) as connection:
        dataset_id = reference.register_dataset(connection, test)
        network_id = reference.register_network(connection, loaded, dataset_id)
        reference.compare_layers(connection, network_id, loaded.network.architecture, batch.layers)
    return Task(engine, network_id, dataset_id, loaded, test, evaluation, batch.pixels)


def _make_cases(task: Task, batch: Batch, correct: np.ndarray) -> None:
    with task.engine.connect() as connection:
        own = batches.batch_runs(connection, task.network_id, batch.identity())
        others = batches.used_positions(connection, task.network_id, except_runs=own)
        attacks = batches.batch_runs(connection, task.network_id, batch.identity(), "attack")
        tried = batches.attacked_positions(connection, attacks)
    # To have resisted an attack would be a choice: clean are only images that this batch has not tried.
    clean = choice.clean_choices(batch, task.test, correct, others.keys() | tried)
    kept = {task.position(candidate.index) for candidate in clean}
    wanted = choice.candidates(batch, task.test, correct, others.keys() | kept)
    chosen = search(task, batch, wanted)
    cases.write_cases(task, batch, cases.plan(task, batch, chosen, clean))


def _counts(task: Task, batch: Batch) -> dict[tuple[str, str], int]:
    with task.engine.connect() as connection:
        runs = batches.batch_runs(connection, task.network_id, batch.identity())
        return batches.batch_counts(connection, runs)


def _lacks(counts: dict[tuple[str, str], int], batch: Batch) -> dict[tuple[str, str], int]:
    keys = [(partition, kind) for partition in batch.partitions for kind in ("adversarial", "clean")]
    return {key: max(0, batch.cases - counts.get(key, 0)) for key in keys}
