"""An attack that evades the repair sweep: the one pixel stays near the median of its neighbors.

The repair sweep (model/detectors/repair.py) sets each pixel in turn to the median of its neighbors and
evaluates the network; the nearer the attacked pixel is to that median, the less its repair can change.
So this attack tries, at every position, the eight corners of a small cube of colors around the median, where
the corner sweep tries those of the whole cube: the smaller the cube, the fewer attacks succeed, and the
harder the attack is to detect. With a half-width of 255 it is the corner sweep.

Axis letters: N images, H rows, W columns, M = 8 colors, K classes.
"""

from collections.abc import Callable, Iterator
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from model.attacks import step, sweep_step
from model.attacks.loop import AttackResult
from model.detectors.repair import neighbor_medians
from model.devices import in_blocks
from model.network.change import Memory
from model.network.cnn import Network
from model.network.incremental_pass import fastest

CORNERS = np.array(list(product((-1, 1), repeat=3)))  # (M, 3)


def near_median_attack(
    function: Callable[[Array], Array] | Network, images: np.ndarray, labels: np.ndarray, within: int
) -> AttackResult:
    """Attack every image; see `near_median_stream` for arguments and errors."""
    parts = [part for _, part in near_median_stream(function, images, labels, within)]
    return AttackResult(*(np.concatenate(field) for field in zip(*parts, strict=True)))


def near_median_stream(
    function: Callable[[Array], Array] | Network, images: np.ndarray, labels: np.ndarray, within: int
) -> Iterator[tuple[np.ndarray, AttackResult]]:
    """Yield (indices (n,), AttackResult of n images) block by block, in order.

    The result is the candidate with the largest margin, best other logit - label's logit; among equals the
    first by row, column and color. It succeeds when it differs from the image and the plain pass of the
    painted image gives another class than the label. Queries are all candidates, H x W x 8;
    generations and seconds are 0. An image that is already misclassified is attacked, too.

    function: a network, or a function as in `attack_stream`; a network is evaluated by the incremental pass
        where that is faster. images (N, H, W, 3) uint8, N >= 1, H and W >= 2; labels (N,) int in [0, K).
    within: the most that a channel of the pixel may differ from the median of its neighbors, 1..255.
    Raises ValueError, in one line, for anything else: at the call, not at the first item.
    """
    if isinstance(function, Network):
        function = fastest(function)[0]
    function = step.as_function(function)
    images, labels = np.asarray(images), np.asarray(labels)
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8 or min(images.shape[1:3]) < 2:
        raise ValueError(
            f"images (={images.dtype} {images.shape}) must be uint8 of shape (N, H >= 2, W >= 2, 3)"
        )
    if not len(images):
        raise ValueError("images: expected at least one")
    classes = step.class_count(function, images.shape[1:])
    if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"labels (={labels.dtype} {labels.shape}) must be integers of shape ({len(images)},)"
        )
    if not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"labels must lie in 0..{classes - 1}, but go from {labels.min()} to {labels.max()}")
    if isinstance(within, bool) or not isinstance(within, int | np.integer) or not 1 <= within <= 255:
        raise ValueError(f"within (={within!r}) must be a whole number in 1..255")
    return _blocks(function, images, labels.astype(np.int32), int(within))


def median_corners(images: np.ndarray, within: int) -> np.ndarray:
    """The eight colors to try at each pixel of images (N, H, W, 3) uint8: (N, H, W, M, 3) uint8.

    Each channel is the neighbors' median - within or + within, cut off at 0 and 255; red changes slowest.
    """
    medians = neighbor_medians(images).astype(np.int64)[:, :, :, None]
    corners: np.ndarray = np.clip(medians + within * CORNERS, 0, 255).astype(np.uint8)
    return corners


def _blocks(
    function: step.Function, images: np.ndarray, labels: np.ndarray, within: int
) -> Iterator[tuple[np.ndarray, AttackResult]]:
    def work(copy: step.Function, device: jax.Device, indices: np.ndarray) -> AttackResult:
        pictures, colors = images[indices], median_corners(images[indices], within)
        inputs = jax.device_put((pictures, colors, labels[indices]), device)
        found = _positions(copy, sweep_step.remember(copy, inputs[0]), *inputs)
        painted, pixels = _paint(pictures, colors, *map(np.asarray, found))
        logits = np.asarray(step.logits_of(copy, jax.device_put(painted, device)))
        changed = (painted != pictures).any(axis=(1, 2, 3))
        count = len(pictures)
        return AttackResult(
            changed & (logits.argmax(-1) != labels[indices]),
            painted,
            pixels,
            np.full(count, np.prod(colors.shape[1:4])),
            logits,
            np.zeros(count, np.int64),
            np.zeros(count),
        )

    for indices, found in in_blocks(function, len(images), sweep_step.TOGETHER // len(CORNERS), work):
        yield indices, AttackResult(*(field[: len(indices)] for field in found))


def _paint(
    images: np.ndarray, colors: np.ndarray, margins: np.ndarray, best: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Copies (N, H, W, 3) with the best candidate, and its pixels (N, 1, 5); margins and best (H * W, N)."""
    each = np.arange(len(images))
    place = margins.argmax(0)
    row, column = np.divmod(place, images.shape[2])
    color = colors[each, row, column, best[place, each]]
    painted = images.copy()
    painted[each, row, column] = color
    return painted, np.column_stack([row, column, color]).astype(np.int64)[:, None]


@jax.jit
def _positions(
    function: step.Function, memory: Memory | None, images: Array, colors: Array, labels: Array
) -> tuple[Array, Array]:
    """The largest margins and their colors' indices (H * W, N), colors (N, H, W, M, 3) uint8."""

    def position(place: Array) -> tuple[Array, Array]:
        row, column = place // images.shape[2], place % images.shape[2]
        shape = (len(images), 1, 1, *colors.shape[3:])
        chosen = jax.lax.dynamic_slice(colors, (0, row, column, 0, 0), shape)
        logits = sweep_step.logits_at(function, memory, images, row, column, chosen[:, 0, 0])
        best = sweep_step.best(logits, labels)
        return best.margins, best.colors

    every: tuple[Array, Array] = jax.lax.map(
        position, jnp.arange(images.shape[1] * images.shape[2], dtype=jnp.int32)
    )
    return every
