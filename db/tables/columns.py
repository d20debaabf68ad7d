"""The parts of tables and views: the MetaData and its naming convention, kinds of columns, constraints."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    ColumnClause,
    Double,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
    column,
)
from sqlalchemy import text as sql
from sqlalchemy.schema import CreateView
from sqlalchemy.types import TypeEngine

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)
views = MetaData()  # separate, as views are made after all tables and dropped before them


def now() -> str:
    """The time in UTC as every time column has it: `2026-01-31T12:00:00Z`."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def identity() -> Column[Any]:
    """The integer primary key `id`, given by the database."""
    return Column("id", Integer, primary_key=True)


def key(name: str, type_: type[TypeEngine[Any]] = Integer) -> Column[Any]:
    """A part of a compound primary key, given by the code that writes the row."""
    return Column(name, type_, primary_key=True, autoincrement=False)


def integer(name: str) -> Column[Any]:
    """A whole number that every row has."""
    return Column(name, Integer, nullable=False)


def number(name: str) -> Column[Any]:
    """A float64 that every row has."""
    return Column(name, Double, nullable=False)


def words(name: str, **options: Any) -> Column[Any]:
    """A text that every row has."""
    return Column(name, Text, nullable=False, **options)


def json(name: str) -> Column[Any]:
    """A JSON value that every row has: Python lists and dicts go in and come out."""
    return Column(name, JSON(none_as_null=True), nullable=False)


def boolean(name: str) -> Column[Any]:
    """True or false; SQLite has no such type, so a constraint allows only 1 and 0."""
    return Column(name, Boolean(create_constraint=True, name=name), nullable=False)


def reference(name: str, to: str, *, owned: bool = False, **options: Any) -> Column[Any]:
    """A foreign key to the column `to`; an `owned` row is deleted with the row it belongs to."""
    foreign_key = ForeignKey(to, ondelete="CASCADE" if owned else None)
    return Column(name, foreign_key, **({"nullable": False} | options))


def scope(*, key: bool = False, owned: bool = False) -> list[Column[Any]]:
    """The network and the data set that a row belongs to (see `db.scope`).

    key: they begin the primary key. owned: the row is deleted with its network.
    """
    return [
        reference("network_id", "networks.id", owned=owned, primary_key=key),
        reference("dataset_id", "datasets.id", primary_key=key),
    ]


def written_by() -> Column[Any]:
    """The run that wrote a row; NULL: unknown, of a row from before version 0.5.0."""
    return reference("run_id", "runs.id", nullable=True, index=True)


def colors(prefix: str = "") -> list[Column[Any]]:
    """Red, green and blue, each 0..255 (see `color_checks`)."""
    return [integer(prefix + color) for color in ("red", "green", "blue")]


def color_checks(prefix: str = "") -> list[CheckConstraint]:
    """The constraints that keep `colors(prefix)` in 0..255."""
    return [check(prefix + c, f"{prefix}{c} BETWEEN 0 AND 255") for c in ("red", "green", "blue")]


def one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    """A constraint: the column holds one of the values."""
    return check(column, f"{column} IN ({', '.join(repr(value) for value in values)})")


def check(name: str, condition: str) -> CheckConstraint:
    """A constraint named ck_<table>_<name>."""
    return CheckConstraint(condition, name=name)


def view(name: str, select: str, columns: list[tuple[type, str]], key: str) -> Table:
    """A view of the given SELECT; `columns` names its columns, in its order, with their types.

    key: the columns that identify its rows, in the order that sorts a whole export (see `row_key`).
    """
    typed: list[ColumnClause[Any]] = [
        column(label, kind) for kind, labels in columns for label in labels.split()
    ]
    table = CreateView(sql(select).columns(*typed), name, metadata=views).table
    table.info["key"] = key.split()
    return table


def row_key(table: Table) -> list[Column[Any]]:
    """The columns that identify the rows of a table or view."""
    named = table.info.get("key")
    return list(table.primary_key.columns) if named is None else [table.c[name] for name in named]
