"""Networks for tests: random ones of any form that the layers' description knows."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from model.network.architecture import INPUT, Architecture, Pixels
from model.network.cnn import Network
from model.network.layers import (
    Activation,
    Add,
    Affine,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalPool,
    Layer,
    MaxPool,
    Pad,
)
from model.network.sliding import Margins

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


POINTWISE = ("relu", "relu6", "leaky_relu(0.2)", "elu", "gelu", "silu", "tanh", "sigmoid")
SIDES = (13, 17)


def random_graph(random: np.random.Generator, *, channels: int = 3) -> Architecture:
    """A graph of every kind of layer: strides, even kernels, groups, branches that are added or joined."""
    made: list[Layer] = []

    def pair(choices: Sequence[int]) -> tuple[int, int]:
        one, other = random.choice(choices, 2).tolist()
        return one, other

    def margins() -> Margins:
        return pair([0, 1, 2]), pair([0, 1, 2])

    def add(kind: type[Layer], source: str, *values: Any, **fields: Any) -> str:
        made.append(kind(f"{kind.__name__.lower()}{len(made)}", *values, inputs=(source,), **fields))
        return made[-1].name

    def conv(source: str, count: int, **fields: Any) -> str:
        fields = {"activation": str(random.choice(["linear", *POINTWISE])), **fields}
        return add(Conv, source, count, bias=bool(random.random() < 0.7), **fields)

    def pool(source: str) -> str:
        padding = [(0, 0), (1, 1), (0, 1)][random.integers(3)]
        fields: dict[str, Any] = {"stride": pair([1, 2]), "padding": (padding, padding)}
        if random.random() < 0.5:
            return add(AvgPool, source, pair([2, 3]), count_padding=bool(random.random() < 0.5), **fields)
        return add(MaxPool, source, pair([2, 3]), **fields)

    def block(source: str, count: int) -> str:
        """Two branches of one size, added or joined."""
        left = conv(source, count, kernel=(3, 3))
        left = add(BatchNorm, left) if random.random() < 0.5 else left
        right = conv(source, count, kernel=(1, 1)) if random.random() < 0.5 else source
        made.append([Add, Concat][random.integers(2)](f"join{len(made)}", inputs=(left, right)))
        return add(Activation, made[-1].name, str(random.choice(POINTWISE)))

    def shape_of(source: str) -> tuple[int, ...]:
        head = (Flatten("f", inputs=(source,)), Dense("d", 2))
        part = Architecture("part", (*SIDES, channels), (*made, *head))
        return {INPUT: part.input_shape, **part.output_shapes()}[source]

    now = add(Affine, INPUT) if random.random() < 0.3 else INPUT
    for _ in range(random.integers(2, 5)):
        height, width, count = shape_of(now)
        what = random.integers(6)
        if what == 0 and min(height, width) > 6:
            now = pool(now)
        elif what == 1:
            now = block(now, count)
        elif what == 2:
            now = conv(now, count, kernel=pair([1, 3]), groups=count)
        elif what == 3 and min(height, width) > 6:
            now = conv(now, 4, kernel=pair([2, 3, 4]), stride=pair([1, 2]), padding=margins())
        elif what == 4 and min(height, width) > 8:
            now = conv(now, 4, kernel=(3, 3), dilation=pair([1, 2]))
        else:
            now = conv(add(Pad, now, margins=margins()), 4, kernel=pair([1, 2, 3, 5]))
    head = random.integers(3)
    if head == 0:
        now = add(GlobalPool, now)
    elif head == 1:
        now = add(Dense, add(Flatten, now), 6)
    else:
        now = add(Dropout, add(Flatten, now))
    made.append(Dense("logits", 4, activation="linear", inputs=(now,)))
    scaled = Pixels(scale="byte", mean=(120.0,), std=(60.0,)) if random.random() < 0.5 else Pixels()
    return Architecture("graph", (*SIDES, channels), tuple(made), scaled)


def random_network(architecture: Architecture, random: np.random.Generator) -> Network:
    """Weights and biases at random; biases too, as zeros would hide what is added or left out.

    Drawn by NumPy: nothing is compiled for a network that a test only wants to ask.
    """

    def drawn(shape: tuple[int, ...]) -> np.ndarray:
        bound = (6 / np.prod(shape[:-1])) ** 0.5 if len(shape) > 1 else 0  # He's uniform rule
        return random.uniform(-bound, bound, shape) + random.normal(0, 0.1, shape)

    def drawn_for(key: tuple[Any, ...], shape: tuple[int, ...]) -> np.ndarray:
        return random.uniform(0.5, 1.5, shape) if key[-1] in ("scale", "variance") else drawn(shape)

    graph, state = nnx.split(nnx.eval_shape(lambda: Network(architecture, rngs=nnx.Rngs(0))))
    leaves = [
        (key, value.replace(jnp.asarray(drawn_for(key, value.shape), jnp.float32)))
        for key, value in nnx.to_flat_state(state)
    ]
    return nnx.merge(graph, nnx.from_flat_state(leaves))
