"""The work of stages that can be shared, and the crew that is this process alone.

A stage that is long cuts its work into items (images, cases, blocks of the training set) and has its crew do
them by a function of `WORK`. What is found goes into the database and nowhere else: whoever did an item, and
however often it was begun, its rows are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ingest.stages.neighbors import search_neighbors
from ingest.stages.reference import write_references
from ingest.stages.repair import repair_images
from ingest.stages.search import attack_images
from ingest.stages.sweep import sweep_images
from ingest.task import Done, Task

# (task, run id, items, ...) -> what is done, as it is done and written. Items and further arguments are JSON.
WORK: Mapping[str, Callable[..., Iterator[Done]]] = {
    "reference": write_references,
    "sweep": sweep_images,
    "attack": attack_images,
    "repair": repair_images,
    "neighbors": search_neighbors,
}


class Alone:
    """This process does all of it, as one chunk."""

    def share(
        self, work: str, task: Task, run_id: int, items: Sequence[Any], size: int, **same: Any
    ) -> Iterator[Done]:
        """As `ingest.task.Crew` says."""
        if items:
            yield from WORK[work](task, run_id, list(items), **same)


def chunks(items: Sequence[Any], size: int) -> list[list[Any]]:
    """Items in order, `size` together."""
    return [list(items[first : first + size]) for first in range(0, len(items), size)]
