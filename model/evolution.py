"""Differential evolution, batched over independent problems. Knows numbers and bounds, no images.

Storn and Price, "Differential Evolution - A Simple and Efficient Heuristic for Global Optimization over
Continuous Spaces", Journal of Global Optimization 11 (1997): rand/1/bin and best/1/bin, with the weight F
drawn anew for every generation (dither).

The parts are pure: `uniform`, `latin_hypercube` or `gaussian` draw a first population, `init` makes a state
of it, `ask` proposes trials, `tell` takes their fitness (lower is better). The first `ask` proposes the
first population itself, so one loop serves new and running problems side by side:

    state = init(uniform(keys, params.population, lower, upper))
    for generation in range(generations + 1):
        trials = ask(keys_of(generation), state, lower, upper, params)
        state = tell(state, trials, fitness(trials))

Axes: B problems, P individuals, D genes. No problem sees another one's numbers or keys: the result of a
problem does not depend on what else is in the batch.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

STRATEGIES = ("rand/1", "best/1")
BOUNDARIES = ("clip", "reflect", "redraw")


@dataclass(frozen=True)
class Params:
    """What stays the same during a search. Hashable, so `jax.jit` can take it as a static argument."""

    population: int = 400  # P, >= 4: rand/1 needs an individual and three others
    strategy: str = "rand/1"  # the base vector: "rand/1" a random individual, "best/1" the best one
    weight_low: float = 0.5  # F >= 0, smallest differential weight
    weight_high: float = 1.0  # F >= weight_low; F is uniform between the two, one draw a generation
    crossover_rate: float = 1.0  # CR in [0, 1]; 1: a trial takes every gene from its mutant
    boundary: str = "clip"  # what a gene beyond its bound becomes: "clip", "reflect" or "redraw" (uniform)

    def __post_init__(self) -> None:
        """Refuse values outside the ranges above with a ValueError."""
        if self.population < 4:
            raise ValueError(f"population (={self.population}) must be at least 4")
        if self.strategy not in STRATEGIES:
            raise ValueError(f"strategy (={self.strategy!r}) must be one of {', '.join(STRATEGIES)}")
        if self.boundary not in BOUNDARIES:
            raise ValueError(f"boundary (={self.boundary!r}) must be one of {', '.join(BOUNDARIES)}")
        if not 0 <= self.weight_low <= self.weight_high < float("inf"):
            raise ValueError(
                f"weight_low (={self.weight_low}) and weight_high (={self.weight_high}) must be finite "
                "and 0 <= weight_low <= weight_high"
            )
        if not 0 <= self.crossover_rate <= 1:
            raise ValueError(f"crossover_rate (={self.crossover_rate}) must lie in [0, 1]")


class State(NamedTuple):
    """Where B searches stand."""

    population: Array  # (B, P, D) float32, inside the bounds
    fitness: Array  # (B, P) float32, lower is better; +inf until evaluated
    generation: Array  # (B,) int32, how often told; 0: the first population is still to be evaluated


def uniform(keys: Array, population: int, lower: Array, upper: Array) -> Array:
    """First populations (B, P, D), every gene uniform in its bounds. `keys` (B,), bounds (D,) float32."""
    shape = (population, lower.shape[0])
    return jax.vmap(lambda key: _scale(jax.random.uniform(key, shape), lower, upper))(keys)


def latin_hypercube(keys: Array, population: int, lower: Array, upper: Array) -> Array:
    """First populations (B, P, D) in which each of P equal slices of every gene's range is used once."""
    shape = (population, lower.shape[0])

    def one(key: Array) -> Array:
        shuffle, jitter = jax.random.split(key)
        strata = jnp.broadcast_to(jnp.arange(population, dtype=jnp.float32)[:, None], shape)
        strata = jax.random.permutation(shuffle, strata, axis=0, independent=True)
        return _scale((strata + jax.random.uniform(jitter, shape)) / population, lower, upper)

    return jax.vmap(one)(keys)


def gaussian(
    keys: Array, population: int, lower: Array, upper: Array, mean: Array, deviation: Array
) -> Array:
    """First populations (B, P, D), normal with `mean` and `deviation` (D,), clipped to the bounds."""
    shape = (population, lower.shape[0])

    def one(key: Array) -> Array:
        draws = mean[None, :] + deviation[None, :] * jax.random.normal(key, shape)
        return jnp.clip(draws, lower[None, :], upper[None, :])

    return jax.vmap(one)(keys)


def init(population: Array) -> State:
    """The state before anything was evaluated, from a first `population` (B, P, D) float32."""
    problems, individuals, _ = population.shape
    return State(
        population,
        jnp.full((problems, individuals), jnp.inf, jnp.float32),
        jnp.zeros((problems,), jnp.int32),
    )


def ask(keys: Array, state: State, lower: Array, upper: Array, params: Params) -> Array:
    """Trials (B, P, D) inside the bounds: the first population at generation 0, mutants crossed over later.

    `keys` (B,) must be fresh for every generation of a problem; bounds `lower`, `upper` (D,) float32.
    """

    def one(key: Array, population: Array, fitness: Array, generation: Array) -> Array:
        trials = _trials(key, population, fitness, lower, upper, params)
        return jnp.where(generation == 0, population, trials)

    return jax.vmap(one)(keys, *state)


def tell(state: State, trials: Array, fitness: Array) -> State:
    """The state after selection: a trial replaces its parent when its fitness is not worse.

    `trials` (B, P, D) as asked, `fitness` (B, P) float32; NaN counts as +inf, the worst there is.
    """
    fitness = jnp.where(jnp.isnan(fitness), jnp.inf, fitness)
    # "not worse" instead of "better": where fitness is flat the population can still drift off the plateau
    won = fitness <= state.fitness
    return State(
        jnp.where(won[:, :, None], trials, state.population),
        jnp.where(won, fitness, state.fitness),
        state.generation + 1,
    )


def best(state: State) -> tuple[Array, Array]:
    """Each problem's best individual (B, D) and its fitness (B,); of equals the first."""
    index = jnp.argmin(state.fitness, axis=1)[:, None]
    individual = jnp.take_along_axis(state.population, index[:, :, None], axis=1)[:, 0]
    return individual, jnp.take_along_axis(state.fitness, index, axis=1)[:, 0]


def others(key: Array, population: int, count: int) -> Array:
    """Row i holds `count` different individuals other than i, uniformly drawn: (P, count) int32."""
    taken = jnp.arange(population, dtype=jnp.int32)[:, None]
    drawn = []
    for position, draw_key in enumerate(jax.random.split(key, count)):
        # a draw among those left, then a step over each one taken, in ascending order
        index = jax.random.randint(draw_key, (population,), 0, population - 1 - position, jnp.int32)
        for column in range(position + 1):
            index = index + (index >= taken[:, column]).astype(jnp.int32)
        drawn.append(index)
        taken = jnp.sort(jnp.concatenate([taken, index[:, None]], axis=1), axis=1)
    return jnp.stack(drawn, axis=1)


def _scale(unit: Array, lower: Array, upper: Array) -> Array:
    """Points (P, D) of the unit cube moved into the bounds (D,)."""
    return lower[None, :] + unit * (upper - lower)[None, :]


def _trials(
    key: Array, population: Array, fitness: Array, lower: Array, upper: Array, params: Params
) -> Array:
    """One problem's mutants (P, D), crossed over with their parents and brought into the bounds."""
    individuals, genes = population.shape
    weight_key, others_key, cross_key, gene_key, redraw_key = jax.random.split(key, 5)
    weight = jax.random.uniform(weight_key, minval=params.weight_low, maxval=params.weight_high)
    if params.strategy == "best/1":
        base = jnp.broadcast_to(population[jnp.argmin(fitness)], population.shape)
        first, second = others(others_key, individuals, 2).T
    else:
        third, first, second = others(others_key, individuals, 3).T
        base = population[third]
    mutants = base + weight * (population[first] - population[second])
    mutants = _into_bounds(redraw_key, mutants, lower, upper, params.boundary)
    # binomial crossover; one gene always comes from the mutant, so that no trial equals its parent
    crossed = jax.random.uniform(cross_key, (individuals, genes)) < params.crossover_rate
    forced = jax.random.randint(gene_key, (individuals,), 0, genes, jnp.int32)
    crossed = crossed | (jnp.arange(genes, dtype=jnp.int32)[None, :] == forced[:, None])
    return jnp.where(crossed, mutants, population)


def _into_bounds(key: Array, genes: Array, lower: Array, upper: Array, boundary: str) -> Array:
    """Genes (P, D) brought into the bounds (D,) the way `boundary` says."""
    low, high = lower[None, :], upper[None, :]
    if boundary == "reflect":
        genes = jnp.where(genes < low, 2.0 * low - genes, genes)
        genes = jnp.where(genes > high, 2.0 * high - genes, genes)
    elif boundary == "redraw":
        fresh = _scale(jax.random.uniform(key, genes.shape), lower, upper)
        genes = jnp.where((genes < low) | (genes > high), fresh, genes)
    return jnp.clip(genes, low, high)  # reflection may overshoot when F > 1
