"""Networks that know a data set without a step of training: random layers, and logits by ridge regression."""

import jax.numpy as jnp
import numpy as np

from model.data.dataset import Dataset
from model.network import cnn
from model.network.architecture import Architecture
from tests.support.networks import random_network

SHRINK = 0.1  # of the regression, in units of the features' variance


def fit(architecture: Architecture, training: Dataset) -> cnn.Network:
    """A network whose last layer is dense and fitted to what comes before it, the same each time."""
    network = random_network(architecture, np.random.default_rng(0))
    before = architecture.compared[-2]
    parts = [part[before] for part in cnn.activate(network, training.images, (before,))]
    features = np.concatenate(parts).astype(float)
    mean = features.mean(0)
    centered = features - mean
    wanted = np.eye(architecture.classes)[training.labels] - 1 / architecture.classes
    penalty = SHRINK * centered.var() * np.eye(features.shape[1])
    kernel = architecture.classes * np.linalg.solve(centered.T @ centered + penalty, centered.T @ wanted)
    logits = getattr(network, architecture.logits)
    logits.kernel[...] = jnp.asarray(kernel, jnp.float32)
    logits.bias[...] = jnp.asarray(-mean @ kernel, jnp.float32)
    return network
