"""The filters and the order of the case list as SQL: over one narrow row per case, joined to the decision of
the shown detector only if a query needs it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, FromClause, and_, false, func, or_, select

from db import schema
from db.facet_register import FACETS, PARTITION
from db.facet_type import Facet, Kind
from db.query_types import AnySelect
from db.read.case_list.options import CaseOptions
from db.read.case_list.query import FILTERS, CaseQuery, found_ids
from db.read.case_list.values import stored_values
from db.scope import Scope, same_scope

FACET_ROWS = schema.case_facets.alias("facets")
DECIDED = schema.detector_decisions.alias("decided")
ANNOTATIONS = schema.annotations

CELLS = schema.facet_cells.alias("cells")
COUNTED = {facet.name: facet for facet in FACETS if facet.is_choice and facet.column}  # by its values
OF_DETECTOR = [facet.name for facet in FACETS if facet.of_detector]  # about the shown detector's decision
COLUMNS = {
    facet.name: (DECIDED if facet.of_detector else FACET_ROWS).c[facet.column]
    for facet in FACETS
    if facet.column
}
# Filters that the cells can count without a look at cases: all but ranges, numbers and annotations.
CELL_COLUMNS = {facet.name: CELLS.c[facet.column] for facet in FACETS if facet.counted}


class Condition(NamedTuple):
    """The condition of one filter on a case."""

    filter: str
    holds: ColumnElement[bool]

    @property
    def of_detector(self) -> bool:
        """Whether it depends on the shown detector's decision."""
        return self.filter in OF_DETECTOR


def conditions(
    query: CaseQuery, options: CaseOptions, columns: Mapping[str, ColumnElement[Any]] = COLUMNS
) -> tuple[Condition, ...]:
    """The conditions of active filters, the partition first; `columns`: of the cases, or of the cells."""
    active = []
    if query.partition != "all":
        active.append(Condition(PARTITION.name, columns[PARTITION.name] == query.partition))
    for name, facet in FILTERS.items():
        values = query.filters.get(name, ())
        if values and facet.is_written:
            active.append(Condition(name, FACET_ROWS.c.case_id.in_(_annotated(facet, values))))
        elif values:
            active.append(Condition(name, _among(columns[name], stored_values(facet, values, options))))
    for name, (low, high) in query.ranges.items():
        column = COLUMNS[name]
        bounds = [*([] if low is None else [column >= low]), *([] if high is None else [column <= high])]
        active.append(Condition(name, and_(*bounds)))
    if query.find:
        active.append(Condition("find", _matches_find(query.find)))
    return tuple(active)


def population(
    query: CaseQuery,
    options: CaseOptions,
    conditions: Iterable[Condition],
    *columns: ColumnElement[Any],
    with_decision: bool = False,
) -> AnySelect:
    """SELECT of columns of the cases that meet some conditions.

    with_decision: `columns` has some of the shown detector's decision, which a case may lack.
    """
    held = list(conditions)
    source: FromClause = FACET_ROWS
    mine = [_mine(options.scope, FACET_ROWS)]
    if with_decision or any(condition.of_detector for condition in held):
        source = FACET_ROWS.outerjoin(DECIDED, _joins_decision(query))
    return select(*columns).select_from(source).where(*mine, *(condition.holds for condition in held))


def counted_in_cells(query: CaseQuery) -> bool:
    """Whether the cells can count everything that the filters need."""
    return not (query.ranges or query.find or any(name not in CELL_COLUMNS for name in query.filters))


def cell_counts(
    query: CaseQuery, options: CaseOptions, conditions: Iterable[Condition], name: str
) -> AnySelect:
    """SELECT of the values of a filter and how many cases have each, from the cells."""
    column = CELL_COLUMNS[name]
    mine = [_mine(options.scope, CELLS), CELLS.c.detector == query.detector]
    chosen = select(column, func.sum(CELLS.c.cases)).where(*mine, *(held.holds for held in conditions))
    return chosen.group_by(column)


SortKey = tuple[ColumnElement[Any], bool]  # a column to sort by, and whether descending


def order_keys(query: CaseQuery) -> list[SortKey]:
    """Columns to sort by, and whether descending; the case's id comes last and makes the order unique."""
    keys: list[SortKey] = []
    for name, descending in query.order:
        keys += [(column, descending) for column in _sort_columns(name)]
    if query.order[-1].name != "case":
        keys.append((FACET_ROWS.c.case_id, False))
    return keys


def _sort_columns(name: str) -> list[ColumnElement[Any]]:
    if name == "case":
        return [FACET_ROWS.c.case_id]
    (facet,) = (facet for facet in FACETS if facet.name == name)
    return [(DECIDED if facet.of_detector else FACET_ROWS).c[column] for column in facet.sort]


def sorts_by_decision(query: CaseQuery) -> bool:
    """Whether the order needs the shown detector's decision."""
    return any(key.name in OF_DETECTOR for key in query.order)


def ordered(keys: Sequence[SortKey], *, backwards: bool = False) -> list[ColumnElement[Any]]:
    """ORDER BY of these keys: missing values come last, ascending or descending."""
    by: list[ColumnElement[Any]] = []
    for column, descending in keys:
        turned = column.desc() if descending != backwards else column.asc()
        nullable = column.nullable or column.table is DECIDED
        by.append((turned.nulls_first() if backwards else turned.nulls_last()) if nullable else turned)
    return by


def comes_before(keys: Sequence[SortKey], values: Sequence[Any]) -> ColumnElement[bool]:
    """Whether a case comes before the one that has these values of the keys."""
    return or_(*_steps(keys, values, before=True))


def comes_after(keys: Sequence[SortKey], values: Sequence[Any]) -> ColumnElement[bool]:
    """Whether a case comes after the one that has these values of the keys."""
    return or_(*_steps(keys, values, before=False))


def _steps(keys: Sequence[SortKey], values: Sequence[Any], *, before: bool) -> list[ColumnElement[bool]]:
    """For each key, a condition: equal in the keys before it, and earlier (or later) in this one."""
    steps, equal = [], list[ColumnElement[bool]]()
    for (column, descending), value in zip(keys, values, strict=True):
        if value is None:  # missing values come last
            further: ColumnElement[bool] = column.is_not(None) if before else false()
            same = column.is_(None)
        else:
            further = column > value if descending == before else column < value
            if not before:
                further = or_(further, column.is_(None))
            same = column == value
        steps.append(and_(*equal, further))
        equal = [*equal, same]
    return steps


def _mine(scope: Scope | None, table: FromClause) -> ColumnElement[bool]:
    return false() if scope is None else scope.of(table)


def _joins_decision(query: CaseQuery) -> ColumnElement[bool]:
    return and_(
        same_scope(DECIDED, FACET_ROWS),
        DECIDED.c.detector == query.detector,
        DECIDED.c.partition == FACET_ROWS.c.partition,
        DECIDED.c.case_id == FACET_ROWS.c.case_id,
    )


def _among(column: ColumnElement[Any], values: list[Any]) -> ColumnElement[bool]:
    return column == values[0] if len(values) == 1 else column.in_(values)


def _annotated(facet: Facet, values: Sequence[str]) -> AnySelect:
    chosen = select(ANNOTATIONS.c.case_id).where(ANNOTATIONS.c.kind == facet.name)
    return chosen if facet.kind is Kind.ANNOTATED else chosen.where(_among(ANNOTATIONS.c.body, list(values)))


def _matches_find(find: str) -> ColumnElement[bool]:
    ranges = found_ids(find)
    if ranges is not None:
        return or_(*(FACET_ROWS.c.case_id.between(low, high) for low, high in ranges))
    of_notes = select(ANNOTATIONS.c.case_id).where(_has_words(ANNOTATIONS.c.body, find))
    name = schema.samples.c.name
    named = select(schema.cases.c.id).join(schema.samples, schema.samples.c.id == schema.cases.c.sample_id)
    named = named.where(name.is_not(None), _has_words(name, find))
    return or_(FACET_ROWS.c.case_id.in_(of_notes), FACET_ROWS.c.case_id.in_(named))


def _has_words(text: ColumnElement[Any], find: str) -> ColumnElement[bool]:
    """Whether a text has every word, or part of one."""
    return and_(*(func.lower(text).contains(word.lower(), autoescape=True) for word in find.split()))
