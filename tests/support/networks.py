"""Networks for tests: random ones of any form that the layers' description knows."""

import jax.numpy as jnp
import numpy as np
from flax import nnx

from model.network.architecture import Architecture
from model.network.cnn import Network
from model.network.layers import Conv, Dense, Dropout, Flatten, MaxPool

TINY = Architecture(
    "tiny",
    (7, 6, 3),
    (
        Conv("conv", 5),
        MaxPool("pool"),
        Flatten("flatten"),
        Dense("dense", 7),
        Dense("logits", 4, activation="linear"),
    ),
)
LENET = Architecture(
    "lenet",
    (32, 32, 3),
    (
        Conv("conv1", 6, 5, "VALID"),
        MaxPool("pool1"),
        Conv("conv2", 16, 5, "VALID"),
        MaxPool("pool2"),
        Flatten("flatten"),
        Dense("dense1", 120),
        Dense("dense2", 84),
        Dense("logits", 10, activation="linear"),
    ),
)
DEEP = Architecture(
    "deep",
    (20, 28, 3),
    (
        Conv("conv1", 4),
        Conv("conv2", 4),
        MaxPool("pool1"),
        Dropout("dropout", 0.3),
        Conv("conv3", 8),
        Conv("conv4", 8),
        MaxPool("pool2"),
        Conv("conv5", 8),
        Conv("conv6", 8),
        MaxPool("pool3"),
        Flatten("flatten"),
        Dense("logits", 5, activation="linear"),
    ),
)


def random_architecture(random: np.random.Generator) -> Architecture:
    """Convolutions of any odd kernel, with or without padding, pools anywhere, also ahead of all of them."""
    height, width = random.integers(11, 22, 2).tolist()
    maps = [MaxPool("pool0", int(random.integers(2, 4)))] if random.random() < 0.3 else []
    for number in range(random.integers(1, 4)):
        kernel = int(random.choice([1, 3, 3, 5]))
        maps.append(
            Conv(f"conv{number}", int(random.integers(2, 6)), kernel, str(random.choice(["SAME", "VALID"])))
        )
        if random.random() < 0.5:
            maps.append(MaxPool(f"pool{number}a", int(random.integers(2, 4))))
    if random.random() < 0.3:
        maps.append(MaxPool("pool_last"))
    dense = [Dense("hidden", int(random.integers(3, 9)))] if random.random() < 0.6 else []
    head = [Flatten("flatten"), *dense, Dense("logits", 4, activation="linear")]
    while True:  # what does not fit on so small an image is left out, from the end
        try:
            return Architecture("random", (height, width, 3), (*maps, *head))
        except ValueError:
            maps.pop()


def random_network(architecture: Architecture, random: np.random.Generator) -> Network:
    """Weights and biases at random; biases too, as zeros would hide what is added or left out.

    Drawn by NumPy: nothing is compiled for a network that a test only wants to ask.
    """

    def drawn(shape: tuple[int, ...]) -> np.ndarray:
        bound = (6 / np.prod(shape[:-1])) ** 0.5 if len(shape) > 1 else 0  # He's uniform rule
        return random.uniform(-bound, bound, shape) + random.normal(0, 0.1, shape)

    graph, state = nnx.split(nnx.eval_shape(lambda: Network(architecture, rngs=nnx.Rngs(0))))
    leaves = [
        (key, value.replace(jnp.asarray(drawn(value.shape), jnp.float32)))
        for key, value in nnx.to_flat_state(state)
    ]
    return nnx.merge(graph, nnx.from_flat_state(leaves))
