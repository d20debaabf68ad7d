"""Describe a task, so that another process can work on it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Engine

from ingest.runs import code_version
from ingest.task import Task
from ingest.workers.local import Alone
from model.data.dataset import Dataset
from model.network import checkpoint
from model.network.incremental_pass import Incremental


class Place(NamedTuple):
    """The description of a task in JSON values."""

    network_id: int
    dataset_id: int
    dataset: str  # by name: each machine has its own copy, checked against its digest
    weights: str  # path of the npz; "": the bundled one
    sha256: str  # of the weights
    evaluation: str  # "incremental" or "full": the same on every machine
    pixels: int
    version: str  # of this program


def describe(task: Task) -> Place:
    """Describe a task for another process."""
    bundled = task.weights == checkpoint.BUNDLED
    return Place(
        task.network_id,
        task.dataset_id,
        task.test.name,
        "" if bundled else str(task.weights.absolute()),
        task.checkpoint.sha256,
        "incremental" if isinstance(task.function, Incremental) else "full",
        task.pixels,
        code_version(),
    )


def enter(place: Place, engine: Engine, load: Callable[[str, str], Dataset]) -> Task:
    """The task in another process, which works alone on the chunks that it is given.

    Raises ValueError if the weights or the program's version differ, and the errors of
    `model.network.checkpoint.load` and `load`.
    """
    if place.version != code_version():
        raise ValueError(
            f"the ingest is of version {place.version} of this program, here it is {code_version()}: "
            "install the same one"
        )
    weights = Path(place.weights) if place.weights else checkpoint.BUNDLED
    loaded = checkpoint.load(weights)
    if loaded.sha256 != place.sha256:
        raise ValueError(
            f"weights: {weights} has sha256 {loaded.sha256[:12]}... on this machine, the ingest uses "
            f"{place.sha256[:12]}...: copy the file here"
        )
    return Task(
        engine,
        place.network_id,
        place.dataset_id,
        loaded,
        load(place.dataset, "test"),
        cache(partial(load, place.dataset, "train")),
        Alone(),
        weights,
        place.evaluation,
        place.pixels,
    )
