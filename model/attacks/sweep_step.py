"""The part of a sweep on a device: for some images, the best of all colors at every position of a part.

What comes nearest to each class is kept while the positions are gone through: memory does not grow with
positions times classes.

Axis letters as in model.attacks.sweep: N images, H rows, W columns, C channels, M colors, K classes, G groups
of colors, P positions of a part.
"""

from functools import partial
from typing import Generic, NamedTuple, cast

import jax
import jax.numpy as jnp
from jax import Array

from model.attacks import step
from model.devices import most_together
from model.network.incremental_pass import Incremental
from model.network.memory import Memory

TOGETHER = 64  # candidates at one position evaluated together: as many as fit the cache


class Best(NamedTuple, Generic[step.A]):
    """The best over some colors at one position, for N images."""

    margins: step.A  # (N,)
    classes: step.A  # (N,)
    colors: step.A  # (N,)
    reach: step.A  # (N, K)
    reach_colors: step.A  # (N, K)


class Swept(NamedTuple, Generic[step.A]):
    """The best color at each of the P positions of a part, row by row, and the best of all for each class."""

    margins: step.A  # (P, N)
    classes: step.A  # (P, N)
    colors: step.A  # (P, N)
    reach: step.A  # (N, K)
    places: step.A  # (N, K) int32, of the reach, the first among equals: as in `model.attacks.sweep.paint`


def candidates_together(function: step.Function, shape: tuple[int, ...]) -> int:
    """How many candidates at one position, of images of `shape` (H, W, C), are evaluated together."""
    return TOGETHER if isinstance(function, Incremental) else most_together(TOGETHER, shape)


@jax.jit
def remember(function: step.Function, images: Array) -> Memory | None:
    """What `positions` needs besides images (N, H, W, C) uint8; None for a plain function."""
    return function.remember(images) if isinstance(function, Incremental) else None


@partial(jax.jit, static_argnames=("rows", "columns", "stride"))
def positions(
    function: step.Function,
    memory: Memory | None,
    images: Array,
    labels: Array,
    colors: Array,
    rows: tuple[int, int],
    columns: tuple[int, int],
    stride: int = 1,
) -> Swept[Array]:
    """The best at every position of a part.

    images (N, H, W, C) uint8; labels (N,) int32; colors (M, C) uint8; rows and columns: each as
    (first, last + 1), of which every `stride`-th is tried, from the first on.
    """
    height, width = images.shape[1:3]
    together = candidates_together(function, images.shape[1:])
    groups = -(-len(colors) // max(1, together // len(images)))
    size = -(-len(colors) // groups)
    padded = jnp.concatenate([colors, jnp.repeat(colors[-1:], groups * size - len(colors), axis=0)])
    whole = (rows, columns) == ((0, height), (0, width))
    down, across = (len(range(*part, stride)) for part in (rows, columns))

    def best_at(row: Array, column: Array) -> Best[Array]:

        def some(group: Array) -> Best[Array]:
            chosen = jax.lax.dynamic_slice_in_dim(padded, group * size, size)
            edges = (None, None) if whole else (rows, columns)
            found = best(logits_at(function, memory, images, row, column, chosen, *edges), labels)
            return found._replace(
                colors=found.colors + group * size, reach_colors=found.reach_colors + group * size
            )

        if groups == 1:
            return some(jnp.int32(0))
        return _best_of(jax.lax.map(some, jnp.arange(groups, dtype=jnp.int32)))

    def position(nearest: tuple[Array, Array], place: Array) -> tuple[tuple[Array, Array], tuple[Array, ...]]:
        row, column = rows[0] + stride * (place // across), columns[0] + stride * (place % across)
        found, (reach, places) = best_at(row, column), nearest
        own = (row * width + column) * len(colors) + found.reach_colors
        better = found.reach > reach
        nearest = jnp.where(better, found.reach, reach), jnp.where(better, own, places)
        return nearest, (found.margins, found.classes, found.colors)

    shape = len(images), step.class_count(function, images.shape[1:])
    none = jnp.full(shape, -jnp.inf, jnp.float32), jnp.zeros(shape, jnp.int32)
    nearest, maps = jax.lax.scan(position, none, jnp.arange(down * across, dtype=jnp.int32))
    margins, others, chosen = maps
    return Swept(margins, others, chosen, *nearest)


def logits_at(
    function: step.Function,
    memory: Memory | None,
    images: Array,
    row: Array,
    column: Array,
    colors: Array,
    rows: tuple[int, int] | None = None,
    columns: tuple[int, int] | None = None,
) -> Array:
    """Logits (N, M, K) with one pixel in each of colors (M, C) or (N, M, C), incrementally if possible.

    The rest as in `Incremental.at_position`.
    """
    if isinstance(function, Incremental):
        return function.at_position(cast(Memory, memory), row, column, colors, rows, columns)
    shape = (len(images), colors.shape[-2], *images.shape[1:])
    painted = jnp.broadcast_to(images[:, None], shape)
    pixel = jnp.broadcast_to(colors, (*shape[:2], shape[-1]))[:, :, None, None]
    painted = jax.lax.dynamic_update_slice(painted, pixel, (0, 0, row, column, 0))
    logits = step.logits_of(function, painted.reshape(-1, *images.shape[1:]))
    by_color: Array = logits.reshape(*shape[:2], -1)
    return by_color


def best(logits: Array, labels: Array) -> Best[Array]:
    """The best of logits (N, M, K) over the colors."""
    classes = jnp.arange(logits.shape[2], dtype=jnp.int32)[None, None, :]
    is_label = classes == labels[:, None, None]
    others = jnp.where(is_label, -jnp.inf, logits)
    margins = others.max(-1) - jnp.where(is_label, logits, 0.0).sum(-1)
    color = margins.argmax(1).astype(jnp.int32)
    chosen = jnp.take_along_axis(others, color[:, None, None], axis=1)[:, 0]
    top, is_top = logits.max(-1, keepdims=True), classes == logits.argmax(-1)[..., None].astype(jnp.int32)
    second = jnp.where(is_top, -jnp.inf, logits).max(-1, keepdims=True)
    reach = logits - jnp.where(is_top, second, top)
    return Best(
        margins.max(1),
        chosen.argmax(-1).astype(jnp.int32),
        color,
        reach.max(1),
        reach.argmax(1).astype(jnp.int32),
    )


def _best_of(groups: Best[Array]) -> Best[Array]:
    """The best over groups of colors (G, N, ...); the first among equals."""
    group = groups.margins.argmax(0)[None]
    margins, classes, colors = (jnp.take_along_axis(field, group, axis=0)[0] for field in groups[:3])
    group = groups.reach.argmax(0)[None]
    return Best(
        margins, classes, colors, *(jnp.take_along_axis(field, group, axis=0)[0] for field in groups[3:])
    )
