"""The filtered list with everything that is known of each case, to be written to a file."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Engine, Label, func, select

from db import schema
from db.forms import Column, declared_columns
from db.query_types import AnySelect
from db.read.case_list.cases import filtered
from db.read.case_list.filtered import FACETS
from db.read.case_list.options import CaseOptions
from db.read.case_list.query import CaseQuery

CHUNK = 2000  # rows read at a time
WRITTEN = ("verdict", "tags", "note")


def exported_columns() -> list[Column]:
    """Those of `case_overview`, then what people wrote."""
    return [*declared_columns(schema.case_overview), *(Column(name, str) for name in WRITTEN)]


def export_cases(
    engine: Engine, query: CaseQuery, options: CaseOptions
) -> Iterator[Sequence[tuple[Any, ...]]]:
    """Rows of the filtered cases in the order of the list, some at a time; tags are joined by ', '."""
    overview = schema.case_overview
    cases = filtered(query, options)
    joined = cases.get_final_froms()[0].join(overview, overview.c.case_id == FACETS.c.case_id)
    columns = (*overview.c, _one("verdict"), _tags(), _one("note"))
    chosen: AnySelect = cases.with_only_columns(*columns).select_from(joined)
    with engine.connect() as connection:
        result = connection.execute(chosen.execution_options(yield_per=CHUNK))
        yield from result.partitions()


def _one(kind: str) -> Label[Any]:
    notes = schema.annotations.c
    query = select(notes.body).where(notes.case_id == FACETS.c.case_id, notes.kind == kind)
    return query.order_by(notes.id.desc()).limit(1).scalar_subquery().label(kind)


def _tags() -> Label[Any]:
    notes = schema.annotations.c
    query = select(notes.body).where(notes.case_id == FACETS.c.case_id, notes.kind == "tag")
    tags = query.order_by(notes.body).correlate(FACETS).subquery()
    return select(func.aggregate_strings(tags.c.body, ", ")).scalar_subquery().label("tags")
