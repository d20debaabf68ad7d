"""The stages in order: reference set, near-duplicates, attacks, cases, originals, sweeps, neighbors, tuning,
evaluation.

Each stage writes in chunks, one transaction each, and does only what is missing. So the same command resumes
an ingest that was stopped, and does nothing after one that is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
from sqlalchemy import Engine

from db import migrate
from db.engine import locks_rows, writing
from db.read.for_ingest import batches
from db.read.for_ingest.stored_activations import reference_ids
from db.scope import Scope
from db.vocabulary import RULES
from ingest import record
from ingest.batch import Batch, check_possible, check_reference, sweep_settings
from ingest.stages import candidates, cases, tuning
from ingest.stages.attack import search
from ingest.stages.duplicates import find_duplicates
from ingest.stages.evaluation import evaluate_detectors
from ingest.stages.neighbors import find_neighbors, share_searches
from ingest.stages.originals import write_missing_originals
from ingest.stages.predictions import predict_split
from ingest.stages.reference import build_reference
from ingest.stages.repair import repair_cases
from ingest.stages.sweep import map_cases
from ingest.stages.transfer import write_missing_transfers
from ingest.task import Crew, Task
from ingest.workers.lease import Turn
from ingest.workers.local import Alone
from ingest.workers.postgresql import Helper, Shared
from model.data import dataset, registry
from model.network import chosen
from model.network.checkpoint import BUNDLED
from model.network.incremental_pass import fastest


@dataclass(frozen=True)
class Naming:
    """The name of a batch, and the usual name if it is new and none is given."""

    name: str | None = None  # as from `db.runs.batch_names.normal_name`
    usual: str | None = None  # None: as from `Batch.title`


@dataclass(frozen=True)
class Added:
    """The cases of a batch: those added, and those missing."""

    task: Task
    added: dict[tuple[str, str], int]  # cases by (partition, kind)
    missing: dict[tuple[str, str], int]  # wanted but not found: every candidate was tried


@dataclass(frozen=True)
class Report:
    """What an ingest did, and what it could not do."""

    scope: Scope
    added: dict[tuple[str, str], int]  # cases by (partition, kind)
    missing: dict[tuple[str, str], int]  # wanted but not found: every candidate was tried
    tuned: bool


def ingest(
    engine: Engine,
    batch: Batch,
    *,
    weights: str | Path = BUNDLED,
    load: Callable[[str, str], dataset.Dataset] = registry.load,
    evaluation: str = "auto",
    maps: bool = True,
    repairs: bool = True,
    crew: Crew | None = None,
    naming: Naming = Naming(),
) -> Report:
    """Ingest a batch: add to the database what it still lacks.

    weights: names a network as `--network` does. load: returns a split of a data set by name. evaluation:
        of candidates, as in `model.network.incremental_pass.fastest`. maps, repairs: as in `explain_cases`.
    crew: does the long stages; by default this process, and on a PostgreSQL server also all processes that
        wait for their turn. naming: of the batch.

    Raises ValueError, LookupError or OSError, in one line; if possible, before anything is written.
    """
    with turn_on(engine, load) as turn:
        cases = add_cases(
            engine,
            batch,
            weights=weights,
            load=load,
            evaluation=evaluation,
            crew=crew,
            turn=turn,
            naming=naming,
        )
        wanted = {"maps": maps, "repairs": repairs}
        tuned = explain_cases(cases.task, batch.metrics, levels=batch.levels, stride=batch.stride, **wanted)
    return Report(cases.task.scope, cases.added, cases.missing, tuned)


def add_cases(
    engine: Engine,
    batch: Batch,
    *,
    weights: str | Path = BUNDLED,
    load: Callable[[str, str], dataset.Dataset] = registry.load,
    evaluation: str = "auto",
    turn: Turn | None = None,
    crew: Crew | None = None,
    naming: Naming = Naming(),
) -> Added:
    """The first half of an ingest: the reference set, the attacks, the cases. Errors as in `ingest`.

    turn: taken before anything is read or written; the caller releases it at the end.
    """
    test, training = load(batch.dataset, "test"), load(batch.dataset, "train")
    check_possible(batch, len(test))  # fails if it is impossible even for a network without errors
    check_reference(batch, len(training))
    data_ = (test, lambda: training)
    task, batch_id = _task(engine, batch, weights, *data_, evaluation, turn, crew, naming.name)
    before = _counts(task, batch_id)
    if any(_lacks(before, batch).values()):
        correct = _correct(task)
        check_possible(batch, int(correct.sum()))
        build_reference(task)
        with engine.connect() as connection:
            check_reference(batch, len(reference_ids(connection, task.scope)))
        find_duplicates(task, training)
        with _registered(task, batch, naming) as batch_id:
            _make_cases(task, batch, batch_id, correct)
    after = _counts(task, batch_id)
    added = {key: count - before.get(key, 0) for key, count in after.items() if count > before.get(key, 0)}
    return Added(task, added, {key: count for key, count in _lacks(after, batch).items() if count})


def explain_cases(
    task: Task,
    metrics: Sequence[str],
    *,
    levels: int = 2,
    stride: int = 0,
    maps: bool = True,
    repairs: bool = True,
) -> bool:
    """The second half: all further facts about every case of the task; returns whether it could tune.

    maps: whether to sweep the source image of every case for its vulnerability map, with so many levels of
        each channel and this stride (0: the usual one). repairs: whether to repair the image of every case
        and its original pixel by pixel.
    """
    engine, scope = task.engine, task.scope
    write_missing_originals(task)
    if maps:
        map_cases(task, levels, stride)
    if repairs:
        repair_cases(task)
    with engine.connect() as connection:
        stored = batches.neighbor_counts(connection, scope)
    metrics = tuple(dict.fromkeys((*metrics, *sorted(stored))))  # new cases get the metrics of old ones
    find_neighbors(engine, scope, metrics, task.checkpoint.network, share=share_searches(task))
    tuned = tuning.tune(engine, scope, metrics, RULES)
    evaluate_detectors(engine, scope, metrics, RULES)
    write_missing_transfers(engine, scope, task.checkpoint.network)
    return tuned


def attack_all(
    engine: Engine,
    batch: Batch,
    *,
    weights: str | Path = BUNDLED,
    load: Callable[[str, str], dataset.Dataset] = registry.load,
    evaluation: str = "auto",
    crew: Crew | None = None,
    naming: Naming = Naming(),
) -> Task:
    """Attack every test image that the network classifies correctly, as in the batch, without making cases.

    Errors as in `ingest`.
    """
    test = load(batch.dataset, "test")
    training = cache(partial(load, batch.dataset, "train"))
    with turn_on(engine, load) as turn:
        options = (evaluation, turn, crew, naming.name)
        task, _ = _task(engine, batch, weights, test, training, *options, all_test=True)
        wanted = candidates.candidates(batch, test, _correct(task), set())
        with _registered(task, batch, naming, all_test=True) as batch_id:
            search(task, batch, batch_id, wanted, every=True)
    return task


def _task(
    engine: Engine,
    batch: Batch,
    weights: str | Path,
    test: dataset.Dataset,
    training: Callable[[], dataset.Dataset],
    evaluation: str,
    turn: Turn | None,
    crew: Crew | None,
    name: str | None,
    *,
    all_test: bool = False,
) -> tuple[Task, int | None]:
    """The task, and the id of the batch if the database has it; the batch is then renamed at once."""
    loaded = chosen.load(weights, chosen.images_of(test))
    # Before any work, report an unknown class, colors that such images do not have, and a network that cannot
    # be evaluated in this form.
    candidates.target_classes(batch, test)
    sweep_settings(batch.parameters, test.images.shape[1:])
    fastest(loaded.network, pixels=batch.pixels, form=evaluation)
    migrate.make_or_require_current(engine)
    if turn is not None:
        turn.take()
    with writing(engine) as connection:
        dataset_id = record.register_dataset(connection, test)
        scope = record.register_network(connection, loaded, dataset_id)
        batch_id = record.find_batch(connection, scope, batch, all_test=all_test, name=name)
        record.compare_layers(connection, scope.network_id, loaded.network.architecture, batch.layers)
    crew = crew or (Shared() if locks_rows(engine) else Alone())
    known = (engine, *scope, loaded, test, training, crew, weights)
    return Task(*known, evaluation=evaluation, pixels=batch.pixels), batch_id


def turn_on(engine: Engine, load: Callable[[str, str], dataset.Dataset]) -> Turn:
    """A turn; if the database allows several writers, processes that wait for theirs help with the work."""
    return Turn(engine, Helper(engine, load) if locks_rows(engine) else None)


def _correct(task: Task) -> np.ndarray:
    """Which test images the network classifies correctly, (N,) bool."""
    predicted = predict_split(task.engine, task.scope, task.checkpoint.network, task.test)
    correct: np.ndarray = predicted == task.test.labels
    return correct


@contextmanager
def _registered(task: Task, batch: Batch, naming: Naming, *, all_test: bool = False) -> Iterator[int]:
    """Register the batch if it is new and yield its id; at the end, discard it if it has no run."""

    def discard() -> None:
        with writing(task.engine) as connection:
            record.discard_batch(connection, batch_id)

    with writing(task.engine) as connection:
        names = {"name": naming.name, "usual_name": naming.usual}
        batch_id = record.register_batch(connection, task.scope, batch, all_test=all_test, **names)
    try:
        yield batch_id
    except BaseException:
        with suppress(Exception):  # such as a full disk: report why the work ended
            discard()
        raise
    discard()


def _make_cases(task: Task, batch: Batch, batch_id: int, correct: np.ndarray) -> None:
    with task.engine.connect() as connection:
        own = batches.batch_runs(connection, batch_id)
        others = batches.used_positions(connection, task.scope, except_runs=own)
        attacks = batches.batch_runs(connection, batch_id, "attack")
        tried = batches.attacked_positions(connection, attacks)
    # Clean cases must not be chosen for having resisted: only images that this batch has not tried.
    clean = candidates.clean_choices(batch, task.test, correct, others.keys() | tried)
    clean_positions = {task.position(candidate.index) for candidate in clean}
    wanted = candidates.candidates(batch, task.test, correct, others.keys() | clean_positions)
    chosen = search(task, batch, batch_id, wanted)
    cases.write_planned_cases(task, batch, batch_id, cases.plan_cases(task, batch, chosen, clean))


def _counts(task: Task, batch_id: int | None) -> dict[tuple[str, str], int]:
    if batch_id is None:
        return {}
    with task.engine.connect() as connection:
        runs = batches.batch_runs(connection, batch_id)
        return batches.batch_counts(connection, runs)


def _lacks(counts: dict[tuple[str, str], int], batch: Batch) -> dict[tuple[str, str], int]:
    keys = [(partition, kind) for partition in batch.partitions for kind in ("adversarial", "clean")]
    return {key: max(0, batch.cases - counts.get(key, 0)) for key in keys}
