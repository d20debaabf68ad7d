"""The rows of the case list, for the few cases of one page."""

from typing import NamedTuple

from sqlalchemy import Connection, and_, select

from db import schema
from db.read.gray_images import color_type, is_gray
from db.vocabulary import METRIC, RULE


class ListedPixel(NamedTuple):
    """The first attacked pixel: its place from the top left (0, 0), and its colors (0..255 each)."""

    row: int
    column: int
    color: tuple[int, int, int]
    original: tuple[int, int, int]


class ListedDecision(NamedTuple):
    """The decision of one detector about a case."""

    alarm: bool
    outcome: str | None  # None: of an unknown case
    score: float  # for a layer the unexpected count
    threshold: float
    k: int | None  # neighbors counted; None: a detector without neighbors
    recovered_class: int | None


class ListedCase(NamedTuple):
    """A row of the case list."""

    id: int
    kind: str
    partition: str
    true_class: int | None  # None: of an unknown case
    predicted_class: int
    confidence: float  # [0, 1]
    image: str  # sha256 of what the network saw
    original: str  # sha256 of the sample; the same as `image` for a clean case
    sample_name: str | None  # of the file that it came from, if it came from one
    height: int
    width: int
    gray: bool
    method: str | None
    pixel_count: int  # attacked pixels; 0 for a clean case
    pixel: ListedPixel | None
    target_class: int | None
    queries: int | None
    divergence: str | None  # first layer whose neighbors leave the true class, or "none"; None: not decided
    verdict: str | None  # of a person, like tags and note
    tags: tuple[str, ...]
    note: bool
    decisions: dict[str, ListedDecision]  # layer -> decision; empty until the layers are tuned
    decision: ListedDecision | None  # of the shown detector


def listed_cases(connection: Connection, ids: list[int], detector: str) -> tuple[ListedCase, ...]:
    """The rows of these cases, in this order; `detector`: whose decision is shown."""
    cases, pixels, attacks = schema.cases, schema.attack_pixels, schema.attacks
    shown, original = schema.images.alias("shown"), schema.images.alias("original")
    found = connection.execute(
        select(
            cases,
            shown.c.sha256.label("shown"),
            original.c.sha256.label("original"),
            schema.samples.c.name.label("sample_name"),
            shown.c.height,
            shown.c.width,
            color_type(shown).label("color_type"),
            attacks.c.method,
            attacks.c.pixel_count,
            attacks.c.target_class,
            attacks.c.queries,
            schema.case_facets.c.divergence,
            *(column for column in pixels.c if column.name not in ("attack_id", "pixel")),
        )
        .select_from(cases)
        .join(shown, shown.c.id == cases.c.image_id)
        .join(schema.samples, schema.samples.c.id == cases.c.sample_id)
        .join(original, original.c.id == schema.samples.c.image_id)
        .outerjoin(schema.case_facets, schema.case_facets.c.case_id == cases.c.id)
        .outerjoin(attacks, attacks.c.id == cases.c.attack_id)
        .outerjoin(pixels, and_(pixels.c.attack_id == cases.c.attack_id, pixels.c.pixel == 0))
        .where(cases.c.id.in_(ids))
    )
    decisions, by_scores = _decisions(connection, ids), _score_decisions(connection, ids, detector)
    written = _annotations(connection, ids)
    rows = {
        row.id: ListedCase(
            row.id,
            row.kind,
            row.partition,
            row.true_class,
            row.predicted_class,
            row.confidence,
            row.shown,
            row.original,
            row.sample_name,
            row.height,
            row.width,
            is_gray(row.color_type),
            row.method,
            row.pixel_count or 0,
            None
            if row.row is None
            else ListedPixel(
                row.row,
                row.column,
                (row.red, row.green, row.blue),
                (row.original_red, row.original_green, row.original_blue),
            ),
            row.target_class,
            row.queries,
            row.divergence,
            next(iter(written.get((row.id, "verdict"), ())), None),
            tuple(written.get((row.id, "tag"), ())),
            (row.id, "note") in written,
            decisions.get(row.id, {}),
            decisions.get(row.id, {}).get(detector) or by_scores.get(row.id),
        )
        for row in found
    }
    return tuple(rows[case_id] for case_id in ids)


def _decisions(connection: Connection, ids: list[int]) -> dict[int, dict[str, ListedDecision]]:
    decisions, layers = schema.decisions.c, schema.layers.c
    found: dict[int, dict[str, ListedDecision]] = {}
    for case_id, layer, *values in connection.execute(
        select(
            decisions.case_id,
            layers.name,
            decisions.alarm,
            decisions.outcome,
            decisions.unexpected_count,
            decisions.threshold,
            decisions.k,
            decisions.recovered_class,
        )
        .join(schema.layers, layers.id == decisions.layer_id)
        .where(decisions.case_id.in_(ids), decisions.metric == METRIC, decisions.rule == RULE)
        .order_by(layers.position)
    ):
        found.setdefault(case_id, {})[layer] = ListedDecision(*values)
    return found


def _score_decisions(connection: Connection, ids: list[int], detector: str) -> dict[int, ListedDecision]:
    """Decisions of a detector without neighbors."""
    decided = schema.detector_decisions.c
    rows = connection.execute(
        select(
            decided.case_id,
            decided.alarm,
            decided.outcome,
            decided.score,
            decided.threshold,
            decided.recovered_class,
        ).where(decided.case_id.in_(ids), decided.detector == detector)
    )
    return {
        row.case_id: ListedDecision(
            row.alarm, row.outcome, row.score, row.threshold, None, row.recovered_class
        )
        for row in rows
    }


def _annotations(connection: Connection, ids: list[int]) -> dict[tuple[int, str], list[str]]:
    """(case, kind) -> what people wrote; tags in alphabetical order."""
    notes = schema.annotations.c
    found: dict[tuple[int, str], list[str]] = {}
    query = select(notes.case_id, notes.kind, notes.body).where(notes.case_id.in_(ids))
    for case_id, kind, body in connection.execute(query.order_by(notes.kind, notes.body, notes.id)):
        found.setdefault((case_id, kind), []).append(body)
    return found
