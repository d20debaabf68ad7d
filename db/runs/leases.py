"""The lease on a database's results: only one process at a time ingests into a database.

It is a row of `runs`, of stage `ingest`, that is `running` as long as its process is. It is deleted when the
work is done; if its process dies, another one takes it over. On this machine a process is identified by its
id and start. On another machine it writes signs of life to `seconds`, and counts as dead when they stop: a
waiting process measures that by its own clock. A process taken for dead stops writing (see `db.runs.fences`).
"""

from typing import NamedTuple, cast

from sqlalchemy import Connection, Engine, delete, insert, or_, select, update

from db import processes, schema
from db.engine import lock_writes, writing
from db.query_types import AnyRow
from db.runs import chunks
from db.runs.fences import LEASE, require_run
from db.write import mark_interrupted

SIGN_OF_LIFE = 15.0  # seconds between two signs
SILENCE = 120.0  # seconds without one after which a process of another machine is taken for dead


class Holder(NamedTuple):
    """The process that has the lease."""

    host: str
    process: int
    since: str  # UTC, in the form of `schema.now`
    seconds: float  # from then to its last sign of life


def take(engine: Engine, code_version: str, silent: Holder | None = None) -> int | Holder:
    """Take the lease and return its id; or return the process that has it.

    Runs whose process died are marked in either case. silent: the answer `SILENCE` seconds ago; a process of
    another machine that gave no sign of life since then is taken for dead.
    """
    runs, own = schema.runs, processes.own()
    with writing(engine) as connection:
        lock_writes(connection, runs)
        mark_interrupted(connection)
        query = select(runs.c.id, runs.c.process, runs.c.started_at, runs.c.seconds)
        held = connection.execute(query.where(runs.c.stage == LEASE, runs.c.status == "running")).all()
        for _, process, since, seconds in held:
            holder = Holder(*processes.split(process), since, seconds or 0.0)
            # A process of this machine is alive: dead ones are marked already.
            if process != own and (holder.host == processes.split(own)[0] or holder != silent):
                return holder
        for id_, process, *_ in held:
            _take_over(connection, id_, process)
        chunks.discard(connection)
        row = {
            "stage": LEASE,
            "status": "running",
            "parameters": {},
            "code_version": code_version,
            "process": own,
            "started_at": schema.now(),
            "seconds": 0.0,
        }
        return int(cast(AnyRow, connection.execute(insert(runs), row).inserted_primary_key)[0])


def live(engine: Engine, lease: int, seconds: float) -> None:
    """Give a sign of life, `seconds` after the lease was taken.

    Raises TakenForDead if the lease is not this process's any more.
    """
    runs = schema.runs
    with writing(engine) as connection:
        mine = (runs.c.id == lease) & (runs.c.process == processes.own()) & (runs.c.status == "running")
        connection.execute(update(runs).where(mine).values(seconds=seconds))
        require_run(connection, lease, processes.own())


def release(engine: Engine, lease: int) -> None:
    """Release the lease. Its row is deleted: the runs of the stages record the work."""
    runs = schema.runs
    with writing(engine) as connection:
        mine = (runs.c.id == lease) & (runs.c.process == processes.own()) & (runs.c.status == "running")
        connection.execute(delete(runs).where(mine, runs.c.stage == LEASE))


def _take_over(connection: Connection, lease: int, process: str) -> None:
    """Mark the runs of a silent process, or a lease that this one left when it could not write."""
    runs = schema.runs
    theirs = or_(runs.c.id == lease, (runs.c.process == process) & (process != processes.own()))
    ended = {"status": "interrupted", "finished_at": schema.now(), "message": "its process ended"}
    connection.execute(update(runs).where(runs.c.status == "running", theirs).values(ended))
