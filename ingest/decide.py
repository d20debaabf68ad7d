"""Turn scores into decisions: the only module that decides whether a detector alarms. Pure functions.

A detector alarms when its score is strictly above its threshold. On an alarm it may also name a class: its
guess of the true one.

Axis letters: N images, k neighbors in the order of their rank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from model.detectors import votes


class Decided(NamedTuple):
    """A detector's decisions about N images."""

    scores: np.ndarray  # (N,) int, unexpected neighbors, or float
    alarms: np.ndarray  # (N,) bool
    named: np.ndarray  # (N,) int, the detector's guess of the true class, alarm or not; -1: none
    recovered: np.ndarray  # (N,) int, the same on alarm, if it is not the predicted class; -1: none


def decide_votes(
    labels: np.ndarray, predicted: np.ndarray, *, rule: str, k: int, threshold: int, classes: int
) -> Decided:
    """Decide by the labels (N, k or more) of neighbors and the predicted classes (N,)."""
    near = labels[:, :k]
    counts = votes.unexpected_counts(near, predicted, rule, classes=classes)[:, -1]
    majority = votes.majority_classes(near, classes=classes)[:, -1]
    alarms = votes.alarms(counts, threshold)
    return Decided(counts, alarms, majority, votes.recovered_classes(alarms, majority, predicted))


def decide_scores(scores: np.ndarray, named: np.ndarray, threshold: float) -> Decided:
    """Decide by the scores (N,) of a detector without neighbors and its guesses (N,) of the true classes."""
    alarms = votes.alarms(scores, threshold)
    return Decided(scores, alarms, named, np.where(alarms, named, -1))


def outcomes(
    alarms: np.ndarray, adversarial: np.ndarray, known: np.ndarray | None = None
) -> list[str | None]:
    """TP, FP, TN or FN for each alarm (N,); None if it is unknown whether the image was attacked.

    known: (N,) bool, whether that is known; by default for all images.
    """
    every = votes.outcomes(alarms, adversarial).tolist()
    if known is None:
        return list(every)
    return [outcome if sure else None for outcome, sure in zip(every, known.tolist(), strict=True)]


def vote_rows(
    case_ids: Sequence[int], decided: Decided, outcomes: Sequence[str | None], shared: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Rows of `decisions`; shared: the columns that are equal in all rows, at least layer, metric, rule, k
    and threshold.
    """
    columns = (case_ids, *(column.tolist() for column in decided), outcomes)
    return [
        {
            "case_id": case_id,
            **shared,
            "unexpected_count": count,
            "alarm": alarm,
            "majority_class": None if named < 0 else named,
            "recovered_class": None if recovered < 0 else recovered,
            "outcome": outcome,
        }
        for case_id, count, alarm, named, recovered, outcome in zip(*columns, strict=True)
    ]


def score_rows(
    case_ids: Sequence[int],
    partitions: Sequence[str],
    decided: Decided,
    outcomes: Sequence[str | None],
    threshold: float,
) -> list[dict[str, Any]]:
    """Rows of `detector_decisions` for a detector without neighbors, except name and scope."""
    columns = (case_ids, partitions, *(column.tolist() for column in decided), outcomes)
    return [
        {
            "case_id": case_id,
            "partition": partition,
            "score": score,
            "threshold": threshold,
            "alarm": alarm,
            "outcome": outcome,
            "recovered_class": None if recovered < 0 else recovered,
        }
        for case_id, partition, score, alarm, _, recovered, outcome in zip(*columns, strict=True)
    ]
