"""The network in Flax nnx, built from its description: logits and every named activation.

Axis letters as in `model.network.layers`: B batch, H rows, W columns, C channels, K classes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax

from model.network import layers

# Full float32 products on every device: a case's prediction must not depend on a batch's rounding.
EXACT = lax.Precision.HIGHEST
Graph = nnx.GraphDef[Any]  # a network without its weights, which Flax leaves untyped


class Network(nnx.Module):
    """A convolutional classifier; `architecture` describes its layers."""

    def __init__(self, architecture: layers.Architecture, *, rngs: nnx.Rngs) -> None:
        """Draw kernels by He's uniform rule before a ReLU, and by Xavier's for the logits."""
        self.architecture = architecture
        init, shape = nnx.initializers, architecture.input_shape
        for layer in architecture.layers:
            if isinstance(layer, layers.Conv):
                module: nnx.Module = nnx.Conv(
                    shape[-1],
                    layer.features,
                    (layer.kernel, layer.kernel),
                    padding=layer.padding,
                    precision=EXACT,
                    kernel_init=init.he_uniform(),
                    conv_general_dilated=convolve,
                    rngs=rngs,
                )
                setattr(self, layer.name, module)
            elif isinstance(layer, layers.Dense):
                module = nnx.Linear(
                    shape[0],
                    layer.features,
                    precision=EXACT,
                    kernel_init=init.he_uniform() if layer.relu else init.xavier_uniform(),
                    rngs=rngs,
                )
                setattr(self, layer.name, module)
            shape = layer.output_shape(shape)

    def __call__(self, images: jax.Array, *, dropout_key: jax.Array | None = None) -> jax.Array:
        """Images (B, H, W, C) float32 in [0, 1] to logits (B, K); with a key, dropout is on."""
        return self._forward(images, dropout_key)[self.architecture.layers[-1].name]

    def activations(self, images: jax.Array) -> dict[str, jax.Array]:
        """Every named activation, (B, ...) float32, in the order of `Architecture.activation_shapes`.

        Conv layers are taken after their ReLU, before the pool; `composed` is the concatenation of
        the compared layers (paper, section 4.2).
        """
        outputs = self._forward(images, None)
        composed = jnp.concatenate([outputs[name] for name in self.architecture.compared], axis=-1)
        outputs[layers.COMPOSED] = composed
        return {name: outputs[name] for name in self.architecture.activation_shapes()}

    def _forward(self, images: jax.Array, dropout_key: jax.Array | None) -> dict[str, jax.Array]:
        outputs, x = {}, images
        for index, layer in enumerate(self.architecture.layers):
            match layer:
                case layers.Conv():
                    x = nnx.relu(getattr(self, layer.name)(x))
                case layers.Dense():
                    x = getattr(self, layer.name)(x)
                    x = nnx.relu(x) if layer.relu else x
                case layers.MaxPool():
                    x = max_pool(x, layer.window)
                case layers.Flatten():
                    x = x.reshape(x.shape[0], -1)
                case layers.Dropout() if dropout_key is not None:
                    key = jax.random.fold_in(dropout_key, index)
                    x = nnx.Dropout(layer.rate, deterministic=False)(x, rngs=key)
            outputs[layer.name] = x
        return outputs


def max_pool(x: jax.Array, window: int) -> jax.Array:
    """(B, H, W, C) to (B, H // window, W // window, C), as a maximum of strided slices.

    The values equal those of a windowed reduction; the gradient is a few selections, while the reduction's
    is a scatter, which XLA runs some twenty times slower on a CPU.
    """
    height, width = x.shape[1] // window * window, x.shape[2] // window * window
    slices = [x[:, i:height:window, j:width:window] for i in range(window) for j in range(window)]
    result = slices[0]
    for part in slices[1:]:
        result = jnp.maximum(result, part)
    return result


def convolve(
    x: jax.Array, kernel: jax.Array, strides: Sequence[int], padding: str, **options: Any
) -> jax.Array:
    """`lax.conv_general_dilated` for stride 1, in the form that a CPU runs fastest.

    On a CPU a VALID convolution is three times slower than the SAME one cropped, and a first layer of
    few channels is faster as one matrix product over its patches. Elsewhere it is the plain call.
    """
    size = kernel.shape[0]
    plain = jax.default_backend() != "cpu" or any(step != 1 for step in strides) or size % 2 == 0
    if plain or padding not in ("SAME", "VALID"):
        return lax.conv_general_dilated(x, kernel, strides, padding, **options)
    edge = size // 2
    if kernel.shape[2] * size**2 <= 64:
        if padding == "SAME":
            x = jnp.pad(x, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
        height, width = x.shape[1] - 2 * edge, x.shape[2] - 2 * edge
        patches = [x[:, i : i + height, j : j + width] for i in range(size) for j in range(size)]
        weights = kernel.reshape(-1, kernel.shape[-1])
        return jnp.matmul(jnp.concatenate(patches, axis=-1), weights, precision=options.get("precision"))
    same = lax.conv_general_dilated(x, kernel, strides, "SAME", **options)
    return same if padding == "SAME" else same[:, edge:-edge, edge:-edge]


def to_float(images: jax.Array) -> jax.Array:
    """uint8 images in 0..255 to float32 in [0, 1], the only scaling the network expects."""
    floats: jax.Array = images.astype(jnp.float32) / jnp.float32(255)
    return floats


def accuracy(network: Network, images: np.ndarray, labels: np.ndarray, *, batch_size: int = 500) -> float:
    """The share in [0, 1] of images (N, H, W, C) uint8 whose most likely class is the label."""
    return float((predict(network, images, batch_size=batch_size).argmax(-1) == labels).mean())


def predict(network: Network, images: np.ndarray, *, batch_size: int = 500) -> np.ndarray:
    """Logits (N, K) float32 of images (N, H, W, C) uint8, batch by batch over all local devices."""
    graph, params = nnx.split(network)
    forward = _predicting(graph)
    devices = jax.local_devices()
    copies = [jax.device_put(params, device) for device in devices]
    logits = []
    for index, first in enumerate(range(0, len(images), batch_size)):
        batch = images[first : first + batch_size]
        padded = np.pad(batch, ((0, batch_size - len(batch)), (0, 0), (0, 0), (0, 0)))
        place = index % len(devices)
        logits.append(forward(copies[place], jax.device_put(padded, devices[place])))
    return np.concatenate([np.asarray(part) for part in logits])[: len(images)]


def activate(
    network: Network, images: np.ndarray, names: tuple[str, ...], *, batch_size: int = 250
) -> Iterator[dict[str, np.ndarray]]:
    """Yield named activations, float32, of images (N, H, W, C) uint8, batch by batch in order."""
    graph, params = nnx.split(network)
    forward = _activating(graph, names)
    devices = jax.local_devices()
    copies = [jax.device_put(params, device) for device in devices]

    def outputs(index: int, first: int) -> tuple[int, dict[str, jax.Array]]:
        batch = images[first : first + batch_size]
        padded = np.pad(batch, ((0, batch_size - len(batch)), (0, 0), (0, 0), (0, 0)))
        place = index % len(devices)
        return len(batch), forward(copies[place], jax.device_put(padded, devices[place]))

    # While one batch is yielded, the other devices compute theirs.
    begun: deque[tuple[int, dict[str, jax.Array]]] = deque()
    for index, first in enumerate(range(0, len(images), batch_size)):
        begun.append(outputs(index, first))
        if len(begun) == len(devices):
            yield _rows(*begun.popleft())
    yield from (_rows(*entry) for entry in begun)


def _rows(count: int, outputs: dict[str, jax.Array]) -> dict[str, np.ndarray]:
    return {name: np.asarray(value)[:count] for name, value in outputs.items()}


def logits_function(network: Network) -> jax.tree_util.Partial:
    """The network as (B, H, W, C) float32 in [0, 1] -> (B, K) logits, its weights as arguments.

    As a `Partial` it is compiled once for all networks of one architecture, with no weights as constants.
    """
    graph, params = nnx.split(network)
    return jax.tree_util.Partial(_apply(graph), params)


# One function for all networks of an architecture, so that each is compiled once.


@cache
def _apply(graph: Graph) -> Callable[[Any, jax.Array], jax.Array]:
    return lambda params, images: nnx.merge(graph, params)(images)


@cache
def _predicting(graph: Graph) -> Callable[[Any, np.ndarray], jax.Array]:
    return jax.jit(lambda params, images: nnx.merge(graph, params)(to_float(images)))


@cache
def _activating(graph: Graph, names: tuple[str, ...]) -> Callable[[Any, jax.Array], dict[str, jax.Array]]:
    def forward(params: Any, images: jax.Array) -> dict[str, jax.Array]:
        outputs = nnx.merge(graph, params).activations(to_float(images))
        return {name: outputs[name] for name in names}

    return jax.jit(forward)
