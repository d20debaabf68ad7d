"""The stage `neighbors`: the nearest reference samples of cases and of their originals (paper, 4.2).

Earlier stages stored the vectors (`ingest.spaces`). So a layer or a metric can be added at any time, and
existing neighbors are not searched again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np
from sqlalchemy import Connection, Engine, Table

from db import write
from db.engine import writing
from db.read.for_ingest import batches, originals, stored_activations
from db.read.for_ingest.images import reference_image_ids
from db.schema import case_activations, neighbors, original_activations, original_neighbors
from db.scope import Scope
from ingest import rows
from ingest.runs import stage
from ingest.spaces import conv_maps, input_vectors, reference_vectors, spaces
from ingest.task import Done, Task
from model.detectors import tuning
from model.detectors.neighbors import nearest, nearest_in_blocks
from model.network.cnn import Network
from model.progress import progress

K_MAX = tuning.K_MAX
CHUNK = 1024  # inputs searched, and written, together
SHARED = 128  # inputs in a worker's chunk


class Inputs(NamedTuple):
    """The inputs whose neighbors are searched: cases, or their originals."""

    neighbors: Table
    activations: Table
    lacking: Callable[[Connection, Scope, int, str], list[int]]


CASES = Inputs(neighbors, case_activations, batches.cases_without_neighbors)
ORIGINALS = Inputs(original_neighbors, original_activations, originals.originals_without_neighbors)
INPUTS = {"cases": CASES, "originals": ORIGINALS}


def find_neighbors(
    engine: Engine,
    scope: Scope,
    metrics: Sequence[str],
    network: Network | None = None,
    *,
    share: Callable[..., Iterator[Done]] | None = None,
) -> None:
    """Find and write the neighbors that cases and originals lack, in every compared layer and metric.

    network: needed only for conv layers; without it, they are left as they are.
    share: (run id, ids of cases, layer=, metric=, inputs=) -> reports; by default this process does the work.
    """
    with engine.connect() as connection:
        every = spaces(batches.layer_rows(connection, scope.network_id))
        lacking = {
            (space.layer.id, metric): [
                (name, inputs.lacking(connection, scope, space.layer.id, metric))
                for name, inputs in INPUTS.items()
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
        print(f"neighbors in {names} take the network: run `xpixels ingest`", file=sys.stderr)
    if not wanted:
        return
    total = sum(len(ids) for s in wanted for m in metrics for _, ids in lacking[s.layer.id, m])
    parameters = {"metrics": list(metrics), "layers": [space.layer.name for space in wanted], "k": K_MAX}
    with (
        stage(engine, "neighbors", scope, parameters) as run_id,
        progress("neighbors", total, "searches") as bar,
    ):
        share = share or Searcher(engine, scope, network).search
        for space in wanted:
            for metric in metrics:
                for inputs, ids in lacking[space.layer.id, metric]:
                    how = {"layer": space.layer.name, "metric": metric, "inputs": inputs}
                    for done in share(run_id, ids, **how):
                        bar.to(bar.done + done.items, f"{space.layer.name}, {metric}")


def share_searches(task: Task) -> Callable[..., Iterator[Done]]:
    """The `share` of `find_neighbors` for a search by the crew of a task."""

    maps = set(task.checkpoint.network.architecture.viewed)

    def share(run_id: int, ids: Sequence[int], *, layer: str, **how: str) -> Iterator[Done]:
        size = CHUNK if layer in maps else SHARED  # each chunk recomputes a conv layer's reference set
        return task.crew.share("neighbors", task, run_id, ids, size, layer=layer, **how)

    return share


def search_neighbors(
    task: Task, run_id: int, items: list[int], *, layer: str, metric: str, inputs: str
) -> Iterator[Done]:
    """Search for cases, or originals, by id, in one layer; the next chunk reuses the reference set."""
    new = Searcher(task.engine, task.scope, task.checkpoint.network)
    yield from task.kept.setdefault("searcher", new).search(
        run_id, items, layer=layer, metric=metric, inputs=inputs
    )


# Queries (n, D), k and a metric -> distances and indices (n, k) into the loaded reference set.
Nearest = Callable[[np.ndarray, int, str], tuple[np.ndarray, np.ndarray]]


class Searcher:
    """Searches the reference set, which is loaded for a layer at its first search."""

    def __init__(self, engine: Engine, scope: Scope, network: Network | None) -> None:
        """network: needed only for conv layers."""
        self.engine, self.scope, self.network = engine, scope, network
        self.nearest: Nearest | None = None
        self.layer: str | None = None  # the one whose reference set is loaded

    def search(
        self, run_id: int, items: Sequence[int], *, layer: str, metric: str, inputs: str
    ) -> Iterator[Done]:
        """Find and write the neighbors of cases or originals, by id, one transaction per chunk."""
        if layer != self.layer:
            self._load(layer)
        tables = INPUTS[inputs]
        for first in range(0, len(items), CHUNK):
            chunk = items[first : first + CHUNK]
            with self.engine.connect() as connection:
                queries = input_vectors(connection, tables.activations, chunk, self.space, self.scales)
            distances, indices = cast(Nearest, self.nearest)(queries, K_MAX, metric)  # while others may write
            found = rows.make_neighbor_rows(chunk, self.space.layer.id, metric, self.ids, distances, indices)
            with writing(self.engine) as connection:
                write.add_neighbors(connection, tables.neighbors, found, run_id)
            yield Done(len(chunk))

    def _load(self, layer: str) -> None:
        with self.engine.connect() as connection:
            every = spaces(batches.layer_rows(connection, self.scope.network_id))
            (space,) = (space for space in every if space.layer.name == layer)
            ids = stored_activations.reference_ids(connection, self.scope)
            if len(ids) < K_MAX:
                raise ValueError(
                    f"the reference set has {len(ids)} images, fewer than the {K_MAX} neighbors wanted"
                )
            if space.streamed:
                images = reference_image_ids(connection, self.scope)
                network = cast(Network, self.network)  # given where there are conv layers
                blocks = partial(conv_maps, self.engine, images, network, layer)
                self.scales, self.nearest = np.ones(1), partial(_streamed, blocks)
            else:
                self.nearest = None  # one reference set in memory at a time
                reference = reference_vectors(connection, self.scope, space)
                self.scales, self.nearest = reference.scales, partial(_stored, reference.vectors)
        self.layer, self.space, self.ids = layer, space, ids


def _stored(vectors: np.ndarray, queries: np.ndarray, k: int, metric: str) -> tuple[np.ndarray, np.ndarray]:
    return nearest(queries, vectors, k, metric)


def _streamed(
    blocks: Callable[..., Any], queries: np.ndarray, k: int, metric: str
) -> tuple[np.ndarray, np.ndarray]:
    return nearest_in_blocks(queries, blocks, k, metric)
