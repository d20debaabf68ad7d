"""The definition of a metric for the search for neighbors.

Axis letters: P pairs of a query and a reference row, D dimensions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np

Measure = Callable[[np.ndarray], np.ndarray]


class Bound(Enum):
    """How a float32 pass bounds the ranked values (for the bounds see `model.detectors.neighbor_scores`)."""

    PRODUCT = "product"  # by a matrix product
    SUM = "sum"  # by the sum of the absolute differences
    LARGEST = "largest"  # by the largest of the absolute differences
    NONE = "none"  # not at all: every distance is computed, in float64


@dataclass(frozen=True)
class Metric:
    """A metric as a function of the differences between queries and reference rows."""

    name: str
    ranked: (
        Measure  # differences (P, D) float64, which it may overwrite -> (P,) float64 that rows are ranked by
    )
    distance: Measure = np.asarray  # ranked -> distances, in the same order
    of_directions: bool = False  # vectors are scaled to length 1 first; zero vectors are at 1 from others
    of_centered: bool = False  # the mean of all reference rows is subtracted first
    bound: Bound = Bound.NONE


def squares(rows: np.ndarray) -> np.ndarray:
    """Squared lengths (P,) of float64 rows (P, D), each independent of the other rows."""
    lengths: np.ndarray = np.einsum("ij,ij->i", rows, rows)
    return lengths


def half_squares(rows: np.ndarray) -> np.ndarray:
    """Half the squared lengths (P,) of float64 rows (P, D): 1 - cos, of differences of unit vectors."""
    return squares(rows) / 2
