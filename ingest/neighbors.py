"""The stage `neighbors`: the nearest reference samples of cases and of their originals (paper, 4.2).

Vectors are what earlier stages stored; only the reference set's conv maps, too large for that, are computed
anew from its images. So a layer or a metric can be added at any time, and what is there is not done again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection, Engine, Table

from db import write
from db.engine import writing
from db.read import batches, originals
from db.read.batches import LayerRow
from db.read.images import image_files, reference_image_ids
from db.schema import case_activations, neighbors, original_activations, original_neighbors
from ingest import rows
from ingest.runs import stage
from model import tuning
from model.cnn import Network, activate
from model.data import decode_png
from model.layers import COMPOSED, SCALED
from model.neighbors import nearest, nearest_in_blocks
from model.progress import progress

K_MAX = tuning.K_MAX
CHUNK = 1024  # inputs searched, and written, together
IMAGES = 500  # of the reference set whose conv maps are computed together


class Space(NamedTuple):
    """Where distances are taken: a layer, or several side by side."""

    layer: LayerRow
    parts: tuple[LayerRow, ...]

    @property
    def streamed(self) -> bool:
        """Whether the reference set's vectors are not stored."""
        return self.layer.kind == "conv"


class Reference(NamedTuple):
    """The reference set in a space."""

    vectors: np.ndarray  # (M, D) float32
    scales: np.ndarray  # (P,) float32, what each part was divided by


class Inputs(NamedTuple):
    """What is searched for: cases, or their originals."""

    neighbors: Table
    activations: Table
    lacking: Callable[[Connection, int, int, str], list[int]]


CASES = Inputs(neighbors, case_activations, batches.cases_without_neighbors)
ORIGINALS = Inputs(original_neighbors, original_activations, originals.originals_without_neighbors)


def spaces(layers: Sequence[LayerRow]) -> list[Space]:
    """A space for every compared layer, from the input to the output."""
    single = tuple(row for row in layers if row.compared and row.kind in ("flatten", "dense"))
    return [Space(row, single if row.kind == COMPOSED else (row,)) for row in layers if row.compared]


def reference_vectors(connection: Connection, network_id: int, space: Space) -> Reference:
    """The stored reference set in a space, in the order of `batches.reference_ids`."""
    parts = [
        rows.activation_vectors(batches.reference_blobs(connection, network_id, part.id))
        for part in space.parts
    ]
    scales = np.ones(len(parts), np.float32)
    if space.layer.name == SCALED:
        scales = np.array([np.sqrt(np.square(part, dtype=float).sum(1).mean()) for part in parts], np.float32)
    return Reference(
        np.concatenate([part / scale for part, scale in zip(parts, scales, strict=True)], 1), scales
    )


def input_vectors(
    connection: Connection, activations: Table, case_ids: Sequence[int], space: Space, scales: np.ndarray
) -> np.ndarray:
    """Stored activations (N, D) float32 of cases or originals, as the reference set's are."""
    encoding = "zlib" if space.streamed else "raw"
    parts = [
        rows.activation_vectors(batches.blobs(connection, activations, case_ids, part.id), encoding)
        for part in space.parts
    ]
    return np.concatenate([part / scale for part, scale in zip(parts, scales, strict=True)], 1)


def find_neighbors(
    engine: Engine, network_id: int, metrics: Sequence[str], network: Network | None = None
) -> None:
    """Find and write the neighbours that cases and originals lack, in every compared layer and metric.

    network: needed for conv layers alone; without it, they are left as they are.
    """
    with engine.connect() as connection:
        every = spaces(batches.layer_rows(connection, network_id))
        lacking = {
            (space.layer.id, metric): [
                (inputs, inputs.lacking(connection, network_id, space.layer.id, metric))
                for inputs in (CASES, ORIGINALS)
            ]
            for space in every
            for metric in metrics
        }
    left = [space for space in every if space.streamed and network is None]
    wanted = [
        space
        for space in every
        if space not in left and any(ids for m in metrics for _, ids in lacking[space.layer.id, m])
    ]
    if any(ids for space in left for metric in metrics for _, ids in lacking[space.layer.id, metric]):
        names = ", ".join(space.layer.name for space in left)
        print(f"neighbours in {names} take the network: run `xpixels ingest`", file=sys.stderr)
    if not wanted:
        return
    total = sum(len(ids) for s in wanted for m in metrics for _, ids in lacking[s.layer.id, m])
    parameters = {"metrics": list(metrics), "layers": [space.layer.name for space in wanted], "k": K_MAX}
    with (
        stage(engine, "neighbors", network_id, parameters) as run_id,
        progress("neighbours", total, "searches") as shown,
    ):
        done = 0
        for space in wanted:
            search, scales, ids = _searcher(engine, network_id, space, network)
            for metric in metrics:
                for inputs, lacks in lacking[space.layer.id, metric]:
                    for first in range(0, len(lacks), CHUNK):
                        chunk = lacks[first : first + CHUNK]
                        with engine.connect() as connection:
                            queries = input_vectors(connection, inputs.activations, chunk, space, scales)
                        distances, indices = search(queries, K_MAX, metric)  # while others may write
                        found = rows.neighbor_rows(chunk, space.layer.id, metric, ids, distances, indices)
                        with writing(engine) as connection:
                            write.add_neighbors(connection, inputs.neighbors, found, run_id)
                        done += len(chunk)
                        shown.to(done, f"{space.layer.name}, {metric}")


def _searcher(
    engine: Engine, network_id: int, space: Space, network: Network | None
) -> tuple[Callable, np.ndarray, np.ndarray]:
    """(queries, k, metric) -> distances and indices; the scales; the ids that indices are into."""
    with engine.connect() as connection:
        ids = batches.reference_ids(connection, network_id)
        if len(ids) < K_MAX:
            raise ValueError(
                f"the reference set has {len(ids)} images, fewer than the {K_MAX} neighbours wanted"
            )
        if space.streamed:
            images = reference_image_ids(connection, network_id)
            blocks = partial(_conv_maps, engine, images, network, space.layer.name)
            return (lambda queries, k, metric: nearest_in_blocks(queries, blocks, k, metric)), np.ones(1), ids
        reference = reference_vectors(connection, network_id, space)
    return (lambda queries, k, metric: nearest(queries, reference.vectors, k, metric)), reference.scales, ids


def _conv_maps(
    engine: Engine, image_ids: Sequence[int], network: Network, layer: str
) -> Iterator[np.ndarray]:
    """The reference set's maps (m, D) of a conv layer, block by block, rounded as stored ones are."""
    for first in range(0, len(image_ids), IMAGES):
        with engine.connect() as connection:
            files = image_files(connection, image_ids[first : first + IMAGES])
        pictures = np.stack([decode_png(png) for png in files])
        (outputs,) = activate(network, pictures, (layer,), batch_size=IMAGES)
        yield outputs[layer].reshape(len(pictures), -1).astype(rows.STORED).astype(np.float32)
