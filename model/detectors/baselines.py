"""The baselines: detectors that use only the network's output.

A detector that does no better than these needs no neighbors. Higher scores mean more likely attacked.

Axis letters: N images, K >= 2 classes.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

CONFIDENCE, MARGIN = "confidence", "logit-margin"

# How far the logits of an image may differ when it is computed beside other images, on another number of
# threads or by the incremental pass, as a share of its largest logit: twenty times what was measured.
NOISE = 1e-5


class Baseline(NamedTuple):
    """A baseline's scores of N images."""

    scores: np.ndarray  # (N,) float64
    noise: np.ndarray  # (N,) float64, how far each score may move when other images are computed with it


def scores(logits: np.ndarray) -> Mapping[str, Baseline]:
    """The scores of every baseline, by its name, for logits (N, K).

    `confidence`: 1 - the largest softmax probability, without rounding to 0. `logit-margin`: the negative
    lead of the largest logit over the second.
    """
    ordered = np.sort(logits.astype(np.float64), axis=1)
    powers = np.exp(ordered - ordered[:, -1:])
    doubt = powers[:, :-1].sum(1) / powers.sum(1)
    noise = logit_noise(logits)
    return {
        CONFIDENCE: Baseline(doubt, 2 * noise * doubt),  # its logarithm moves as far as two logits
        MARGIN: Baseline(ordered[:, -2] - ordered[:, -1], 2 * noise),
    }


def logit_noise(logits: np.ndarray) -> np.ndarray:
    """How far each image's logits (N, K) may move when others are computed with it: (N,) float64."""
    noise: np.ndarray = NOISE * np.abs(logits).max(1).astype(np.float64)
    return noise


def runner_up(logits: np.ndarray) -> np.ndarray:
    """The class of the second largest logit, which a baseline takes for the true one: (N,) int64."""
    return np.argsort(logits, axis=1)[:, -2]
