"""The stage `evaluation`: evaluate every detector, baselines included, on the same cases and their originals.

A detector is data: a layer, a metric, a rule, a reference set; or the repair sweep; or the network's output
alone. A detector that was evaluated on the same cases before is left as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from sqlalchemy import Engine

from db import facets, vocabulary, write
from db.engine import writing
from db.read.detector_page.paper import paper_ks_of
from db.read.for_ingest import batches, evaluated
from db.read.for_ingest.likeness import hub_references, near_duplicate_references
from db.schema import detectors, neighbors, original_neighbors
from db.scope import Scope
from db.vocabulary import METRIC, RULE
from ingest.kept_cases import kept_rows
from ingest.runs import stage
from ingest.spaces import WHOLE, Space, input_vectors, reference_vectors, spaces
from ingest.stages import evaluation_rows
from ingest.stages.evaluation_rows import Judged, Scored
from ingest.stages.neighbors import CASES, ORIGINALS
from model.detectors import tuning, votes
from model.detectors.neighbors import nearest
from model.detectors.registry import DETECTORS, Evidence, Originals
from model.network.architecture import POOLED
from model.progress import progress

PAPER_SETTING = (METRIC, RULE, WHOLE)  # the setting that the paper's k belong to


@dataclass(frozen=True)
class Detector:
    """A detector, with the columns of its row."""

    name: str
    kind: str
    layer: str | None = None
    metric: str | None = None
    rule: str | None = None
    reference: str | None = None

    def row(self) -> dict[str, Any]:
        """The columns besides network, data set and name."""
        return {name: getattr(self, name) for name in ("kind", "layer", "metric", "rule", "reference")}


def knn_detector(layer: str, metric: str, rule: str, reference: str) -> Detector:
    """The k-NN defense of a layer."""
    name = f"{layer} {metric} {rule}" + (f" {reference}" if reference != WHOLE else "")
    return Detector(name, "neighbors", layer, metric, rule, reference)


@dataclass
class _Known:
    """The data of a network on a data set that its evaluation needs."""

    engine: Engine
    scope: Scope
    cases: evaluated.EvaluatedCases
    originals: evaluated.Originals
    spaces: list[Space]
    reference_ids: np.ndarray  # (M,)
    reference_labels: np.ndarray  # (M,)
    paper_ks: Mapping[str, int]  # by layer; empty unless it is the paper's network
    lists: dict[tuple[str, str, str], tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    @property
    def paired(self) -> bool:
        """Whether every adversarial case has its original."""
        return np.array_equal(self.originals.case_ids, self.cases.ids[self.cases.adversarial])

    @property
    def single(self) -> list[Space]:
        """The single layers that are compared."""
        return [space for space in self.spaces if space.layer.kind in vocabulary.SINGLE_KINDS]


def evaluate_detectors(
    engine: Engine,
    scope: Scope,
    metrics: Sequence[str],
    rules: Collection[str],
    references: Sequence[str] = (WHOLE,),
    *,
    again: bool = False,
) -> bool:
    """Evaluate the detectors not yet evaluated on these cases; returns whether there is anything to tune by.

    again: evaluate all detectors, also those already evaluated on these cases.

    references: `all`, the stored neighbors; `distinct`, a new search without near-duplicates and hubs.
    """
    known = _read(engine, scope)
    tuned = known.cases.adversarial[known.cases.partitions == "tuning"]
    if len(set(tuned.tolist())) < 2:
        return False
    with engine.connect() as connection:
        before = evaluated.evaluated_detectors(connection, scope)
        # kinds of reference set that were evaluated once are kept up to date
        references = list(dict.fromkeys((*references, *evaluated.references(connection, scope))))
        repaired = evaluated.case_repairs(connection, scope)
        decided = evaluated.deciding_detectors(connection, scope)
    facts = {
        "cases": len(known.cases.ids),
        "last": int(known.cases.ids[-1]),
        "repaired": len(repaired.case_ids),
    }
    facts["originals"] = len(known.originals.case_ids)
    done = {name for name, parameters in before.items() if facts.items() <= parameters.items()}
    done -= DETECTORS.keys() - decided
    done = set() if again else done
    wanted = [
        knn_detector(layer, metric, rule, reference)
        for reference in references
        for layer in [*(space.layer.name for space in known.spaces if not space.streamed), POOLED]
        for metric in metrics
        for rule in rules
    ]
    wanted += [
        knn_detector(space.layer.name, metric, rule, WHOLE)
        for space in known.spaces
        if space.streamed
        for metric in metrics
        for rule in rules
    ]
    scored = dict(_scored(known, repaired))
    left = [detector for detector in [*scored, *wanted] if detector.name not in done]
    if not left:
        return True
    parameters = {**facts, "metrics": list(metrics), "rules": list(rules), "references": list(references)}
    with (
        stage(engine, "evaluation", scope, parameters) as run_id,
        progress("evaluation", len(left), "detectors") as bar,
    ):
        for count, detector in enumerate(left, start=1):
            judged: Judged | None
            if detector in scored:
                judged = evaluation_rows.judge_scores(known.cases, scored[detector])
            else:
                judged = _judge_neighbors(known, detector)
            if judged is not None:
                _write(known, run_id, detector, judged, scored.get(detector))
            bar.to(count, detector.name)
    return True


def _read(engine: Engine, scope: Scope) -> _Known:
    with engine.connect() as connection:
        return _Known(
            engine,
            scope,
            evaluated.evaluated_cases(connection, scope),
            evaluated.case_originals(connection, scope),
            spaces(batches.layer_rows(connection, scope.network_id)),
            *evaluated.reference_labels(connection, scope),
            paper_ks_of(connection, scope),
        )


def _scored(known: _Known, repairs: evaluated.Repairs) -> Iterator[tuple[Detector, Scored]]:
    """The detectors without neighbors that can be evaluated on these cases, and their scores."""
    cases, attacked = known.cases, known.cases.adversarial
    swept = np.array_equal(repairs.case_ids, cases.ids)
    evidence, before = Evidence(cases.logits), None
    if swept:
        evidence = Evidence(cases.logits, repairs.scores, repairs.recovered)
        before = repairs.original_scores[attacked]
        before = None if np.isnan(before).any() else before
    originals = Originals(known.originals.confidence, known.originals.margin, before)

    def spread(values: np.ndarray | None) -> np.ndarray:
        if values is None:
            return np.zeros(0)
        whole = np.full(len(cases.ids), np.nan)
        whole[attacked] = values
        return whole

    for detector in DETECTORS.values():
        if detector.repairs and not swept:
            continue
        found = detector.score(evidence)
        known_before = known.paired or detector.repairs  # repairs are of the same images
        scores = spread(detector.score_originals(originals) if known_before else None)
        located = repairs.located if detector.repairs else None
        row = Detector(detector.name, vocabulary.DETECTORS[detector.name].kind)
        yield row, Scored(found.scores, scores, found.named, located, found.noise)


def _judge_neighbors(known: _Known, detector: Detector) -> Judged | None:
    """Judge a detector of the k-NN defense; None if a case has no neighbors yet."""
    # `knn_detector` sets all four
    layer, reference = cast(str, detector.layer), cast(str, detector.reference)
    metric, rule = cast(str, detector.metric), cast(str, detector.rule)
    lists = _labels(known, layer, metric, reference)
    if lists is None:
        return None
    setting = (metric, rule, reference)
    return evaluation_rows.judge_neighbors(
        known.cases,
        *lists,
        known.originals.predicted,
        rule,
        paper_k=known.paper_ks.get(layer) if setting == PAPER_SETTING else None,
        with_points=reference != WHOLE or layer == POOLED,
    )


def _labels(known: _Known, layer: str, metric: str, reference: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Labels (N, k) and (A, k) of the neighbors of cases and originals, nearest first; (0, k): not known."""
    key = (layer, metric, reference)
    if key not in known.lists:
        if layer == POOLED:
            parts = [_labels(known, space.layer.name, metric, reference) for space in known.single]
            there = [part for part in parts if part is not None]
            if len(there) < len(parts):
                return None
            of_cases, of_originals = zip(*there, strict=True)
            known.lists[key] = (
                votes.taken_in_turn(of_cases, tuning.K_MAX),
                votes.taken_in_turn(of_originals, tuning.K_MAX),
            )
        else:
            space = next(space for space in known.spaces if space.layer.name == layer)
            found = _stored(known, space, metric) if reference == WHOLE else _searched(known, space, metric)
            if found is None:
                return None
            known.lists[key] = found
    return known.lists[key]


def _stored(known: _Known, space: Space, metric: str) -> tuple[np.ndarray, np.ndarray] | None:
    with known.engine.connect() as connection:
        ids, near = evaluated.neighbor_ids(connection, neighbors, known.scope, space.layer.id, metric)
        before, near_before = evaluated.neighbor_ids(
            connection, original_neighbors, known.scope, space.layer.id, metric
        )
    if not np.array_equal(ids, known.cases.ids):
        return None
    if not np.array_equal(before, known.originals.case_ids) or not known.paired:
        near_before = near_before[:0]
    order = np.argsort(known.reference_ids)
    places = (np.searchsorted(known.reference_ids, part, sorter=order) for part in (near, near_before))
    found = tuple(known.reference_labels[order[place]] for place in places)
    return found[0], found[1].reshape(-1, found[0].shape[1])


def _searched(known: _Known, space: Space, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """The same by a new search without near-duplicates and hubs, among fewer reference samples."""
    cases = known.cases.ids.tolist()
    before = known.originals.case_ids.tolist() if known.paired else []
    with known.engine.connect() as connection:
        excluded = near_duplicate_references(connection, known.scope)
        excluded |= hub_references(connection, known.scope, space.layer.id, metric)
        included = ~np.isin(known.reference_ids, list(excluded))
        reference = reference_vectors(connection, known.scope, space)
        queries = [
            input_vectors(connection, inputs.activations, ids, space, reference.scales)
            for inputs, ids in ((CASES, cases), (ORIGINALS, before))
            if ids
        ]
    _, indices = nearest(np.concatenate(queries), reference.vectors[included], tuning.K_MAX, metric)
    labels = known.reference_labels[included][indices]
    return labels[: len(cases)], labels[len(cases) :]


def _write(known: _Known, run_id: int, detector: Detector, judged: Judged, scored: Scored | None) -> None:
    """Write an evaluation; `scored`: of a detector without neighbors, whose decisions are written, too."""
    with writing(known.engine) as connection:
        key = {**known.scope._asdict(), "name": detector.name}
        detector_id = write.ensure(connection, detectors, key, detector.row())
        write.replace_evaluation(
            connection,
            detector_id,
            run_id=run_id,
            detector_points=judged.detector_points,
            k_points=judged.k_points,
            evaluations=judged.evaluations,
        )
        if scored is not None:
            rows = evaluation_rows.decision_rows(known.cases, scored, judged)
            if rows:
                rows += kept_rows(connection, known.scope, detector.name, rows[0]["threshold"])
            facets.replace_detector(connection, known.scope, detector.name, rows)
