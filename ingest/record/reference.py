"""The reference set of a network on a data set, with activations, and the near-duplicates of its images."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from db import write
from db.schema import near_duplicate_pairs, reference_activations, reference_samples
from db.scope import Scope
from ingest.record.activations import Activations, write_activations
from model.detectors.duplicates import Likeness


def write_reference_samples(
    connection: Connection, scope: Scope, run_id: int, sample_ids: Sequence[int], activations: Activations
) -> None:
    """Write N samples as part of the reference set, with their activations, where they are missing.

    activations: as of `encode_activations`; none of these is compressed.
    """
    keys = [(*scope, sample_id) for sample_id in sample_ids]
    new = [{**scope._asdict(), "sample_id": sample_id, "run_id": run_id} for sample_id in sample_ids]
    write.insert_missing(connection, reference_samples, new)
    ids = write.ids_by_key(connection, reference_samples, (*Scope._fields, "sample_id"), keys)
    owners = [{"reference_sample_id": id_} for id_ in ids]
    write_activations(connection, reference_activations, owners, activations)


def write_near_duplicates(
    connection: Connection,
    scope: Scope,
    run_id: int,
    first: Sequence[int],
    second: Sequence[int],
    likeness: Likeness,
) -> None:
    """Write pairs of samples that look alike, by the ids of both, with their distances (N,)."""
    pairs = zip(first, second, likeness.activation, likeness.pixels, strict=True)
    new = [
        {
            **scope._asdict(),
            "sample_id": int(sample_id),
            "other_sample_id": int(other_id),
            "activation_distance": float(activation),
            "pixel_distance": float(pixels),
            "run_id": run_id,
        }
        for sample_id, other_id, activation, pixels in pairs
    ]
    write.insert_missing(connection, near_duplicate_pairs, new)
