"""The repair sweep at the most promising pixels only: an eighth of the work, nearly always the same answer.

Two things make a pixel promising: how far it is from its neighbors' median, and how much its repair would
help another class to first order, which one gradient gives for all pixels. Each alone misses some pixels
that the other one includes. The pixels that rank highest by either are repaired one by one, as exactly as in
the whole sweep (`model.detectors.repair`); the rest get no margin. `benchmarks.check` measures how often the
answers agree.

Axis letters: N images, H rows, W columns, K classes, M positions that are tried.
"""

from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from model.attacks import step, sweep_step
from model.detectors.repair import Repair, neighbor_medians
from model.devices import TWO, in_blocks
from model.network import cnn
from model.network.incremental_pass import Incremental
from model.network.memory import Memory

# Of 1,024. On the trained network and 3,116 images (`benchmarks.check`) score, place and class equal those of
# the whole sweep for all 992 attacked ones; of the 2,124 others 97.4 % have the same place and 99.8 % the
# same class, no score is off by more than 0.53 logits, and three are on the other side of 0.
POSITIONS = 128


def screened_stream(
    function: step.Function, images: np.ndarray, positions: int = POSITIONS
) -> Iterator[tuple[np.ndarray, Repair]]:
    """Yield (indices (n,), Repair of n images) block by block, in order; untried margins are -inf.

    function: as `model.network.cnn.logits_function` or `model.network.incremental_pass.incremental` returns.
    images (N, H, W, 3) uint8, N >= 1, H and W >= 2. positions: M, how many are tried in each image, all where
    there are fewer.
    """
    most = min(positions, images.shape[1] * images.shape[2])

    def work(copy: step.Function, device: jax.Device, indices: np.ndarray) -> Repair:
        pictures = images[indices]
        inputs = jax.device_put((pictures, neighbor_medians(pictures)), device)
        found = _screened(copy, sweep_step.remember(copy, inputs[0]), *inputs, most)
        predicted, places, tried, classes = map(np.asarray, found)
        margins = np.full((len(pictures), np.prod(pictures.shape[1:3])), -np.inf, np.float32)
        np.put_along_axis(margins, places, tried, axis=1)
        named = np.zeros(margins.shape, np.int32)
        np.put_along_axis(named, places, classes, axis=1)
        shape = pictures.shape[:3]
        return Repair(predicted.astype(np.int32), margins.reshape(shape), named.reshape(shape))

    for indices, found in in_blocks(function, len(images), sweep_step.TOGETHER, work, least=TWO):
        yield indices, Repair(*(field[: len(indices)] for field in found))


def promising(function: step.Function, images: Array, colors: Array, predicted: Array, most: int) -> Array:
    """The places row * W + column, (N, M) int32, where repairing may help another class most.

    images and colors (N, H, W, 3) uint8, predicted (N,) int32; most: M.
    """
    floats, change = cnn.to_float(images), cnn.to_float(colors) - cnn.to_float(images)

    def lead(inputs: Array) -> Array:
        logits = function(inputs)
        own = jnp.arange(logits.shape[1], dtype=jnp.int32)[None, :] == predicted[:, None]
        # over all other classes, near ones count more: after the repair another one may be best
        others = jax.nn.logsumexp(jnp.where(own, -jnp.inf, logits), axis=1)
        return (others - jnp.where(own, logits, 0.0).sum(axis=1)).sum()

    help_, distance = jax.grad(lead)(floats) * change, jnp.square(change)
    ranks = [_ranks(value.sum(axis=3).reshape(len(images), -1)) for value in (help_, distance)]
    return jax.lax.top_k(-jnp.minimum(*ranks), most)[1]


def _ranks(values: Array) -> Array:
    """The place of each of (N, P) values in its row, 0 for the largest; ties by position."""
    return jnp.argsort(jnp.argsort(-values, axis=1), axis=1).astype(jnp.int32)


@partial(jax.jit, static_argnames=("most",))
def _screened(
    function: step.Function, memory: Memory | None, images: Array, colors: Array, most: int
) -> tuple[Array, Array, Array, Array]:
    """Predicted classes (N,), the places tried (N, M), and the margins and classes there (N, M)."""
    predicted = function(cnn.to_float(images)).argmax(-1).astype(jnp.int32)
    places = promising(function, images, colors, predicted, most)
    flat = colors.reshape(len(images), -1, 3)

    def repair_image(index: Array) -> tuple[Array, Array]:
        own = places[index]
        pixels = jnp.concatenate(
            [
                jnp.stack(jnp.divmod(own, jnp.int32(images.shape[2])), axis=1),
                flat[index, own].astype(jnp.int32),
            ],
            axis=1,
        )
        logits = _logits(function, memory, images, index, pixels)
        best = sweep_step.best(logits[:, None], jnp.full(most, predicted[index]))
        return best.margins, best.classes

    return predicted, places, *jax.lax.map(repair_image, jnp.arange(len(images), dtype=jnp.int32))


def _logits(
    function: step.Function, memory: Memory | None, images: Array, index: Array, pixels: Array
) -> Array:
    """Logits (M, K) of an image with one pixel in each of (M, 5) int32, incrementally if possible."""
    if isinstance(function, Incremental) and memory is not None:
        return function.changed(memory.of(index), pixels[:, None])
    copies = jnp.broadcast_to(images[index], (len(pixels), *images.shape[1:]))
    painted = copies.at[jnp.arange(len(pixels)), pixels[:, 0], pixels[:, 1]].set(
        pixels[:, 2:].astype(jnp.uint8)
    )
    logits: Array = step.logits_of(function, painted)
    return logits
