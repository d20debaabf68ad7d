"""A fence around an engine: its transactions are committed only while a run is still running.

A process may be stopped, or cut off from its server, for so long that another one takes it for dead, ends its
run and continues in its place. When it comes back, it must not write beside its successor in any case.
So every commit first checks, in the same transaction, whether the run is still running, and fails if it is
not. SQLite's writers take turns: nobody takes over between the check and the commit. On PostgreSQL the check
locks the run's row, in share mode. A takeover changes that row: it waits for the commit, or the check waits
for the takeover and sees it. As the check comes last and locks one row, it begins no deadlock.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple, NoReturn, cast

from sqlalchemy import Connection, Engine, event, select

from db import processes
from db.availability import Unavailable
from db.engine import FILE, READS, file, look_before_commits
from db.schema import database_identity, runs
from db.sqlite_file import UNWRITTEN, empty_log, identity, replaced

OPTION = "xpixels_fence"  # execution option of an engine: its fence
LEASE = "ingest"  # the stage whose run is the lease on a database (see `db.runs.leases`)


class Fence(NamedTuple):
    """What must hold when a transaction is committed."""

    run_id: int
    process: str | None  # the process of the run; None: any
    file: tuple[int, int] | None  # `sqlite_file.identity` of the SQLite file with the run
    database: str | None  # uuid of the database with the run


@contextmanager
def held(engine: Engine, run_id: int, process: str | None = None) -> Iterator[None]:
    """While the block runs, nothing is committed through the engine unless the run is running.

    process: the process that the run must belong to.

    An existing fence stays the only one: a process loses its lease together with its runs.
    Raises RuntimeError where the run is over already, as each commit does later.
    """
    if engine.get_execution_options().get(OPTION) is not None:
        yield
        return
    if OPTION not in engine.get_execution_options():
        event.listen(engine, "do_connect", partial(_require_file, engine))
        event.listen(engine, "begin", _require_same_file)
        look_before_commits(engine, _require_all)
    with engine.connect() as connection:
        known = connection.scalar(select(database_identity.c.uuid))
    fence = Fence(run_id, process, _file(engine), known)
    with _leaving_its_file(engine, fence.file):
        engine.update_execution_options(**{OPTION: fence})
        try:
            with engine.connect() as connection:
                require_run(connection, run_id, process)
            yield
        finally:
            engine.update_execution_options(**{OPTION: None})


def require_run(connection: Connection, run_id: int, process: str | None = None) -> None:
    """Raise TakenForDead unless the run is running; it then stays so until the transaction ends.

    process: the process that the run must belong to; None: any.
    """
    query = select(runs.c.status, runs.c.process).where(runs.c.id == run_id)
    found = connection.execute(query.with_for_update(read=True)).first()
    if found is None or found.status != "running" or process not in (None, found.process):
        raise processes.taken_for_dead(run_id, _successor(connection))


def _require_file(engine: Engine, *_: object) -> None:
    """Check the file before it is opened: SQLite would make a missing one."""
    fence = _around(engine)
    if fence is not None and _file(engine) != fence.file:
        _refuse_replaced(engine)


def _require_same_file(connection: Connection) -> None:
    """Check the file at each begin, also of reading: rows of another file must not be taken for ours."""
    opened = connection.connection.info.get(FILE)
    if _around(connection.engine) is not None and opened != _file(connection.engine):
        _refuse_replaced(connection.engine)


def _require_all(connection: Connection) -> None:
    """Check everything before each commit; a reading connection has nothing to commit."""
    fence = _around(connection.engine)
    if fence is None or connection.get_execution_options().get(READS):
        return
    _require_same_file(connection)
    if fence.database not in (None, connection.scalar(select(database_identity.c.uuid))):
        _refuse_replaced(connection.engine)
    require_run(connection, fence.run_id, fence.process)


def _around(engine: Engine) -> Fence | None:
    return engine.get_execution_options().get(OPTION)


def _file(engine: Engine) -> tuple[int, int] | None:
    """The identity of the file that is at the database's path now; None: no file."""
    path = file(engine)
    return None if path is None else identity(path)


@contextmanager
def _leaving_its_file(engine: Engine, began_with: tuple[int, int] | None) -> Iterator[None]:
    """Close a file that was replaced by another one of its name, without harm to either.

    The old file's write-ahead log keeps the name, and would be taken for the other file's log:
    its content is moved to the old file, and the log emptied.
    """
    if began_with is None:
        yield
        return
    connection = engine.raw_connection()
    try:
        yield
    finally:
        if _file(engine) != began_with:
            engine.dispose()  # connections to the old file are of no use to a next attempt
            empty_log(cast(sqlite3.Connection, connection.driver_connection))
            connection.detach()
        connection.close()


def _refuse_replaced(engine: Engine) -> NoReturn:
    path = file(engine)
    if path is not None:
        raise replaced(path)
    raise Unavailable(f"The database {engine.url.database} was replaced by another one: {UNWRITTEN}")


def _successor(connection: Connection) -> str:
    """The process that has the lease now, in words."""
    query = select(runs.c.process, runs.c.started_at).where(runs.c.stage == LEASE, runs.c.status == "running")
    found = connection.execute(query.order_by(runs.c.id.desc()).limit(1)).first()
    if found is None or found.process is None:
        return "another process"
    host, pid = processes.split(found.process)
    return f"another ingest (process {pid} on {host}, since {found.started_at})"
