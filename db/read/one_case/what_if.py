"""The effects of another k or threshold: counts from the tuning points, flips from stored ranks alone."""

from typing import NamedTuple

from sqlalchemy import Engine, and_, case, func, or_, select

from db import schema, vocabulary
from db.query_types import AnySelect
from db.scope import Scope

FLIPS_SHOWN = 24


class Outcomes(NamedTuple):
    """The validation cases by outcome at one k and threshold."""

    k: int
    threshold: int  # alarm when there are more unexpected neighbors: -1..k
    tp: int
    fp: int
    tn: int
    fn: int


class WhatIf(NamedTuple):
    """A layer's validation cases at the tuned point, and at every threshold of another k."""

    tuned: Outcomes
    at_k: tuple[Outcomes, ...]  # thresholds ascending; empty: nothing was swept at this k


class Tuned(NamedTuple):
    """The operating point that decisions are made with."""

    k: int
    threshold: int


class Flip(NamedTuple):
    """A validation case whose alarm would differ from the tuned point's."""

    case_id: int
    kind: str
    true_class: int
    predicted_class: int
    image: str  # sha256
    alarms: bool  # with the other k and threshold


class Flips(NamedTuple):
    """The cases that flip: the first of each direction, and how many there are."""

    shown: tuple[Flip, ...]
    now_alarm: int
    no_longer: int


def case_metrics(engine: Engine, case_id: int) -> tuple[str, ...]:
    """The metrics under which neighbors of the case are stored, in the order of vocabulary.METRICS."""
    neighbors = schema.neighbors.c
    statement = select(neighbors.metric).where(neighbors.case_id == case_id, neighbors.rank == 1).distinct()
    with engine.connect() as connection:
        found = set(connection.scalars(statement))
    return tuple(metric for metric in vocabulary.METRICS if metric in found)


def tuned_rules(engine: Engine, scope: Scope, metric: str) -> tuple[str, ...]:
    """The rules that some layer is tuned for under the metric, in the order of vocabulary.RULES."""
    points = schema.operating_points.c
    statement = (
        select(points.rule)
        .join(schema.layers, schema.layers.c.id == points.layer_id)
        .where(schema.layers.c.network_id == scope.network_id, points.metric == metric)
        .where(points.dataset_id == scope.dataset_id)
        .where(points.how_chosen == "tuning")
        .distinct()
    )
    with engine.connect() as connection:
        found = set(connection.scalars(statement))
    return tuple(rule for rule in vocabulary.RULES if rule in found)


def tuned_point(engine: Engine, scope: Scope, layer_id: int, *, metric: str, rule: str) -> Tuned | None:
    """The k and threshold of a layer's decisions on a data set; None before tuning."""
    points = schema.operating_points.c
    statement = (
        select(points.k, points.threshold)
        .where(points.layer_id == layer_id, points.dataset_id == scope.dataset_id)
        .where(points.metric == metric, points.rule == rule)
        .where(points.how_chosen == "tuning")
        .limit(1)
    )
    with engine.connect() as connection:
        row = connection.execute(statement).one_or_none()
    return None if row is None else Tuned(*row)


def what_if_outcomes(
    engine: Engine, scope: Scope, layer_id: int, tuned: Tuned, k: int, *, metric: str, rule: str
) -> WhatIf | None:
    """Outcomes of the validation cases at the tuned point and at every threshold of `k`.

    None: there are no swept validation cases.
    """
    points = schema.tuning_points.c
    at_tuned = and_(points.k == tuned.k, points.threshold == tuned.threshold)
    statement = (
        select(points.k, points.threshold, points.tp, points.fp, points.tn, points.fn)
        .where(points.layer_id == layer_id, points.dataset_id == scope.dataset_id)
        .where(points.metric == metric, points.rule == rule)
        .where(points.partition == "validation", or_(points.k == k, at_tuned))
        .order_by(points.k, points.threshold)
    )
    with engine.connect() as connection:
        rows = [Outcomes(*row) for row in connection.execute(statement)]
    before = next((row for row in rows if (row.k, row.threshold) == tuned), None)
    if before is None or not before.tp + before.fp + before.tn + before.fn:
        return None
    return WhatIf(before, tuple(row for row in rows if row.k == k))


def flips(
    engine: Engine, scope: Scope, layer_id: int, k: int, threshold: int, *, metric: str, rule: str
) -> Flips:
    """The validation cases whose alarm at `k` and `threshold` differs from their decision.

    At most FLIPS_SHOWN of them, both directions in turn, in order of id.
    """
    unexpected = _unexpected(scope, layer_id, k, metric, rule).subquery()
    cases, decisions = schema.cases.c, schema.decisions.c
    alarms = unexpected.c.unexpected > threshold
    flipped = (
        select(
            cases.id,
            cases.kind,
            cases.true_class,
            cases.predicted_class,
            cases.image_id,
            alarms.label("alarms"),
            func.row_number().over(partition_by=alarms, order_by=cases.id).label("place"),
            func.sum(case((alarms, 1), else_=0)).over().label("now_alarm"),
            func.count().over().label("flipped"),
        )
        .select_from(unexpected)
        .join(schema.cases, cases.id == unexpected.c.case_id)
        .join(
            schema.decisions,
            and_(
                decisions.case_id == cases.id,
                decisions.layer_id == layer_id,
                decisions.metric == metric,
                decisions.rule == rule,
            ),
        )
        .where(alarms != decisions.alarm)
        .subquery()
    )
    columns = flipped.c
    statement = (
        select(flipped, schema.images.c.sha256)
        .join(schema.images, schema.images.c.id == columns.image_id)
        .order_by(columns.place, columns.alarms.desc())
        .limit(FLIPS_SHOWN)
    )
    with engine.connect() as connection:
        rows = connection.execute(statement).all()
    if not rows:
        return Flips((), 0, 0)
    shown = tuple(
        Flip(row.id, row.kind, row.true_class, row.predicted_class, row.sha256, bool(row.alarms))
        for row in sorted(rows, key=lambda row: (not row.alarms, row.id))
    )
    return Flips(shown, rows[0].now_alarm, rows[0].flipped - rows[0].now_alarm)


def _unexpected(scope: Scope, layer_id: int, k: int, metric: str, rule: str) -> AnySelect:
    """SELECT of (case_id, unexpected) for every validation case: the count among its first k neighbors."""
    neighbors, samples, cases = schema.neighbors.c, schema.samples.c, schema.cases.c
    others = case((samples.label != cases.predicted_class, 1), else_=0)
    counted = (
        select(cases.id.label("case_id"), func.sum(others).label("unexpected"))
        .join(schema.neighbors, neighbors.case_id == cases.id)
        .join(schema.reference_samples, schema.reference_samples.c.id == neighbors.reference_sample_id)
        .join(schema.samples, samples.id == schema.reference_samples.c.sample_id)
        .where(scope.of(schema.cases), cases.partition == "validation")
        .where(neighbors.layer_id == layer_id, neighbors.metric == metric, neighbors.rank <= k)
    )
    if rule == "total":
        return counted.group_by(cases.id)
    by_class = counted.group_by(cases.id, samples.label).subquery()
    most = func.max(by_class.c.unexpected).label("unexpected")
    return select(by_class.c.case_id, most).group_by(by_class.c.case_id)
