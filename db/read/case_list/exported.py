"""The filtered list with all data of each case, for export to a file."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Engine, Label, case, func, select

from db import schema
from db.facet_register import FACETS
from db.facet_type import Facet, Kind
from db.forms import Column, declared_columns
from db.query_types import AnySelect
from db.read.case_list.cases import filtered
from db.read.case_list.filtered import FACET_ROWS
from db.read.case_list.options import CaseOptions
from db.read.case_list.query import CaseQuery

CHUNK = 2000  # rows read at a time
OTHERS = [facet for facet in FACETS if facet.column and not (facet.of_detector or facet.in_overview)]
TYPES = {Kind.NUMBER: int, Kind.COUNT_RANGE: int, Kind.RANGE: float, Kind.YES_NO: bool}  # others: texts
WRITTEN = ("verdict", "tags", "note")


def exported_columns() -> list[Column]:
    """The columns of `case_overview`, the facets that it lacks, then people's annotations."""
    facets = [Column(facet.name, TYPES.get(facet.kind, str)) for facet in OTHERS]
    return [*declared_columns(schema.case_overview), *facets, *(Column(name, str) for name in WRITTEN)]


def export_cases(
    engine: Engine, query: CaseQuery, options: CaseOptions
) -> Iterator[Sequence[tuple[Any, ...]]]:
    """Rows of the filtered cases in the order of the list, in chunks; tags are joined by ', '."""
    overview = schema.case_overview
    cases = filtered(query, options)
    joined = cases.get_final_froms()[0].join(overview, overview.c.case_id == FACET_ROWS.c.case_id)
    facets = [_facet(facet, options) for facet in OTHERS]
    columns = (*overview.c, *facets, _one("verdict"), _tags(), _one("note"))
    chosen: AnySelect = cases.with_only_columns(*columns).select_from(joined)
    with engine.connect() as connection:
        result = connection.execute(chosen.execution_options(yield_per=CHUNK))
        yield from result.partitions()


def _facet(facet: Facet, options: CaseOptions) -> Label[Any]:
    """A facet's value; for a class its name, as in every view."""
    column = FACET_ROWS.c[facet.column]
    if facet.kind is Kind.CLASS and options.class_names:
        return case(options.class_names, value=column).label(facet.name)
    return column.label(facet.name)


def _one(kind: str) -> Label[Any]:
    notes = schema.annotations.c
    query = select(notes.body).where(notes.case_id == FACET_ROWS.c.case_id, notes.kind == kind)
    return query.order_by(notes.id.desc()).limit(1).scalar_subquery().label(kind)


def _tags() -> Label[Any]:
    notes = schema.annotations.c
    query = select(notes.body).where(notes.case_id == FACET_ROWS.c.case_id, notes.kind == "tag")
    tags = query.order_by(notes.body).correlate(FACET_ROWS).subquery()
    return select(func.aggregate_strings(tags.c.body, ", ")).scalar_subquery().label("tags")
