"""The work of stages that can be shared, and the crew of this process alone.

A long stage splits its work into items (images, cases, blocks of the training set), which its crew does by a
function of `WORK`. Results go only into the database. The rows of an item do not depend on the worker that
did it, or on how often it was started.
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

# (task, run id, items, ...) -> reports of items done and written. Items and further arguments are JSON.
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
        """As in `ingest.task.Crew`."""
        if items:
            yield from WORK[work](task, run_id, list(items), **same)


def chunks(items: Sequence[Any], size: int) -> list[list[Any]]:
    """Split items, in order, into parts of `size`."""
    return [list(items[first : first + size]) for first in range(0, len(items), size)]
