"""The network in Flax nnx, built from its description: logits and every named activation.

Axis letters as in `model.layers`: B batch, H rows, W columns, C channels, K classes.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from model import layers


class Network(nnx.Module):
    """A convolutional classifier; `architecture` describes its layers."""

    def __init__(self, architecture: layers.Architecture, *, rngs: nnx.Rngs) -> None:
        """Weights drawn by Flax's defaults for convolutions and He's uniform rule before a ReLU."""
        self.architecture = architecture
        shape = architecture.input_shape
        for layer in architecture.layers:
            if isinstance(layer, layers.Conv):
                module = nnx.Conv(
                    shape[-1],
                    layer.features,
                    (layer.kernel, layer.kernel),
                    padding=layer.padding,
                    kernel_init=nnx.initializers.he_uniform(),
                    conv_general_dilated=convolve,
                    rngs=rngs,
                )
                setattr(self, layer.name, module)
            elif isinstance(layer, layers.Dense):
                module = nnx.Linear(
                    shape[0],
                    layer.features,
                    kernel_init=nnx.initializers.he_uniform()
                    if layer.relu
                    else nnx.initializers.xavier_uniform(),
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

    The same values as a windowed reduction; its gradient is a few selections where the reduction's
    is a scatter, which XLA runs some twenty times slower on a CPU.
    """
    height, width = x.shape[1] // window * window, x.shape[2] // window * window
    slices = [x[:, i:height:window, j:width:window] for i in range(window) for j in range(window)]
    result = slices[0]
    for part in slices[1:]:
        result = jnp.maximum(result, part)
    return result


def convolve(x: jax.Array, kernel: jax.Array, strides, padding: str, **options) -> jax.Array:
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
        return jnp.concatenate(patches, axis=-1) @ kernel.reshape(-1, kernel.shape[-1])
    same = lax.conv_general_dilated(x, kernel, strides, "SAME", **options)
    return same if padding == "SAME" else same[:, edge:-edge, edge:-edge]


def to_float(images: jax.Array) -> jax.Array:
    """uint8 images in 0..255 to float32 in [0, 1], the only scaling the network expects."""
    return images.astype(jnp.float32) / jnp.float32(255)
