"""The one-pixel attack: a few pixels, repainted, that change what a network says.

Su, Vargas and Sakurai, "One pixel attack for fooling deep neural networks" (arXiv 1710.08864), searched by
differential evolution (model/evolution.py). The attack knows a function from images to logits, no network.

One compiled step proposes, paints, evaluates and selects for all images in flight. An image that is done
(fooled, or out of generations) leaves at once and a waiting one takes its slot. Each image has its own
random numbers and its own evaluation chunks: what is found for it does not depend on the images beside it,
on the batch size or, given `identities`, on the order.
"""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.tree_util import Partial

from model import attack_step, candidates, evolution


class AttackResult(NamedTuple):
    """What the attack found for N images, P pixels each, among K classes; NumPy arrays.

    Where the attack failed, image, pixels and logits are those of the best attempt. Where it was skipped
    (it needed no attack), the image is unchanged, pixels are -1, queries are 0 and generations are -1.
    """

    success: np.ndarray  # (N,) bool, decided on the returned bytes
    images: np.ndarray  # (N, H, W, 3) uint8
    pixels: np.ndarray  # (N, P, 5) int64: row, column, red, green, blue as they stand in the image
    queries: np.ndarray  # (N,) int64, candidates evaluated: population x (1 + generations)
    logits: np.ndarray  # (N, K) float32 of the returned image
    generations: np.ndarray  # (N,) int64, 0: found in the first population
    seconds: np.ndarray  # (N,) float64, the image's share of the time of its steps; compilation excluded


class Progress(NamedTuple):
    """Told after every generation of the batch."""

    finished: int  # images that left, of `total`
    succeeded: int
    total: int
    evaluations: int  # candidates so far, finished and running images together
    seconds: float  # since the first step


def one_pixel_attack(
    logits_fn: Callable[[Array], Array],
    images: np.ndarray,
    labels: np.ndarray,
    *,
    targets: np.ndarray | None = None,
    pixels: int = 1,
    population: int = 400,
    generations: int = 100,
    key: Array,
    **options,
) -> AttackResult:
    """Attack every image, each with at most `population` x (1 + `generations`) queries.

    See `attack_stream` for arguments, options and errors: this gathers what it yields, in the images' order.
    """
    stream = attack_stream(
        logits_fn,
        images,
        labels,
        targets=targets,
        pixels=pixels,
        population=population,
        generations=generations,
        key=key,
        **options,
    )
    parts = list(stream)
    if not parts:
        images = np.asarray(images)
        return _skipped(images, attack_step.clean_logits(attack_step.as_partial(logits_fn), images), pixels)
    order = np.argsort(np.concatenate([indices for indices, _ in parts]))
    fields = zip(*(result for _, result in parts), strict=True)
    return AttackResult(*(np.concatenate(field)[order] for field in fields))


def attack_stream(
    logits_fn: Callable[[Array], Array],
    images: np.ndarray,
    labels: np.ndarray,
    *,
    targets: np.ndarray | None = None,
    pixels: int = 1,
    population: int = 400,
    generations: int = 100,
    key: Array,
    identities: np.ndarray | None = None,
    fitness: str = "log-probability",
    strategy: str = "rand/1",
    start: str = "uniform",
    boundary: str = "clip",
    crossover_rate: float = 1.0,
    batch_size: int = 16,
    chunk: int = 128,
    already: str = "skip",
    progress: Callable[[Progress], None] | None = None,
) -> Iterator[tuple[np.ndarray, AttackResult]]:
    """Attack the images and yield (indices (n,), AttackResult of n rows) as they leave the batch.

    Untargeted (`targets` None) an attack succeeds when argmax != label; targeted only when argmax == target.
    The decision is made on the logits of the returned bytes, evaluated once more on their own: a candidate
    that succeeded by a rounding error in its batch alone does not count, and the search goes on.

    logits_fn: (B, H, W, 3) float32 in [0, 1] -> (B, K) logits, pure, traceable by JAX. Compiled once for
        each function and shape. Arrays inside a plain function are frozen into what is compiled; to attack a
        network whose weights change, pass `jax.tree_util.Partial(f, weights)`: then they are arguments.
    images (N, H, W, 3) uint8; labels (N,) int in [0, K); targets (N,) int in [0, K), none equal to its label.
    key: `jax.random.key(seed)`. identities (N,) int >= 0, by default 0..N-1: an image's random numbers
        come from key and identity alone.
    pixels >= 1; population >= 4; generations >= 0 after the first population.
    fitness: "log-probability" of the goal class or "margin" to the best other class. The former is computed
        as log-odds: same order, but it does not saturate when a probability rounds to 0 or 1.
    strategy "rand/1" or "best/1"; boundary and crossover_rate as in `evolution.Params`.
    start: the first population, "uniform", "latin-hypercube" or "gaussian" as in `candidates`.
    batch_size: images in flight. chunk: most candidates of one forward pass; about 64 to 256 stay in cache.
    already: images that need no attack (untargeted: misclassified as they are; targeted: classified as the
        target as they are) come back as skipped, not as successes, with "skip"; "raise" makes them an error.
    progress: called with a `Progress` after every generation.

    Queries count candidates: the first population and every generation's until the image leaves. Not
    counted: one pass an image before the search and one when it leaves.

    Raises ValueError, in one line, for any argument outside these shapes, types and ranges: at the call,
    not at the first item.
    """
    params = evolution.Params(population, strategy, crossover_rate=crossover_rate, boundary=boundary)
    _require_choice("fitness", fitness, candidates.FITNESS)
    _require_choice("start", start, candidates.STARTS)
    _require_choice("already", already, ("raise", "skip"))
    _require_least(1, pixels=pixels, batch_size=batch_size, chunk=chunk)
    _require_least(0, generations=generations)
    function = attack_step.as_partial(logits_fn)
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8 or 0 in images.shape[1:]:
        raise ValueError(f"images (={images.dtype} {images.shape}) must be uint8 of shape (N, H, W, 3)")
    classes = attack_step.class_count(function, images.shape[1:])
    labels = _integers("labels", labels, len(images), classes)
    goals = labels
    if targets is not None:
        goals = _integers("targets", targets, len(images), classes)
        if (same := np.flatnonzero(goals == labels)).size:
            raise ValueError(f"targets must differ from labels, but are equal at {_some(same)}")
    ids = np.arange(len(images)) if identities is None else identities
    ids = _integers("identities", ids, len(images), 2**31)
    search = attack_step.Search(params, pixels, targets is not None, fitness, start, chunk)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(_typed(key), jnp.asarray(ids, jnp.uint32))
    clean = attack_step.clean_logits(function, images)
    needless = (clean.argmax(1) == goals) if search.targeted else (clean.argmax(1) != goals)
    if needless.any() and already == "raise":
        is_now = "classified as its target" if search.targeted else "misclassified"
        raise ValueError(
            f"images at {_some(np.flatnonzero(needless))} need no attack: each is {is_now} as it is "
            '(leave them out, or pass already="skip" to have them skipped)'
        )
    return _run(function, search, images, goals, keys, clean, needless, generations, batch_size, progress)


def _run(
    function: Partial,
    search: attack_step.Search,
    images: np.ndarray,
    goals: np.ndarray,
    keys: Array,
    clean: np.ndarray,
    needless: np.ndarray,
    generations: int,
    batch_size: int,
    progress: Callable[[Progress], None] | None,
) -> Iterator[tuple[np.ndarray, AttackResult]]:
    """The host's loop over generations: fill free slots, step, hand out what is done."""
    if needless.any():
        skipped = np.flatnonzero(needless)
        yield skipped, _skipped(images[skipped], clean[skipped], search.pixels)
    waiting = np.flatnonzero(~needless)
    if not waiting.size:
        return
    owner = np.full(batch_size, -1)  # which image is in which slot; -1: none
    seconds = np.zeros(batch_size)
    slots = _slots(images, goals, keys, owner)
    state = attack_step.empty(batch_size, search)
    attack_step.step(function, slots, state, generations, search)  # nobody in flight yet: this only compiles
    began, finished, succeeded, evaluations = time.perf_counter(), int(needless.sum()), 0, 0
    while True:
        free = np.flatnonzero(owner < 0)[: len(waiting)]
        if free.size:
            owner[free], waiting = waiting[: len(free)], waiting[len(free) :]
            seconds[free] = 0.0
            slots = _slots(images, goals, keys, owner)
            fresh = np.isin(np.arange(batch_size), free)
            state = attack_step.admit(slots.keys, state, fresh, images.shape[1:], search)
        if (in_flight := int((owner >= 0).sum())) == 0:
            return
        step_began = time.perf_counter()
        state, outcome = attack_step.step(function, slots, state, generations, search)
        outcome = attack_step.Outcome(*map(np.asarray, outcome))
        seconds += np.where(owner >= 0, (time.perf_counter() - step_began) / in_flight, 0.0)
        evaluations += in_flight * search.params.population
        done = np.flatnonzero(outcome.done)
        finished, succeeded = finished + len(done), succeeded + int(outcome.success[done].sum())
        if progress is not None:
            now = time.perf_counter() - began
            progress(Progress(finished, succeeded, len(images), evaluations, now))
        if done.size:
            indices, owner[done] = owner[done], -1
            slots = slots._replace(active=owner >= 0)
            yield indices, _result(outcome, done, seconds[done], search.params.population)


def _slots(images: np.ndarray, goals: np.ndarray, keys: Array, owner: np.ndarray) -> attack_step.Slots:
    """The slots of the images `owner` (B,) names; -1: an empty slot."""
    index = np.maximum(owner, 0)
    return attack_step.Slots(images[index], goals[index], keys[index], owner >= 0)


def _result(
    outcome: attack_step.Outcome, rows: np.ndarray, seconds: np.ndarray, population: int
) -> AttackResult:
    """The finished rows of a step's outcome."""
    told = outcome.generation[rows].astype(np.int64)
    return AttackResult(
        outcome.success[rows],
        outcome.images[rows],
        outcome.pixels[rows].astype(np.int64),
        told * population,
        outcome.logits[rows],
        told - 1,
        seconds,
    )


def _skipped(images: np.ndarray, logits: np.ndarray, pixels: int) -> AttackResult:
    """Rows for images that were left alone."""
    count = len(images)
    none, zero = np.full(count, -1), np.zeros(count, np.int64)
    blank = np.full((count, pixels, candidates.GENES), -1)
    return AttackResult(np.zeros(count, bool), images, blank, zero, logits, none, np.zeros(count))


def _typed(key: Array) -> Array:
    """A scalar typed key; an old-style uint32 key is wrapped."""
    if isinstance(key, Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.ndim == 0:
        return key
    if getattr(key, "dtype", None) == np.uint32 and key.shape == (2,):
        return jax.random.wrap_key_data(jnp.asarray(key))
    raise ValueError(f"key (={key!r}) must be one random key: jax.random.key(seed)")


def _integers(name: str, values: np.ndarray, count: int, end: int) -> np.ndarray:
    """`values` as (count,) int32, checked to be whole numbers in [0, end)."""
    values = np.asarray(values)
    if values.shape != (count,) or not (np.issubdtype(values.dtype, np.integer) or not count):
        raise ValueError(f"{name} (={values.dtype} {values.shape}) must be integers of shape ({count},)")
    if (bad := np.flatnonzero((values < 0) | (values >= end))).size:
        raise ValueError(f"{name} must lie in 0..{end - 1}, but {name}[{bad[0]}] is {values[bad[0]]}")
    return values.astype(np.int32)


def _require_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} (={value!r}) must be one of {', '.join(choices)}")


def _require_least(least: int, **values: int) -> None:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name} (={value!r}) must be a whole number of at least {least}")


def _some(indices: np.ndarray) -> str:
    """The first few indices in words."""
    shown = ", ".join(map(str, indices[:8]))
    return f"{shown} and {len(indices) - 8} more" if len(indices) > 8 else shown
