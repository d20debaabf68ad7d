"""How near the candidates of one image come to each of its goals, a population at a time.

Each population of an image is evaluated once and scored for every goal. Memory holds the logits of one
population, however many goals and classes there are.

Axes: T goals, each with a population; P candidates of a population; K classes; D genes.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array


class Scores(NamedTuple):
    """The scores of all populations of an image."""

    fitness: Array  # (T, P) float32, of each goal's own population; +inf: not evaluated
    lowest: Array  # (T,) float32, of the candidates that reach a goal; +inf: none does
    nearest: Array  # (T,) int32, the place of that candidate among all T P; the first among equals


def score_goals(
    evaluate: Callable[[Array], Array],
    measure: Callable[[Array, Array], tuple[Array, Array]],
    goals: Array,
    wanted: Array,
    leads: Array,
    trials: Array,
) -> Scores:
    """Evaluate the wanted populations, and score every candidate for each goal.

    evaluate: genomes (P, D) to logits (P, K) float32.
    measure: logits and a goal to fitness (P,) float32, lower is nearer, and to whether each candidate reaches
        the goal, (P,) bool.
    goals (T,) int32; wanted (T,) bool: the populations to evaluate; leads (T, T) bool: at [t, u], whether
        population t is also that of goal u; trials (T, P, D) float32.
    """
    count, size = trials.shape[:2]
    each = jnp.arange(count, dtype=jnp.int32)

    def population(so_far: Scores, place: Array) -> Scores:
        logits = evaluate(trials[place])

        def of_goal(goal: Array) -> tuple[Array, Array, Array]:
            fitness, reached = measure(logits, goal)
            of_reached = jnp.where(reached, fitness, jnp.inf)
            return fitness, of_reached.min(), of_reached.argmin().astype(jnp.int32)

        fitness, lowest, nearest = jax.lax.map(of_goal, goals)
        own, better = leads[place] | (each == place), lowest < so_far.lowest
        return Scores(
            jnp.where(own[:, None], fitness, so_far.fitness),
            jnp.where(better, lowest, so_far.lowest),
            jnp.where(better, place * size + nearest, so_far.nearest),
        )

    def one(so_far: Scores, place: Array) -> tuple[Scores, None]:
        return jax.lax.cond(wanted[place], population, lambda kept, _: kept, so_far, place), None

    none = jnp.full(count, jnp.inf, jnp.float32)
    first = Scores(jnp.full((count, size), jnp.inf, jnp.float32), none, jnp.zeros(count, jnp.int32))
    scores, _ = jax.lax.scan(one, first, each)
    return scores
