"""The lease on a database's results: of all processes that ingest into one, a single one is at work.

It is a row of `runs`, of stage `ingest`, that is `running` as long as its process is. It goes when the work
is done; that of a process that died is taken over. On this machine a process is known by its id and start.
From elsewhere it gives signs of life in `seconds`, and counts as dead when they stop: whoever waits sees that
by a clock of its own. Who was taken for dead writes nothing more (see `db.runs.fences`).
"""

from typing import NamedTuple, cast

from sqlalchemy import Connection, Engine, delete, insert, or_, select, update

from db import processes, schema
from db.engine import lock_writes, writing
from db.query_types import AnyRow
from db.runs import chunks
from db.runs.fences import LEASE, require_run
from db.write import mark_interrupted

SIGN_OF_LIFE = 15.0  # seconds between two
SILENCE = 120.0  # seconds without one after which a process of another machine is taken for dead


class Holder(NamedTuple):
    """Who has the lease."""

    host: str
    process: int
    since: str  # UTC, as `schema.now` has it
    seconds: float  # from then to its last sign of life


def take(engine: Engine, code_version: str, silent: Holder | None = None) -> int | Holder:
    """The id of the lease, which this process now has; or the process that is at work.

    Runs that died without a word are marked, whoever gets it. silent: what was the answer `SILENCE` ago; a
    process of another machine that gave no sign of life since then is taken for dead.
    """
    runs, own = schema.runs, processes.own()
    with writing(engine) as connection:
        lock_writes(connection, runs)
        mark_interrupted(connection)
        query = select(runs.c.id, runs.c.process, runs.c.started_at, runs.c.seconds)
        held = connection.execute(query.where(runs.c.stage == LEASE, runs.c.status == "running")).all()
        for _, process, since, seconds in held:
            holder = Holder(*processes.split(process), since, seconds or 0.0)
            # One of this machine is alive: the dead ones are marked already.
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

    Raises TakenForDead where it is not this process's any more.
    """
    runs = schema.runs
    with writing(engine) as connection:
        mine = (runs.c.id == lease) & (runs.c.process == processes.own()) & (runs.c.status == "running")
        connection.execute(update(runs).where(mine).values(seconds=seconds))
        require_run(connection, lease, processes.own())


def release(engine: Engine, lease: int) -> None:
    """Let others work. The lease leaves no row: what was done is told by the runs of the stages."""
    runs = schema.runs
    with writing(engine) as connection:
        mine = (runs.c.id == lease) & (runs.c.process == processes.own()) & (runs.c.status == "running")
        connection.execute(delete(runs).where(mine, runs.c.stage == LEASE))


def _take_over(connection: Connection, lease: int, process: str) -> None:
    """Mark what a silent process left, or what this one left when it could not write."""
    runs = schema.runs
    theirs = or_(runs.c.id == lease, (runs.c.process == process) & (process != processes.own()))
    ended = {"status": "interrupted", "finished_at": schema.now(), "message": "its process ended"}
    connection.execute(update(runs).where(runs.c.status == "running", theirs).values(ended))
