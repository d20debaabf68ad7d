"""Judge new images by the tuned detectors of a database.

Axis letters: N images, H rows, W columns, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from db.read.for_ingest.detectors import KnownNetwork, TunedDetector
from db.reasons import ScoreFacts, score_reason
from ingest import decide, rows
from ingest.check import verdict as verdicts
from ingest.check.reference_set import ReferenceSet, single_layers
from ingest.check.tuned import needs_repairs
from ingest.check.verdict import Finding, Verdict
from ingest.stages.repair import TOGETHER
from model.attacks.step import Function, most_stored
from model.detectors import votes
from model.detectors.registry import DETECTORS, Evidence
from model.detectors.repair import Repair, repair_stream
from model.detectors.repair_screen import screened_stream, usual_stream
from model.network.architecture import POOLED
from model.network.checkpoint import Checkpoint
from model.network.cnn import activate
from model.network.incremental_pass import fastest

BATCH = 64  # images of one forward pass


class Judged(NamedTuple):
    """The results for N images."""

    verdicts: list[Verdict]
    repair: Repair | None  # the sweep as an ingest makes it, or the whole one, if it was made


@dataclass(frozen=True)
class Checker:
    """A network with its tuned detectors, ready to judge images."""

    network: KnownNetwork
    checkpoint: Checkpoint
    detectors: Sequence[TunedDetector]  # that judge the images
    reference: ReferenceSet | None  # None only where no detector counts neighbors
    metric: str
    rule: str
    counting: Sequence[str] | None = None  # the detectors that make the verdict; None: `counts_by_default`
    all_pixels: bool = False  # the whole repair sweep
    kept: bool = False  # at least the sweep that an ingest makes, to keep it
    few: bool = False  # whether so few images will come that compiling the incremental pass does not pay
    sweeps: bool = False  # whether to run the sweep even if no detector needs it, to keep it

    @cached_property
    def function(self) -> Function:
        """The network in the form that the repair sweep evaluates."""
        few = self.few and not (self.all_pixels or self.kept)
        return fastest(self.checkpoint.network, form="full" if few else "auto")[0]

    def judge(self, images: np.ndarray) -> Judged:
        """Judge images (N, H, W, C) uint8, N >= 1; the result of an image does not depend on the others."""
        outputs = self._activations(images)
        logits = outputs[self.checkpoint.network.architecture.logits]
        shares, predicted = rows.probabilities(logits), logits.argmax(1)
        repair = None
        if self.sweeps or any(map(needs_repairs, self.detectors)):
            repair = _whole([found for _, found in self._repaired(images)])
        columns = []
        labels = self._neighbor_labels(self.reference, outputs) if self.reference else {}
        for detector in self.detectors:
            if detector.kind == "neighbors":
                columns.append(self._votes(detector, labels[detector.name], predicted))
            else:
                columns.append(self._score(detector, logits, repair))
        names = self.network.class_names
        found = [
            Verdict(names[one], float(shares[i, one]), tuple(column[i] for column in columns))
            for i, one in enumerate(predicted.tolist())
        ]
        return Judged(found, repair if self.all_pixels or self.kept else None)

    def _activations(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Activations (N, ...) by layer, the logits among them.

        Batches have one fixed size, so that the result of an image does not depend on how many there are.
        """
        last = self.checkpoint.network.architecture.logits
        names = tuple(dict.fromkeys((*(self.reference.outputs if self.reference else ()), last)))
        found = list(activate(self.checkpoint.network, images, names, batch_size=BATCH))
        return {name: np.concatenate([part[name] for part in found]) for name in names}

    def _neighbor_labels(
        self, reference: ReferenceSet, outputs: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Labels (N, k or more) of the neighbors by detector; detectors of the same space share a search."""
        searches = {one.name: one.search() for one in self.detectors if one.kind == "neighbors"}
        single = single_layers(reference)
        depths: dict[tuple[str, str], int] = {}
        for whole, members, k in searches.values():
            pooled = whole == POOLED
            for layer in single if pooled else [whole]:
                depth = -(-k // len(single)) if pooled else k
                key = (layer, members)
                depths[key] = max(depth, depths.get(key, 0))
        labels = {
            key: reference.nearest_labels(*key, outputs, depth, self.metric) for key, depth in depths.items()
        }
        return {
            name: votes.taken_in_turn(
                [labels[layer, members][:, : -(-k // len(single))] for layer in single],
                k,
            )
            if whole == POOLED
            else labels[whole, members]
            for name, (whole, members, k) in searches.items()
        }

    def _votes(self, tuned: TunedDetector, labels: np.ndarray, predicted: np.ndarray) -> list[Finding]:
        at = {"k": tuned.search()[2], "threshold": int(tuned.threshold)}
        names = self.network.class_names
        decided = decide.decide_votes(labels, predicted, rule=self.rule, **at, classes=len(names))
        reasons = [
            verdicts.neighbors_reason(self.rule, **at, count=count, predicted=names[one])
            for count, one in zip(decided.scores.tolist(), predicted.tolist(), strict=True)
        ]
        return self._findings(tuned, decided, reasons)

    def _score(self, tuned: TunedDetector, logits: np.ndarray, repair: Repair | None) -> list[Finding]:
        """The findings of a detector without neighbors for N images with logits (N, K) and repair sweeps."""
        names, detector = self.network.class_names, DETECTORS[tuned.name]
        evidence = Evidence(logits)
        places: list[tuple[int | None, int | None]] = [(None, None)] * len(logits)
        if detector.repairs and repair is not None:
            evidence = Evidence(logits, repair.scores, repair.recovered)
            places = [(row, column) for row, column in repair.positions.tolist()]
        found = detector.score(evidence)
        decided = decide.decide_scores(found.scores, found.named, tuned.threshold)
        columns = (found.scores.tolist(), logits.argmax(1).tolist(), found.named.tolist(), places)
        reasons = [
            score_reason(
                tuned.name, ScoreFacts(score, tuned.threshold, names[predicted], names[other], *place)
            )
            for score, predicted, other, place in zip(*columns, strict=True)
        ]
        return [
            replace(one, row=row, column=column) if one.alarm else one
            for one, (row, column) in zip(self._findings(tuned, decided, reasons), places, strict=True)
        ]

    def _repaired(self, images: np.ndarray) -> Iterator[tuple[np.ndarray, Repair]]:
        together = most_stored(self.function, images.shape[1:], TOGETHER)
        if self.all_pixels:
            return repair_stream(self.function, images, together=together)
        if self.kept:
            return usual_stream(self.function, images, together=together)
        return screened_stream(self.function, images)

    def _findings(
        self, tuned: TunedDetector, decided: decide.Decided, reasons: Sequence[str]
    ) -> list[Finding]:
        counts = counts_by_default(tuned) if self.counting is None else tuned.name in self.counting
        names = self.network.class_names
        setting = (self.metric, self.rule) if tuned.kind == "neighbors" else (None, None)
        return [
            Finding(
                tuned,
                float(score),
                counts,
                reason,
                alarm,
                None if recovered < 0 else names[recovered],
                *setting,
            )
            for score, alarm, recovered, reason in zip(
                decided.scores.tolist(),
                decided.alarms.tolist(),
                decided.recovered.tolist(),
                reasons,
                strict=True,
            )
        ]


def counts_by_default(detector: TunedDetector) -> bool:
    """Whether a detector counts without --detector: if pages show its alarms, and it is no baseline."""
    return detector.decides and detector.kind != "baseline"


def _whole(parts: Sequence[Repair]) -> Repair:
    return Repair(*(np.concatenate(field) for field in zip(*parts, strict=True)))
