"""Care of a database: what is in it, whether it is sound, a copy of it."""

import errno
import os
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.exc import DatabaseError

from db import faults, migrate, schema, sizes
from db.address import expand
from db.engine import file
from db.forms import json_document
from whole_file import whole_file


@dataclass(frozen=True)
class Info:
    """What `xpixels db info` tells."""

    database: str
    revision: str
    size: int | None  # bytes, of a SQLite file with its log, or of a database on a server
    rows: dict[str, int]  # of every table
    networks: list[tuple[str, str, float | None]]  # name, sha256 of the weights, test accuracy in [0, 1]
    cases: list[tuple[str, str, str, int]]  # network, partition, kind, how many
    sizes: dict[str, int] | None  # bytes, of every table with its indexes; None: SQLite cannot tell

    @property
    def room(self) -> dict[str, float]:
        """Bytes that one case takes, and one reference sample, with all their parts, but for their images."""
        found = {}
        for table in (schema.cases, schema.reference_samples):
            if self.sizes is not None and self.rows[table.name]:
                whole = sum(self.sizes[name] for name in sizes.with_parts(table))
                found[table.name] = whole / self.rows[table.name]
        return found

    def as_json(self) -> bytes:
        """The same for other programs."""
        names = ("name", "sha256", "test_accuracy")
        networks = [dict(zip(names, row, strict=True)) for row in self.networks]
        names = ("network", "partition", "kind", "cases")
        cases = [dict(zip(names, row, strict=True)) for row in self.cases]
        told = asdict(self) | {"networks": networks, "cases": cases, "room": self.room}
        return json_document(told)

    def __str__(self) -> str:
        """Lines to be read."""
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
            f"  {name}  weights {sha256[:12]}  test accuracy {'unknown' if rate is None else f'{rate:.2%}'}"
            for name, sha256, rate in self.networks
        ] or ["  none"]
        lines += ["", "Cases"]
        lines += [
            f"  {network}  {partition:<11} {kind:<12}{count:>9,}"
            for network, partition, kind, count in self.cases
        ] or ["  none"]
        return "\n".join(lines)


def info(engine: Engine) -> Info:
    """Revision, size and counts. Raises what `migrate.require_current` raises."""
    migrate.require_current(engine)
    networks, cases = schema.networks.c, schema.cases.c
    grouped = (networks.name, cases.partition, cases.kind)
    path = file(engine)
    with engine.connect() as connection:
        return Info(
            database=migrate.name(engine),
            revision=migrate.head(),
            size=_size(path, connection),
            sizes=sizes.table_sizes(connection),
            rows={
                name: connection.scalar(select(func.count()).select_from(table))
                for name, table in sorted(schema.metadata.tables.items())
            },
            networks=[
                tuple(row)
                for row in connection.execute(
                    select(networks.name, networks.sha256, networks.test_accuracy).order_by(networks.id)
                )
            ],
            cases=[
                tuple(row)
                for row in connection.execute(
                    select(*grouped, func.count())
                    .join_from(schema.cases, schema.networks)
                    .group_by(networks.id, *grouped)
                    .order_by(networks.id, *grouped[1:])
                )
            ],
        )


STALE_THRESHOLDS = "decisions whose threshold is their own score, as of version 0.5 (run `xpixels tune`)"

# What must not be: how it is told, and a query for how many there are.
CONTRADICTIONS = {
    "cases whose true class is not their sample's label": """
        SELECT COUNT(*) FROM cases JOIN samples ON samples.id = cases.sample_id
        WHERE cases.true_class <> samples.label""",
    "adversarial cases whose attack was of another sample or network, or failed": """
        SELECT COUNT(*) FROM cases JOIN attacks ON attacks.id = cases.attack_id
        WHERE attacks.sample_id <> cases.sample_id OR attacks.network_id <> cases.network_id
            OR NOT attacks.succeeded""",
    "adversarial cases without all their attacked pixels": """
        SELECT COUNT(*) FROM cases JOIN attacks ON attacks.id = cases.attack_id
        WHERE attacks.pixel_count <>
            (SELECT COUNT(*) FROM attack_pixels WHERE attack_pixels.attack_id = attacks.id)""",
    "cases without a score for every class": """
        SELECT COUNT(*) FROM cases JOIN samples ON samples.id = cases.sample_id
        WHERE (SELECT COUNT(*) FROM class_scores WHERE class_scores.case_id = cases.id)
            <> (SELECT COUNT(*) FROM classes WHERE classes.dataset_id = samples.dataset_id)""",
    "cases and compared layers without neighbours (run `xpixels ingest`, it goes on where it stopped)": """
        SELECT COUNT(*) FROM cases JOIN layers ON layers.network_id = cases.network_id AND layers.compared
        WHERE NOT EXISTS (SELECT 1 FROM neighbors
            WHERE neighbors.case_id = cases.id AND neighbors.layer_id = layers.id)""",
    "cases and layers whose neighbours leave a rank out": """
        SELECT COUNT(*) FROM (SELECT 1 AS broken FROM neighbors GROUP BY case_id, layer_id, metric
            HAVING COUNT(*) <> MAX("rank")) AS ranked""",
    "neighbours of which no search tells the run, or searches without neighbours": """
        WITH found AS (
            SELECT case_id, layer_id, metric, 'case' AS searched FROM neighbors WHERE "rank" = 1
            UNION ALL SELECT case_id, layer_id, metric, 'original' FROM original_neighbors WHERE "rank" = 1),
        told AS (SELECT case_id, layer_id, metric, searched FROM searches)
        SELECT (SELECT COUNT(*) FROM (SELECT * FROM found EXCEPT SELECT * FROM told) AS untold)
            + (SELECT COUNT(*) FROM (SELECT * FROM told EXCEPT SELECT * FROM found) AS lacking)""",
    "decisions missing for a case beside others of its network (run `xpixels tune`)": """
        SELECT COUNT(*) FROM cases
        JOIN layers ON layers.network_id = cases.network_id
        JOIN operating_points ON operating_points.layer_id = layers.id
            AND operating_points.how_chosen = 'tuning' AND operating_points."partition" = 'tuning'
        WHERE NOT EXISTS (SELECT 1 FROM decisions
            WHERE decisions.case_id = cases.id AND decisions.layer_id = layers.id
                AND decisions.metric = operating_points.metric AND decisions.rule = operating_points.rule)""",
    "decisions not at the operating point of their layer (run `xpixels tune`)": """
        SELECT COUNT(*) FROM decisions LEFT JOIN operating_points
            ON operating_points.layer_id = decisions.layer_id
            AND operating_points.metric = decisions.metric AND operating_points.rule = decisions.rule
            AND operating_points.how_chosen = 'tuning' AND operating_points."partition" = 'tuning'
        WHERE operating_points.k IS NULL OR operating_points.k <> decisions.k
            OR operating_points.threshold <> decisions.threshold""",
    "decisions whose outcome does not fit their case's kind": """
        SELECT COUNT(*) FROM decisions JOIN cases ON cases.id = decisions.case_id
        WHERE (decisions.outcome IN ('TP', 'FN')) <> (cases.kind = 'adversarial')""",
    "operating points that do not count every case of their partition (run `xpixels tune`)": """
        SELECT COUNT(*) FROM operating_points JOIN layers ON layers.id = operating_points.layer_id
        WHERE operating_points.tp + operating_points.fp + operating_points.tn + operating_points.fn <>
            (SELECT COUNT(*) FROM cases WHERE cases.network_id = layers.network_id
                AND cases."partition" = operating_points."partition")""",
    "cases whose facets, which lists filter by, are missing or not theirs (run `xpixels tune`)": """
        SELECT COUNT(*) FROM cases LEFT JOIN case_facets ON case_facets.case_id = cases.id
        WHERE case_facets.case_id IS NULL OR case_facets.network_id <> cases.network_id
            OR case_facets."partition" <> cases."partition" OR case_facets.kind <> cases.kind
            OR case_facets.predicted_class <> cases.predicted_class
            OR COALESCE(case_facets.alarm_count, -1) <> COALESCE(
                (SELECT SUM(CASE WHEN decisions.alarm THEN 1 ELSE 0 END) FROM decisions
                WHERE decisions.case_id = cases.id
                    AND decisions.metric = 'euclidean' AND decisions.rule = 'total'), -1)""",
    "decisions of layers that lists do not have, or have otherwise (run `xpixels tune`)": """
        SELECT COUNT(*) FROM decisions JOIN layers ON layers.id = decisions.layer_id
        JOIN cases ON cases.id = decisions.case_id
        LEFT JOIN detector_decisions AS listed ON listed.network_id = layers.network_id
            AND listed.detector = layers.name AND listed."partition" = cases."partition"
            AND listed.case_id = cases.id
        WHERE decisions.metric = 'euclidean' AND decisions.rule = 'total' AND (listed.case_id IS NULL
            OR listed.score <> decisions.unexpected_count OR listed.threshold <> decisions.threshold
            OR listed.alarm <> decisions.alarm)""",
    STALE_THRESHOLDS: """
        SELECT COUNT(*) FROM detector_decisions AS listed
        WHERE listed.score = listed.threshold AND NOT EXISTS (SELECT 1 FROM layers
            WHERE layers.network_id = listed.network_id AND layers.name = listed.detector)""",
    "decisions of layers that only lists have (run `xpixels tune`)": """
        SELECT COUNT(*) FROM detector_decisions AS listed
        JOIN layers ON layers.network_id = listed.network_id AND layers.name = listed.detector
        WHERE NOT EXISTS (SELECT 1 FROM decisions
            WHERE decisions.case_id = listed.case_id AND decisions.layer_id = layers.id
                AND decisions.metric = 'euclidean' AND decisions.rule = 'total')""",
}


def check(engine: Engine) -> list[str]:
    """What is wrong with the database, a line each; empty when it is sound.

    The file itself, references, and whether cases, neighbours, decisions and counts agree.
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
            problems += _file_problems(connection)
            for what, count in CONTRADICTIONS.items():
                if number := connection.scalar(text(count)):
                    problems.append(f"{number:,} {what}")
    except DatabaseError as error:  # pages so damaged that nothing more can be read
        problems.append(f"damaged: {error.orig}")
    return problems


def stale_thresholds(engine: Engine) -> int:
    """How many decisions have a threshold that is a score, which a rounding can put on either side."""
    with engine.connect() as connection:
        return connection.scalar(text(CONTRADICTIONS[STALE_THRESHOLDS]))


def backup(engine: Engine, target: str | os.PathLike) -> Path:
    """A compact copy of the database as it is now, while others may go on writing; returns its path.

    It may be of any revision: before an upgrade is when a copy is wanted.

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
        driver = pooled.dbapi_connection
        (query_only,) = driver.execute("PRAGMA query_only").fetchone()
        driver.execute("PRAGMA query_only = OFF")  # it would forbid writing the copy, too
        try:
            driver.execute("VACUUM INTO ?", (str(partial),))
        except sqlite3.Error as error:
            if faults.no_room(error):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
            is_source = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
            at_fault = migrate.name(engine) if is_source else str(path)
            raise ValueError(faults.explain(error, at_fault) or f"{at_fault}: {error}") from error
        finally:
            driver.execute(f"PRAGMA query_only = {query_only}")
    return path


def _file_problems(connection: Connection) -> list[str]:
    if connection.dialect.name != "sqlite":
        return []
    damage = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
    problems = [f"damaged: {line}" for line in damage if line != "ok"]
    lost = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    tables = sorted({row[0] for row in lost})
    if lost:
        problems.append(f"{len(lost):,} rows that refer to nothing, in {', '.join(tables)}")
    return problems


def _size(path: Path | None, connection: Connection) -> int | None:
    if connection.dialect.name == "postgresql":
        return connection.scalar(select(func.pg_database_size(func.current_database())))
    if path is None:
        return None
    log = path.with_name(path.name + "-wal")
    return path.stat().st_size + (log.stat().st_size if log.exists() else 0)
