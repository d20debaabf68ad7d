"""The types that all stages of an ingest use: a task, its crew, and reports of finished work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from jax.tree_util import Partial
from sqlalchemy import Connection, Engine

from db.scope import Scope
from ingest import record
from model.data.dataset import Dataset
from model.network.checkpoint import Checkpoint
from model.network.incremental_pass import Incremental, fastest


class Done(NamedTuple):
    """A report of some items of a stage that are done and written."""

    items: int
    queries: int = 0  # candidates that the network evaluated
    hits: int = 0  # of the items: images that fell


class Crew(Protocol):
    """The workers that do a stage's work."""

    def share(
        self, work: str, task: Task, run_id: int, items: Sequence[Any], size: int, **same: Any
    ) -> Iterator[Done]:
        """Run a function of `ingest.workers.local.WORK` on all items; yields reports of those done, in any
        order.

        size: items in a chunk, which one worker does, and which is lost if it dies.
        same: further arguments of the function.
        """
        ...


@dataclass(frozen=True)
class Task:
    """A network and a data set, registered in a database, and the crew that works on them."""

    engine: Engine
    network_id: int
    dataset_id: int
    checkpoint: Checkpoint
    test: Dataset
    training: Callable[[], Dataset]  # the training split, which few stages need
    crew: Crew
    weights: str | Path  # names the network that the checkpoint was read from, as `--network` does
    evaluation: str = "auto"  # of candidates, as in `model.network.incremental_pass.fastest`
    pixels: int = 1
    kept: dict[str, Any] = field(default_factory=dict, compare=False)  # objects of a stage for its next chunk

    @property
    def scope(self) -> Scope:
        """What the results belong to: the network together with the data set."""
        return Scope(self.network_id, self.dataset_id)

    @cached_property
    def function(self) -> Partial | Incremental:
        """The network in the form that attacks evaluate."""
        return self.how[0]

    @cached_property
    def how(self) -> tuple[Partial | Incremental, str]:
        """The same, and one sentence with the reason for this form."""
        return fastest(self.checkpoint.network, pixels=self.pixels, form=self.evaluation)

    def position(self, index: int) -> int:
        """The position of an image in its split, by its index into the loaded part."""
        return int(self.test.positions[index])

    def write_samples(self, connection: Connection, indices: Sequence[int]) -> list[int]:
        """Write missing test samples, by index; returns the id of each."""
        return record.write_samples(connection, self.dataset_id, self.test, np.asarray(indices, int))
