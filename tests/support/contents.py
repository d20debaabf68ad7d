"""What a database holds, told without ids: two that hold the same compare equal, however each came to it.

A row that refers to another one is told by what that other row holds, so rows need neither the same ids nor
the same order. Left out is what no two ingests share: runs, times, and how long something took.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Engine, Table, select

from db import schema

# Of a run rather than of what it found.
LEFT_OUT = frozenset(("id", "run_id", "seconds", "created_at"))
TOTALED = {"facet_cells": "cases"}  # how many rows a count is spread over does not matter

Contents = dict[str, Counter]


def contents(engine: Engine) -> Contents:
    """The rows of every table but `runs` and `database_identity`, each with how often it is there.

    A row is a tuple of (column, value); BLOBs, and rows that are referred to, are told by a digest.
    """
    digests: dict[str, dict[int, str]] = {}  # of a table's rows by id
    found: Contents = {}
    with engine.connect() as connection:
        for table in schema.metadata.sorted_tables:
            if table in (schema.runs, schema.database_identity):
                continue
            rows = Counter()
            digests[table.name] = {}
            for row in connection.execute(select(table)).mappings():
                told = tuple(_told(table, row, digests))
                if table.name in TOTALED:
                    counted = TOTALED[table.name]
                    rows[tuple(part for part in told if part[0] != counted)] += row[counted]
                else:
                    rows[told] += 1
                for column in table.primary_key.columns:
                    digests[table.name][row[column.name]] = _digest(repr(told).encode())
            found[table.name] = rows
    return found


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


def _told(table: Table, row: Any, digests: dict[str, dict[int, str]]) -> Iterator[tuple[str, Any]]:
    for column in table.columns:
        value = row[column.name]
        if column.name in LEFT_OUT:
            continue
        if column.foreign_keys and value is not None:
            (key,) = column.foreign_keys
            value = digests[key.column.table.name][value]
        elif isinstance(value, bytes):
            value = _digest(value)
        elif isinstance(value, dict | list):
            value = json.dumps(value, sort_keys=True)
        yield column.name, value


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
