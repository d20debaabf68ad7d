"""The network in Flax nnx, built from its description: logits and every named activation.

Axis letters as in `model.network.layers`: B batch, H rows, W columns, C channels, K classes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from model.devices import most_together
from model.network import layers
from model.network.activations import is_linear
from model.network.architecture import COMPOSED, INPUT, Architecture, Pixels
from model.network.evaluate import evaluate

Graph = nnx.GraphDef[Any]  # a network without its weights, which Flax leaves untyped


class Channels(nnx.Module):
    """The parameters of a layer that treats each channel alike at all cells."""

    def __init__(self, parameters: layers.Parameters) -> None:
        """Scales and variances of one, all else zero; statistics are not trained."""
        for name, shape in parameters.items():
            kind = nnx.BatchStat if name in ("mean", "variance") else nnx.Param
            fill = jnp.ones if name in ("scale", "variance") else jnp.zeros
            setattr(self, name, kind(fill(shape, jnp.float32)))


class Network(nnx.Module):
    """A convolutional classifier; `architecture` describes its layers."""

    def __init__(self, architecture: Architecture, *, rngs: nnx.Rngs) -> None:
        """Draw kernels by He's uniform rule, and by Xavier's in a layer without activation."""
        self.architecture = architecture
        init, shapes = nnx.initializers, architecture.input_shapes()
        for layer in architecture.layers:
            match layer:
                case layers.Conv():
                    module: nnx.Module = nnx.Conv(
                        shapes[layer.name][0][2],
                        layer.features,
                        layer.kernel,
                        feature_group_count=layer.groups,
                        use_bias=layer.bias,
                        kernel_init=init.he_uniform(),
                        rngs=rngs,
                    )
                case layers.Dense():
                    linear = is_linear(layer.activation)
                    module = nnx.Linear(
                        shapes[layer.name][0][0],
                        layer.features,
                        use_bias=layer.bias,
                        kernel_init=init.xavier_uniform() if linear else init.he_uniform(),
                        rngs=rngs,
                    )
                case _ if parameters := layer.parameters(*shapes[layer.name]):
                    module = Channels(parameters)
                case _:
                    continue
            setattr(self, layer.name, module)

    def __call__(self, images: jax.Array, *, dropout_key: jax.Array | None = None) -> jax.Array:
        """Images (B, H, W, C) float32 in [0, 1] to logits (B, K); with a key, dropout is on."""
        return self._forward(images, dropout_key)[self.architecture.logits]

    def activations(self, images: jax.Array) -> dict[str, jax.Array]:
        """Every named activation, (B, ...) float32, in the order of `Architecture.activation_shapes`.

        Convolutions are taken after their activation function; `composed` is the concatenation of the
        compared layers (paper, section 4.2).
        """
        outputs = self._forward(images, None)
        compared = {name: outputs[name].reshape(len(images), -1) for name in self.architecture.compared}
        outputs |= compared
        outputs[COMPOSED] = jnp.concatenate(list(compared.values()), axis=-1)
        return {name: outputs[name] for name in self.architecture.activation_shapes()}

    def weights(self) -> dict[str, dict[str, jax.Array]]:
        """The parameters of each layer that has any, by name."""
        shapes = self.architecture.input_shapes()
        return {
            layer.name: {name: getattr(getattr(self, layer.name), name)[...] for name in parameters}
            for layer in self.architecture.layers
            if (parameters := layer.parameters(*shapes[layer.name]))
        }

    def _forward(self, images: jax.Array, dropout_key: jax.Array | None) -> dict[str, jax.Array]:
        weights, sources = self.weights(), self.architecture.sources()
        outputs = {INPUT: prepare(self.architecture.pixels, images)}
        for index, layer in enumerate(self.architecture.layers):
            inputs = [outputs[source] for source in sources[layer.name]]
            if isinstance(layer, layers.Dropout) and dropout_key is not None:
                key = jax.random.fold_in(dropout_key, index)
                outputs[layer.name] = nnx.Dropout(layer.rate, deterministic=False)(inputs[0], rngs=key)
            else:
                outputs[layer.name] = evaluate(layer, weights.get(layer.name, {}), *inputs)
        return outputs


def prepare(pixels: Pixels, images: jax.Array) -> jax.Array:
    """Images (..., C) float32 in [0, 1] as the network's input."""
    if pixels == Pixels():
        return images
    shape = (1,) * (images.ndim - 1) + (-1,)
    if pixels.channels == "bgr":
        images = images[..., ::-1]
    if pixels.scale == "byte":
        images = images * jnp.float32(255)
    if pixels.mean:
        images = images - jnp.array(pixels.mean, jnp.float32).reshape(shape)
    if pixels.std:
        images = images / jnp.array(pixels.std, jnp.float32).reshape(shape)
    return images


def to_float(images: jax.Array) -> jax.Array:
    """uint8 images in 0..255 to float32 in [0, 1]; what else a network expects is in its `Pixels`."""
    floats: jax.Array = images.astype(jnp.float32) / jnp.float32(255)
    return floats


def accuracy(network: Network, images: np.ndarray, labels: np.ndarray, *, batch_size: int = 500) -> float:
    """The share in [0, 1] of images (N, H, W, C) uint8 whose most likely class is the label."""
    return float((predict(network, images, batch_size=batch_size).argmax(-1) == labels).mean())


def predict(network: Network, images: np.ndarray, *, batch_size: int = 500) -> np.ndarray:
    """Logits (N, K) float32 of images (N, H, W, C) uint8, batch by batch over all local devices.

    Batches of images above 64 x 64 pixels are smaller.
    """
    batch_size = most_together(batch_size, images.shape[1:])
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
    """Yield named activations, float32, of images (N, H, W, C) uint8, batch by batch in order.

    Of images above 64 x 64 pixels a batch is computed in several passes.
    """
    size = most_together(batch_size, images.shape[1:])
    graph, params = nnx.split(network)
    forward = _activating(graph, names)
    devices = jax.local_devices()
    copies = [jax.device_put(params, device) for device in devices]

    def outputs(index: int, first: int) -> tuple[int, list[dict[str, jax.Array]]]:
        batch, place, passes = images[first : first + batch_size], index % len(devices), []
        for start in range(0, len(batch), size):
            part = batch[start : start + size]
            padded = np.pad(part, ((0, size - len(part)), (0, 0), (0, 0), (0, 0)))
            passes.append(forward(copies[place], jax.device_put(padded, devices[place])))
        return len(batch), passes

    # While one batch is yielded, the other devices compute theirs.
    begun: deque[tuple[int, list[dict[str, jax.Array]]]] = deque()
    for index, first in enumerate(range(0, len(images), batch_size)):
        begun.append(outputs(index, first))
        if len(begun) == len(devices):
            yield _rows(*begun.popleft())
    yield from (_rows(*entry) for entry in begun)


def _rows(count: int, passes: list[dict[str, jax.Array]]) -> dict[str, np.ndarray]:
    if len(passes) == 1:
        return {name: np.asarray(value)[:count] for name, value in passes[0].items()}
    return {name: np.concatenate([np.asarray(one[name]) for one in passes])[:count] for name in passes[0]}


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
