"""Convert a detector's scores to rows of `k_points`, `detector_points` and `evaluations`. Pure functions.

Axis letters: N cases in the order of `EvaluatedCases`, A adversarial ones among them, k_max neighbors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from db.read.for_ingest.evaluated import EvaluatedCases
from db.vocabulary import CASE_SETS, PARTITIONS
from ingest import decide
from ingest.stages.tuning import appendix_choice
from model.detectors import evaluation, tuning, votes
from model.detectors.evaluation import Curve, Evaluation, Interval, Scores
from model.detectors.tuning import OperatingPoint


@dataclass(frozen=True)
class Judged:
    """Rows of one detector, without its id."""

    detector_points: list[dict[str, Any]]
    k_points: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]


@dataclass(frozen=True)
class Scored:
    """A detector's scores for the cases of a network."""

    cases: np.ndarray  # (N,) float
    originals: np.ndarray  # (N,) float, NaN for clean cases; (0,): not known
    named: np.ndarray  # (N,) int, its guess of the true class; -1: none
    located: np.ndarray | None = None  # (N,) bool
    noise: np.ndarray | None = None  # (N,) float, how much scores may vary with the rest of the batch


def case_sets(cases: EvaluatedCases) -> dict[str, np.ndarray]:
    """The members (N,) bool of each case set; `targeted` and `untargeted` only if each has both kinds."""
    parts = dict(zip(CASE_SETS[1:], (cases.targeted, ~cases.targeted), strict=True))
    every = {CASE_SETS[0]: np.ones(len(cases.ids), bool)}
    return every | parts if all(_both_kinds(cases, inside) for inside in parts.values()) else every


def judge_scores(cases: EvaluatedCases, scored: Scored) -> Judged:
    """Judge a detector without neighbors: its threshold from tuning, its results there and on validation."""
    judged = Judged([], [], [])
    for case_set, inside in case_sets(cases).items():
        parts = _parts(cases, inside)
        if "tuning" not in parts:
            continue
        tuned = _scores(cases, scored, parts["tuning"])
        threshold = evaluation.choose(tuned.adversarial, tuned.clean, _noise(cases, scored, parts["tuning"]))
        for partition, members in parts.items():
            scores = _scores(cases, scored, members)
            key = {"case_set": case_set, "partition": partition, "k": 0}
            judged.detector_points.extend(_points(key, evaluation.curve(scores.adversarial, scores.clean)))
            found = evaluation.evaluate(scores, threshold)
            key |= {"how_chosen": "tuning", "threshold": threshold}
            judged.evaluations.append(key | evaluation_columns(found))
    return judged


def decision_rows(cases: EvaluatedCases, scored: Scored, judged: Judged) -> list[dict[str, Any]]:
    """The decisions of such a detector about each case, at the threshold from all tuning cases."""
    chosen = (row for row in judged.evaluations if row["case_set"] == CASE_SETS[0])
    threshold = next((row["threshold"] for row in chosen), None)
    if threshold is None:
        return []
    decided = decide.decide_scores(scored.cases, scored.named, threshold)
    outcomes = decide.outcomes(decided.alarms, cases.adversarial)
    return decide.score_rows(cases.ids.tolist(), cases.partitions.tolist(), decided, outcomes, threshold)


def judge_neighbors(
    cases: EvaluatedCases,
    labels: np.ndarray,
    original_labels: np.ndarray,
    original_predicted: np.ndarray,
    rule: str,
    *,
    paper_k: int | None,
    with_points: bool,
) -> Judged:
    """Judge the k-NN defense of one layer, metric and rule: at k and threshold from tuning, at the k that the
    paper's appendix picks on validation, and at the paper's own k.

    labels (N, k_max) of the cases' neighbors; original_labels (A, k_max) and original_predicted (A,) of the
    adversarial cases' originals, both (0, ...) if not known. with_points: whether `tuning_points` lacks the
    curve of all cases.
    """
    classes = cases.logits.shape[1]
    counts = votes.unexpected_counts(labels, cases.predicted, rule, classes=classes)
    majority = votes.majority_classes(labels, classes=classes)
    before = np.zeros((0, labels.shape[1]), int)
    if len(original_labels):
        before = votes.unexpected_counts(original_labels, original_predicted, rule, classes=classes)
    k_max = labels.shape[1]
    judged = Judged([], [], [])
    for case_set, inside in case_sets(cases).items():
        parts = _parts(cases, inside)
        if "tuning" not in parts:
            continue
        sweeps = {
            partition: tuning.sweep(counts[members], cases.adversarial[members], k_max)
            for partition, members in parts.items()
        }
        thresholds = tuning.equal_error_rates(sweeps["tuning"]).thresholds
        chosen = {"tuning": tuning.choose(sweeps["tuning"])}
        if "validation" in sweeps:
            chosen["validation"] = appendix_choice(sweeps["tuning"], sweeps["validation"])
        if paper_k is not None and paper_k <= k_max:
            chosen["paper"] = OperatingPoint(paper_k, int(thresholds[paper_k - 1]))
        for partition, members in parts.items():
            key = {"case_set": case_set, "partition": partition}
            judged.k_points.extend(_k_points(key, sweeps[partition], thresholds))
            for k in sorted({point.k for point in chosen.values()}):
                if with_points or case_set != CASE_SETS[0]:
                    judged.detector_points.extend(_sweep_points(key, sweeps[partition], k))
            for how, point in chosen.items():
                scored = Scored(
                    counts[:, point.k - 1].astype(float),
                    _spread(cases, before[:, point.k - 1].astype(float)),
                    majority[:, point.k - 1],
                )
                found = evaluation.evaluate(_scores(cases, scored, members), point.threshold)
                way = {"how_chosen": how, "k": point.k, "threshold": float(point.threshold)}
                judged.evaluations.append(key | way | evaluation_columns(found))
    return judged


def evaluation_columns(found: Evaluation) -> dict[str, Any]:
    """The columns of `evaluations` for an evaluation."""
    columns: dict[str, Any] = {}
    for name, value in found._asdict().items():
        if isinstance(value, Interval) or name == "paired_auc":
            ends = value or (None, None, None)
            columns |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
        else:
            columns[name] = value
    return columns


def _spread(cases: EvaluatedCases, of_adversarial: np.ndarray) -> np.ndarray:
    """Put (A,) values at the places of the adversarial cases (N,), NaN elsewhere; (0,) stays as it is."""
    if not len(of_adversarial):
        return of_adversarial
    spread = np.full(len(cases.ids), np.nan)
    spread[cases.adversarial] = of_adversarial
    return spread


def _parts(cases: EvaluatedCases, inside: np.ndarray) -> dict[str, np.ndarray]:
    """The partitions that have both kinds of cases, each with its members (N,) bool."""
    members = {partition: inside & (cases.partitions == partition) for partition in PARTITIONS}
    return {name: chosen for name, chosen in members.items() if _both_kinds(cases, chosen)}


def _both_kinds(cases: EvaluatedCases, inside: np.ndarray) -> bool:
    return {True, False} <= set(cases.adversarial[inside].tolist())


def _noise(
    cases: EvaluatedCases, scored: Scored, members: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    if scored.noise is None:
        return None
    return scored.noise[members & cases.adversarial], scored.noise[members & ~cases.adversarial]


def _scores(cases: EvaluatedCases, scored: Scored, members: np.ndarray) -> Scores:
    attacked = members & cases.adversarial
    return Scores(
        scored.cases[attacked],
        scored.cases[members & ~cases.adversarial],
        scored.originals[attacked] if len(scored.originals) else scored.originals,
        scored.named[attacked] == cases.true[attacked],
        None if scored.located is None else scored.located[attacked],
    )


def _points(key: Mapping[str, Any], found: Curve) -> list[dict[str, Any]]:
    columns = zip(*(field.tolist() for field in found), strict=True)
    return [{**key, "threshold": t, "tp": tp, "fp": fp, "tn": tn, "fn": fn} for t, tp, fp, tn, fn in columns]


def _sweep_points(key: Mapping[str, Any], sweep: tuning.Sweep, k: int) -> list[dict[str, Any]]:
    columns = slice(0, k + 2)
    counts = [getattr(sweep, name)[k - 1, columns] for name in ("tp", "fp", "tn", "fn")]
    return _points({**key, "k": k}, Curve(sweep.thresholds[columns].astype(float), *counts))


def _k_points(key: Mapping[str, Any], sweep: tuning.Sweep, thresholds: np.ndarray) -> list[dict[str, Any]]:
    """For every k: its threshold from tuning, and its results in this sweep."""
    accuracy = sweep.accuracy[np.arange(sweep.k_max), thresholds + 1]
    columns = (sweep.ks, thresholds, accuracy, tuning.equal_error_rates(sweep).eer, tuning.auc(sweep))
    names = ("k", "threshold", "accuracy", "eer", "auc")
    values = zip(*(column.tolist() for column in columns), strict=True)
    return [{**key, **dict(zip(names, row, strict=True))} for row in values]
