"""The cosine distance after the mean of the reference rows has been subtracted from queries and reference.

So a part that all rows share, as in activations that are never negative, hides no angle.
"""

from model.detectors.metrics.metric import Bound, Metric, half_squares

METRIC = Metric(
    "centered-cosine", ranked=half_squares, of_directions=True, of_centered=True, bound=Bound.PRODUCT
)
