"""Candidates of the one-pixel attack: genome -> painted image, and logits -> fitness.

A genome has 2 + C genes a pixel: row in [0, H], column in [0, W], and red, green, blue in [0, 256], of a gray
image one gray value. Rounding down gives true uint8 colors and positions inside the image; the upper bound
itself, which clipping can reach, belongs to the last row, column or level.

Axes: P candidates, H rows, W columns, C = 1 or 3 channels, K classes, n pixels a genome, G = 2 + C genes.
"""

import jax
import jax.numpy as jnp
from jax import Array

from model.attacks import evolution

FITNESS = ("log-probability", "margin")
COLORS = 1  # folded into a key to draw normal colors; the places are drawn with the key itself


def genes(shape: tuple[int, ...]) -> int:
    """G, the genes of a pixel of images of `shape` (H, W, C)."""
    return 2 + shape[2]


def bounds(shape: tuple[int, ...], pixels: int) -> tuple[Array, Array]:
    """Lower and upper bounds (G n,) float32 of genomes for images of `shape` (H, W, C)."""
    upper = jnp.tile(jnp.array([*shape[:2], *[256] * shape[2]], jnp.float32), pixels)
    return jnp.zeros_like(upper), upper


def first_population(keys: Array, population: int, shape: tuple[int, ...], pixels: int, start: str) -> Array:
    """First populations (B, P, G n), one for each of `keys` (B,), by `start` (one of STARTS).

    "gaussian" is the start of Su et al. (arXiv 1710.08864): positions uniform, colors normal with mean 128
    and deviation 127, clipped.
    """
    lower, upper = bounds(shape, pixels)
    if start == "latin-hypercube":
        return evolution.latin_hypercube(keys, population, lower, upper)
    places = evolution.uniform(keys, population, lower, upper)
    if start == "uniform":
        return places
    keys = jax.vmap(jax.random.fold_in, (0, None))(keys, COLORS)
    mean, deviation = jnp.full_like(lower, 128.0), jnp.full_like(lower, 127.0)
    colors = evolution.gaussian(keys, population, lower, upper, mean, deviation)
    is_color = jnp.arange(len(upper), dtype=jnp.int32) % genes(shape) >= 2
    return jnp.where(is_color[None, None, :], colors, places)


def rounded(genomes: Array, shape: tuple[int, ...]) -> Array:
    """Genomes (P, G n) float as (P, n, G) int32: row < H, column < W, colors 0..255."""
    last = jnp.array([shape[0] - 1, shape[1] - 1, *[255] * shape[2]], jnp.int32)
    values = jnp.floor(genomes).astype(jnp.int32).reshape(len(genomes), -1, genes(shape))
    return jnp.clip(values, 0, last[None, None, :])


def paint(image: Array, genomes: Array) -> Array:
    """Copies (P, H, W, C) uint8 of image (H, W, C) uint8 with the pixels of genomes (P, G n) painted.

    Where pixels share a place, the last one counts.
    """
    values = rounded(genomes, image.shape)
    rows = jnp.arange(image.shape[0], dtype=jnp.int32)[None, :, None, None]
    columns = jnp.arange(image.shape[1], dtype=jnp.int32)[None, None, :, None]
    painted = jnp.broadcast_to(image[None], (len(genomes), *image.shape))
    for pixel in range(values.shape[1]):  # a masked copy is vectorized; a scatter on a CPU is not
        here = (rows == values[:, pixel, 0, None, None, None]) & (
            columns == values[:, pixel, 1, None, None, None]
        )
        painted = jnp.where(here, values[:, pixel, None, None, 2:].astype(jnp.uint8), painted)
    return painted


def painted_pixels(image: Array, genome: Array) -> Array:
    """The pixels (n, G) int32 of `genome` (G n,) with the colors as they stand in the painted image.

    A pixel that another one covers is reported with the color that covers it, so painting the rows in any
    order gives the image.
    """
    places = rounded(genome[None], image.shape)[0, :, :2]
    return jnp.concatenate([places, image[places[:, 0], places[:, 1]].astype(jnp.int32)], axis=1)


def fitness(logits: Array, goal: Array, *, targeted: bool, kind: str) -> Array:
    """How far candidates with logits (P, K) float32 are from fooling: (P,), lower is nearer.

    goal: the class to leave or, targeted, to reach (scalar int). kind "margin": its logit against the best
    other one. kind "log-probability": its log-odds, log(p / (1 - p)), in the same order as log p but without
    the plateau of log p in float32, where every p above 1 - 6e-8 is 1 and differential evolution stalls.
    """
    is_goal = (jnp.arange(logits.shape[1], dtype=jnp.int32) == goal)[None, :]
    own = jnp.sum(jnp.where(is_goal, logits, 0.0), axis=1)
    rest = jnp.where(is_goal, -jnp.inf, logits)
    rest = jax.nn.logsumexp(rest, axis=1) if kind == "log-probability" else jnp.max(rest, axis=1)
    return rest - own if targeted else own - rest


def fooled(logits: Array, goals: Array, *, targeted: bool) -> Array:
    """Whether logits (..., K) are a success: argmax == goal if targeted, else !=; never if not finite."""
    winner = jnp.argmax(logits, axis=-1).astype(jnp.int32)
    hit = winner == goals if targeted else winner != goals
    return hit & jnp.isfinite(logits).all(axis=-1)
