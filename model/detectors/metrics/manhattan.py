"""The manhattan distance: the sum of the absolute differences."""

import numpy as np

from model.detectors.metrics.metric import Bound, Metric


def sum_differences(differences: np.ndarray) -> np.ndarray:
    """(P,) sums of the absolute differences (P, D), which are overwritten."""
    sums: np.ndarray = np.abs(differences, out=differences).sum(axis=1)
    return sums


METRIC = Metric("manhattan", ranked=sum_differences, bound=Bound.SUM)
