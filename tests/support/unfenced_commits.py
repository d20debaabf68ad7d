"""Every commit of an ingest is fenced: a writer that is not fails whatever test it runs in."""

import sys
from pathlib import Path

from sqlalchemy import Connection, Engine, event

from db import engine as engines
from db.runs import fences

ROOT = Path(__file__).parents[2]
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
    callers = _callers()
    names = {name for _, name in callers}
    of_ingest = any(folder == "ingest" for folder, _ in callers)
    if of_ingest and not BEGIN_AND_END & names and _writes(connection):
        raise AssertionError(f"a commit without a fence, by {[name for _, name in callers]}")


def _writes(connection: Connection) -> bool:
    """Whether the transaction is one that writes; asked past SQLAlchemy, whose events tests listen to."""
    driver = connection.connection.dbapi_connection
    if connection.dialect.name == "sqlite":
        return not driver.execute("PRAGMA query_only").fetchone()[0]  # else a file that was opened to be read
    return bool(driver.execute(WROTE).fetchone()[0])  # else of one who waits, and found no chunk


def _callers() -> list[tuple[str, str]]:
    """Folder, and module and function, of those on the stack that are ours."""
    frame, found = sys._getframe(), []
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        folder = path.relative_to(ROOT).parts[0] if path.is_relative_to(ROOT) else ""
        if folder in ("db", "ingest"):
            found.append((folder, f"{path.stem}.{frame.f_code.co_name}"))
        frame = frame.f_back
    return found
