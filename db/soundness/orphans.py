"""Find and delete rows that refer to nothing, left by SQL by hand where references are not checked.

Such a reference in a column of `LEFT_EMPTY` is emptied. A row with any other one is deleted, and with it all
rows that refer to it. All of this follows from the tables' foreign keys: a new table needs no line here.
"""

from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Select,
    Table,
    and_,
    delete,
    exists,
    false,
    func,
    not_,
    or_,
    select,
    tuple_,
    update,
)

from db.bulk import among
from db.schema import batches, metadata, neighbors, original_neighbors, runs, searches

REFER_TO_NOTHING = "rows that refer to nothing"
LEFT_EMPTY = ("run_id", "batch_id", "network_id", "dataset_id")  # if nullable: who wrote a row, and for what
Keys = dict[str, list[int]]  # table that others refer to -> the keys of its rows to delete


def count_orphans(connection: Connection) -> dict[str, int]:
    """How many rows refer to nothing, by table; a row counts once for each of its references."""
    counts: dict[str, int] = {}
    for table in metadata.sorted_tables:
        if table.foreign_keys:
            number = sum(connection.execute(_orphans_of(table)).one())
            if number:
                counts[table.name] = number
    return counts


def told(found: Mapping[str, int]) -> list[str]:
    """The line that reports the orphans, if there are any."""
    if not found:
        return []
    return [f"{sum(found.values()):,} {REFER_TO_NOTHING}, in {', '.join(sorted(found))}"]


def rows_that_go(connection: Connection) -> dict[str, int]:
    """How many rows `delete_orphans` would delete, by table."""
    keys = _keys(connection)
    counts = {
        table.name: connection.scalar(_counted(table, _goes(connection, table, keys)))
        for table in metadata.sorted_tables
    }
    return {name: number for name, number in counts.items() if number}


def delete_orphans(connection: Connection) -> tuple[dict[str, int], dict[str, int]]:
    """Delete rows that refer to nothing with all that refers to them, within the caller's transaction.

    Returns the numbers of deleted rows, and of rows with an emptied reference, both by table.
    """
    keys, gone, emptied = _keys(connection), Counter[str](), Counter[str]()
    for table in reversed(metadata.sorted_tables):
        for key in table.foreign_keys:
            if _can_be_empty(key.parent):
                lost = or_(_refers_to_nothing(key), _refers_to(connection, key, keys))
                changed = connection.execute(update(table).where(lost).values({key.parent.name: None}))
                emptied[table.name] += changed.rowcount
        gone[table.name] += connection.execute(delete(table).where(_goes(connection, table, keys))).rowcount
    for table, searched in ((neighbors, "case"), (original_neighbors, "original")):
        gone.update(_delete_broken_lists(connection, table, searched))
    return dict(+gone), dict(+emptied)


# ---- Parts ---------------------------------------------------------------------------------------


def _keys(connection: Connection) -> Keys:
    """The keys of the rows to delete, in tables that others refer to."""
    keys: Keys = {}
    for table in metadata.sorted_tables:  # a table comes after those that it refers to
        if _is_referred_to(table):
            (key,) = table.primary_key.columns
            keys[table.name] = list(connection.scalars(select(key).where(_goes(connection, table, keys))))
    return keys


def _goes(connection: Connection, table: Table, keys: Keys) -> ColumnElement[bool]:
    """Whether to delete a row: a needed reference leads to nothing or to a deleted row; or it has no use."""
    needed = [key for key in table.foreign_keys if not _can_be_empty(key.parent)]
    of = [or_(_refers_to_nothing(key), _refers_to(connection, key, keys)) for key in needed]
    if table is batches:  # no row depends on a batch without a run
        of.append(~exists().where(runs.c.batch_id == batches.c.id))
    if table.name in keys:  # as found before anything was deleted
        (key,) = table.primary_key.columns
        of.append(among(connection, key, keys[table.name]))
    return or_(false(), *of)


@cache
def _orphans_of(table: Table) -> Select[*tuple[int, ...]]:
    """The numbers of its rows that refer to nothing, a column for each reference."""
    return select(*(_counted(table, _refers_to_nothing(key)).scalar_subquery() for key in table.foreign_keys))


@cache
def _refers_to_nothing(key: ForeignKey) -> ColumnElement[bool]:
    parent = key.column.table.alias("parent")
    there = exists().where(parent.c[key.column.name] == key.parent)
    return and_(key.parent.is_not(None), not_(there))


def _refers_to(connection: Connection, key: ForeignKey, keys: Keys) -> ColumnElement[bool]:
    return among(connection, key.parent, keys[key.column.table.name])


def _can_be_empty(column: Column[Any]) -> bool:
    return bool(column.nullable) and column.name in LEFT_EMPTY


def _is_referred_to(table: Table) -> bool:
    return any(key.column.table is table for other in metadata.tables.values() for key in other.foreign_keys)


def _counted(table: Table, condition: ColumnElement[bool]) -> Select[int]:
    return select(func.count()).select_from(table).where(condition)


def _delete_broken_lists(connection: Connection, table: Table, searched: str) -> dict[str, int]:
    """Delete lists of neighbors that lack a rank, and searches without a list: they are searched anew."""
    list_ = (table.c.case_id, table.c.layer_id, table.c.metric)
    broken = select(*list_).group_by(*list_).having(func.count() != func.max(table.c.rank))
    gone = {table.name: connection.execute(delete(table).where(tuple_(*list_).in_(broken))).rowcount}
    of_search = (table.c[name] == searches.c[name] for name in ("case_id", "layer_id", "metric"))
    lost = and_(searches.c.searched == searched, not_(exists().where(*of_search)))
    gone["searches"] = connection.execute(delete(searches).where(lost)).rowcount
    return gone
