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
    set_weights(network, architecture.logits, *solve(features, training.labels, architecture.classes, SHRINK))
    return network


def solve(
    features: np.ndarray, labels: np.ndarray, classes: int, shrink: float
) -> tuple[np.ndarray, np.ndarray]:
    """Kernel (D, K) and bias (K,) of logits that tell labels (N,) from features (N, D) float64."""
    mean = features.mean(0)
    centered = features - mean
    wanted = np.eye(classes)[labels] - 1 / classes
    penalty = shrink * centered.var() * np.eye(features.shape[1])
    kernel = classes * np.linalg.solve(centered.T @ centered + penalty, centered.T @ wanted)
    return kernel, -mean @ kernel


def set_weights(network: cnn.Network, name: str, kernel: np.ndarray, bias: np.ndarray) -> None:
    """Give a dense layer these weights."""
    layer = getattr(network, name)
    layer.kernel[...] = jnp.asarray(kernel, jnp.float32)
    layer.bias[...] = jnp.asarray(bias, jnp.float32)
