"""The metrics of the search for neighbors: one file each, registered here by name.

The same names, with the words that people read, are in `db.vocabulary.METRICS`.
"""

from model.detectors.metrics import centered_cosine, chebyshev, cosine, euclidean, manhattan
from model.detectors.metrics.metric import Bound, Metric

METRICS: dict[str, Metric] = {
    module.METRIC.name: module.METRIC for module in (euclidean, cosine, centered_cosine, manhattan, chebyshev)
}

__all__ = ["METRICS", "Bound", "Metric"]
