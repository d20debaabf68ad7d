"""The rows of the case list: what a case's line shows, for the few cases of one page."""

from typing import NamedTuple

from sqlalchemy import Connection, and_, select

from db import schema

METRIC, RULE = "euclidean", "total"  # of the decisions that the list shows


class ListedPixel(NamedTuple):
    """The first attacked pixel: its place from the top left (0, 0), and its colours (0..255 each)."""

    row: int
    column: int
    color: tuple[int, int, int]
    original: tuple[int, int, int]


class ListedDecision(NamedTuple):
    """What one layer decided about a case."""

    alarm: bool
    outcome: str | None  # None: of an unknown case
    unexpected_count: int
    k: int
    threshold: int


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
    height: int
    width: int
    method: str | None
    pixel_count: int  # attacked pixels; 0 for a clean case
    pixel: ListedPixel | None
    decisions: dict[str, ListedDecision]  # layer -> decision; empty until the layers are tuned


def listed_cases(connection: Connection, ids: list[int]) -> tuple[ListedCase, ...]:
    """The rows of these cases, in this order."""
    cases, pixels, attacks = schema.cases, schema.attack_pixels, schema.attacks
    shown, original = schema.images.alias("shown"), schema.images.alias("original")
    found = connection.execute(
        select(
            cases,
            shown.c.sha256.label("shown"),
            original.c.sha256.label("original"),
            shown.c.height,
            shown.c.width,
            attacks.c.method,
            attacks.c.pixel_count,
            *(column for column in pixels.c if column.name not in ("attack_id", "pixel")),
        )
        .select_from(cases)
        .join(shown, shown.c.id == cases.c.image_id)
        .join(schema.samples, schema.samples.c.id == cases.c.sample_id)
        .join(original, original.c.id == schema.samples.c.image_id)
        .outerjoin(attacks, attacks.c.id == cases.c.attack_id)
        .outerjoin(pixels, and_(pixels.c.attack_id == cases.c.attack_id, pixels.c.pixel == 0))
        .where(cases.c.id.in_(ids))
    )
    decisions = _decisions(connection, ids)
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
            row.height,
            row.width,
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
            decisions.get(row.id, {}),
        )
        for row in found
    }
    return tuple(rows[case_id] for case_id in ids)


def _decisions(connection: Connection, ids: list[int]) -> dict[int, dict[str, ListedDecision]]:
    decisions, layers = schema.decisions, schema.layers
    columns = [decisions.c[name] for name in ListedDecision._fields]
    found: dict[int, dict[str, ListedDecision]] = {}
    for case_id, layer, *values in connection.execute(
        select(decisions.c.case_id, layers.c.name, *columns)
        .join(layers, layers.c.id == decisions.c.layer_id)
        .where(decisions.c.case_id.in_(ids), decisions.c.metric == METRIC, decisions.c.rule == RULE)
        .order_by(layers.c.position)
    ):
        found.setdefault(case_id, {})[layer] = ListedDecision(*values)
    return found
