"""Differential evolution, batched over independent problems, on numbers within bounds, not images.

Storn and Price, "Differential Evolution - A Simple and Efficient Heuristic for Global Optimization over
Continuous Spaces", Journal of Global Optimization 11 (1997): rand/1/bin and best/1/bin, with the weight F
drawn anew for every generation (dither).

The parts are pure: `uniform`, `latin_hypercube` or `gaussian` draw a first population, `init` makes a state
of it, `ask` proposes trials (`draw`, then `propose`, for each problem), `tell` takes their fitness (lower is
better). The first `ask` proposes the first population itself, so one loop serves new and running problems
side by side:

    state = init(uniform(keys, params.population, lower, upper))
    for generation in range(generations + 1):
        trials = ask(keys_of(generation), state, lower, upper, params)
        state = tell(state, trials, fitness(trials))

Axes: B problems, P individuals, D genes. Problems share no numbers or keys: the result of a problem does
not depend on what else is in the batch.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from model.attacks.parameters import STRATEGIES

BOUNDARIES = ("clip", "reflect", "redraw")


@dataclass(frozen=True)
class Params:
    """The settings of a search. Hashable, so `jax.jit` can take it as a static argument."""

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


class Draws(NamedTuple):
    """The random draws for one generation of one problem."""

    donors: Array  # (P, 2 or 3) int32, different individuals other than the row's own
    weight: Array  # () float32, F
    crossed: Array | None  # (P, D) bool, the genes taken from the mutant; None: all
    redraw: Array | None  # (P, D) in [0, 1), where a gene that left its bounds goes; None: not needed


class State(NamedTuple):
    """The state of B searches."""

    population: Array  # (B, P, D) float32, inside the bounds
    fitness: Array  # (B, P) float32, lower is better; +inf until evaluated
    generation: Array  # (B,) int32, calls of `tell`; 0: the first population is still to be evaluated


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
    """The state before any evaluation, from a first `population` (B, P, D) float32."""
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
        trials = propose(population, fitness, draw(key, population.shape[1], params), lower, upper, params)
        return jnp.where(generation == 0, population, trials)

    return jax.vmap(one)(keys, *state)


def draw(key: Array, genes: int, params: Params) -> Draws:
    """Make the random draws for one generation of one problem with so many genes."""
    individuals, partners = params.population, 2 if params.strategy == "best/1" else 3
    crosses, redraws = params.crossover_rate < 1, params.boundary == "redraw"
    # one call for all random numbers: compiled code for each call is long
    columns = partners + (genes + 1) * crosses + genes * redraws
    draws = jax.random.uniform(key, (1 + individuals * columns,))
    weight = params.weight_low + (params.weight_high - params.weight_low) * draws[0]
    chosen, cross, redraw = jnp.split(
        draws[1:].reshape(individuals, columns), (partners, columns - genes * redraws), axis=1
    )
    crossed = None
    if crosses:  # binomial; one gene always comes from the mutant, so that no trial copies its parent
        forced = jnp.floor(cross[:, genes:] * genes).astype(jnp.int32)
        crossed = cross[:, :genes] < params.crossover_rate
        crossed |= jnp.arange(genes, dtype=jnp.int32)[None, :] == forced
    return Draws(others(chosen), weight, crossed, redraw if redraws else None)


def propose(
    population: Array, fitness: Array, draws: Draws, lower: Array, upper: Array, params: Params
) -> Array:
    """One problem's trials (P, D): mutants of the donors, crossed over with the parents, inside the bounds.

    population (P, D), fitness (P,). The first donor of rand/1 is the base, the last two make the difference.
    """
    donors = draws.donors
    base = population[donors[:, 0]] if params.strategy == "rand/1" else population[jnp.argmin(fitness)][None]
    mutants = base + draws.weight * (population[donors[:, -2]] - population[donors[:, -1]])
    if draws.crossed is not None:
        mutants = jnp.where(draws.crossed, mutants, population)
    return _into_bounds(mutants, lower, upper, params.boundary, draws.redraw)


def tell(state: State, trials: Array, fitness: Array) -> State:
    """The state after selection: a trial replaces its parent when its fitness is not worse.

    `trials` (B, P, D) from `ask`, `fitness` (B, P) float32; NaN counts as +inf, the worst there is.
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
    """Each problem's best individual (B, D) and its fitness (B,); the first among equals."""
    index = jnp.argmin(state.fitness, axis=1)[:, None]
    individual = jnp.take_along_axis(state.population, index[:, :, None], axis=1)[:, 0]
    return individual, jnp.take_along_axis(state.fitness, index, axis=1)[:, 0]


def others(draws: Array) -> Array:
    """Row i of `draws` (P, n), uniform in [0, 1), as n different individuals other than i: (P, n) int32.

    A draw has 2^23 values, so for P individuals the chances are equal to within P / 2^23.
    """
    individuals, count = draws.shape
    taken = [jnp.arange(individuals, dtype=jnp.int32)]  # in ascending order in every row
    drawn = []
    for column in range(count):
        # choose one of those left, then skip each one taken
        left = individuals - 1 - column
        index = jnp.minimum(jnp.floor(draws[:, column] * left).astype(jnp.int32), left - 1)
        for other in taken:
            index = index + (index >= other).astype(jnp.int32)
        drawn.append(index)
        for place, other in enumerate(taken):
            taken[place], index = jnp.minimum(other, index), jnp.maximum(other, index)
        taken.append(index)
    return jnp.stack(drawn, axis=1)


def _scale(unit: Array, lower: Array, upper: Array) -> Array:
    """Points (P, D) of the unit cube moved into the bounds (D,)."""
    return lower[None, :] + unit * (upper - lower)[None, :]


def _into_bounds(genes: Array, lower: Array, upper: Array, boundary: str, draws: Array | None) -> Array:
    """Genes (P, D) moved into the bounds (D,) by `boundary`; `draws` (P, D) in [0, 1) to redraw from."""
    low, high = lower[None, :], upper[None, :]
    if boundary == "reflect":
        genes = jnp.where(genes < low, 2.0 * low - genes, genes)
        genes = jnp.where(genes > high, 2.0 * high - genes, genes)
    elif boundary == "redraw" and draws is not None:
        genes = jnp.where((genes < low) | (genes > high), _scale(draws, lower, upper), genes)
    return jnp.clip(genes, low, high)  # reflection may overshoot when F > 1
