"""What a database holds, told without ids: two that hold the same compare equal, however each came to it.

A row that refers to another one is told by what that other row holds, so rows need neither the same ids nor
the same order. Left out is what no two ingests share: runs, times, and how long something took.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Connection, Engine, LargeBinary, Table, select

from db import schema
from db.engine import create

# Of a run rather than of what it found.
LEFT_OUT = frozenset(("id", "run_id", "seconds", "created_at"))
TOTALED = {"facet_cells": "cases"}  # how many rows a count is spread over does not matter

Contents = dict[str, Counter]


def contents(engine: Engine) -> Contents:
    """The rows of every table but `runs` and `database_identity`, each with how often it is there.

    A row is a tuple of (column, value); BLOBs, and rows that are referred to, are told by a digest.
    """
    digests: dict[str, dict[int, str]] = {}  # of a table's rows by id, where others refer to it
    found: Contents = {}
    tables = [
        table
        for table in schema.metadata.sorted_tables
        if table not in (schema.runs, schema.database_identity)
    ]
    referred = {key.column.table.name for table in tables for key in table.foreign_keys}
    with engine.connect() as connection:
        for table in tables:
            names, tells = zip(*_tells(table, digests), strict=True)
            told = partial(_told, names, [(place, tell) for place, tell in enumerate(tells) if tell])
            query = select(*(table.columns[name] for name in names))
            if table.name in TOTALED:
                found[table.name] = rows = Counter()
                counted = names.index(TOTALED[table.name])
                for row in connection.execute(query):
                    parts = told(row)
                    rows[parts[:counted] + parts[counted + 1 :]] += row[counted]
            elif table.name in referred:
                (key,) = table.primary_key.columns
                found[table.name], digests[table.name] = Counter(), {}
                for number, *row in connection.execute(select(key, *query.selected_columns)):
                    found[table.name][told(row)] += 1
                    digests[table.name][number] = _digest(repr(told(row)).encode())
            else:
                found[table.name] = Counter(map(told, connection.execute(query)))
    return found


def contents_of_file(path: Path) -> Contents:
    """The same of a SQLite file."""
    engine = create(path, read_only=True)
    try:
        return contents(engine)
    finally:
        engine.dispose()


def differences(one: Contents, other: Contents, *, shown: int = 2) -> list[str]:
    """In which tables two databases differ, a line each with how many rows and a few of them."""
    lines = []
    for name in one:
        only, lacks = one[name] - other[name], other[name] - one[name]
        if only or lacks:
            few = [dict(row) for row in (*list(only)[:shown], *list(lacks)[:shown])]
            lines.append(f"{name}: {only.total()} only here, {lacks.total()} only there; {few}")
    return lines


def running(connection: Connection) -> int:
    """How many runs say that they are at work."""
    query = select(schema.runs.c.id).where(schema.runs.c.status == "running")
    return len(connection.execute(query).all())


def _tells(
    table: Table, digests: dict[str, dict[int, str]]
) -> Iterator[tuple[str, Callable[[Any], Any] | None]]:
    """Names of the columns that count, each with what tells a value of it that is not told as it is."""
    for column in table.columns:
        if column.name in LEFT_OUT:
            continue
        if column.foreign_keys:
            (key,) = column.foreign_keys
            yield column.name, digests[key.column.table.name].__getitem__
        elif isinstance(column.type, LargeBinary):
            yield column.name, _digest
        elif isinstance(column.type, JSON):
            yield column.name, partial(json.dumps, sort_keys=True)
        else:
            yield column.name, None


def _told(
    names: Sequence[str], tells: Sequence[tuple[int, Callable[[Any], Any]]], row: Sequence
) -> tuple[tuple[str, Any], ...]:
    values = list(row)
    for place, tell in tells:
        if values[place] is not None:
            values[place] = tell(values[place])
    return tuple(zip(names, values, strict=True))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
