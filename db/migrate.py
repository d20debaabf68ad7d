"""Revisions of the database: find the current one, upgrade to the latest. Upkeep of content: db.commands.

The migrations lie beside this package: they are found from any folder, and when installed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple, cast

from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import DatabaseError, OperationalError

from db import faults
from db.address import shown
from db.engine import create, file, lock_upgrades, remove, require_file, writing
from db.opening import opened
from db.soundness import schema_faults
from db.soundness.schema_faults import Fault

if TYPE_CHECKING:  # Alembic comes where it is used: most commands only compare the revision
    from alembic.config import Config
    from alembic.script import Script

OURS = {"cases", "images", "networks", "runs"}  # tables that every revision has
MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations"


class RevisionError(ValueError):
    """This program cannot work with the database as it is; the message gives the way out."""


def head() -> str:
    """The revision that this program works with."""
    return _revisions()[0]


def current(engine: Engine) -> str | None:
    """The revision of the database; None when it is empty or does not exist yet.

    A file is only read: a writing engine would first turn on its log, even in a foreign database.

    Raises:
        RevisionError: not an xpixels database, or one that cannot be read.
    """
    path = file(engine)
    if path is not None and not path.exists():
        return None
    with _reading(engine) as reader:
        return _revision(reader)


@contextmanager
def _reading(engine: Engine) -> Iterator[Engine]:
    """An engine that only reads the same file; without a file, the engine itself."""
    path = file(engine)
    with nullcontext(engine) if path is None else opened(path, read_only=True) as reader:
        yield reader


def _revision(engine: Engine) -> str | None:
    try:
        with engine.connect() as connection:
            tables = set(inspect(connection).get_table_names())
            if not tables:
                return None
            if "alembic_version" in tables and (tables >= OURS or tables == {"alembic_version"}):
                revisions = connection.scalars(text("SELECT version_num FROM alembic_version")).all()
                if len(revisions) == 1:
                    return str(revisions[0])
                if not revisions and tables == {"alembic_version"}:
                    return None
    except DatabaseError as error:
        line = faults.explain(error, name(engine)) or f"{name(engine)} cannot be read: {error.orig}"
        raise RevisionError(f"{line}.") from error
    raise RevisionError(
        f"{name(engine)} is not an xpixels database: it has tables of something else, as "
        f"{min(tables - {'alembic_version'})}. Name another with --database."
    )


def require_made(engine: Engine) -> str:
    """The revision of an xpixels database, whichever it is.

    Raises:
        FileNotFoundError: there is no such file; none is made.
        RevisionError: an empty database, or not an xpixels database.
    """
    if (path := file(engine)) is not None:
        require_file(path)
    revision = current(engine)
    if revision is None:
        raise RevisionError(f"{name(engine)} is empty: run `xpixels demo` or `xpixels ingest`.")
    return revision


def require_current(engine: Engine) -> None:
    """Returns when the database is of this program's revision.

    Raises:
        RevisionError: of an older or a newer revision.
        Also what `require_made` raises.
    """
    revision = require_made(engine)
    if revision == head():
        return
    if revision in _revisions():
        copy = "`xpixels db backup FILE` copies it before" if file(engine) else "`pg_dump` copies it before"
        raise RevisionError(
            f"{name(engine)} is of revision {revision}, this program works with {head()}: "
            f"run `xpixels db upgrade` ({copy})."
        )
    raise RevisionError(_newer(engine, revision))


@contextmanager
def open_current(url: str) -> Iterator[Engine]:
    """An engine to read a database of this program's revision through, closed at the end.

    Raises what `create` and `require_current` raise.
    """
    with opened(url, read_only=True) as engine:
        require_current(engine)
        yield engine


def make_or_require_current(engine: Engine) -> None:
    """Makes the tables of a new or empty database; leaves any other as it is.

    Raises what `require_current` raises for an existing database, and `upgrade` for a new one.
    """
    if current(engine) is None:
        upgrade(engine)
    else:
        require_current(engine)


class Upgraded(NamedTuple):
    """What an upgrade did."""

    before: str | None  # the revision; None: the database was made
    after: str
    restored: list[Fault]  # views and indexes that were missing or changed
    left: list[Fault]  # other parts that are not as this program makes them


def upgrade(engine: Engine, revision: str = "head") -> tuple[str | None, str]:
    """Makes the database if need be and brings it to a revision; returns the revision before and after.

    It is one transaction: when it fails, nothing is changed, and a new file is removed. At the latest
    revision, views and indexes that are missing or changed are made anew, in another transaction.

    Raises:
        RevisionError: not an xpixels database, one of a newer revision than this program knows, or one
            that cannot be written.
    """
    done = upgrade_and_restore(engine, revision)
    return done.before, done.after


def upgrade_and_restore(engine: Engine, revision: str = "head") -> Upgraded:
    """Like `upgrade`, but also returns the faults that it repaired or left. Raises what `upgrade` raises."""
    before = current(engine)
    if before is not None and before not in _revisions():
        raise RevisionError(_newer(engine, before))
    after = before
    if before != head() or revision != "head":
        _migrate(engine, revision)
        after = current(engine)
    if before is None or after != head():
        return Upgraded(before, cast(str, after), [], [])  # an upgraded database has a revision
    return Upgraded(before, after, *restore(engine))


def _migrate(engine: Engine, revision: str) -> None:
    from alembic import command

    path = file(engine)
    new = None if path is None or path.exists() else path
    try:
        _run(engine, command.upgrade, revision)
    except OperationalError as error:
        # A folder that may not be written, or a file that another process uses: it is not ours, and stays.
        line = faults.explain(error, name(engine)) or f"{name(engine)} cannot be upgraded: {error.orig}"
        raise RevisionError(f"{line}.") from error
    except BaseException:
        if new is not None:
            engine.dispose()
            remove(new)
        raise


def restore(engine: Engine) -> tuple[list[Fault], list[Fault]]:
    """Makes missing or changed views and indexes anew; returns their faults, and the faults that are left.

    Raises:
        RevisionError: one of them cannot be made; then none is.
        Also what `require_current` raises.
    """
    require_current(engine)
    with _reading(engine) as reader:
        differences = schema_faults.find_faults(reader)
    lacking = [fault for fault in differences if fault.can_be_restored]
    if lacking:
        try:
            with writing(engine) as connection:
                lock_upgrades(connection)
                schema_faults.restore(connection, lacking)
        except DatabaseError as error:  # duplicate rows, a table that has the name, a lock
            names = ", ".join(fault.name for fault in lacking)
            line = faults.explain(error, name(engine)) or f"{name(engine)}: {error.orig}"
            raise RevisionError(f"{names} cannot be restored: {line}.") from error
    return lacking, [fault for fault in differences if not fault.can_be_restored]


def downgrade(engine: Engine, revision: str) -> None:
    """Takes the database back to an older revision, in one transaction; `base` is an empty database."""
    from alembic import command

    _run(engine, command.downgrade, revision)


def _run(engine: Engine, step: Callable[[Config, str], None], revision: str) -> None:
    config = _config()
    with engine.connect().execution_options(xpixels_writing=True) as connection:
        config.attributes["connection"] = connection
        step(config, revision)


def draft(message: str) -> Path:
    """Writes a draft of the next revision, with what the migrations lack of the metadata; returns its file.

    For authors of the schema, who then read and correct it: views, CHECKs, AUTOINCREMENT and WITHOUT ROWID
    are not compared, and a table that is rebuilt loses the last two unless `table_kwargs` repeat them.
    """
    from alembic import command

    with TemporaryDirectory() as folder:
        engine = create(Path(folder) / "draft.db")
        upgrade(engine)
        config = _config()
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            script = command.revision(config, message, autogenerate=True, rev_id=f"{int(head()) + 1:04}")
        engine.dispose()
    return Path(cast("Script", script).path)  # one message, one script


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _revisions() -> list[str]:
    """Every revision that this program knows, newest first: each has a file whose name begins with it."""
    files = (MIGRATIONS / "versions").glob("[0-9]*_*.py")
    return sorted((file.name.partition("_")[0] for file in files), reverse=True)


def name(engine: Engine) -> str:
    """The database's name for people: the path of its file, or its URL without the password."""
    return str(file(engine) or shown(engine.url))


def _newer(engine: Engine, revision: str) -> str:
    if not re.fullmatch(r"\d{4}", revision):
        return (
            f"{name(engine)} is not an xpixels database: its revision is {revision}, of another program. "
            "Name another with --database."
        )
    return (
        f"{name(engine)} is of revision {revision}, newer than this program knows ({head()}): "
        "install a newer xpixels, or name another with --database."
    )
