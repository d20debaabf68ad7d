"""The part of a sweep on a device: for some images, the best of all colors at every position of a part.

Axis letters as in model.attacks.sweep: N images, H rows, W columns, M colors, K classes, G groups of
colors.
"""

from functools import partial
from typing import Generic, NamedTuple, cast

import jax
import jax.numpy as jnp
from jax import Array

from model.attacks import step
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


@jax.jit
def remember(function: step.Function, images: Array) -> Memory | None:
    """What `positions` needs besides images (N, H, W, C) uint8; None for a plain function."""
    return function.remember(images) if isinstance(function, Incremental) else None


@partial(jax.jit, static_argnames=("rows", "columns"))
def positions(
    function: step.Function,
    memory: Memory | None,
    images: Array,
    labels: Array,
    colors: Array,
    rows: tuple[int, int],
    columns: tuple[int, int],
) -> Best[Array]:
    """The best over colors at every position of a part, row by row: fields (positions, N, ...).

    images (N, H, W, 3) uint8; labels (N,) int32; colors (M, 3) uint8; rows and columns: each as
    (first, last + 1).
    """
    groups = -(-len(colors) // max(1, TOGETHER // len(images)))
    size = -(-len(colors) // groups)
    padded = jnp.concatenate([colors, jnp.repeat(colors[-1:], groups * size - len(colors), axis=0)])
    whole = (rows, columns) == ((0, images.shape[1]), (0, images.shape[2]))

    def position(place: Array) -> Best[Array]:
        row, column = (
            rows[0] + place // (columns[1] - columns[0]),
            columns[0] + place % (columns[1] - columns[0]),
        )

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

    count = (rows[1] - rows[0]) * (columns[1] - columns[0])
    every: Best[Array] = jax.lax.map(position, jnp.arange(count, dtype=jnp.int32))
    return every


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
    """Logits (N, M, K) with one pixel in each of colors (M, 3) or (N, M, 3), incrementally if possible.

    The rest as in `Incremental.at_position`.
    """
    if isinstance(function, Incremental):
        return function.at_position(cast(Memory, memory), row, column, colors, rows, columns)
    shape = (len(images), colors.shape[-2], *images.shape[1:])
    painted = jnp.broadcast_to(images[:, None], shape)
    pixel = jnp.broadcast_to(colors, (*shape[:2], 3))[:, :, None, None]
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
