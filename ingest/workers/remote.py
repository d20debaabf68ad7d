"""Describe a task, so that another process can work on it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

from sqlalchemy import Engine

from ingest.runs import code_version
from ingest.task import Task
from ingest.workers.local import Alone
from model.data.dataset import Dataset
from model.network import chosen
from model.network.incremental_pass import Incremental


class Place(NamedTuple):
    """The description of a task in JSON values."""

    network_id: int
    dataset_id: int
    dataset: str  # by name: each machine has its own copy, checked against its digest
    weights: str  # names the network, see `model.network.chosen.portable`
    sha256: str  # of the weights
    evaluation: str  # "incremental" or "full": the same on every machine
    pixels: int
    version: str  # of this program


def describe(task: Task) -> Place:
    """Describe a task for another process."""
    return Place(
        task.network_id,
        task.dataset_id,
        task.test.name,
        chosen.portable(task.weights),
        task.checkpoint.sha256,
        "incremental" if isinstance(task.function, Incremental) else "full",
        task.pixels,
        code_version(),
    )


def enter(place: Place, engine: Engine, load: Callable[[str, str], Dataset]) -> Task:
    """The task in another process, which works alone on the chunks that it is given.

    Raises ValueError if the weights or the program's version differ, and the errors of
    `model.network.chosen.load` and `load`.
    """
    if place.version != code_version():
        raise ValueError(
            f"the ingest is of version {place.version} of this program, here it is {code_version()}: "
            "install the same one"
        )
    test = load(place.dataset, "test")
    loaded = chosen.load(place.weights, chosen.images_of(test))
    if loaded.sha256 != place.sha256:
        raise ValueError(
            f"network {place.weights or loaded.network.architecture.name} has sha256 {loaded.sha256[:12]}... "
            f"on this machine, the ingest uses {place.sha256[:12]}...: copy its file here"
        )
    return Task(
        engine,
        place.network_id,
        place.dataset_id,
        loaded,
        test,
        cache(partial(load, place.dataset, "train")),
        Alone(),
        place.weights,
        place.evaluation,
        place.pixels,
    )
