"""A network that is quick to compile and to ask, and right often enough to be attacked.

Its convolutions are random; its last layer is fitted to the bundled sample by ridge regression, without a
step of training. It knows a third of the test images, and corner colors fool most of these, not all.
"""

from pathlib import Path

import numpy as np

from model.data.dataset import Dataset
from model.network import checkpoint, cnn
from model.network.architecture import Architecture
from model.network.layers import Conv, Dense, Flatten, MaxPool
from tests.support import ridge
from tests.support.networks import random_network

SMALL = Architecture(
    "small-cnn",
    (32, 32, 3),
    (
        Conv("conv1", 8),
        MaxPool("pool1", 4),
        Conv("conv2", 16),
        MaxPool("pool2"),
        Flatten("flatten"),
        Dense("dense", 64),
        Dense("logits", 10, activation="linear"),
    ),
)
SHRINK = 10  # of the regression, in units of the features' variance


def write(path: Path, training: Dataset) -> None:
    """Write the network's checkpoint, the same each time."""
    network = random_network(SMALL, np.random.default_rng(0))
    parts = cnn.activate(network, training.images, ("flatten",))
    flat = np.concatenate([part["flatten"] for part in parts]).astype(float)
    # Centered, as images would else be all alike to it, and near-duplicates of each other.
    dense = np.asarray(network.dense.kernel[...], float)
    dense /= (flat @ dense).std(0)
    middle = flat.mean(0) @ dense
    features = np.maximum(flat @ dense - middle, 0)
    ridge.set_weights(network, "dense", dense, -middle)
    ridge.set_weights(network, "logits", *ridge.solve(features, training.labels, SMALL.classes, SHRINK))
    checkpoint.save(path, network)
