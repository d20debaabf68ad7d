"""What every stage of an ingest works with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jax.tree_util import Partial
from sqlalchemy import Connection, Engine

from ingest.reference import add_samples
from model.checkpoint import Checkpoint
from model.data import Dataset
from model.incremental import Incremental, fastest


@dataclass(frozen=True)
class Task:
    """A network and a data set, registered in a database."""

    engine: Engine
    network_id: int
    dataset_id: int
    checkpoint: Checkpoint
    test: Dataset
    evaluation: str = "auto"  # how candidates are evaluated, as `model.incremental.fastest` has it
    pixels: int = 1

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

    def add_samples(self, connection: Connection, indices: Sequence[int]) -> list[int]:
        """The ids of test samples, written down if new."""
        return add_samples(connection, self.dataset_id, self.test, np.asarray(indices, int))
