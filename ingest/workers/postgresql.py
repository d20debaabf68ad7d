"""Several ingests on one PostgreSQL database: one plans, and those that wait for it help with its work."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import jax
from sqlalchemy import Engine

from db.engine import writing
from db.processes import TakenForDead
from db.runs import chunks as free
from ingest.task import Done, Task
from ingest.workers.local import WORK, chunks
from ingest.workers.remote import Place, describe, enter
from model.data.dataset import Dataset

LOOKS = 0.1  # seconds between two checks whether others are done
PATIENCE = 60  # seconds until a message says what the process waits for
DEVICES = 2  # of a worker's machine that are busy with a chunk; with more devices, chunks are larger


class Shared:
    """The crew of this process and every other one that waits for its turn on the database."""

    def share(
        self, work: str, task: Task, run_id: int, items: Sequence[Any], size: int, **same: Any
    ) -> Iterator[Done]:
        """As in `ingest.task.Crew`."""
        if not items:
            return
        place = describe(task)._asdict()
        size *= -(-jax.local_device_count() // DEVICES)
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
    reported, last_report = 0, time.monotonic()
    while reported < total:
        with free.taken(task.engine, run_id) as chunk:
            if chunk is not None:
                for done in _do(chunk, task):
                    reported += done.items
                    yield done
        left = free.items_left(task.engine, run_id)
        by_others = total - left - reported
        if by_others > 0:
            reported += by_others
            yield Done(by_others)
        if by_others > 0 or chunk is not None:
            last_report = time.monotonic()
            continue
        if time.monotonic() - last_report > PATIENCE:
            print(
                f"waiting for other workers, which compute the last {left} items", file=sys.stderr, flush=True
            )
            last_report = time.monotonic()
        time.sleep(LOOKS)


class Unable(Exception):
    """This process lacks what the chunk needs."""


class Helper:
    """Does chunks of the active ingest while this process waits for its turn."""

    def __init__(self, engine: Engine, load: Callable[[str, str], Dataset]) -> None:
        """load: returns this machine's copy of a split of a data set by name."""
        self.engine, self.load = engine, load
        self.entered: tuple[dict[str, Any], Task | None] | None = None  # its Task is None: unable

    def __call__(self) -> bool:
        """Do one chunk; returns whether there was one that this process is able to do.

        If its run ends meanwhile, it is undone: another process plans anew, and this one waits for that.
        """
        with suppress(Unable, TakenForDead), free.taken(self.engine) as chunk:
            if chunk is not None:
                for _ in _do(chunk, self._task(chunk.arguments["place"])):
                    pass
                return True
        return False

    def _task(self, place: dict[str, Any]) -> Task:
        """The task at a place. Raises Unable, and prints the reason once; then others do the chunk."""
        if self.entered is None or self.entered[0] != place:
            try:
                known = Place._make(place.get(name) for name in Place._fields)
                self.entered = place, enter(known, self.engine, self.load)
            except (ValueError, LookupError, OSError) as error:
                self.entered = place, None
                print(f"not taking part: {error}", file=sys.stderr, flush=True)
        if self.entered[1] is None:
            raise Unable
        return self.entered[1]


def _do(chunk: free.Chunk, task: Task) -> Iterator[Done]:
    return WORK[chunk.work](task, chunk.run_id, chunk.arguments["items"], **chunk.arguments["same"])
