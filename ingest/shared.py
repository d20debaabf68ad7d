"""Several ingests on one PostgreSQL database: one plans, and those that wait for it take part in its work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Engine

from db import chunks as free
from db.engine import writing
from ingest.crew import WORK, chunks
from ingest.place import Place, describe, enter
from ingest.task import Done, Task
from model.data import Dataset

LOOKS = 0.1  # seconds between two looks whether others are done


class Shared:
    """This process, and every other that waits for its turn on the database."""

    def share(
        self, work: str, task: Task, run_id: int, items: Sequence[Any], size: int, **same: Any
    ) -> Iterator[Done]:
        """As `ingest.crew.Crew` says."""
        if not items:
            return
        place = describe(task)._asdict()
        free.publish(
            task.engine,
            [
                free.Chunk(run_id, work, {"place": place, "items": part, "same": same}, len(part))
                for part in chunks(items, size)
            ],
        )
        try:
            yield from _until_done(task, run_id, len(items))
        finally:
            with writing(task.engine) as connection:
                free.discard(connection, run_id)


def _until_done(task: Task, run_id: int, total: int) -> Iterator[Done]:
    told = 0
    while told < total:
        with free.taken(task.engine, run_id) as chunk:
            if chunk is not None:
                for done in _do(chunk, task):
                    told += done.items
                    yield done
        by_others = total - free.items_left(task.engine, run_id) - told
        if by_others > 0:
            told += by_others
            yield Done(by_others)
        elif chunk is None:
            time.sleep(LOOKS)


class Helper:
    """What a process does while it waits for its turn: chunks of the ingest that is at work."""

    def __init__(self, engine: Engine, load: Callable[[str, str], Dataset]) -> None:
        """load: gives a split of a data set by name, as each machine has it."""
        self.engine, self.load = engine, load
        self.entered: tuple[Place, Task] | None = None

    def __call__(self) -> bool:
        """Do one chunk; whether there was one. Raises what `ingest.place.enter` raises."""
        with free.taken(self.engine) as chunk:
            if chunk is None:
                return False
            place = Place(**chunk.arguments["place"])
            if self.entered is None or self.entered[0] != place:
                self.entered = place, enter(place, self.engine, self.load)
            for _ in _do(chunk, self.entered[1]):
                pass
        return True


def _do(chunk: free.Chunk, task: Task) -> Iterator[Done]:
    return WORK[chunk.work](task, chunk.run_id, chunk.arguments["items"], **chunk.arguments["same"])
