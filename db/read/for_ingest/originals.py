"""Originals: the images of adversarial cases before their attack, and the network's outputs for them."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from db.schema import cases, original_activations, original_neighbors, originals, samples
from db.scope import Scope


class Lacking(NamedTuple):
    """An adversarial case whose original is missing or incomplete."""

    case_id: int
    image_id: int  # of its sample, as it was before the attack


def cases_without_original(connection: Connection, scope: Scope, layer_ids: Sequence[int]) -> list[Lacking]:
    """Adversarial cases that have no original, or one without activations in one of the layers, by id."""
    adversarial = (scope.of(cases), cases.c.kind == "adversarial")
    wanted = (
        select(cases.c.id, samples.c.image_id)
        .join(samples, samples.c.id == cases.c.sample_id)
        .where(*adversarial)
        .order_by(cases.c.id)
    )
    known = (
        select(original_activations.c.case_id, original_activations.c.layer_id)
        .join(cases, cases.c.id == original_activations.c.case_id)
        .where(*adversarial)
    )
    stored = set(map(tuple, connection.execute(known)))
    return [
        Lacking(*row)
        for row in connection.execute(wanted)
        if any((row[0], layer_id) not in stored for layer_id in layer_ids)
    ]


def originals_without_neighbors(
    connection: Connection, scope: Scope, layer_id: int, metric: str
) -> list[int]:
    """Adversarial cases whose original has no neighbors yet in a layer under a metric, in order of id."""
    missing = ~(
        select(original_neighbors.c.case_id)
        .where(
            original_neighbors.c.case_id == originals.c.case_id,
            original_neighbors.c.layer_id == layer_id,
            original_neighbors.c.metric == metric,
        )
        .exists()
    )
    query = select(originals.c.case_id).join(cases, cases.c.id == originals.c.case_id)
    query = query.where(scope.of(cases), missing).order_by(originals.c.case_id)
    return list(connection.execute(query).scalars())
