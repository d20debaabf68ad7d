"""The work that several ingest workers share: chunks of a stage, each done by one worker at a time.

A worker has a chunk as long as it holds the lock on its row, in a transaction of its own; others skip rows
that are locked. A worker that dies loses its connection, and with it the lock: the chunk is free again. On
PostgreSQL only: SQLite has no such locks.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, delete, func, insert, select

from db import processes
from db.engine import snapshot, writing
from db.runs.fences import held
from db.schema import chunks, runs


class Chunk(NamedTuple):
    """A part of a stage's work."""

    run_id: int
    work: str
    arguments: dict[str, Any]
    item_count: int


def publish(engine: Engine, new: Sequence[Chunk]) -> None:
    """Let any worker have the chunks."""
    with writing(engine) as connection:
        connection.execute(insert(chunks), [chunk._asdict() for chunk in new])


@contextmanager
def taken(engine: Engine, run_id: int | None = None) -> Iterator[Chunk | None]:
    """The first chunk that is free, of a run or of any that is at work; None: there is none.

    It is done when the block ends; an error leaves it to others. What is written meanwhile, and that it is
    done, is committed only while its run is at work.
    """
    which = runs.c.status == "running" if run_id is None else chunks.c.run_id == run_id
    query = select(chunks).join(runs, runs.c.id == chunks.c.run_id).where(which).order_by(chunks.c.id)
    with ExitStack() as fence, writing(engine) as connection:
        row = connection.execute(query.limit(1).with_for_update(of=chunks, skip_locked=True)).first()
        if row is None:
            yield None
        else:
            fence.enter_context(held(engine, row.run_id))
            yield Chunk(row.run_id, row.work, row.arguments, row.item_count)
            connection.execute(delete(chunks).where(chunks.c.id == row.id))


def items_left(engine: Engine, run_id: int) -> int:
    """How many items of a run are in chunks that are not done.

    Raises RuntimeError where the run is over: what is gone was not done then, but taken back.
    """
    with snapshot(engine) as connection:
        if connection.scalar(select(runs.c.status).where(runs.c.id == run_id)) != "running":
            raise processes.taken_for_dead(run_id)
        done = select(func.coalesce(func.sum(chunks.c.item_count), 0)).where(chunks.c.run_id == run_id)
        return int(connection.execute(done).scalar_one())


def discard(connection: Connection, run_id: int | None = None) -> None:
    """Take back the chunks of a run, or of all that are over, but for those that a worker is at."""
    over = select(runs.c.id).where(runs.c.status != "running")
    which = chunks.c.run_id.in_(over) if run_id is None else chunks.c.run_id == run_id
    free = select(chunks.c.id).where(which).with_for_update(skip_locked=True)
    connection.execute(delete(chunks).where(chunks.c.id.in_(free)))
