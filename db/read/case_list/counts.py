"""How many cases each value of a filter would leave, and the extents of ranges."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Text, cast, func, literal, select, union_all

from db.facet_register import FACETS, PARTITION
from db.facet_type import Facet, Kind
from db.read.case_list.filtered import (
    ANNOTATIONS,
    CELL_COLUMNS,
    COLUMNS,
    COUNTED,
    FACET_ROWS,
    OF_DETECTOR,
    Condition,
    cell_counts,
    conditions,
    counted_in_cells,
    population,
)
from db.read.case_list.options import CaseOptions
from db.read.case_list.query import CaseQuery
from db.read.case_list.values import address_value
from db.vocabulary import CASE_PARTITIONS

ANNOTATED = [facet for facet in FACETS if facet.is_written]
EXTENTS = [facet.name for facet in FACETS if facet.is_range and not facet.of_detector]  # ranges with extents


def count_facets(
    connection: Connection, query: CaseQuery, options: CaseOptions, held: Sequence[Condition]
) -> dict[str, dict[str, int]]:
    """Filter -> value -> cases under the other filters, for every value that could be chosen."""
    names = list(COUNTED)
    counts: dict[str, dict[Any, int]] = {}
    if counted_in_cells(query):
        counts = _counts_in_cells(connection, query, options)
        names = [name for name in COUNTED if name not in counts]
    if names:
        counts |= _counts_of_cases(connection, query, options, held, names)
    known: dict[str, Iterable[str]] = {**options.choices, PARTITION.name: CASE_PARTITIONS}
    facets: dict[str, dict[str, int]] = {}
    for name, facet in COUNTED.items():
        found = {
            address_value(facet, stored, options): number
            for stored, number in counts[name].items()
            if stored is not None
        }
        values = dict.fromkeys((*known[name], *query.filters.get(name, ())))
        facets[name] = {value: found.get(value, 0) for value in values}
    for facet in ANNOTATED:
        facets[facet.name] = _annotated(connection, query, options, held, facet)
    return facets


def _counts_in_cells(
    connection: Connection, query: CaseQuery, options: CaseOptions
) -> dict[str, dict[Any, int]]:
    """The counts from the cells, which must have all columns of the query's filters."""
    held = conditions(query, options, CELL_COLUMNS)
    counts = {}
    for name in CELL_COLUMNS:
        others = [condition for condition in held if condition.filter != name]
        found = connection.execute(cell_counts(query, options, others, name))
        counts[name] = {value: int(number) for value, number in found}
    return counts


def _counts_of_cases(
    connection: Connection,
    query: CaseQuery,
    options: CaseOptions,
    held: Sequence[Condition],
    names: Sequence[str],
) -> dict[str, dict[Any, int]]:
    """The counts by a look at each case; inactive filters share a query, as they count the same cases."""
    on = [name for name in names if any(condition.filter == name for condition in held)]
    counts = _counts_together(connection, query, options, held, [name for name in names if name not in on])
    for name in on:
        others = [condition for condition in held if condition.filter != name]
        counts |= _counts_together(connection, query, options, others, [name])
    return counts


def _counts_together(
    connection: Connection,
    query: CaseQuery,
    options: CaseOptions,
    held: Sequence[Condition],
    names: Sequence[str],
) -> dict[str, dict[Any, int]]:
    """Filter -> value -> cases: filtered once, then counted by each column in turn, in one statement."""
    matched = population(
        query,
        options,
        held,
        *(COLUMNS[name].label(f"{name}_value") for name in names),
        with_decision=any(name in OF_DETECTOR for name in names),
    ).cte("matched")
    counted = []
    for name in names:
        column = matched.c[f"{name}_value"]  # as text: some are numbers, and a union has one type per column
        counted.append(select(literal(name), cast(column, Text), func.count()).group_by(column))
    found: dict[str, dict[Any, int]] = {name: {} for name in names}
    for name, text, number in connection.execute(union_all(*counted)):
        found[name][text] = number
    return found


def _annotated(
    connection: Connection, query: CaseQuery, options: CaseOptions, held: Sequence[Condition], facet: Facet
) -> dict[str, int]:
    """Tag (or verdict, or `yes` for notes) -> cases under the other filters; the most frequent first."""
    others = [condition for condition in held if condition.filter != facet.name]
    whether = facet.kind is Kind.ANNOTATED
    value = ANNOTATIONS.c.kind if whether else ANNOTATIONS.c.body
    number = func.count(FACET_ROWS.c.case_id.distinct())
    chosen = population(query, options, others, value, number)
    joined = chosen.get_final_froms()[0].join(ANNOTATIONS, ANNOTATIONS.c.case_id == FACET_ROWS.c.case_id)
    chosen = chosen.select_from(joined).where(ANNOTATIONS.c.kind == facet.name)
    counted = map(tuple, connection.execute(chosen.group_by(value)))
    found = dict(sorted(counted, key=lambda pair: (-pair[1], pair[0])))  # the same on every database
    if whether:
        found = {"yes": sum(found.values())} if found else {}
    return found | {chosen: 0 for chosen in query.filters.get(facet.name, ()) if chosen not in found}


def extent(
    connection: Connection, query: CaseQuery, options: CaseOptions, name: str
) -> tuple[float, float] | None:
    """Smallest and largest value of a range in the partition, each from its index; None: no case has one."""
    column = COLUMNS[name]
    of_partition = [c for c in conditions(query, options) if c.filter == "partition"]
    values = population(query, options, of_partition, column).where(column.is_not(None)).limit(1)
    low, high = (connection.scalar(values.order_by(end)) for end in (column.asc(), column.desc()))
    return None if low is None or high is None else (low, high)
