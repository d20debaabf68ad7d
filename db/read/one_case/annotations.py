"""People's annotations: all of one case, and the tags of all cases."""

from typing import NamedTuple

from sqlalchemy import Engine, func, select

from db.annotations import NOTE, TAG, VERDICT
from db.schema import annotations


class CaseAnnotations(NamedTuple):
    """The annotations of a case; times in UTC, as '2026-01-31T12:00:00Z'."""

    verdict: str | None
    tags: tuple[str, ...]  # in alphabetical order
    note: str  # plain text; '': none
    note_at: str | None  # when the note was written


class TagCount(NamedTuple):
    """A tag, and how many cases have it."""

    tag: str
    cases: int


def case_annotations(engine: Engine, case_id: int) -> CaseAnnotations:
    """Read the annotations of a case; of several verdicts or notes, the last."""
    columns = annotations.c
    query = (
        select(columns.kind, columns.body, columns.created_at)
        .where(columns.case_id == case_id, columns.kind.in_((VERDICT, TAG, NOTE)))
        .order_by(columns.id)
    )
    verdict, tags, note, note_at = None, set(), "", None
    with engine.connect() as connection:
        for kind, body, created_at in connection.execute(query):
            if kind == VERDICT:
                verdict = body
            elif kind == TAG:
                tags.add(body)
            else:
                note, note_at = body, created_at
    return CaseAnnotations(verdict, tuple(sorted(tags)), note, note_at)


def tag_counts(engine: Engine) -> tuple[TagCount, ...]:
    """Every tag that is in use with the number of its cases, the most frequent first."""
    columns = annotations.c
    count = func.count(columns.case_id.distinct())
    query = select(columns.body, count).where(columns.kind == TAG).group_by(columns.body)
    with engine.connect() as connection:
        found = [TagCount(*row) for row in connection.execute(query)]
    # Sorted here, as databases do not agree on the order of texts.
    return tuple(sorted(found, key=lambda row: (-row.cases, row.tag)))
