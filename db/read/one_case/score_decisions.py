"""Decisions about one case by the detectors without neighbors: the repair sweep, and the baselines.

Decisions are only read here, from `detector_decisions`; the class and the pixel beside them come from the
repair sweep and the network's output.
"""

from typing import Literal, NamedTuple

from sqlalchemy import Connection, Engine, select

from db.query_types import AnyRow
from db.read.for_ingest.detectors import TunedScore, tuned_scores
from db.schema import attack_pixels, cases, class_scores, detector_decisions, repairs
from db.scope import Scope

REPAIR = "repair"


class ScoreDecision(NamedTuple):
    """The decision of a detector without neighbors about a case."""

    detector: str
    kind: Literal["repair", "baseline"]
    score: float | None  # None: the database lacks the data for it
    threshold: float
    alarm: bool | None
    other: int | None  # the detector's guess of the true class
    recovered_class: int | None  # the same, on alarm
    row: int | None  # the pixel that the repair sweep suspects
    column: int | None
    located: bool | None  # whether that is an attacked pixel; None: no attack, or no pixel is named
    outcome: Literal["TP", "FP", "TN", "FN"] | None  # None: of an unknown case, or no score


def score_decisions(engine: Engine, case_id: int) -> tuple[ScoreDecision, ...]:
    """Read the decision of each such detector about a case; empty before an evaluation.

    Raises:
        LookupError: there is no such case.
    """
    columns = cases.c
    of_case = (columns.id, columns.image_id, columns.attack_id)
    wanted = select(*of_case, columns.network_id, columns.dataset_id)
    with engine.connect() as connection:
        case = connection.execute(wanted.where(columns.id == case_id)).one_or_none()
        if case is None:
            raise LookupError(f"case {case_id} is not in this database")
        scope = Scope(case.network_id, case.dataset_id)
        return tuple(_decision(connection, case, scope, one) for one in tuned_scores(connection, scope))


def _decision(connection: Connection, case: AnyRow, scope: Scope, tuned: TunedScore) -> ScoreDecision:
    decided = detector_decisions.c
    query = select(decided.score, decided.threshold, decided.alarm, decided.recovered_class, decided.outcome)
    mine = scope.of(detector_decisions), decided.detector == tuned.name, decided.case_id == case.id
    found = connection.execute(query.where(*mine)).one_or_none()
    if found is None:
        return ScoreDecision(tuned.name, tuned.kind, None, tuned.threshold, *[None] * 7)
    other, row, column = _suspected(connection, case, scope, tuned.kind)
    located = None if row is None or column is None else _located(connection, case.attack_id, row, column)
    return ScoreDecision(
        tuned.name,
        tuned.kind,
        found.score,
        found.threshold,
        found.alarm,
        other,
        found.recovered_class,
        row,
        column,
        located,
        found.outcome,
    )


def _suspected(
    connection: Connection, case: AnyRow, scope: Scope, kind: str
) -> tuple[int | None, int | None, int | None]:
    """A detector's guess of the true class, and the pixel that it suspects."""
    if kind == REPAIR:
        query = select(repairs.c.recovered_class, repairs.c.row, repairs.c.column).where(
            scope.of(repairs), repairs.c.image_id == case.image_id
        )
        found = connection.execute(query).one_or_none()
        return (None, None, None) if found is None else tuple(found)
    scores = class_scores.c
    ranked = (
        select(scores["class"])
        .where(scores.case_id == case.id)
        .order_by(scores.logit.desc(), scores["class"].desc())
    )
    return connection.scalar(ranked.limit(1).offset(1)), None, None


def _located(connection: Connection, attack_id: int | None, row: int, column: int) -> bool | None:
    if attack_id is None:
        return None
    pixels = attack_pixels.c
    wanted = select(pixels.row, pixels.column).where(pixels.attack_id == attack_id)
    return (row, column) in set(map(tuple, connection.execute(wanted)))
