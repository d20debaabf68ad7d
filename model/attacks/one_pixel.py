"""The one-pixel attack: repaint a few pixels to change a network's answer.

Su, Vargas and Sakurai, "One pixel attack for fooling deep neural networks" (arXiv 1710.08864), searched by
differential evolution (model/attacks/evolution.py). The attack uses a function from images to logits, not
a network; if the function is an `Incremental` (model/network/incremental_pass.py), candidates are evaluated
by its incremental pass.

Each image has its own random numbers and its own evaluation chunks: its result does not depend on the images
beside it, on the batch size, on the devices or, given `identities`, on the order.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from model.attacks import candidates, evolution, step
from model.attacks.images import check_images
from model.attacks.loop import AttackResult, Problem, Progress, run, skipped
from model.attacks.parameters import STARTS


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
    **options: Any,
) -> AttackResult:
    """Attack every image, each with at most `population` x (1 + `generations`) queries.

    See `attack_stream` for arguments, options and errors: its results are collected in the images' order.
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
    images = np.asarray(images)
    if parts:
        order = np.argsort(np.concatenate([indices for indices, _ in parts]))
        fields = zip(*(result for _, result in parts), strict=True)
        whole = AttackResult(*(np.concatenate(field)[order] for field in fields))
    else:
        whole = skipped(images, step.clean_logits(step.as_function(logits_fn), images), pixels)
    if targets is None or np.ndim(targets) == 1:
        return whole
    return AttackResult(*(field.reshape(*np.shape(targets), *field.shape[1:]) for field in whole))


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
    weight: tuple[float, float] = (0.5, 1.0),
    crossover_rate: float = 1.0,
    batch_size: int = 16,
    chunk: int = 128,
    already: str = "skip",
    progress: Callable[[Progress], None] | None = None,
) -> Iterator[tuple[np.ndarray, AttackResult]]:
    """Attack the images and yield (indices (n,), AttackResult of n rows) as goals are done.

    Untargeted (`targets` None) an attack succeeds when argmax != label; targeted only when argmax == target.
    The decision is made on the logits of the returned bytes, evaluated once more on their own by the plain
    pass: a candidate that succeeded by a rounding error in its batch does not count, and the search goes on.

    logits_fn: (B, H, W, C) float32 in [0, 1] -> (B, K) logits, pure, traceable by JAX. Compiled once for
        each function and shape. Arrays inside a plain function are compiled in as constants; to attack a
        network whose weights change, pass `jax.tree_util.Partial(f, weights)`: then they are arguments. For a
        network described by `model.network.layers`, `incremental(network)` is such a function and far faster.
    images (N, H, W, C) uint8, C = 3, or 1 of gray ones.
    labels (N,) int in [0, K); targets (N,) int in [0, K), none equal to its label.
    targets (N, T): several targets an image, each once, -1 for none. They share a first population and every
        evaluation is scored against all of them, so a search for one target may reach another.
        `indices` then count target by target: image x T + place.
    key: `jax.random.key(seed)`. identities (N,) int >= 0, by default 0..N-1: an image's random numbers
        come from key, identity and target alone.
    pixels >= 1; population >= 4; generations >= 0 after the first population.
    fitness: "log-probability" of the goal class or "margin" to the best other class. The former is computed
        as log-odds: same order, but it does not saturate when a probability rounds to 0 or 1.
    strategy "rand/1" or "best/1"; weight (F), boundary and crossover_rate (CR) as in `evolution.Params`.
    start: the first population, "uniform", "latin-hypercube" or "gaussian" as in `candidates`.
    batch_size: images in flight, over all local devices. chunk: most candidates of one forward pass; about 64
        to 256 stay in cache.
    already: images that need no attack (untargeted: already misclassified; targeted: already classified as
        the target) are returned as skipped, not as successes, with "skip"; "raise" makes them an error.
    progress: called with a `Progress` after every generation.

    Queries count candidates: the first population and every generation's until the goal is done. Not counted:
    one query of each clean image for `already`, and one of the returned bytes at every claimed success and
    at the end. The first population counts for each target, though it is evaluated once.

    Raises ValueError, in one line, for any argument outside these shapes, types and ranges: at the call,
    not at the first item.
    """
    params = evolution.Params(population, strategy, *weight, crossover_rate, boundary)
    _require_choice("fitness", fitness, candidates.FITNESS)
    _require_choice("start", start, STARTS)
    _require_choice("already", already, ("raise", "skip"))
    _require_least(1, pixels=pixels, batch_size=batch_size, chunk=chunk)
    _require_least(0, generations=generations)
    function = step.as_function(logits_fn)
    images = check_images(images)
    classes = step.class_count(function, images.shape[1:])
    labels = _integers("labels", labels, (len(images),), classes)
    goals = labels[:, None]
    if targets is not None:
        goals = _targets(np.asarray(targets), labels, classes)
    ids = np.arange(len(images)) if identities is None else identities
    ids = _integers("identities", ids, (len(images),), 2**31)
    search = step.Search(params, pixels, targets is not None, fitness, start, chunk)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(_typed(key), jnp.asarray(ids, jnp.uint32))
    clean = step.clean_logits(function, images)
    winner = clean.argmax(1)[:, None]
    needless = (winner == goals) if search.targeted else (winner != goals)
    if needless.any() and already == "raise":
        is_now = "classified as its target" if search.targeted else "misclassified"
        raise ValueError(
            f"images at {_some(np.flatnonzero(needless.any(1)))} need no attack: each is {is_now} as it is "
            '(leave them out, or pass already="skip" to have them skipped)'
        )
    problem = Problem(images, goals, (goals >= 0) & ~needless, keys, clean)
    return run(problem, function, search, generations, batch_size, progress)


def _typed(key: Array) -> Array:
    """A scalar typed key; an old-style uint32 key is wrapped."""
    if isinstance(key, Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.ndim == 0:
        return key
    if getattr(key, "dtype", None) == np.uint32 and key.shape == (2,):
        wrapped: Array = jax.random.wrap_key_data(jnp.asarray(key))
        return wrapped
    raise ValueError(f"key (={key!r}) must be one random key: jax.random.key(seed)")


def _integers(name: str, values: np.ndarray, shape: tuple[int, ...], end: int, first: int = 0) -> np.ndarray:
    """`values` as int32 of the shape, checked to be whole numbers in [first, end)."""
    values = np.asarray(values)
    if values.shape != shape or not (np.issubdtype(values.dtype, np.integer) or not values.size):
        raise ValueError(f"{name} (={values.dtype} {values.shape}) must be integers of shape {shape}")
    if (bad := np.argwhere((values < first) | (values >= end))).size:
        place = ", ".join(map(str, bad[0]))
        raise ValueError(f"{name} must lie in {first}..{end - 1}, but {name}[{place}] is {values[*bad[0]]}")
    return values.astype(np.int32)


def _targets(targets: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Targets (N,) or (N, T) as (N, T) int32, checked."""
    if targets.ndim == 2 and len(targets) == len(labels):
        goals = _integers("targets", targets, targets.shape, classes, first=-1)
        ordered = np.sort(goals, axis=1)
        if (twice := ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any(1)).any():
            raise ValueError(f"targets name a class twice at {_some(np.flatnonzero(twice))}")
    else:
        goals = _integers("targets", targets, (len(labels),), classes)[:, None]
    if (same := np.flatnonzero((goals == labels[:, None]).any(1))).size:
        raise ValueError(f"targets must differ from labels, but are equal at {_some(same)}")
    return goals


def _require_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} (={value!r}) must be one of {', '.join(choices)}")


def _require_least(least: int, **values: int) -> None:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name} (={value!r}) must be a whole number of at least {least}")


def _some(indices: np.ndarray) -> str:
    """The first few indices in words."""
    listed = ", ".join(map(str, indices[:8]))
    return f"{listed} and {len(indices) - 8} more" if len(indices) > 8 else listed
