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
    """Offer the chunks to all workers."""
    with writing(engine) as connection:
        connection.execute(insert(chunks), [chunk._asdict() for chunk in new])


@contextmanager
def taken(engine: Engine, run_id: int | None = None) -> Iterator[Chunk | None]:
    """The first free chunk, of a run or of any that is running; None: there is none.

    It is done when the block ends; after an error it is free for others. Rows written meanwhile, and the end
    of the chunk, are committed only while its run is running.
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

    Raises RuntimeError where the run is over: missing chunks were then not done, but discarded.
    """
    with snapshot(engine) as connection:
        if connection.scalar(select(runs.c.status).where(runs.c.id == run_id)) != "running":
            raise processes.taken_for_dead(run_id)
        left = select(func.coalesce(func.sum(chunks.c.item_count), 0)).where(chunks.c.run_id == run_id)
        return int(connection.execute(left).scalar_one())


def discard(connection: Connection, run_id: int | None = None) -> None:
    """Delete the chunks of a run, or of all runs that are over, except those that a worker is doing."""
    over = select(runs.c.id).where(runs.c.status != "running")
    which = chunks.c.run_id.in_(over) if run_id is None else chunks.c.run_id == run_id
    free = select(chunks.c.id).where(which).with_for_update(skip_locked=True)
    connection.execute(delete(chunks).where(chunks.c.id.in_(free)))
