"""What the detectors that look at no neighbours say of one case: the repair sweep, and the baselines.

Scores and thresholds are those of the evaluation (`detectors`, `evaluations`): an alarm is a score above the
threshold that was chosen on all tuning cases.
"""

import math
from typing import Literal, NamedTuple

import numpy as np
from sqlalchemy import Connection, Engine, Row, select

from db.read.detectors import TunedScore, tuned_scores
from db.schema import attack_pixels, cases, class_scores, repairs

REPAIR, CONFIDENCE, MARGIN = "repair", "confidence", "logit-margin"


class ScoreDecision(NamedTuple):
    """What a detector without neighbours decided about a case."""

    detector: str
    kind: Literal["repair", "baseline"]
    score: float | None  # None: the database does not have what it would be taken from
    threshold: float
    alarm: bool | None
    other: int | None  # the class that it would take for the true one
    recovered_class: int | None  # the same, on alarm
    row: int | None  # the pixel that it suspects, of the repair sweep
    column: int | None
    located: (
        bool | None
    )  # whether that is an attacked pixel; None: nothing was attacked, or no pixel is named
    outcome: Literal["TP", "FP", "TN", "FN"] | None  # None: of an unknown case, or no score


def score_decisions(engine: Engine, case_id: int) -> tuple[ScoreDecision, ...]:
    """Read what each such detector decides about a case; empty before an evaluation.

    Raises:
        LookupError: there is no such case.
    """
    columns = cases.c
    wanted = select(columns.network_id, columns.kind, columns.image_id, columns.attack_id)
    with engine.connect() as connection:
        case = connection.execute(wanted.where(columns.id == case_id)).one_or_none()
        if case is None:
            raise LookupError(f"case {case_id} is not in this database")
        tuned = tuned_scores(connection, case.network_id)
        if not tuned:
            return ()
        scores = select(class_scores.c.logit).where(class_scores.c.case_id == case_id)
        logits = np.array(connection.execute(scores.order_by(class_scores.c["class"])).scalars().all(), float)
        return tuple(_decision(connection, case, one, logits) for one in tuned)


def _decision(connection: Connection, case: Row, tuned: TunedScore, logits: np.ndarray) -> ScoreDecision:
    score = other = row = column = located = None
    if tuned.name == REPAIR:
        found = connection.execute(
            select(repairs.c.score, repairs.c.recovered_class, repairs.c.row, repairs.c.column).where(
                repairs.c.network_id == case.network_id, repairs.c.image_id == case.image_id
            )
        ).one_or_none()
        if found is not None:
            score, other, row, column = found
            located = _located(connection, case.attack_id, row, column)
    elif tuned.name in (CONFIDENCE, MARGIN) and len(logits) > 1:
        score, other = baseline_score(tuned.name, logits), int(np.argsort(logits)[-2])
    alarm = None if score is None else above(score, tuned.threshold)
    outcome = None
    if alarm is not None and case.kind != "unknown":
        attacked = case.kind == "adversarial"
        outcome = ("TP" if alarm else "FN") if attacked else ("FP" if alarm else "TN")
    recovered = other if alarm else None
    return ScoreDecision(
        tuned.name, tuned.kind, score, tuned.threshold, alarm, other, recovered, row, column, located, outcome
    )


def baseline_score(detector: str, logits: np.ndarray) -> float:
    """The score that a baseline takes from logits (K,): higher is more likely an attack.

    `confidence`: 1 - the largest softmax probability, without rounding to 0. `logit-margin`: the negative
    lead of the first over the second.
    """
    ordered = np.sort(logits)
    if detector == MARGIN:
        return float(ordered[-2] - ordered[-1])
    powers = np.exp(ordered - ordered[-1])
    return float(powers[:-1].sum() / powers.sum())


def above(score: float, threshold: float) -> bool:
    """Whether a score is an alarm: strictly above, but for rounding; a threshold is some case's own score."""
    return score > threshold and not math.isclose(score, threshold, rel_tol=1e-9)


def _located(connection: Connection, attack_id: int | None, row: int, column: int) -> bool | None:
    if attack_id is None:
        return None
    pixels = attack_pixels.c
    wanted = select(pixels.row, pixels.column).where(pixels.attack_id == attack_id)
    return (row, column) in set(map(tuple, connection.execute(wanted)))
