"""An attack that evades the repair sweep: the one pixel stays near the median of its neighbors.

The repair sweep (model/detectors/repair.py) sets each pixel in turn to the median of its neighbors and
evaluates the network; the nearer the attacked pixel is to that median, the less its repair can change.
So this attack tries, at every position, the eight corners of a small cube of colors around the median, where
the corner sweep tries those of the whole cube: the smaller the cube, the fewer attacks succeed, and the
harder the attack is to detect. With a half-width of 255 it is the corner sweep. Of a gray image the cube is
an interval with two ends.

Axis letters: N images, H rows, W columns, C = 1 or 3 channels, M = 2^C colors, K classes, P positions tried.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from model.attacks import step, sweep_step
from model.attacks.grid import check_stride
from model.attacks.images import as_rows, check_images, check_labels
from model.attacks.loop import AttackResult
from model.attacks.sweep import images_together
from model.detectors.repair import neighbor_medians
from model.devices import in_blocks
from model.network.cnn import Network
from model.network.incremental_pass import fastest
from model.network.memory import Memory


def near_median_attack(
    function: Callable[[Array], Array] | Network,
    images: np.ndarray,
    labels: np.ndarray,
    within: int,
    *,
    stride: int = 1,
) -> AttackResult:
    """Attack every image; see `near_median_stream` for arguments and errors."""
    parts = [part for _, part in near_median_stream(function, images, labels, within, stride=stride)]
    return AttackResult(*(np.concatenate(field) for field in zip(*parts, strict=True)))


def near_median_stream(
    function: Callable[[Array], Array] | Network,
    images: np.ndarray,
    labels: np.ndarray,
    within: int,
    *,
    stride: int = 1,
) -> Iterator[tuple[np.ndarray, AttackResult]]:
    """Yield (indices (n,), AttackResult of n images) block by block, in order.

    The result is the candidate with the largest margin, best other logit - label's logit; among equals the
    first by row, column and color. It succeeds when it differs from the image and the plain pass of the
    painted image gives another class than the label. Queries are all candidates, 2^C a position;
    generations and seconds are 0. An image that is already misclassified is attacked, too.

    function: a network, or a function as in `attack_stream`; a network is evaluated by the incremental pass
        where that is faster. images (N, H, W, C) uint8, N >= 1, H and W >= 2; labels (N,) int in [0, K).
    within: the most that a channel of the pixel may differ from the median of its neighbors, 1..255.
    stride: every so manieth row and column is tried, from the first on.
    Raises ValueError, in one line, for anything else: at the call, not at the first item.
    """
    if isinstance(function, Network):
        function = fastest(function)[0]
    function = step.as_function(function)
    images = check_images(images, least_side=2)
    if not len(images):
        raise ValueError("images: expected at least one")
    labels = check_labels(labels, len(images), step.class_count(function, images.shape[1:]))
    check_stride(stride)
    if isinstance(within, bool) or not isinstance(within, int | np.integer) or not 1 <= within <= 255:
        raise ValueError(f"within (={within!r}) must be a whole number in 1..255")
    return _blocks(function, images, labels, int(within), stride)


def median_corners(images: np.ndarray, within: int) -> np.ndarray:
    """The colors to try at each pixel of images (N, H, W, C) uint8: (N, H, W, M, C) uint8.

    Each channel is the neighbors' median - within or + within, cut off at 0 and 255; red changes slowest.
    """
    medians = neighbor_medians(images).astype(np.int16)[:, :, :, None]
    signs = np.array(list(product((-1, 1), repeat=images.shape[-1])), np.int16)  # (M, C)
    corners: np.ndarray = np.clip(medians + within * signs, 0, 255).astype(np.uint8)
    return corners


def _blocks(
    function: step.Function, images: np.ndarray, labels: np.ndarray, within: int, stride: int
) -> Iterator[tuple[np.ndarray, AttackResult]]:
    together = images_together(function, images.shape[1:], 2 ** images.shape[3])

    def work(copy: step.Function, device: jax.Device, indices: np.ndarray) -> AttackResult:
        pictures, colors = images[indices], median_corners(images[indices], within)
        inputs = jax.device_put((pictures, colors, labels[indices]), device)
        found = _positions(copy, sweep_step.remember(copy, inputs[0]), *inputs, stride)
        margins, best = map(np.asarray, found)
        painted, pixels = _paint(pictures, colors, margins, best, stride)
        logits = np.asarray(step.logits_of(copy, jax.device_put(painted, device)))
        changed = (painted != pictures).any(axis=(1, 2, 3))
        count = len(pictures)
        return AttackResult(
            changed & (logits.argmax(-1) != labels[indices]),
            painted,
            pixels,
            np.full(count, len(margins) * colors.shape[3]),
            logits,
            np.zeros(count, np.int64),
            np.zeros(count),
        )

    for indices, found in in_blocks(function, len(images), together, work):
        yield indices, AttackResult(*(field[: len(indices)] for field in found))


def _paint(
    images: np.ndarray, colors: np.ndarray, margins: np.ndarray, best: np.ndarray, stride: int
) -> tuple[np.ndarray, np.ndarray]:
    """Copies (N, H, W, C) with the best candidate, and its pixels (N, 1, 5); margins and best (P, N)."""
    each = np.arange(len(images))
    place = margins.argmax(0)
    row, column = (stride * part for part in np.divmod(place, len(range(0, images.shape[2], stride))))
    color = colors[each, row, column, best[place, each]]
    painted = images.copy()
    painted[each, row, column] = color
    return painted, as_rows(np.column_stack([row, column, color]))[:, None]


@partial(jax.jit, static_argnames=("stride",))
def _positions(
    function: step.Function, memory: Memory | None, images: Array, colors: Array, labels: Array, stride: int
) -> tuple[Array, Array]:
    """The largest margins and their colors' indices (P, N), colors (N, H, W, M, C) uint8."""
    down, across = (len(range(0, side, stride)) for side in images.shape[1:3])

    def position(place: Array) -> tuple[Array, Array]:
        row, column = stride * (place // across), stride * (place % across)
        shape = (len(images), 1, 1, *colors.shape[3:])
        chosen = jax.lax.dynamic_slice(colors, (0, row, column, 0, 0), shape)
        logits = sweep_step.logits_at(function, memory, images, row, column, chosen[:, 0, 0])
        best = sweep_step.best(logits, labels)
        return best.margins, best.colors

    every: tuple[Array, Array] = jax.lax.map(position, jnp.arange(down * across, dtype=jnp.int32))
    return every
