"""Columns of a statement's answer or of a table: their names, and the kind of value that each holds."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import JSON, ColumnElement, Table, TableClause, Text, cast, column
from sqlalchemy import table as named_table

Chunks = Iterable[Sequence[Sequence[Any]]]  # rows, some at a time


class Column(NamedTuple):
    """One column."""

    name: str
    kind: type | None = None  # bool, int, float, str or bytes; None: not declared, inferred from its values


def declared_columns(table: Table) -> list[Column]:
    """The columns of a table or view; JSON is text, as it is stored."""
    return [Column(one.name, str if _is_json(one) else one.type.python_type) for one in table.c]


def stored_values(table: Table) -> list[ColumnElement[Any]]:
    """The columns to select so that values have the kinds in `declared_columns`."""
    return [cast(one, Text).label(one.name) if _is_json(one) else one for one in table.c]


def as_stored(table: Table) -> TableClause:
    """The table to insert rows of `stored_values` into: JSON goes in as its text."""
    columns = [column(one.name, Text() if _is_json(one) else one.type) for one in table.c]
    return named_table(table.name, *columns)


def require_distinct_names(columns: Sequence[Column], form: str) -> None:
    """Raises ValueError where two columns have the same name, which the form cannot express."""
    names = [one.name for one in columns]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"Two columns are called {name}: tell them apart with AS to get {form}.")


def _is_json(column: ColumnElement[Any]) -> bool:
    return isinstance(column.type, JSON)
