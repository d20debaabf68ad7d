"""The repair sweep at the most promising pixels only: an eighth of the work, nearly always the same answer.

Two things make a pixel promising: how far it is from its neighbors' median, and how much its repair would
help another class to first order, which one gradient gives for all pixels. Each alone misses some pixels
that the other one includes. The pixels that rank highest by either are repaired one by one, as exactly as in
the whole sweep (`model.detectors.repair`); the rest get no margin. `benchmarks.check` measures how often the
answers agree.

Of images above 64 x 64 pixels an ingest, too, tries only these (`usual_stream`): the whole sweep would take a
pass for each of up to 65,536 pixels.

Axis letters: N images, H rows, W columns, C = 1 or 3 channels, K classes, M positions that are tried.
"""

from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from model.attacks import step, sweep_step
from model.detectors.repair import Repair, neighbor_medians, repair_stream
from model.devices import TWO, USUAL_PIXELS, in_blocks, most_together
from model.network import cnn
from model.network.incremental_pass import Incremental

# Of 1,024. On the trained network and 3,116 images (`benchmarks.check`) score, place and class equal those of
# the whole sweep for all 992 attacked ones; of the 2,124 others 97.4 % have the same place and 99.8 % the
# same class, no score is off by more than 0.53 logits, and three are on the other side of 0.
POSITIONS = 128
POSITIONS_OF_LARGE = 512  # of more than `WHOLE` pixels; how often it agrees there was not measured
WHOLE = USUAL_PIXELS  # pixels of an image up to which an ingest repairs each of them


def positions_of(shape: tuple[int, ...]) -> int:
    """M, how many positions are tried of images of `shape` (H, W, C)."""
    return min(shape[0] * shape[1], POSITIONS if repairs_whole(shape) else POSITIONS_OF_LARGE)


def repairs_whole(shape: tuple[int, ...]) -> bool:
    """Whether an ingest repairs every pixel of images of `shape` (H, W, C)."""
    return shape[0] * shape[1] <= WHOLE


def usual_repair(function: step.Function, images: np.ndarray) -> Repair:
    """The repair sweep of an ingest, in one piece; see `usual_stream`."""
    parts = [part for _, part in usual_stream(function, images)]
    return Repair(*(np.concatenate(field) for field in zip(*parts, strict=True)))


def usual_stream(
    function: step.Function, images: np.ndarray, *, together: int | None = None
) -> Iterator[tuple[np.ndarray, Repair]]:
    """The repair sweep of an ingest: the whole one of images up to 64 x 64 pixels, of larger ones screened.

    Arguments as of `repair_stream` and `screened_stream`.
    """
    if repairs_whole(images.shape[1:]):
        return repair_stream(function, images, together=together)
    return screened_stream(function, images, together=together)


def screened_stream(
    function: step.Function,
    images: np.ndarray,
    positions: int | None = None,
    *,
    together: int | None = None,
) -> Iterator[tuple[np.ndarray, Repair]]:
    """Yield (indices (n,), Repair of n images) block by block, in order; untried margins are -inf.

    function: as `model.network.cnn.logits_function` or `model.network.incremental_pass.incremental` returns.
    images (N, H, W, C) uint8, N >= 1, H and W >= 2. positions: M, how many are tried in each image, all where
    there are fewer; by default as `positions_of`. together: images per block, as of `repair_stream`.
    """
    shape = images.shape[1:]
    most = min(positions or positions_of(shape), shape[0] * shape[1])

    def work(copy: step.Function, device: jax.Device, indices: np.ndarray) -> Repair:
        pictures = images[indices]
        inputs = jax.device_put((pictures, neighbor_medians(pictures)), device)
        found = _screened(copy, *inputs, most)
        predicted, places, tried, classes = map(np.asarray, found)
        margins = np.full((len(pictures), np.prod(pictures.shape[1:3])), -np.inf, np.float32)
        np.put_along_axis(margins, places, tried, axis=1)
        named = np.zeros(margins.shape, np.int32)
        np.put_along_axis(named, places, classes, axis=1)
        maps = pictures.shape[:3]
        return Repair(predicted.astype(np.int32), margins.reshape(maps), named.reshape(maps))

    size, least = together or most_together(sweep_step.TOGETHER, shape), together or TWO
    for indices, found in in_blocks(function, len(images), size, work, least=least):
        yield indices, Repair(*(field[: len(indices)] for field in found))


def promising(function: step.Function, images: Array, colors: Array, predicted: Array, most: int) -> Array:
    """The places row * W + column, (N, M) int32, where repairing may help another class most.

    images and colors (N, H, W, C) uint8, predicted (N,) int32; most: M.
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
    function: step.Function, images: Array, colors: Array, most: int
) -> tuple[Array, Array, Array, Array]:
    """Predicted classes (N,), the places tried (N, M), and the margins and classes there (N, M)."""
    predicted = function(cnn.to_float(images)).argmax(-1).astype(jnp.int32)
    places = promising(function, images, colors, predicted, most)

    def repair_image(inputs: tuple[Array, Array, Array, Array]) -> tuple[Array, Array]:
        image, medians, own, label = inputs
        rows, columns = jnp.divmod(own, jnp.int32(image.shape[1]))
        pixels = jnp.concatenate(
            [rows[:, None], columns[:, None], medians[rows, columns].astype(jnp.int32)], axis=1
        )
        best = sweep_step.best(_logits(function, image, pixels)[:, None], jnp.full(most, label))
        return best.margins, best.classes

    return predicted, places, *jax.lax.map(repair_image, (images, colors, places, predicted))


def _logits(function: step.Function, image: Array, pixels: Array) -> Array:
    """Logits (M, K) of an image with one pixel in each of (M, 2 + C) int32, incrementally if possible."""
    size = POSITIONS
    if isinstance(function, Incremental):
        memory = function.remember(image[None])

        def evaluate(some: Array) -> Array:
            return function.changed(memory, some[:, None])

    else:
        size = most_together(size, image.shape)

        def evaluate(some: Array) -> Array:
            copies = jnp.broadcast_to(image, (len(some), *image.shape))
            each = jnp.arange(len(some), dtype=jnp.int32)
            painted = copies.at[each, some[:, 0], some[:, 1]].set(some[:, 2:].astype(jnp.uint8))
            logits: Array = step.logits_of(function, painted)
            return logits

    if len(pixels) <= size:
        return evaluate(pixels)
    chunks = -(-len(pixels) // size)
    padded = jnp.pad(pixels, ((0, chunks * size - len(pixels)), (0, 0)), mode="edge")
    every: Array = jax.lax.map(evaluate, padded.reshape(chunks, size, -1))
    return every.reshape(chunks * size, -1)[: len(pixels)]
