"""The Chebyshev distance: the largest absolute difference."""

import numpy as np

from model.detectors.metrics.metric import Bound, Metric


def largest_difference(differences: np.ndarray) -> np.ndarray:
    """(P,) the largest of the absolute differences (P, D), which are overwritten."""
    largest: np.ndarray = np.abs(differences, out=differences).max(axis=1)
    return largest


METRIC = Metric("chebyshev", ranked=largest_difference, bound=Bound.LARGEST)
