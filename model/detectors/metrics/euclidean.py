"""The euclidean distance: the root of the summed squared differences (paper, section 4.2)."""

import numpy as np

from model.detectors.metrics.metric import Bound, Metric, squares

METRIC = Metric("euclidean", ranked=squares, distance=np.sqrt, bound=Bound.PRODUCT)
