"""The detectors that do not use neighbors, by name: how each scores images, and which class it recovers.

To add one, write a function here or in a file of its own, a row of DETECTORS, and a row with the words for
people in `db.vocabulary.DETECTORS` (CONTRIBUTING.md). A higher score means more likely attacked.

Axis letters: N images, A of them adversarial, K classes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from model.detectors import baselines


class Evidence(NamedTuple):
    """The data of N images that such a detector may use."""

    logits: np.ndarray  # (N, K) float
    repair_scores: np.ndarray | None = None  # (N,) float, of the repair sweep; None: there was none
    repair_classes: np.ndarray | None = None  # (N,) int, the class that the best repair leads to


class Originals(NamedTuple):
    """The stored values of A attacked images from before the attack."""

    confidence: np.ndarray  # (A,) float, softmax probability of the predicted class
    margin: np.ndarray  # (A,) float, the lead of the largest logit over the second
    repair_scores: np.ndarray | None = None  # (A,) float; None: some have none


class Scores(NamedTuple):
    """A detector's scores of N images."""

    scores: np.ndarray  # (N,) float
    named: np.ndarray  # (N,) int, the class that it takes for the true one
    noise: np.ndarray  # (N,) float64, how far each score may move when other images are computed with it


@dataclass(frozen=True)
class Detector:
    """A detector without neighbors."""

    name: str
    score: Callable[[Evidence], Scores]
    score_originals: Callable[[Originals], np.ndarray | None] = lambda _originals: (
        None
    )  # (A,); None: not known
    repairs: bool = False  # whether it uses the repair sweep, and names the pixel of the best repair


def score_repair(evidence: Evidence) -> Scores:
    """Score by the margin of the best repair of one pixel. Raises ValueError where there was no sweep."""
    if evidence.repair_scores is None or evidence.repair_classes is None:
        raise ValueError("the detector repair needs the repair sweep of each image")
    # Noise of the repaired images, whose logits are as large.
    noise = 2 * baselines.logit_noise(evidence.logits)
    return Scores(evidence.repair_scores, evidence.repair_classes, noise)


def _score_baseline(name: str) -> Callable[[Evidence], Scores]:
    def score(evidence: Evidence) -> Scores:
        baseline = baselines.scores(evidence.logits)[name]
        return Scores(baseline.scores, baselines.runner_up(evidence.logits), baseline.noise)

    return score


# In order of evaluation; the order in menus is in `db.vocabulary`.
DETECTORS: dict[str, Detector] = {
    detector.name: detector
    for detector in (
        Detector(
            baselines.CONFIDENCE,
            _score_baseline(baselines.CONFIDENCE),
            lambda originals: 1 - originals.confidence,
        ),
        Detector(baselines.MARGIN, _score_baseline(baselines.MARGIN), lambda originals: -originals.margin),
        Detector("repair", score_repair, lambda originals: originals.repair_scores, repairs=True),
    )
}
