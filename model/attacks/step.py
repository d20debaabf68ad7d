"""The compiled part of the one-pixel attack: one generation of all images in flight.

An image in flight has up to T goals at once, each with a population of its own; all begin with the same first
population, evaluated once, and every evaluation of an image is scored against every goal of it. Every image
has its own random keys and its own evaluation chunks, and a population is evaluated only while its goal is
wanted: nothing here mixes two images, so no image depends on those beside it.

Axes: B slots, T goals, P candidates, H rows, W columns, C = 1 or 3 channels, K classes, n pixels a genome,
G = 2 + C genes a pixel.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.tree_util import Partial

from model.attacks import candidates, evolution
from model.attacks.scoring import Scores, score_goals
from model.devices import most_together
from model.network.incremental_pass import Incremental
from model.network.memory import Memory

CLEAN_BLOCK = 128  # images per pass of the check before the attack
MOST_STORED = 2**29  # bytes on a device of what is stored of the images that it works on
MOST_PAINTED = 2**28  # bytes of painted candidates at a time
A = TypeVar("A", Array, np.ndarray)  # on a device, or copied from it
FIRST_POPULATION = 0  # folded into an image's key to draw its first population
Function = Partial | Incremental  # from images to logits, as a pytree


class Slots(NamedTuple):
    """The B images in flight."""

    images: Array  # (B, H, W, C) uint8
    goals: Array  # (B, T) int32, the classes to reach (targeted) or the one to leave (untargeted)
    keys: Array  # (B,) random keys, one an image
    active: Array  # (B, T) bool, False: this goal is done, or the slot is empty
    memory: Any  # what the incremental pass stores of each image, (B, ...); None for a plain function


class Outcome(NamedTuple, Generic[A]):
    """A step's result for each goal; image, pixels and logits are valid only where `done`."""

    done: A  # (B, T) bool
    success: A  # (B, T) bool
    images: A  # (B, T, H, W, C) uint8
    pixels: A  # (B, T, n, G) int32
    logits: A  # (B, T, K) float32
    generation: A  # (B, T) int32, populations evaluated so far
    evaluated: A  # () int32, candidates of this step


@dataclass(frozen=True)
class Search:
    """The settings that a step is compiled for."""

    params: evolution.Params
    pixels: int
    targeted: bool
    fitness: str
    start: str
    chunk: int


def empty(slots: Slots, search: Search) -> evolution.State:
    """The state of empty slots: B x T searches."""
    genes = candidates.genes(slots.images.shape[1:]) * search.pixels
    return evolution.init(jnp.zeros((slots.goals.size, search.params.population, genes), jnp.float32))


def no_memory(function: Function, batch_size: int, shape: tuple[int, ...]) -> Any:
    """The memory of empty slots, for images of `shape` (H, W, C)."""
    shapes = _remembered(function, shape)
    return jax.tree.map(lambda a: jnp.zeros((batch_size, *a.shape), a.dtype), shapes)


def _remembered(function: Function, shape: tuple[int, ...]) -> Any:
    """Shapes and types of what is stored of one image; None for a plain function."""
    if not isinstance(function, Incremental):
        return None
    return jax.eval_shape(function.remember, jax.ShapeDtypeStruct((1, *shape), jnp.uint8))


def most_stored(function: Function, shape: tuple[int, ...], wanted: int, others: int = 0) -> int:
    """How many images of `shape` a device works on at once: `wanted`, or a smaller power of two.

    What is stored of them, and `others` bytes of each, then fits `MOST_STORED`.
    """
    stored = sum(a.size * a.dtype.itemsize for a in jax.tree.leaves(_remembered(function, shape)))
    most = max(1, MOST_STORED // max(1, stored + others))
    return wanted if wanted <= most else 1 << (most.bit_length() - 1)


@partial(jax.jit, static_argnames=("search",))
def admit(
    function: Function, slots: Slots, state: evolution.State, fresh: Array, search: Search
) -> tuple[Slots, evolution.State]:
    """Slots and state with the memory and first populations of the `fresh` (B,) images."""
    keys = jax.vmap(jax.random.fold_in, (0, None))(slots.keys, FIRST_POPULATION)
    shape, goals = slots.images.shape[1:], slots.goals.shape[1]
    population = candidates.first_population(
        keys, search.params.population, shape, search.pixels, search.start
    )
    new = evolution.init(jnp.repeat(population, goals, axis=0))
    renewed = jnp.repeat(fresh, goals)
    state = jax.tree.map(partial(_choose, renewed), new, state)
    if isinstance(function, Incremental):

        def renew(args: tuple[Array, Array, Memory]) -> Any:
            is_fresh, image, old = args
            return jax.lax.cond(is_fresh, lambda: function.remember(image[None]), lambda: old)

        slots = slots._replace(memory=jax.lax.map(renew, (fresh, slots.images, slots.memory)))
    return slots, state


def _choose(where: Array, a: Array, b: Array) -> Array:
    return jnp.where(jnp.expand_dims(where, range(1, a.ndim)), a, b)


@partial(jax.jit, static_argnames=("search",))
def step(
    function: Function, slots: Slots, state: evolution.State, generations: int, search: Search
) -> tuple[evolution.State, Outcome[Array]]:
    """One generation of every goal: ask, paint, evaluate, tell; then check each finished image alone.

    `generations`: how many a goal gets after its first population.
    """
    slot_count, goal_count = slots.goals.shape
    shape, size = slots.images.shape[1:], search.params.population
    classes = class_count(function, shape)
    flat = (slot_count * goal_count,)

    # All goals of an image share its first population; after it each has random numbers of its own.
    keys = jax.vmap(lambda key, goals: jax.vmap(partial(jax.random.fold_in, key))(goals))(
        slots.keys, slots.goals.astype(jnp.uint32)
    ).reshape(flat)
    keys = jax.vmap(jax.random.fold_in)(keys, state.generation + 1)
    trials = evolution.ask(keys, state, *candidates.bounds(shape, search.pixels), search.params)

    generation = state.generation.reshape(slot_count, goal_count)
    first = slots.active & (jnp.cumsum(slots.active, axis=1, dtype=jnp.int32) == 1)
    evaluated = slots.active & (first | (generation > 0))  # the first population is the same for all goals

    def measure(logits: Array, goal: Array) -> tuple[Array, Array]:
        how = {"targeted": search.targeted}
        fitness = candidates.fitness(logits, goal, **how, kind=search.fitness)
        return fitness, candidates.fooled(logits, goal, **how)

    def score(args: tuple[Any, ...]) -> Scores:
        image, memory, *of_goals = args
        evaluate = partial(_evaluate, function, image, memory, search.chunk)
        return score_goals(evaluate, measure, *of_goals)

    by_image = trials.reshape(slot_count, goal_count, size, -1)
    leads = first[:, :, None] & (generation == 0)[:, None]
    of_goals = (slots.goals, evaluated, leads, by_image)
    scores: Scores = jax.lax.map(score, (slots.images, slots.memory, *of_goals))
    state = evolution.tell(state, trials, scores.fitness.reshape(*flat, size))

    hit = jnp.isfinite(scores.lowest)
    painted = by_image.reshape(slot_count, goal_count * size, -1)
    nearest_hit = jnp.take_along_axis(painted, scores.nearest[:, :, None], axis=1)
    best = evolution.best(state)[0].reshape(nearest_hit.shape)
    genomes = jnp.where(hit[:, :, None], nearest_hit, best)
    images = jax.vmap(candidates.paint)(slots.images, genomes)
    pixels = jax.vmap(jax.vmap(candidates.painted_pixels))(images, genomes)

    generation = state.generation.reshape(slot_count, goal_count)
    spent = slots.active & (generation > generations)
    checked = slots.active & (hit | spent)
    final = _map_active(
        checked.reshape(flat),
        lambda image: logits_of(function, image[None])[0],
        (classes,),
        (images.reshape(*flat, *shape),),
    ).reshape(slot_count, goal_count, classes)
    changed = (images != slots.images[:, None]).any(axis=(2, 3, 4))
    success = checked & changed & candidates.fooled(final, slots.goals, targeted=search.targeted)
    count = evaluated.sum(dtype=jnp.int32) * size
    return state, Outcome(success | spent, success, images, pixels, final, generation, count)


def as_function(logits_fn: Callable[[Array], Array]) -> Function:
    """The function as a pytree: the bound arguments of a `Partial` become arguments of compiled code."""
    if not callable(logits_fn):
        raise ValueError(f"logits_fn (={logits_fn!r}) must be a function of images (B, H, W, 1 or 3)")
    return logits_fn if isinstance(logits_fn, Function) else Partial(logits_fn)


def clean_logits(function: Function, images: np.ndarray) -> np.ndarray:
    """Logits (N, K) float32 of unchanged images (N, H, W, C) uint8; raises ValueError if not finite."""
    blocks = [np.zeros((0, class_count(function, images.shape[1:])), np.float32)]
    size = most_together(CLEAN_BLOCK, images.shape[1:])
    for first in range(0, len(images), size):
        block = images[first : first + size]
        padded = np.zeros((size, *images.shape[1:]), np.uint8)  # one shape, compiled once
        padded[: len(block)] = block
        blocks.append(np.asarray(logits_of(function, padded))[: len(block)])
    logits = np.concatenate(blocks)
    if (bad := np.flatnonzero(~np.isfinite(logits).all(axis=1))).size:
        raise ValueError(f"logits_fn gives logits that are not finite for {len(bad)} images, first {bad[0]}")
    return logits


@jax.jit
def logits_of(function: Function, images: Array) -> Array:
    """Logits (B, K) float32 of images (B, H, W, C) uint8, by the plain pass."""
    return function(images.astype(jnp.float32) / 255.0).astype(jnp.float32)


def _evaluate(function: Function, image: Array, memory: Any, chunk: int, genomes: Array) -> Array:
    """Logits (P, K) of one image's candidates, evaluated in equal chunks that fit the cache."""
    population = len(genomes)
    if not isinstance(function, Incremental):
        chunk = most_together(chunk, image.shape)
    chunks = -(-population // chunk)
    size = -(-population // chunks)
    genomes = jnp.pad(genomes, ((0, chunks * size - population), (0, 0)))
    if isinstance(function, Incremental):
        pixels = candidates.rounded(genomes, image.shape)
        parts = pixels.reshape(chunks, size, *pixels.shape[1:])
        logits = jax.lax.map(partial(function.changed, memory), parts)
    elif len(genomes) * image.size > MOST_PAINTED:
        parts = genomes.reshape(chunks, size, -1)
        logits = jax.lax.map(lambda part: logits_of(function, candidates.paint(image, part)), parts)
    else:
        # All are painted, as bytes, before the loop: inside it XLA would fuse the painting into the first
        # convolution and repeat it in each of its nine windows, at a tenth of the whole time.
        painted = candidates.paint(image, genomes).reshape(chunks, size, *image.shape)
        logits = jax.lax.map(lambda part: logits_of(function, part), painted)
    every: Array = logits.reshape(chunks * size, -1)[:population]
    return every


def _map_active(
    active: Array, function: Callable[..., Array], shape: tuple[int, ...], inputs: tuple[Any, ...]
) -> Array:
    """`function` over the leading axis of the inputs where `active` (B,); zeros, at no cost, elsewhere."""

    def one(args: tuple[Any, ...]) -> Array:
        result: Array = jax.lax.cond(args[0], function, lambda *_: jnp.zeros(shape, jnp.float32), *args[1:])
        return result

    results: Array = jax.lax.map(one, (active, *inputs))
    return results


def class_count(function: Function, shape: tuple[int, ...]) -> int:
    """K, from the shape of the logits for one image of `shape` (H, W, C)."""
    result = jax.eval_shape(function, jax.ShapeDtypeStruct((1, *shape), jnp.float32))
    if result.ndim != 2 or result.shape[0] != 1 or result.shape[1] < 2:
        raise ValueError(f"logits_fn gives shape {result.shape} for one image; expected (1, K), K >= 2")
    return int(result.shape[1])
