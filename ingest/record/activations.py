"""Activations: of cases, of their originals, and of the reference set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, Table

from db import write
from ingest import rows

Activations = Mapping[int, Sequence[Mapping[str, Any]]]  # by layer id, one for each input in order


def encode_activations(outputs: Mapping[str, np.ndarray], layer_ids: Mapping[str, int]) -> Activations:
    """Encode outputs (N, ...) of layers by name for the database: float16, conv maps compressed.

    This is slow: best done before a transaction begins.
    layer_ids: of the layers to be written, in the order of writing.
    """
    return {id_: list(map(rows.encode_activation, outputs[name])) for name, id_ in layer_ids.items()}


def write_activations(
    connection: Connection, table: Table, owners: Sequence[Mapping[str, Any]], activations: Activations
) -> None:
    """Write the missing activations of N inputs, layer by layer.

    table: `case_activations`, `original_activations` or `reference_activations`.
    owners: for each input, the columns that identify the owner of its activations.
    """
    columns = [name for name in ("shape", "encoding", "data") if name in table.c]
    for layer_id, blobs in activations.items():
        new = [
            {**owner, "layer_id": layer_id, **{name: blob[name] for name in columns}}
            for owner, blob in zip(owners, blobs, strict=True)
        ]
        write.insert_missing(connection, table, new)
