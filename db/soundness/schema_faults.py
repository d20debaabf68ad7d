"""Differences of tables, views, indexes and triggers from what this program makes, and their repair."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from db.engine import snapshot
from db.schema import metadata
from db.schema_objects import create_views, drop_views
from db.soundness.schema_shape import Shape, shape, wanted_shape

UPGRADE = "run `xpixels db upgrade`, which restores it"
BACKUP = "restore a backup"
COPY = "take the rows into a new database by `xpixels db copy`, or restore a backup"


class Fault(NamedTuple):
    """Something that is not as this program makes it."""

    kind: str  # table, view, index, trigger or rule
    name: str
    problem: str
    way_out: str

    @property
    def can_be_restored(self) -> bool:
        """Whether it can be made anew without the loss of a row."""
        return self.kind in ("view", "index")

    @property
    def hides_rows(self) -> bool:
        """Whether a table or a column is missing, so that it cannot be queried."""
        return self.kind == "table" and self.way_out == BACKUP

    def __str__(self) -> str:
        """The fault in one line."""
        return f"{self.kind} {self.name} {self.problem} ({self.way_out})"


def find_faults(engine: Engine) -> list[Fault]:
    """Missing or changed objects, and every trigger; other objects that people added are no faults."""
    wanted = wanted_shape(engine)
    with snapshot(engine) as connection:
        return list_faults(connection, wanted)


def list_faults(connection: Connection, wanted: Shape) -> list[Fault]:
    """Like `find_faults`, with a known shape of what should be there."""
    found = shape(connection)
    return [
        *_table_faults(found, wanted),
        *_index_faults(found, wanted),
        *_view_faults(found, wanted),
        *_trigger_faults(connection, found, wanted),
    ]


def restore(connection: Connection, faults: Sequence[Fault]) -> list[Fault]:
    """Make the views and indexes among the faults anew, within the caller's transaction; returns them.

    A unique index cannot be made if there are duplicate rows: the database raises an error.
    """
    done = [fault for fault in faults if fault.can_be_restored]
    if any(fault.kind == "view" for fault in done):
        create_views(connection, drop_views(connection))
    ours = {str(index.name): index for table in metadata.sorted_tables for index in table.indexes}
    quote = connection.dialect.identifier_preparer.quote
    for fault in done:
        if fault.kind == "index":
            connection.exec_driver_sql(f"DROP INDEX IF EXISTS {quote(fault.name)}")
            ours[fault.name].create(connection)
    return done


# ---- Parts  --------------------------------------------------------------------------------------


def _table_faults(found: Shape, wanted: Shape) -> Iterator[Fault]:
    for table in sorted(wanted.tables.keys() - found.tables.keys()):
        yield Fault("table", table, "is missing", BACKUP)
    for table, parts in wanted.tables.items():
        if table not in found.tables:
            continue
        there = found.tables[table]
        missing = [part for part in parts if part not in there]
        changed = [part for part in parts if part in there and there[part] != parts[part]]
        columns = [part for part in (*parts, *there) if part.startswith("column ")]
        needed = [part for part in columns if part not in parts and _is_needed(there[part])]
        differences = (("lacks", missing), ("has another", changed), ("wants for every row the", needed))
        problems = [f"{problem} {', '.join(those)}" for problem, those in differences if those]
        if problems:
            way_out = BACKUP if any(part in missing for part in columns) else COPY
            yield Fault("table", table, "; ".join(problems), way_out)


def _is_needed(column: str) -> bool:
    return "not null" in column and "default" not in column


def _index_faults(found: Shape, wanted: Shape) -> Iterator[Fault]:
    for name, index in wanted.indexes.items():
        there = found.indexes.get(name)
        if index.table not in found.tables:
            continue  # reported already
        if there is None:
            yield Fault("index", name, f"of {index.table} is missing", UPGRADE)
        elif there != index:
            problem = f"is on {there.table} {there.definition}, expected {index.table} {index.definition}"
            yield Fault("index", name, problem, UPGRADE)


def _view_faults(found: Shape, wanted: Shape) -> Iterator[Fault]:
    for name, definition in wanted.views.items():
        if name in found.tables:
            yield Fault(
                "table", name, "has the name of a view", "give it another name, then run `xpixels db upgrade`"
            )
        elif name not in found.views:
            yield Fault("view", name, "is missing", UPGRADE)
        elif found.views[name] != definition:
            yield Fault("view", name, "is not as this program makes it", UPGRADE)


def _trigger_faults(connection: Connection, found: Shape, wanted: Shape) -> Iterator[Fault]:
    quote = connection.dialect.identifier_preparer.quote
    for name, kind, table in found.triggers:
        if table in wanted.tables or table in wanted.views:
            on = f" ON {quote(table)}" if connection.dialect.name == "postgresql" else ""
            way_out = f"DROP {kind.upper()} {quote(name)}{on}"
            yield Fault(kind, name, f"on {table} may change what is written", way_out)
