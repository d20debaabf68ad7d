"""Every commit of an ingest is fenced: a writer that is not fails whatever test it runs in."""

import sys
from pathlib import Path

from sqlalchemy import Connection, Engine, event

from db import engine as engines
from db import fences

ROOT = Path(__file__).parents[1]
# What no fence is around yet, or any more: a new database, a lease, and a run without one, as they begin and
# end. They look for themselves whether they are still at work.
BEGIN_AND_END = {"migrate.upgrade", "leases.take", "leases.release", "write.start_run", "write.finish_run"}

WROTE = "SELECT pg_current_xact_id_if_assigned() IS NOT NULL"


def forbid() -> None:
    """Let each commit fail that code of `ingest` makes through an engine without a fence."""
    event.listen(Engine, "commit", _require_fence)


def _require_fence(connection: Connection) -> None:
    engine = connection.engine
    if engine.get_execution_options().get(fences.OPTION) is not None:
        return
    if engine.dialect.name == "sqlite" and engines.file(engine) is None:
        return  # a database in memory, which nobody else has
    if engine.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA query_only").scalar():
        return  # a file that was opened to be read
    if engine.dialect.name == "postgresql" and not connection.exec_driver_sql(WROTE).scalar():
        return  # who waits, and found no chunk
    callers = _callers()
    if any(folder == "ingest" for folder, _ in callers) and not BEGIN_AND_END & {name for _, name in callers}:
        raise AssertionError(f"a commit without a fence, by {[name for _, name in callers]}")


def _callers() -> list[tuple[str, str]]:
    """Folder, and module and function, of those on the stack that are ours."""
    frame, found = sys._getframe(), []
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.parent.parent == ROOT and path.parent.name != "tests":
            found.append((path.parent.name, f"{path.stem}.{frame.f_code.co_name}"))
        frame = frame.f_back
    return found
