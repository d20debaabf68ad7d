"""The compiled part of the one-pixel attack: one generation of all images in flight.

Every image has its own random keys and its own evaluation chunks, and is evaluated only while its slot is
active: nothing here mixes two images, so none depends on which others are beside it.

Axes: B slots, P candidates, H rows, W columns, K classes, n pixels a genome.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.tree_util import Partial

from model import candidates, evolution

CLEAN_BLOCK = 128  # images of one pass of the check before the attack


class Slots(NamedTuple):
    """The B images in flight."""

    images: Array  # (B, H, W, 3) uint8
    goals: Array  # (B,) int32, the class to reach (targeted) or to leave (untargeted)
    keys: Array  # (B,) random keys, one an image
    active: Array  # (B,) bool, False: nobody in this slot


class Outcome(NamedTuple):
    """What a step says about each slot; image, pixels and logits count only where `done`."""

    done: Array  # (B,) bool
    success: Array  # (B,) bool
    images: Array  # (B, H, W, 3) uint8
    pixels: Array  # (B, P, 5) int32
    logits: Array  # (B, K) float32
    generation: Array  # (B,) int32, populations evaluated so far


@dataclass(frozen=True)
class Search:
    """What a compiled step is made for."""

    params: evolution.Params
    pixels: int
    targeted: bool
    fitness: str
    start: str
    chunk: int


def empty(batch_size: int, search: Search) -> evolution.State:
    """The state of `batch_size` slots before anyone is in one."""
    genes = candidates.GENES * search.pixels
    return evolution.init(jnp.zeros((batch_size, search.params.population, genes), jnp.float32))


@partial(jax.jit, static_argnames=("shape", "search"))
def admit(
    keys: Array, state: evolution.State, fresh: Array, shape: tuple[int, ...], search: Search
) -> evolution.State:
    """The state with a first population drawn for the `fresh` (B,) slots."""
    keys = jax.vmap(jax.random.fold_in, (0, None))(keys, 0)
    population = candidates.first_population(
        keys, search.params.population, shape, search.pixels, search.start
    )
    new = evolution.init(population)
    return jax.tree.map(lambda a, b: jnp.where(jnp.expand_dims(fresh, range(1, a.ndim)), a, b), new, state)


@partial(jax.jit, static_argnames=("search",))
def step(
    function: Partial, slots: Slots, state: evolution.State, generations: int, search: Search
) -> tuple[evolution.State, Outcome]:
    """One generation of every slot: ask, paint, evaluate, tell; then the bytes that may leave, alone.

    `generations`: how many an image gets after its first population.
    """
    shape, classes = slots.images.shape[1:], class_count(function, slots.images.shape[1:])
    keys = jax.vmap(jax.random.fold_in)(slots.keys, state.generation + 1)  # 0 drew the first population
    trials = evolution.ask(keys, state, *candidates.bounds(shape, search.pixels), search.params)
    logits = _map_active(
        slots.active,
        lambda image, genomes: _evaluate(function, image, genomes, search.chunk),
        (search.params.population, classes),
        (slots.images, trials),
    )
    measure = partial(candidates.fitness, targeted=search.targeted, kind=search.fitness)
    fitness = jax.vmap(measure)(logits, slots.goals)
    state = evolution.tell(state, trials, fitness)

    hits = candidates.fooled(logits, slots.goals[:, None], targeted=search.targeted)  # (B, P)
    hit = hits.any(axis=1)
    index = jnp.argmin(jnp.where(hits, fitness, jnp.inf), axis=1)[:, None, None]
    nearest_hit = jnp.take_along_axis(trials, index, axis=1)[:, 0]
    genomes = jnp.where(hit[:, None], nearest_hit, evolution.best(state)[0])
    images = jax.vmap(lambda image, genome: candidates.paint(image, genome[None])[0])(slots.images, genomes)
    pixels = jax.vmap(candidates.painted_pixels)(images, genomes)

    spent = slots.active & (state.generation > generations)
    checked = slots.active & (hit | spent)
    final = _map_active(checked, lambda image: logits_of(function, image[None])[0], (classes,), (images,))
    changed = (images != slots.images).any(axis=(1, 2, 3))
    success = checked & changed & candidates.fooled(final, slots.goals, targeted=search.targeted)
    return state, Outcome(success | spent, success, images, pixels, final, state.generation)


def as_partial(logits_fn: Callable[[Array], Array]) -> Partial:
    """The function as a pytree: what a `Partial` is bound to becomes an argument of compiled code."""
    if not callable(logits_fn):
        raise ValueError(f"logits_fn (={logits_fn!r}) must be a function of images (B, H, W, 3)")
    return logits_fn if isinstance(logits_fn, Partial) else Partial(logits_fn)


def clean_logits(function: Partial, images: np.ndarray) -> np.ndarray:
    """Logits (N, K) float32 of the images (N, H, W, 3) uint8 as they are; ValueError where not finite."""
    blocks = [np.zeros((0, class_count(function, images.shape[1:])), np.float32)]
    for first in range(0, len(images), CLEAN_BLOCK):
        block = images[first : first + CLEAN_BLOCK]
        padded = np.zeros((CLEAN_BLOCK, *images.shape[1:]), np.uint8)  # one shape, compiled once
        padded[: len(block)] = block
        blocks.append(np.asarray(logits_of(function, padded))[: len(block)])
    logits = np.concatenate(blocks)
    if (bad := np.flatnonzero(~np.isfinite(logits).all(axis=1))).size:
        raise ValueError(f"logits_fn gives logits that are not finite for {len(bad)} images, first {bad[0]}")
    return logits


@jax.jit
def logits_of(function: Partial, images: Array) -> Array:
    """Logits (B, K) float32 of images (B, H, W, 3) uint8."""
    return function(images.astype(jnp.float32) / 255.0).astype(jnp.float32)


def _evaluate(function: Partial, image: Array, genomes: Array, chunk: int) -> Array:
    """Logits (P, K) of one image's candidates, painted and evaluated in equal chunks that fit the cache."""
    population = len(genomes)
    chunks = -(-population // chunk)
    size = -(-population // chunks)
    # All are painted, as bytes, before the loop: inside it XLA would fuse the painting into the first
    # convolution and repeat it in each of its nine windows, a tenth of the whole time.
    padded = jnp.pad(genomes, ((0, chunks * size - population), (0, 0)))
    painted = candidates.paint(image, padded).reshape(chunks, size, *image.shape)
    logits = jax.lax.map(lambda part: logits_of(function, part), painted)
    return logits.reshape(chunks * size, -1)[:population]


def _map_active(
    active: Array, function: Callable[..., Array], shape: tuple[int, ...], inputs: tuple
) -> Array:
    """`function` over the leading axis of the inputs where `active` (B,); zeros, at no cost, elsewhere."""

    def one(args: tuple) -> Array:
        return jax.lax.cond(args[0], function, lambda *_: jnp.zeros(shape, jnp.float32), *args[1:])

    return jax.lax.map(one, (active, *inputs))


def class_count(function: Partial, shape: tuple[int, ...]) -> int:
    """K, from the shape of the logits for one image of `shape` (H, W, 3)."""
    result = jax.eval_shape(function, jax.ShapeDtypeStruct((1, *shape), jnp.float32))
    if result.ndim != 2 or result.shape[0] != 1 or result.shape[1] < 2:
        raise ValueError(f"logits_fn gives shape {result.shape} for one image; expected (1, K), K >= 2")
    return result.shape[1]
