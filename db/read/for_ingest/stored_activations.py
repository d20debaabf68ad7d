"""Stored activations of cases and of the reference set."""

from collections.abc import Sequence

import numpy as np
from sqlalchemy import Connection, Table, select

from db.schema import reference_activations, reference_samples, samples
from db.scope import Scope


def blobs(connection: Connection, table: Table, case_ids: Sequence[int], layer_id: int) -> list[bytes]:
    """Activations in a layer, in the order of the ids; table: `case_activations` or `original_activations`.

    Raises LookupError if a case has none.
    """
    query = select(table.c.case_id, table.c.data).where(
        table.c.layer_id == layer_id, table.c.case_id.in_(case_ids)
    )
    found = dict(map(tuple, connection.execute(query)))
    if lacking := sorted(set(case_ids) - found.keys()):
        raise LookupError(
            f"case {lacking[0]} has no row in {table.name} for layer {layer_id}: restore a backup, or delete "
            "its batch with `xpixels runs delete`"
        )
    return [found[case_id] for case_id in case_ids]


def reference_ids(connection: Connection, scope: Scope) -> np.ndarray:
    """The reference samples (M,) of a network on a data set, in the order of the training split."""
    query = (
        select(reference_samples.c.id)
        .join(samples, samples.c.id == reference_samples.c.sample_id)
        .where(scope.of(reference_samples))
        .order_by(samples.c.position)
    )
    return np.array(connection.execute(query).scalars().all(), np.int64)


def reference_blobs(connection: Connection, scope: Scope, layer_id: int) -> list[bytes]:
    """The activations of the reference set in a layer, in the order of `reference_ids`."""
    query = (
        select(reference_activations.c.data)
        .join(reference_samples, reference_samples.c.id == reference_activations.c.reference_sample_id)
        .join(samples, samples.c.id == reference_samples.c.sample_id)
        .where(scope.of(reference_samples), reference_activations.c.layer_id == layer_id)
        .order_by(samples.c.position)
    )
    return list(connection.execute(query).scalars())
