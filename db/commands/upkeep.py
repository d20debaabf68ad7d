"""Upkeep of a database: its content, a check of it, a copy of it."""

import errno
import os
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import DatabaseError

from db import faults, migrate, schema
from db.address import expand
from db.commands import sizes
from db.engine import file, snapshot
from db.forms import json_document
from db.soundness import orphans
from db.soundness.contradictions import CONTRADICTIONS, STALE_THRESHOLDS
from db.soundness.schema_faults import find_faults
from whole_file import whole_file


@dataclass(frozen=True)
class Info:
    """The content of `xpixels db info`."""

    database: str
    revision: str
    size: int | None  # bytes, of a SQLite file with its log, or of a database on a server
    rows: dict[str, int]  # of every table
    # Name, sha256 of the weights, data set, test accuracy in [0, 1]; the last two None: it met no data set.
    networks: list[tuple[str, str, str | None, float | None]]
    cases: list[tuple[str, str, str, str, int]]  # network, data set, partition, kind, how many
    sizes: dict[str, int] | None  # bytes, of every table with its indexes; None: SQLite cannot tell

    @property
    def room(self) -> dict[str, float]:
        """Bytes that one case takes, and one reference sample, with all their parts except images."""
        room = {}
        for table in (schema.cases, schema.reference_samples):
            if self.sizes is not None and self.rows[table.name]:
                whole = sum(self.sizes[name] for name in sizes.with_parts(table))
                room[table.name] = whole / self.rows[table.name]
        return room

    def as_json(self) -> bytes:
        """The content as JSON for other programs."""
        names = ("name", "sha256", "dataset", "test_accuracy")
        networks = [dict(zip(names, row, strict=True)) for row in self.networks]
        keys = ("network", "dataset", "partition", "kind", "cases")
        cases = [dict(zip(keys, row, strict=True)) for row in self.cases]
        record = asdict(self) | {"networks": networks, "cases": cases, "room": self.room}
        return json_document(record)

    def __str__(self) -> str:
        """The content as lines for people."""
        size = "" if self.size is None else f", {self.size / 1e6:,.1f} MB"
        lines = [f"{self.database}: revision {self.revision}{size}", "", "Rows, and room with indexes"]
        of = self.sizes or {}
        lines += [
            f"  {name:<22}{count:>12,}" + (f"{of[name] / 1e6:>12,.2f} MB" if of else "")
            for name, count in self.rows.items()
        ]
        if self.room:
            lines += ["", "Room for one, with all its parts but images"]
            for name, what in (("cases", "case"), ("reference_samples", "reference sample")):
                if name in self.room:
                    lines.append(f"  {what:<22}{self.room[name] / 1e3:>12,.1f} kB")
        lines += ["", "Networks"]
        lines += [
            f"  {name} on {dataset or 'no data set'}  weights {sha256[:12]}  "
            f"test accuracy {'unknown' if rate is None else f'{rate:.2%}'}"
            for name, sha256, dataset, rate in self.networks
        ] or ["  none"]
        lines += ["", "Cases"]
        lines += [
            f"  {network} on {dataset}  {partition:<11} {kind:<12}{count:>9,}"
            for network, dataset, partition, kind, count in self.cases
        ] or ["  none"]
        return "\n".join(lines)


def info(engine: Engine) -> Info:
    """Revision, size and counts. Raises what `migrate.require_current` raises."""
    migrate.require_current(engine)
    networks, cases, pairs = schema.networks.c, schema.cases.c, schema.network_datasets.c
    datasets = schema.datasets.c
    grouped = (networks.name, datasets.name, cases.partition, cases.kind)
    known = (
        select(networks.name, networks.sha256, datasets.name, pairs.test_accuracy)
        .outerjoin_from(schema.networks, schema.network_datasets, pairs.network_id == networks.id)
        .outerjoin(schema.datasets, datasets.id == pairs.dataset_id)
        .order_by(networks.id, datasets.id)
    )
    counted = (
        select(*grouped, func.count())
        .join_from(schema.cases, schema.networks, networks.id == cases.network_id)
        .join(schema.datasets, datasets.id == cases.dataset_id)
        .group_by(networks.id, datasets.id, *grouped)
        .order_by(networks.id, datasets.id, *grouped[2:])
    )
    path = file(engine)
    with engine.connect() as connection:
        return Info(
            database=migrate.name(engine),
            revision=migrate.head(),
            size=_size(path, connection),
            sizes=sizes.table_sizes(connection),
            rows={
                name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for name, table in sorted(schema.metadata.tables.items())
            },
            networks=[tuple(row) for row in connection.execute(known)],
            cases=[tuple(row) for row in connection.execute(counted)],
        )


def check(engine: Engine) -> list[str]:
    """What is wrong with the database, a line each; empty when it is sound.

    The file itself, tables, views, indexes and triggers, references, and whether cases, neighbors, decisions
    and counts agree. If a table or a column is missing, the last two are skipped.
    Raises what `migrate.require_current` raises.
    """
    try:
        migrate.require_current(engine)
    except migrate.RevisionError as error:
        if isinstance(error.__cause__, DatabaseError) and faults.is_damage(error.__cause__):
            return [f"damaged: {error.__cause__.orig}"]
        raise
    problems = []
    try:
        with engine.connect() as connection:
            problems += damage(connection)
        found = find_faults(engine)
        problems += map(str, found)
        if any(fault.hides_rows for fault in found):
            return problems
        with snapshot(engine) as connection:
            problems += orphans.told(orphans.count_orphans(connection))
            problems += contradictions(connection)
    except DatabaseError as error:  # pages so damaged that nothing more can be read, or a missing right
        problems.append(f"{'damaged' if file(engine) else 'cannot be checked'}: {error.orig}")
    return problems


def contradictions(connection: Connection) -> list[str]:
    """Which rows contradict each other, a line a kind."""
    found = {what: connection.scalar(count) for what, count in CONTRADICTIONS.items()}
    return [f"{number:,} {what}" for what, number in found.items() if number]


def damage(connection: Connection) -> list[str]:
    """What is damaged in a SQLite file, a line each."""
    if connection.dialect.name != "sqlite":
        return []
    lines = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
    return [f"damaged: {line}" for line in lines if line != "ok"]


def stale_thresholds(engine: Engine) -> int:
    """How many decisions have a score as their threshold, so that a rounding can put it on either side."""
    with engine.connect() as connection:
        return int(connection.execute(CONTRADICTIONS[STALE_THRESHOLDS]).scalar_one())


def backup(engine: Engine, target: str | os.PathLike[str]) -> Path:
    """Write a compact copy of the database as it is now, while others may write; returns its path.

    The database may be of any revision, as a copy is wanted before an upgrade.

    Raises:
        FileExistsError: there is something at the target already.
        ValueError: not a SQLite file.
        OSError: the copy cannot be written.
        Also what `migrate.require_made` raises.
    """
    if file(engine) is None:
        raise ValueError(
            f"Only a SQLite file can be copied: {migrate.name(engine)}; PostgreSQL has pg_dump, and "
            "`xpixels db copy`."
        )
    migrate.require_made(engine)
    path = Path(expand(os.fspath(target)))
    with whole_file(path) as partial, closing(engine.raw_connection()) as pooled:
        driver = cast(sqlite3.Connection, pooled.dbapi_connection)
        (query_only,) = driver.execute("PRAGMA query_only").fetchone()
        driver.execute("PRAGMA query_only = OFF")  # it would forbid writing the copy, too
        try:
            driver.execute("VACUUM INTO ?", (str(partial),))
        except sqlite3.Error as error:
            if faults.no_room(error):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
            if error.sqlite_errorcode == sqlite3.SQLITE_IOERR:  # which has no details
                raise OSError(
                    f"{path} could not be written, perhaps as its disk is full or a file may not grow so "
                    "large: no copy was made; make room, or name a file elsewhere."
                ) from error
            is_source = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
            at_fault = migrate.name(engine) if is_source else str(path)
            raise ValueError(faults.explain(error, at_fault) or f"{at_fault}: {error}") from error
        finally:
            driver.execute(f"PRAGMA query_only = {query_only}")
    return path


def compact(engine: Engine) -> str | None:
    """Give the room of deleted rows in a SQLite file back to the disk; returns the line that reports it.

    None: not a file; a server gives that room to new rows by itself.
    """
    path = file(engine)
    if path is None:
        return None
    try:
        with closing(engine.raw_connection()) as pooled:
            driver = cast(sqlite3.Connection, pooled.dbapi_connection)
            driver.execute("VACUUM")
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except (DatabaseError, sqlite3.Error) as error:  # others use it, or there is no room for a copy
        reason = getattr(error, "orig", error)
        return f"{path} keeps its size ({reason}): new rows use the room, `xpixels db backup` leaves it out"
    return f"{path} has {_file_size(path) / 1e6:,.1f} MB now"


def _size(path: Path | None, connection: Connection | None) -> int | None:
    if connection is not None and connection.dialect.name == "postgresql":
        return connection.scalar(select(func.pg_database_size(func.current_database())))
    return None if path is None else _file_size(path)


def _file_size(path: Path) -> int:
    log = path.with_name(path.name + "-wal")
    return path.stat().st_size + (log.stat().st_size if log.exists() else 0)
