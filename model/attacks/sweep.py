"""The exhaustive one-pixel attack: every position of an image in every color of a set.

With the eight corners of the color cube, 8,192 queries for an image of 32 x 32, it succeeds where
differential evolution does, since that ends in the corners too; it is the search of CornerSearch (Croce and
Hein, arXiv 1909.05040) for one pixel. It also gives the best margin of any color of the set at each position,
the vulnerability map, and how close each class came; and so the proof that no color of the set works.

Axis letters: N images, H rows, W columns, M colors, K classes, T targets an image.
"""

from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple

import jax
import numpy as np
from jax import Array

from model.attacks import step, sweep_step
from model.attacks.loop import AttackResult
from model.devices import in_blocks
from model.network import plan as plans
from model.network.cnn import Network
from model.network.incremental_pass import Incremental, fastest

WORTH_EDGES = 500  # images from which on separate compiled programs for the edges pay off


class Sweep(NamedTuple):
    """The results of a sweep of N images; a margin above 0 means that the network is fooled.

    Candidates are evaluated by the incremental pass where there is one. The best of all, and the best for
    each class, are painted and evaluated once more by the plain pass.
    """

    margins: np.ndarray  # (N, H, W) float32, largest over the colors: best other logit - label's logit
    classes: np.ndarray  # (N, H, W) int32, that other class
    colors: np.ndarray  # (N, H, W) int32, index of the color that reached it
    reach: np.ndarray  # (N, K) float32, largest over all candidates: the class's logit - best other logit
    places: np.ndarray  # (N, 1 + K) int32, place of the best of all, then of each class: see `paint`
    logits: np.ndarray  # (N, 1 + K, K) float32, of these by the plain pass


def color_grid(levels: int = 2) -> np.ndarray:
    """levels^3 colors (M, 3) uint8, evenly spaced from 0 to 255; two levels are the corners of the cube."""
    if not 2 <= levels <= 16:
        raise ValueError(f"levels (={levels}) must lie in 2..16: the grid has levels^3 colors")
    steps = np.rint(np.linspace(0, 255, levels)).astype(np.uint8)
    return np.array(list(product(steps, repeat=3)), np.uint8)


def corner_sweep(
    function: Callable[[Array], Array] | Network,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    colors: np.ndarray | None = None,
) -> Sweep:
    """Sweep all images; see `sweep_stream` for arguments and errors."""
    blocks = [part for _, part in sweep_stream(function, images, labels, colors=colors)]
    return Sweep(*(np.concatenate(field) for field in zip(*blocks, strict=True)))


def sweep_stream(
    function: Callable[[Array], Array] | Network,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    colors: np.ndarray | None = None,
    together: int | None = None,
    edges: bool | None = None,
) -> Iterator[tuple[np.ndarray, Sweep]]:
    """Sweep the images and yield (indices (n,), Sweep of n images) block by block, in order.

    function: a network, or a function as in `attack_stream`; a network is evaluated by the incremental pass
        where that is faster, an `Incremental` always, a plain function by plain passes.
    images (N, H, W, 3) uint8; labels (N,) int in [0, K): the class to leave.
    colors (M, 3) uint8, by default the eight corners; `color_grid` gives finer sets.
    together: images per block; by default so many that all colors at one position fit the cache, and fewer
        for few images.
    edges: whether to compile separate programs for positions close to an edge, where a pixel reaches less; by
        default for `WORTH_EDGES` images and more, as compiling them takes long.

    With `together` and `edges` the same block of images gives the same bits, whatever other blocks there are;
    in another block, or in another place of one, an image's sweep may differ by a rounding.
    Raises ValueError, in one line, for anything else: at the call, not at the first item.
    """
    if isinstance(function, Network):
        function = fastest(function)[0]
    function = step.as_function(function)
    colors = color_grid() if colors is None else np.asarray(colors)
    images, labels = np.asarray(images), np.asarray(labels)
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8 or 0 in images.shape[1:]:
        raise ValueError(f"images (={images.dtype} {images.shape}) must be uint8 of shape (N, H, W, 3)")
    if colors.ndim != 2 or colors.shape[1] != 3 or colors.dtype != np.uint8 or not len(colors):
        raise ValueError(f"colors (={colors.dtype} {colors.shape}) must be uint8 of shape (M, 3), M >= 1")
    classes = step.class_count(function, images.shape[1:])
    if labels.shape != (len(images),) or not (np.issubdtype(labels.dtype, np.integer) or not labels.size):
        raise ValueError(
            f"labels (={labels.dtype} {labels.shape}) must be integers of shape ({len(images)},)"
        )
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"labels must lie in 0..{classes - 1}, but go from {labels.min()} to {labels.max()}")
    if not len(images):
        raise ValueError("images: expected at least one")
    least = together or 1
    together = together or max(1, sweep_step.TOGETHER // len(colors))
    edges = len(images) >= WORTH_EDGES if edges is None else edges
    return _blocks(function, images, labels.astype(np.int32), colors, together, least, edges)


def paint(images: np.ndarray, places: np.ndarray, colors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, H, W, 3) as the candidates at places (N, P): copies (N, P, H, W, 3) and pixels (N, P, 5).

    A place counts candidates: (row * W + column) * M + index of the color.
    """
    width = images.shape[2]
    position, color = places // len(colors), colors[places % len(colors)]
    row, column = position // width, position % width
    painted = np.repeat(images[:, None], places.shape[1], axis=1)
    painted[*np.indices(places.shape), row, column] = color
    return painted, np.concatenate([row[..., None], column[..., None], color], axis=2).astype(np.int64)


def as_attacks(
    images: np.ndarray,
    labels: np.ndarray,
    sweep: Sweep,
    *,
    targets: np.ndarray | None = None,
    colors: np.ndarray | None = None,
) -> AttackResult:
    """The sweep as an attack: of each image, or of each of its targets (N, T), the best candidate.

    Success is decided by the plain pass. Queries are all candidates of the image, generations and
    seconds are 0. A target of -1 counts as skipped. `colors` as in the sweep.
    """
    colors = color_grid() if colors is None else colors
    goals = labels[:, None] if targets is None else targets
    chosen = np.zeros_like(goals) if targets is None else 1 + np.maximum(targets, 0)
    painted, pixels = paint(images, np.take_along_axis(sweep.places, chosen, axis=1), colors)
    logits = np.take_along_axis(sweep.logits, chosen[:, :, None], axis=1)
    winner = logits.argmax(-1)
    changed = (painted != images[:, None]).any(axis=(2, 3, 4))
    wanted = goals >= 0
    success = wanted & changed & ((winner != goals) if targets is None else (winner == goals))
    result = AttackResult(
        success,
        painted,
        np.where(wanted[..., None], pixels, -1)[:, :, None],
        np.where(wanted, images.shape[1] * images.shape[2] * len(colors), 0),
        logits,
        np.where(wanted, 0, -1),
        np.zeros(goals.shape),
    )
    return result if targets is not None else AttackResult(*(field[:, 0] for field in result))


def _blocks(
    function: step.Function,
    images: np.ndarray,
    labels: np.ndarray,
    colors: np.ndarray,
    together: int,
    least: int,
    edges: bool,
) -> Iterator[tuple[np.ndarray, Sweep]]:
    parts = _parts(function, images.shape[1:3], edges)

    def work(copy: step.Function, device: jax.Device, indices: np.ndarray) -> Sweep:
        inputs = jax.device_put((images[indices], labels[indices], colors), device)
        memory = sweep_step.remember(copy, inputs[0])
        found = [sweep_step.positions(copy, memory, *inputs, *part) for part in parts]
        whole = _joined(found, images.shape[1:3], len(colors), parts)
        painted = paint(images[indices], whole.places, colors)[0]
        logits = step.logits_of(copy, painted.reshape(-1, *images.shape[1:]))
        return whole._replace(logits=np.asarray(logits).reshape(*whole.places.shape, -1))

    for indices, found in in_blocks(function, len(images), together, work, least=least):
        yield indices, Sweep(*(field[: len(indices)] for field in found))


Part = tuple[tuple[int, int], tuple[int, int]]  # rows, then columns, each as (first, last + 1)


def _parts(function: step.Function, extent: tuple[int, int], edges: bool) -> list[Part]:
    """Rows and columns of the parts that are swept by separate programs."""
    height, width = extent
    if isinstance(function, Incremental) and edges:
        return list(product(*plans.parts(function.architecture)))
    return [((0, height), (0, width))]


def _joined(
    bests: list[sweep_step.Best[Array]], extent: tuple[int, int], colors: int, parts: list[Part]
) -> Sweep:
    """The parts of a block put together, without the logits; among equals the first place counts."""
    height, width = extent
    count, classes = bests[0].reach.shape[1:]
    maps: list[np.ndarray] = [
        np.zeros((count, height, width), kind) for kind in (np.float32, np.int32, np.int32)
    ]
    reach = np.full((count, classes), -np.inf, np.float32)
    places = np.full((count, classes), height * width * colors, np.int32)
    for ((top, bottom), (left, right)), part in zip(parts, bests, strict=True):
        best = sweep_step.Best(*map(np.asarray, part))
        for target, field in zip(maps, best[:3], strict=True):
            target[:, top:bottom, left:right] = field.T.reshape(count, bottom - top, right - left)
        position = best.reach.argmax(0)[None]
        row, column = np.divmod(position[0], right - left)
        color, new = (
            np.take_along_axis(field, position, axis=0)[0] for field in (best.reach_colors, best.reach)
        )
        place = ((row + top) * width + column + left) * colors + color
        better = (new > reach) | ((new == reach) & (place < places))
        reach, places = np.where(better, new, reach), np.where(better, place, places).astype(np.int32)
    position = maps[0].reshape(count, -1).argmax(1)
    first = position * colors + np.take_along_axis(maps[2].reshape(count, -1), position[:, None], 1)[:, 0]
    margins, others, chosen = maps
    places = np.concatenate([first[:, None], places], 1).astype(np.int32)
    return Sweep(margins, others, chosen, reach, places, np.zeros(0))
