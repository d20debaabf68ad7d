"""The exhaustive one-pixel attack: every position of an image in every color of a set.

With the eight corners of the color cube, 8,192 queries for an image of 32 x 32, it succeeds where
differential evolution does, since that ends in the corners too; it is the search of CornerSearch (Croce and
Hein, arXiv 1909.05040) for one pixel. It also gives the best margin of any color of the set at each position,
the vulnerability map, and how close each class came; and so the proof that no color of the set works. Of
large images a stride leaves out positions: the proof is then of those that are tried.

Axis letters: N images, H rows, W columns, C channels, M colors, K classes, T targets an image; H' and W': the
rows and columns that are tried, every `stride`-th from the first on.
"""

from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple

import jax
import numpy as np
from jax import Array

from model.attacks import step, sweep_step
from model.attacks.grid import check_stride, count_colors
from model.attacks.images import as_rows, check_images, check_labels
from model.attacks.loop import AttackResult
from model.devices import in_blocks, most_together
from model.network import plan as plans
from model.network.cnn import Network
from model.network.incremental_pass import Incremental, fastest

WORTH_EDGES = 500  # images from which on separate compiled programs for the edges pay off
LONGEST_EDGE = 64  # pixels of a side up to which the edges are a part that is worth it
CHECKED = 1024  # candidates of one plain pass at the end


class Sweep(NamedTuple):
    """The results of a sweep of N images; a margin above 0 means that the network is fooled.

    Candidates are evaluated by the incremental pass where there is one. The best of all, and the best for
    each class or target, are painted and evaluated once more by the plain pass.
    """

    margins: np.ndarray  # (N, H', W') float32, largest over the colors: best other logit - label's logit
    classes: np.ndarray  # (N, H', W') int32, that other class
    colors: np.ndarray  # (N, H', W') int32, index of the color that reached it
    reach: np.ndarray  # (N, K) float32, largest over all candidates: the class's logit - best other logit
    places: np.ndarray  # (N, 1 + K) int32, place of the best of all, then of each class: see `paint`
    logits: np.ndarray  # (N, 1 + K, K) float32, of these by the plain pass; NaN where it was not asked for


class Inputs(NamedTuple):
    """The checked arguments of a sweep, see `sweep_stream`."""

    images: np.ndarray
    labels: np.ndarray
    targets: np.ndarray
    colors: np.ndarray
    stride: int


def color_grid(levels: int = 2, channels: int = 3) -> np.ndarray:
    """levels^C colors (M, C) uint8, evenly spaced from 0 to 255; two levels are the corners of the cube.

    channels: C, 3, or 1 for gray images: two levels are black and white. Raises ValueError for levels outside
    2..16, for gray 2..256.
    """
    count_colors(levels, channels)
    steps = np.rint(np.linspace(0, 255, levels)).astype(np.uint8)
    return np.array(list(product(steps, repeat=channels)), np.uint8)


def images_together(function: step.Function, shape: tuple[int, ...], colors: int) -> int:
    """How many images of `shape` (H, W, C) a block of a sweep has: a power of two.

    All colors of a position then fit the cache, and what is stored of the images fits the memory.
    """
    usual = 1 << (max(1, sweep_step.candidates_together(function, shape) // colors).bit_length() - 1)
    return step.most_stored(function, shape, usual)


def corner_sweep(
    function: Callable[[Array], Array] | Network,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    colors: np.ndarray | None = None,
    stride: int = 1,
    targets: np.ndarray | None = None,
) -> Sweep:
    """Sweep all images; see `sweep_stream` for arguments and errors."""
    stream = sweep_stream(function, images, labels, colors=colors, stride=stride, targets=targets)
    blocks = [part for _, part in stream]
    return Sweep(*(np.concatenate(field) for field in zip(*blocks, strict=True)))


def sweep_stream(
    function: Callable[[Array], Array] | Network,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    colors: np.ndarray | None = None,
    stride: int = 1,
    targets: np.ndarray | None = None,
    together: int | None = None,
    edges: bool | None = None,
) -> Iterator[tuple[np.ndarray, Sweep]]:
    """Sweep the images and yield (indices (n,), Sweep of n images) block by block, in order.

    function: a network, or a function as in `attack_stream`; a network is evaluated by the incremental pass
        where that is faster, an `Incremental` always, a plain function by plain passes.
    images (N, H, W, C) uint8, C = 3, or 1 of gray ones; labels (N,) int in [0, K): the class to leave.
    colors (M, C) uint8, by default the eight corners, or black and white; `color_grid` gives finer sets.
    stride: every so manieth row and column is tried, from the first on.
    targets (N, T) int in [0, K), -1 for none: the classes whose best candidates are evaluated by the plain
        pass, beside the best of all; by default all classes, which are K plain passes an image.
    together: images per block; by default as `images_together`, and fewer for few images.
    edges: whether to compile separate programs for positions close to an edge, where a pixel reaches less; by
        default for `WORTH_EDGES` images and more, as compiling them takes long.

    With `together` and `edges` the same block of images gives the same bits, whatever other blocks there are;
    in another block, or in another place of one, an image's sweep may differ by a rounding.
    Raises ValueError, in one line, for anything else: at the call, not at the first item.
    """
    if isinstance(function, Network):
        function = fastest(function)[0]
    function = step.as_function(function)
    images = check_images(images)
    channels = images.shape[-1]
    colors = color_grid(channels=channels) if colors is None else np.asarray(colors)
    if colors.ndim != 2 or colors.shape[1] != channels or colors.dtype != np.uint8 or not len(colors):
        expected = f"uint8 of shape (M, {channels}), M >= 1"
        raise ValueError(f"colors (={colors.dtype} {colors.shape}) must be {expected}")
    classes = step.class_count(function, images.shape[1:])
    labels = check_labels(labels, len(images), classes)
    if not len(images):
        raise ValueError("images: expected at least one")
    check_stride(stride)
    targets = np.tile(np.arange(classes), (len(images), 1)) if targets is None else np.asarray(targets)
    if targets.ndim != 2 or len(targets) != len(images) or not np.issubdtype(targets.dtype, np.integer):
        expected = f"integers of shape ({len(images)}, T)"
        raise ValueError(f"targets (={targets.dtype} {targets.shape}) must be {expected}")
    if targets.size and not -1 <= targets.min() <= targets.max() < classes:
        raise ValueError(f"targets must lie in -1..{classes - 1}, not {targets.min()}..{targets.max()}")
    least = together or 1
    together = together or images_together(function, images.shape[1:], len(colors))
    edges = len(images) >= WORTH_EDGES if edges is None else edges
    inputs = Inputs(images, labels, targets, colors, stride)
    return _blocks(function, inputs, together, least, edges)


def pixels_at(shape: tuple[int, ...], places: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """The candidates at places (N, P) of images of `shape` (H, W, C) as pixels (N, P, 2 + C).

    A place counts candidates: (row * W + column) * M + index of the color.
    """
    position, color = np.divmod(places, len(colors))
    row, column = np.divmod(position, shape[1])
    return np.concatenate([row[..., None], column[..., None], colors[color]], axis=2)


def paint(images: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Copies (N, P, H, W, C) of images (N, H, W, C), each with one of the pixels (N, P, 2 + C)."""
    painted = np.repeat(images[:, None], pixels.shape[1], axis=1)
    painted[*np.indices(pixels.shape[:2]), pixels[..., 0], pixels[..., 1]] = pixels[..., 2:]
    return painted


def as_attacks(
    images: np.ndarray,
    labels: np.ndarray,
    sweep: Sweep,
    *,
    targets: np.ndarray | None = None,
    colors: np.ndarray | None = None,
    painted: bool = True,
) -> AttackResult:
    """The sweep as an attack: of each image, or of each of its targets (N, T), the best candidate.

    Success is decided by the plain pass. Queries are all candidates of the image, generations and
    seconds are 0. A target of -1 counts as skipped. `colors` as in the sweep, and targets among its targets.

    painted: whether to make the images, which for many targets take much memory; else they are (N, T, 0).
    """
    colors = color_grid(channels=images.shape[-1]) if colors is None else colors
    goals = labels[:, None] if targets is None else targets
    chosen = np.zeros_like(goals) if targets is None else 1 + np.maximum(targets, 0)
    pixels = pixels_at(images.shape[1:], np.take_along_axis(sweep.places, chosen, axis=1), colors)
    logits = np.take_along_axis(sweep.logits, chosen[:, :, None], axis=1)
    winner = logits.argmax(-1)
    before = images[np.arange(len(images))[:, None], pixels[..., 0], pixels[..., 1]]
    changed = (pixels[..., 2:] != before).any(-1)
    wanted = goals >= 0
    success = wanted & changed & ((winner != goals) if targets is None else (winner == goals))
    result = AttackResult(
        success,
        paint(images, pixels) if painted else np.zeros((*goals.shape, 0), np.uint8),
        np.where(wanted[..., None], as_rows(pixels), -1)[:, :, None],
        np.where(wanted, sweep.margins[0].size * len(colors), 0),
        logits,
        np.where(wanted, 0, -1),
        np.zeros(goals.shape),
    )
    return result if targets is not None else AttackResult(*(field[:, 0] for field in result))


def _blocks(
    function: step.Function, given: Inputs, together: int, least: int, edges: bool
) -> Iterator[tuple[np.ndarray, Sweep]]:
    images, labels, targets, colors, stride = given
    parts = _parts(function, images.shape[1:3], edges and stride == 1)

    def work(copy: step.Function, device: jax.Device, indices: np.ndarray) -> Sweep:
        inputs = jax.device_put((images[indices], labels[indices], colors), device)
        memory = sweep_step.remember(copy, inputs[0])
        found = [sweep_step.positions(copy, memory, *inputs, *part, stride) for part in parts]
        whole = _joined(found, images.shape[1:3], len(colors), parts, stride)
        return whole._replace(logits=_check(copy, images[indices], targets[indices], whole.places, colors))

    for indices, found in in_blocks(function, len(images), together, work, least=least):
        yield indices, Sweep(*(field[: len(indices)] for field in found))


def _check(
    function: step.Function, images: np.ndarray, targets: np.ndarray, places: np.ndarray, colors: np.ndarray
) -> np.ndarray:
    """Logits (N, 1 + K, K) of the best candidates at places (N, 1 + K), by plain passes of a bounded size.

    NaN where they are for a class that is not among the targets (N, T).
    """
    wanted = np.zeros(places.shape, bool)
    np.put_along_axis(wanted, 1 + targets, True, axis=1)  # -1 is at the best of all, which is always wanted
    wanted[:, 0] = True
    owners, columns = np.nonzero(wanted)
    pixels = pixels_at(images.shape[1:], places[owners, columns][:, None], colors)
    size = min(len(images) * (1 + targets.shape[1]), most_together(CHECKED, images.shape[1:]))
    logits = np.full((*places.shape, places.shape[1] - 1), np.nan, np.float32)
    for first in range(0, len(owners), size):
        some = np.arange(first, first + size) % len(owners)  # one shape, compiled once
        painted = paint(images[owners[some]], pixels[some])[:, 0]
        logits[owners[some], columns[some]] = np.asarray(step.logits_of(function, painted))
    return logits


Part = tuple[tuple[int, int], tuple[int, int]]  # rows, then columns, each as (first, last + 1)


def _parts(function: step.Function, extent: tuple[int, int], edges: bool) -> list[Part]:
    """Rows and columns of the parts that are swept by separate programs."""
    height, width = extent
    if isinstance(function, Incremental) and edges and max(extent) <= LONGEST_EDGE:
        return list(product(*plans.parts(function.architecture)))
    return [((0, height), (0, width))]


def _joined(
    found: list[sweep_step.Swept[Array]], extent: tuple[int, int], colors: int, parts: list[Part], stride: int
) -> Sweep:
    """The parts of a block put together, without the logits; among equals the first place counts."""
    (count, classes), width = found[0].reach.shape, extent[1]
    shape = count, *(len(range(0, side, stride)) for side in extent)
    maps: list[np.ndarray] = [np.zeros(shape, kind) for kind in (np.float32, np.int32, np.int32)]
    reach = np.full((count, classes), -np.inf, np.float32)
    places = np.full((count, classes), np.iinfo(np.int32).max)
    for ((top, bottom), (left, right)), one in zip(parts, found, strict=True):
        part = sweep_step.Swept(*map(np.asarray, one))
        for target, field in zip(maps, part[:3], strict=True):
            inside = target[:, top:bottom, left:right]  # of a stride there is one part, the whole
            inside[...] = field.T.reshape(inside.shape)
        better = (part.reach > reach) | ((part.reach == reach) & (part.places < places))
        reach, places = np.where(better, part.reach, reach), np.where(better, part.places, places)
    margins, others, chosen = maps
    row, column = np.divmod(margins.reshape(count, -1).argmax(1), shape[2])
    best = chosen[np.arange(count), row, column]
    first = (row * stride * width + column * stride) * colors + best
    places = np.concatenate([first[:, None], places], 1).astype(np.int32)
    return Sweep(margins, others, chosen, reach, places, np.zeros(0))
