"""The image of an adversarial case before its attack: the network's output, and its neighbors."""

from typing import NamedTuple

from sqlalchemy import Engine, and_, func, select

from db import schema
from db.read.one_case.case import neighbors_statement
from db.read.one_case.rows import CaseActivation, CaseNeighbor


class CaseOriginal(NamedTuple):
    """The network's output for an adversarial case's image before the attack."""

    predicted_class: int
    confidence: float  # softmax probability of the predicted class, [0, 1]
    logits: CaseActivation | None  # None: not stored


def case_original(engine: Engine, case_id: int) -> CaseOriginal | None:
    """The original of an adversarial case; None if there is none, or it was not evaluated yet."""
    originals, layers = schema.originals.c, schema.layers.c
    activations = schema.original_activations.c
    last = (
        select(func.max(layers.position))
        .join(schema.original_activations, activations.layer_id == layers.id)
        .where(activations.case_id == case_id, layers.kind == "dense")
        .scalar_subquery()
    )
    statement = (
        select(
            originals.predicted_class,
            originals.confidence,
            layers.name,
            activations.shape,
            activations.encoding,
            activations.data,
        )
        .select_from(schema.originals)
        .join(schema.cases, schema.cases.c.id == originals.case_id)
        .outerjoin(
            schema.layers, and_(layers.network_id == schema.cases.c.network_id, layers.position == last)
        )
        .outerjoin(
            schema.original_activations,
            and_(activations.case_id == originals.case_id, activations.layer_id == layers.id),
        )
        .where(originals.case_id == case_id)
    )
    with engine.connect() as connection:
        row = connection.execute(statement).one_or_none()
    if row is None:
        return None
    logits = None
    if row.data is not None:
        logits = CaseActivation(row.name, tuple(row.shape), row.encoding, row.data)
    return CaseOriginal(row.predicted_class, row.confidence, logits)


def twin_neighbors(engine: Engine, case_id: int, layer_id: int, *, metric: str) -> tuple[CaseNeighbor, ...]:
    """The neighbors of an adversarial case's original in a layer, nearest first; empty: none are stored."""
    neighbors = schema.original_neighbors
    statement = neighbors_statement(neighbors, case_id, metric).where(neighbors.c.layer_id == layer_id)
    with engine.connect() as connection:
        return tuple(CaseNeighbor(*row) for row in connection.execute(statement))
