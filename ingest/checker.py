"""New images, judged by the detectors that a database has tuned.

Axis letters: N images, H rows, W columns, D dimensions of a layer, M reference samples, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from sqlalchemy import Connection

from db.read import batches, evaluated
from db.read.detectors import (
    KnownNetwork,
    TunedLayer,
    TunedScore,
    tuned_layers,
    tuned_scores,
)
from ingest import decide, rows, verdicts
from ingest.verdicts import Finding, Verdict
from model import baselines
from model.attack_step import Function
from model.checkpoint import Checkpoint
from model.cnn import activate
from model.incremental import fastest
from model.layers import COMPOSED
from model.neighbors import nearest
from model.repair import Repair, repair_stream
from model.screen import screened_stream

OTHERS = ("repair", baselines.CONFIDENCE, baselines.MARGIN)  # besides the layers of the k-NN defence
BATCH = 64  # images of one forward pass


@dataclass(frozen=True)
class Reference:
    """The reference set, in the layers that are needed."""

    labels: np.ndarray  # (M,) int
    vectors: np.ndarray  # (M, D) float32, single layers side by side
    places: dict[str, slice]  # by layer: its part of D

    def within(self, layer: str, joined: np.ndarray) -> np.ndarray:
        """A layer's part of vectors (N, D) of this form; `composed`: all of them."""
        return joined if layer == COMPOSED else joined[:, self.places[layer]]


@dataclass(frozen=True)
class Tuned:
    """The detectors that are asked, and those that would be but were not tuned."""

    layers: list[TunedLayer]
    scores: list[TunedScore]
    missing: list[str]


def tuned(
    connection: Connection, network_id: int, metric: str, rule: str, chosen: Sequence[str] | None
) -> Tuned:
    """The detectors of a network; chosen: their names, None for all.

    Raises LookupError for a name that the network has no detector of.
    """
    every = batches.layer_rows(connection, network_id)
    able = [
        row.name
        for row in every
        if row.compared and (row.kind in ("flatten", "dense") or row.name == COMPOSED)
    ]
    for name in chosen or ():
        if name not in (*able, *OTHERS):
            raise LookupError(f"--detector {name}: expected one of {', '.join((*able, *OTHERS))}")
    wanted = chosen or (*able, *OTHERS)
    layers = [
        row
        for row in tuned_layers(connection, network_id, metric, rule)
        if row.name in able and row.name in wanted
    ]
    scores = [
        row for row in tuned_scores(connection, network_id) if row.name in OTHERS and row.name in wanted
    ]
    found = {row.name for row in (*layers, *scores)}
    return Tuned(layers, scores, [name for name in wanted if name not in found])


def load_reference(connection: Connection, network_id: int, wanted: Sequence[str]) -> Reference:
    """The stored reference set in the layers of these names; `composed` takes all single ones."""
    parts = [
        row
        for row in batches.layer_rows(connection, network_id)
        if row.compared and row.kind in ("flatten", "dense") and (COMPOSED in wanted or row.name in wanted)
    ]
    (_, labels), places, first = evaluated.reference_labels(connection, network_id), {}, 0
    blobs = {part.name: b"".join(batches.reference_blobs(connection, network_id, part.id)) for part in parts}
    sizes = {
        name: len(blob) // np.dtype(rows.STORED).itemsize // max(1, len(labels))
        for name, blob in blobs.items()
    }
    joined = np.empty((len(labels), sum(sizes.values())), np.float32)
    for name, size in sizes.items():
        places[name] = slice(first, first + size)
        joined[:, places[name]] = np.frombuffer(blobs.pop(name), rows.STORED).reshape(len(labels), size)
        first += size
    return Reference(labels, joined, places)


@dataclass(frozen=True)
class Checker:
    """A network with its tuned detectors, ready to judge images."""

    network: KnownNetwork
    checkpoint: Checkpoint
    detectors: Tuned
    reference: Reference | None  # None only where no layer is among the detectors
    metric: str
    rule: str
    counting: Sequence[str] | None = None  # the detectors that make the verdict; None: all but the baselines
    all_pixels: bool = False  # the whole repair sweep
    few: bool = False  # whether so few images will come that compiling the incremental pass does not pay

    @cached_property
    def function(self) -> Function:
        """The network as the repair sweep asks it."""
        few = self.few and not self.all_pixels
        return fastest(self.checkpoint.network, form="full" if few else "auto")[0]

    def judge(self, images: np.ndarray) -> list[Verdict]:
        """What is said of images (N, H, W, 3) uint8, N >= 1."""
        logits, vectors = self._activations(images)
        shares, predicted = rows.probabilities(logits), logits.argmax(1)
        columns = [self._layer(layer, vectors, predicted) for layer in self.detectors.layers]
        for score in self.detectors.scores:
            if score.kind == "repair":
                columns.append(self._repair(score, images))
            else:
                columns.append(self._baseline(score, logits, shares))
        names = self.network.class_names
        return [
            Verdict(names[one], float(shares[i, one]), tuple(column[i] for column in columns))
            for i, one in enumerate(predicted.tolist())
        ]

    def _activations(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logits (N, K), and activations (N, D) as the database would store them.

        Always in batches of one size: what an image gives does not depend on how many are beside it.
        """
        wanted = tuple(self.reference.places) if self.reference else ()
        last = self.checkpoint.network.architecture.layers[-1].name
        names = tuple(dict.fromkeys((*wanted, last)))
        found = list(activate(self.checkpoint.network, images, names, batch_size=BATCH))
        joined = {name: np.concatenate([part[name] for part in found]) for name in found[0]}
        vectors = [joined[name].astype(rows.STORED).astype(np.float32) for name in wanted]
        return joined[last], np.concatenate(vectors, 1) if vectors else np.zeros((len(images), 0), np.float32)

    def _layer(self, layer: TunedLayer, vectors: np.ndarray, predicted: np.ndarray) -> list[Finding]:
        reference, names = self.reference, self.network.class_names
        queries, among = (reference.within(layer.name, joined) for joined in (vectors, reference.vectors))
        _, indices = nearest(queries, among, layer.k, self.metric)
        at = {"k": layer.k, "threshold": layer.threshold}
        labels = reference.labels[indices]
        decided = decide.decide_votes(labels, predicted, rule=self.rule, **at, classes=len(names))
        reasons = [
            verdicts.neighbors_reason(self.rule, **at, count=count) for count in decided.scores.tolist()
        ]
        return self._findings(layer.name, "neighbors", decided, layer.threshold, reasons, k=layer.k)

    def _repair(self, tuned: TunedScore, images: np.ndarray) -> list[Finding]:
        names, findings = self.network.class_names, []
        for _, found in self._repaired(images):
            decided = decide.decide_scores(found.scores, found.recovered, tuned.threshold)
            reasons = [
                verdicts.repair_reason(*place, score, tuned.threshold, names[predicted], names[recovered])
                for score, predicted, recovered, place in zip(
                    found.scores.tolist(),
                    found.predicted.tolist(),
                    found.recovered.tolist(),
                    found.positions.tolist(),
                    strict=True,
                )
            ]
            findings += [
                replace(one, row=row, column=column) if one.alarm else one
                for one, (row, column) in zip(
                    self._findings(tuned.name, tuned.kind, decided, tuned.threshold, reasons),
                    found.positions.tolist(),
                    strict=True,
                )
            ]
        return findings

    def _repaired(self, images: np.ndarray) -> Iterator[tuple[np.ndarray, Repair]]:
        if self.all_pixels:
            return repair_stream(self.function, images)
        return screened_stream(self.function, images)

    def _baseline(self, tuned: TunedScore, logits: np.ndarray, shares: np.ndarray) -> list[Finding]:
        names, second = self.network.class_names, baselines.runner_up(logits)
        decided = decide.decide_scores(baselines.scores(logits)[tuned.name].scores, second, tuned.threshold)
        reasons = [
            verdicts.confidence_reason(share, tuned.threshold, names[first])
            if tuned.name == baselines.CONFIDENCE
            else verdicts.lead_reason(-score, tuned.threshold, names[first], names[other])
            for share, score, first, other in zip(
                shares.max(1).tolist(),
                decided.scores.tolist(),
                logits.argmax(1).tolist(),
                second.tolist(),
                strict=True,
            )
        ]
        return self._findings(tuned.name, tuned.kind, decided, tuned.threshold, reasons)

    def _findings(
        self,
        name: str,
        kind: str,
        decided: decide.Decided,
        threshold: float,
        reasons: Sequence[str],
        k: int | None = None,
    ) -> list[Finding]:
        counts = kind != "baseline" if self.counting is None else name in self.counting
        names = self.network.class_names
        return [
            Finding(
                name,
                kind,
                float(score),
                float(threshold),
                counts,
                reason,
                alarm,
                None if recovered < 0 else names[recovered],
                k,
            )
            for score, alarm, recovered, reason in zip(
                decided.scores.tolist(),
                decided.alarms.tolist(),
                decided.recovered.tolist(),
                reasons,
                strict=True,
            )
        ]
