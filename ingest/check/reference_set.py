"""The reference set in memory, for searches by new images: in every layer, whole or without some samples.

Single layers are stored once; `composed` and similar layers are joined for each search.

Axis letters: N images, M reference samples, D dimensions, P layers side by side.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
from sqlalchemy import Connection, Engine

from db.read.for_ingest import batches, evaluated
from db.read.for_ingest.images import reference_image_ids
from db.read.for_ingest.likeness import hub_references, near_duplicate_references
from db.scope import Scope
from db.vocabulary import SINGLE_KINDS
from ingest.spaces import (
    DISTINCT,
    Space,
    conv_maps,
    output_vectors,
    part_scales,
    reference_part,
    side_by_side,
    spaces,
)
from model.detectors.neighbors import nearest, nearest_in_blocks
from model.network.architecture import POOLED
from model.network.cnn import Network


@dataclass(frozen=True)
class ReferenceSet:
    """The data for searches. Made by `load_reference`."""

    engine: Engine  # reference images are read during a search in a conv layer
    network: Network
    labels: np.ndarray  # (M,) int
    spaces: dict[str, Space]  # by layer
    parts: dict[str, np.ndarray]  # by single layer: (M, D) float32
    scales: dict[str, np.ndarray]  # by layer: (P,) float32
    members: dict[str, np.ndarray]  # by layer in which only distinct samples are searched: (M,) bool
    images: list[int]  # ids of the reference images, if a conv layer is searched

    @property
    def outputs(self) -> tuple[str, ...]:
        """The layers whose activations of new images a search needs."""
        return tuple(dict.fromkeys(part.name for space in self.spaces.values() for part in space.parts))

    def nearest_labels(
        self, layer: str, reference: str, outputs: dict[str, np.ndarray], k: int, metric: str
    ) -> np.ndarray:
        """Labels (N, k) of the samples nearest to images, whose activations by layer are in `outputs`."""
        space = self.spaces[layer]
        if space.streamed:
            blocks = partial(conv_maps, self.engine, self.images, self.network, layer)
            streamed = nearest_in_blocks(output_vectors(outputs, space, np.ones(1)), blocks, k, metric)[1]
            return cast(np.ndarray, self.labels[streamed])
        parts, labels = [self.parts[part.name] for part in space.parts], self.labels
        if reference == DISTINCT:
            parts = [part[self.members[layer]] for part in parts]
            labels = labels[self.members[layer]]
        scales = self.scales[layer]
        vectors = side_by_side(parts, scales)
        return cast(
            np.ndarray, labels[nearest(output_vectors(outputs, space, scales), vectors, k, metric)[1]]
        )


def load_reference(
    engine: Engine,
    connection: Connection,
    scope: Scope,
    network: Network,
    wanted: Iterable[tuple[str, str]],
    metric: str,
) -> ReferenceSet:
    """Load the reference set for the wanted pairs of a layer and a kind of reference."""
    every = {space.layer.name: space for space in spaces(batches.layer_rows(connection, scope.network_id))}
    single = [name for name, space in every.items() if space.layer.kind in SINGLE_KINDS]
    pairs = {
        (name, reference) for layer, reference in wanted for name in (single if layer == POOLED else [layer])
    }
    chosen = {name: space for name, space in every.items() if name in {layer for layer, _ in pairs}}
    stored = {part for space in chosen.values() if not space.streamed for part in space.parts}
    parts = {part.name: reference_part(connection, scope, part) for part in stored}
    ids, labels = evaluated.reference_labels(connection, scope)
    scales = {
        name: part_scales(space, [parts[part.name] for part in space.parts])
        for name, space in chosen.items()
        if not space.streamed
    }
    members = {}
    if any(reference == DISTINCT for _, reference in pairs):
        duplicates = near_duplicate_references(connection, scope)
        for layer in sorted(layer for layer, reference in pairs if reference == DISTINCT):
            hubs = hub_references(connection, scope, chosen[layer].layer.id, metric)
            members[layer] = ~np.isin(ids, list(duplicates | hubs))
    streamed = any(space.streamed for space in chosen.values())
    images = reference_image_ids(connection, scope) if streamed else []
    return ReferenceSet(engine, network, labels, chosen, parts, scales, members, images)


def single_layers(reference: ReferenceSet) -> list[str]:
    """The single layers among those that are searched, from the input to the output."""
    return [name for name, space in reference.spaces.items() if space.layer.kind in SINGLE_KINDS]
