"""The cosine distance: 1 - cos of the angle, in [0, 2].

Computed as |a - b|^2 / 2 of points of the unit sphere, which does not cancel. A zero vector is at 0 from
another one and at 1 from any other.
"""

from model.detectors.metrics.metric import Bound, Metric, half_squares

METRIC = Metric("cosine", ranked=half_squares, of_directions=True, bound=Bound.PRODUCT)
