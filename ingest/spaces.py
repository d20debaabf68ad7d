"""Spaces for distances: a layer, or several side by side; and the vectors of reference samples and inputs.

Vectors come from the database, as float16; only the reference set's conv maps are too large to be stored and
are recomputed from its images.

Axis letters: N inputs, M reference samples, D dimensions of a space, P layers side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection, Engine, Table

from db.read.for_ingest import stored_activations
from db.read.for_ingest.batches import LayerRow
from db.read.for_ingest.images import image_files
from db.scope import Scope
from db.vocabulary import REFERENCES, SINGLE_KINDS
from ingest import rows
from model.data.png import decode_png
from model.network.architecture import COMPOSED, SCALED
from model.network.cnn import Network, activate

WHOLE, DISTINCT = REFERENCES
IMAGES = 500  # of the reference set, in one batch of conv maps


class Space(NamedTuple):
    """A space for distances: a layer, or several side by side."""

    layer: LayerRow
    parts: tuple[LayerRow, ...]

    @property
    def streamed(self) -> bool:
        """Whether the reference set's vectors are not stored."""
        return self.layer.kind == "conv"


class Reference(NamedTuple):
    """The reference set in a space."""

    vectors: np.ndarray  # (M, D) float32
    scales: np.ndarray  # (P,) float32, the divisor of each part


def spaces(layers: Sequence[LayerRow]) -> list[Space]:
    """A space for every compared layer, from the input to the output."""
    single = tuple(row for row in layers if row.compared and row.kind in SINGLE_KINDS)
    return [Space(row, single if row.kind == COMPOSED else (row,)) for row in layers if row.compared]


def reference_vectors(connection: Connection, scope: Scope, space: Space) -> Reference:
    """The stored reference set in a space, in the order of `stored_activations.reference_ids`."""
    parts = [reference_part(connection, scope, part) for part in space.parts]
    scales = part_scales(space, parts)
    return Reference(side_by_side(parts, scales), scales)


def reference_part(connection: Connection, scope: Scope, layer: LayerRow) -> np.ndarray:
    """The stored reference set (M, D) float32 in a single layer."""
    return rows.decode_activations(stored_activations.reference_blobs(connection, scope, layer.id))


def part_scales(space: Space, parts: Sequence[np.ndarray]) -> np.ndarray:
    """The divisors (P,) float32 of the parts of a space; parts: of the reference set."""
    if space.layer.name != SCALED:
        return np.ones(len(parts), np.float32)
    return np.array([np.sqrt(np.square(part, dtype=float).sum(1).mean()) for part in parts], np.float32)


def side_by_side(parts: Sequence[np.ndarray], scales: np.ndarray) -> np.ndarray:
    """Divide vectors (N, D) float32 of single layers by their scales and join them to those of the space."""
    if len(parts) == 1 and scales[0] == 1:
        return parts[0]
    return np.concatenate([part / scale for part, scale in zip(parts, scales, strict=True)], 1)


def input_vectors(
    connection: Connection, activations: Table, case_ids: Sequence[int], space: Space, scales: np.ndarray
) -> np.ndarray:
    """Stored activations (N, D) float32 of cases or originals, scaled like the reference set's."""
    encoding = "zlib" if space.streamed else "raw"
    parts = [
        rows.decode_activations(
            stored_activations.blobs(connection, activations, case_ids, part.id), encoding
        )
        for part in space.parts
    ]
    return side_by_side(parts, scales)


def output_vectors(outputs: dict[str, np.ndarray], space: Space, scales: np.ndarray) -> np.ndarray:
    """The same for new outputs of a network, by layer, rounded like stored activations."""
    parts = [stored_vectors(outputs[part.name]) for part in space.parts]
    return side_by_side(parts, scales)


def stored_vectors(activations: np.ndarray) -> np.ndarray:
    """Activations (N, ...) as vectors (N, D) float32, rounded to the values that the database would store."""
    return activations.reshape(len(activations), -1).astype(rows.STORED).astype(np.float32)


def conv_maps(engine: Engine, image_ids: Sequence[int], network: Network, layer: str) -> Iterator[np.ndarray]:
    """The reference set's maps (m, D) of a conv layer, block by block."""
    for first in range(0, len(image_ids), IMAGES):
        with engine.connect() as connection:
            files = image_files(connection, image_ids[first : first + IMAGES])
        pictures = np.stack([decode_png(png) for png in files])
        (outputs,) = activate(network, pictures, (layer,), batch_size=IMAGES)
        yield stored_vectors(outputs[layer])
