"""The repair sweep: each pixel in turn is set to its neighbors' median, and the network is evaluated.

Where a network's answer depends on one odd pixel, repairing that pixel gives another class, while
repairing any other pixel changes little. So the largest margin of another class over all positions is a score
for an attack of one pixel, its place is the suspected pixel, and the class there the recovered one. This
method is ours, not the paper's. It misses a pixel that is painted like its neighbors, and is misled by images
that are odd by nature.

Axis letters: N images, H rows, W columns, C = 1 or 3 channels, K classes.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from model.attacks import step, sweep_step
from model.attacks.images import check_images
from model.attacks.sweep import images_together
from model.devices import TWO, in_blocks
from model.network.cnn import Network
from model.network.incremental_pass import fastest
from model.network.memory import Memory

MOST_NEIGHBORS = 2**24  # values of neighbors that are sorted at a time


class Repair(NamedTuple):
    """The results of the repair sweep of N images; the score is the largest margin."""

    predicted: np.ndarray  # (N,) int32, class of the unchanged image
    margins: (
        np.ndarray
    )  # (N, H, W) float32: best other logit - predicted class's logit, with that pixel repaired
    classes: np.ndarray  # (N, H, W) int32, that other class

    @property
    def scores(self) -> np.ndarray:
        """(N,) float32: above 0 where repairing one pixel changes the answer."""
        largest: np.ndarray = self.margins.max((1, 2))
        return largest

    @property
    def positions(self) -> np.ndarray:
        """(N, 2) int64, row and column of the largest margin; the first among equals."""
        place = self.margins.reshape(len(self.margins), -1).argmax(1)
        return np.stack(np.divmod(place, self.margins.shape[2]), axis=1)

    @property
    def recovered(self) -> np.ndarray:
        """(N,) int32, the class that the repair there leads to."""
        rows, columns = self.positions.T
        classes: np.ndarray = self.classes[np.arange(len(self.classes)), rows, columns]
        return classes


def neighbor_medians(images: np.ndarray) -> np.ndarray:
    """The median of each pixel's up to eight neighbors, channel by channel.

    images (N, H, W, C) uint8, H and W >= 2; returns the same shape and type. Of two middle values the
    mean is taken, with halves rounded to even. At an edge there are five neighbors, in a corner three.
    """
    size = max(1, MOST_NEIGHBORS // (8 * images[0].size)) if len(images) else 1
    parts = [_neighbor_medians(images[first : first + size]) for first in range(0, len(images), size)]
    return np.concatenate([images[:0], *parts])


def _neighbor_medians(images: np.ndarray) -> np.ndarray:
    count, height, width, channels = images.shape
    padded = np.full((count, height + 2, width + 2, channels), np.nan, np.float32)
    padded[:, 1:-1, 1:-1] = images
    shifted = [
        padded[:, row : row + height, column : column + width]
        for row in range(3)
        for column in range(3)
        if (row, column) != (1, 1)
    ]
    medians: np.ndarray = np.rint(np.nanmedian(np.stack(shifted), axis=0)).astype(np.uint8)
    return medians


def repair_sweep(function: Callable[[Array], Array] | Network, images: np.ndarray) -> Repair:
    """Repair every pixel of every image in turn; see `repair_stream` for arguments and errors."""
    parts = [part for _, part in repair_stream(function, images)]
    return Repair(*(np.concatenate(field) for field in zip(*parts, strict=True)))


def repair_stream(
    function: Callable[[Array], Array] | Network, images: np.ndarray, *, together: int | None = None
) -> Iterator[tuple[np.ndarray, Repair]]:
    """Yield (indices (n,), Repair of n images) block by block, in order.

    function: a network, or a function as in `attack_stream`; a network is evaluated by the incremental pass
        where that is faster. images (N, H, W, C) uint8, N >= 1, H and W >= 2.
    together: images per block; the same block then gives the same bits, whatever other blocks there are.
        By default blocks are as large as fits cache and memory, and smaller for few images.

    Raises ValueError, in one line, for anything else: at the call, not at the first item.
    """
    if isinstance(function, Network):
        function = fastest(function)[0]
    function = step.as_function(function)
    images = check_images(images, least_side=2)
    if not len(images):
        raise ValueError("images: expected at least one")
    step.class_count(function, images.shape[1:])
    return _blocks(function, images, together)


def _blocks(
    function: step.Function, images: np.ndarray, together: int | None
) -> Iterator[tuple[np.ndarray, Repair]]:
    def work(copy: step.Function, device: jax.Device, indices: np.ndarray) -> Repair:
        pictures = images[indices]
        inputs = jax.device_put((pictures, neighbor_medians(pictures)), device)
        predicted = step.logits_of(copy, inputs[0]).argmax(-1)
        found = _positions(copy, sweep_step.remember(copy, inputs[0]), *inputs, predicted)
        margins, classes = (np.asarray(field).T.reshape(pictures.shape[:3]) for field in found)
        return Repair(np.asarray(predicted, np.int32), margins, classes)

    size, least = together or images_together(function, images.shape[1:], 1), together or TWO
    for indices, found in in_blocks(function, len(images), size, work, least=least):
        yield indices, Repair(*(field[: len(indices)] for field in found))


@jax.jit
def _positions(
    function: step.Function, memory: Memory | None, images: Array, colors: Array, predicted: Array
) -> tuple[Array, Array]:
    """Margins and classes (H * W, N) of images (N, H, W, C) with one pixel taken from colors, same shape."""

    def position(place: Array) -> tuple[Array, Array]:
        row, column = place // images.shape[2], place % images.shape[2]
        chosen = jax.lax.dynamic_slice(colors, (0, row, column, 0), (len(images), 1, 1, colors.shape[3]))
        logits = sweep_step.logits_at(function, memory, images, row, column, chosen[:, 0])
        best = sweep_step.best(logits, predicted)
        return best.margins, best.classes

    every: tuple[Array, Array] = jax.lax.map(
        position, jnp.arange(images.shape[1] * images.shape[2], dtype=jnp.int32)
    )
    return every
