"""A fence around an engine: what is written through it is committed only while a run is still at work.

A process may be stopped, or cut off from its server, for so long that another one takes it for dead, ends its
run and goes on in its place. When it comes back, it must not write beside its successor, whatever it is at.
So every commit first looks, in the same transaction, whether the run is still at work, and fails where it is
not. SQLite's writers take turns: nobody takes over between the look and the commit. On PostgreSQL the look
locks the run's row, in share mode. A takeover changes that row: it waits for the commit, or the look waits
for the takeover and sees it. As the look comes last and asks for one row, no circle of waits begins with it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, NoReturn

from sqlalchemy import Connection, Engine, event, select

from db import processes
from db.engine import FILE, file
from db.schema import database_identity, runs
from db.sqlite_files import identity

OPTION = "xpixels_fence"  # of an engine: the fence that is around it
LEASE = "ingest"  # the stage whose run is the lease on a database (see `db.leases`)


class Fence(NamedTuple):
    """What has to be so when a transaction is committed."""

    run_id: int
    process: str | None  # whose run it is; None: anybody's
    database: str | None  # uuid of the database that has the run


@contextmanager
def held(engine: Engine, run_id: int, process: str | None = None) -> Iterator[None]:
    """While the block runs, nothing is committed through the engine unless the run is at work.

    process: the one whose run it has to be.

    A fence that is there already stays the only one: who has a lease loses it together with its runs.
    Raises RuntimeError where the run is over already, as each commit does later.
    """
    if engine.get_execution_options().get(OPTION) is not None:
        yield
        return
    for name, require in (("begin", _require_file), ("commit", _require_run)):
        if not event.contains(engine, name, require):
            event.listen(engine, name, require)
    with engine.connect() as connection:
        known = connection.scalar(select(database_identity.c.uuid))
    engine.update_execution_options(**{OPTION: Fence(run_id, process, known)})
    try:
        with engine.connect() as connection:
            require_run(connection, run_id, process)
        yield
    finally:
        engine.update_execution_options(**{OPTION: None})


def require_run(connection: Connection, run_id: int, process: str | None = None) -> None:
    """Raise TakenForDead unless the run is at work, and stays so until the transaction ends.

    process: the one whose run it has to be; None: anybody's.
    """
    query = select(runs.c.status, runs.c.process).where(runs.c.id == run_id)
    found = connection.execute(query.with_for_update(read=True)).first()
    if found is None or found.status != "running" or process not in (None, found.process):
        raise processes.taken_for_dead(run_id, _successor(connection))


def _require_run(connection: Connection) -> None:
    """Before each commit; what was opened to read has nothing to commit."""
    fence = _around(connection)
    if fence is None or connection.get_execution_options().get("postgresql_readonly"):
        return
    _require_file(connection)
    if connection.scalar(select(database_identity.c.uuid)) != fence.database:
        _refuse_replaced(connection)
    require_run(connection, fence.run_id, fence.process)


def _require_file(connection: Connection) -> None:
    """At each begin, of reading too: what another file says must not be taken for what was written."""
    if _around(connection) is None:
        return
    opened, path = connection.connection.info.get(FILE), file(connection.engine)
    if opened is not None and path is not None and identity(path) != opened:
        _refuse_replaced(connection)


def _around(connection: Connection) -> Fence | None:
    return connection.engine.get_execution_options().get(OPTION)


def _refuse_replaced(connection: Connection) -> NoReturn:
    where = file(connection.engine) or connection.engine.url.render_as_string(hide_password=True)
    connection.engine.dispose()  # what leads to the file that is gone is of no use to a next attempt either
    raise RuntimeError(
        f"{where} is not the database that this process began with: it was replaced or removed meanwhile; "
        "nothing more is written, and the same command begins anew with what is there now"
    )


def _successor(connection: Connection) -> str:
    """Who has the lease now, in words."""
    query = select(runs.c.process, runs.c.started_at).where(runs.c.stage == LEASE, runs.c.status == "running")
    found = connection.execute(query.order_by(runs.c.id.desc()).limit(1)).first()
    if found is None or found.process is None:
        return "another process"
    host, pid = processes.split(found.process)
    return f"another ingest (process {pid} on {host}, since {found.started_at})"
