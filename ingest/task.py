"""What every stage of an ingest works with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from jax.tree_util import Partial
from sqlalchemy import Connection, Engine

from ingest import record
from model.data.dataset import Dataset
from model.network.checkpoint import Checkpoint
from model.network.incremental_pass import Incremental, fastest


class Done(NamedTuple):
    """Some items of a stage, done and written."""

    items: int
    queries: int = 0  # candidates that the network was asked about
    hits: int = 0  # of the items: images that fell


class Crew(Protocol):
    """Those who do a stage's work."""

    def share(
        self, work: str, task: Task, run_id: int, items: Sequence[Any], size: int, **same: Any
    ) -> Iterator[Done]:
        """Have a function of `ingest.workers.local.WORK` do all items; tells of them as they are done, in any
        order.

        size: how many make a chunk, which one worker does, and which is lost when it dies.
        same: further arguments of the function.
        """
        ...


@dataclass(frozen=True)
class Task:
    """A network and a data set, registered in a database, and who works on them."""

    engine: Engine
    network_id: int
    dataset_id: int
    checkpoint: Checkpoint
    test: Dataset
    training: Callable[[], Dataset]  # the training split, which few stages need
    crew: Crew
    weights: Path  # where the checkpoint was read
    evaluation: str = (
        "auto"  # how candidates are evaluated, as `model.network.incremental_pass.fastest` has it
    )
    pixels: int = 1
    kept: dict[str, Any] = field(default_factory=dict, compare=False)  # by a stage, for its next chunk

    @cached_property
    def function(self) -> Partial | Incremental:
        """The network as attacks ask it."""
        return self.how[0]

    @cached_property
    def how(self) -> tuple[Partial | Incremental, str]:
        """The same, and one sentence that says why in this way."""
        return fastest(self.checkpoint.network, pixels=self.pixels, form=self.evaluation)

    def position(self, index: int) -> int:
        """The place in its split of an image, by its index into the part that is loaded."""
        return int(self.test.positions[index])

    def write_samples(self, connection: Connection, indices: Sequence[int]) -> list[int]:
        """Write test samples that are not there yet, by index; gives the id of each."""
        return record.write_samples(connection, self.dataset_id, self.test, np.asarray(indices, int))
