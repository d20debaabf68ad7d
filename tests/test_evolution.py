"""Differential evolution on its own: no images."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import differential_evolution
from scipy.optimize._differentialevolution import DifferentialEvolutionSolver

from model.attacks import evolution
from model.attacks.evolution import Draws, Params, State

pytestmark = pytest.mark.usefixtures("compiled_quickly")

LOWER = jnp.array([-5.0, 0.0, 10.0], jnp.float32)
UPPER = jnp.array([5.0, 1.0, 90.0], jnp.float32)


def keys(count, seed=0):
    return jax.random.split(jax.random.key(seed), count)


def distance(trials, optimum):
    """Squared distance, each gene in units of its range: (B, P)."""
    unit = (trials - optimum[:, None, :]) / (UPPER - LOWER)[None, None, :]
    return jnp.sum(unit**2, axis=-1)


ask = jax.jit(evolution.ask, static_argnames="params")


@partial(jax.jit, static_argnames=("params", "generations"))
def run(problem_keys, optimum, params, generations):
    def one(state, generation):
        fresh = jax.vmap(jax.random.fold_in, (0, None))(problem_keys, generation)
        trials = evolution.ask(fresh, state, LOWER, UPPER, params)
        state = evolution.tell(state, trials, distance(trials, optimum))
        return state, evolution.best(state)[1]

    state = evolution.init(evolution.uniform(problem_keys, params.population, LOWER, UPPER))
    return jax.lax.scan(one, state, jnp.arange(generations + 1))


# Any two of the three options meet with all of their values.
@pytest.mark.parametrize(
    ("strategy", "boundary", "crossover_rate"),
    [
        (strategy, boundary, (0.5, 1.0)[(i + j) % 2])
        for i, strategy in enumerate(evolution.STRATEGIES)
        for j, boundary in enumerate(evolution.BOUNDARIES)
    ],
)
def test_the_minimum_is_found_inside_and_on_the_edge_of_the_bounds(strategy, boundary, crossover_rate):
    optimum = jnp.array([[1.0, 0.5, 40.0], [5.0, 0.0, 90.0]], jnp.float32)
    params = Params(30, strategy, crossover_rate=crossover_rate, boundary=boundary)
    state, history = run(keys(2), optimum, params, 80)
    assert (np.asarray(history)[-1] < 1e-4).all()
    assert (np.diff(history, axis=0) <= 0).all(), "the best never gets worse"
    np.testing.assert_array_equal(state.generation, [81, 81])


@pytest.mark.parametrize("start", ["uniform", "latin_hypercube", "gaussian"])
def test_every_start_stays_inside_the_bounds_and_differs_by_key(start):
    more = (jnp.array([0.0, 0.5, 50.0]), jnp.array([9.0, 2.0, 90.0])) if start == "gaussian" else ()
    population = np.asarray(getattr(evolution, start)(keys(2), 50, LOWER, UPPER, *more))
    assert population.shape == (2, 50, 3)
    assert population.dtype == np.float32
    assert (population >= np.asarray(LOWER)).all()
    assert (population <= np.asarray(UPPER)).all()
    assert not np.array_equal(population[0], population[1])


def test_a_latin_hypercube_uses_each_slice_of_every_gene_once():
    population = np.asarray(evolution.latin_hypercube(keys(1), 20, LOWER, UPPER))[0]
    slices = np.floor((population - np.asarray(LOWER)) / np.asarray(UPPER - LOWER) * 20 + 1e-4).astype(int)
    for gene in range(3):
        assert sorted(slices[:, gene]) == list(range(20))
    assert not np.array_equal(slices[:, 0], slices[:, 1]), "genes are shuffled independently"


def test_a_gaussian_start_follows_its_mean_and_deviation():
    mean, deviation = jnp.array([1.0, 0.5, 50.0]), jnp.array([0.5, 0.05, 4.0])
    population = np.asarray(evolution.gaussian(keys(1), 4000, LOWER, UPPER, mean, deviation))[0]
    assert (np.abs(population.mean(0) - mean) < 4 * deviation / 4000**0.5).all()
    np.testing.assert_allclose(population.std(0), deviation, rtol=0.05)


def test_the_first_trials_are_the_first_population():
    population = evolution.uniform(keys(2), 10, LOWER, UPPER)
    trials = ask(keys(2, 1), evolution.init(population), LOWER, UPPER, Params(10))
    np.testing.assert_array_equal(trials, population)


@pytest.mark.parametrize("population", [4, 5, 9])
def test_the_others_are_different_and_uniform(population):
    unit = jax.random.uniform(jax.random.key(5), (2000, population, 3))
    draws = np.asarray(jax.jit(jax.vmap(evolution.others))(unit))
    own = np.broadcast_to(np.arange(population)[None, :, None], (*draws.shape[:2], 1))
    rows = np.sort(np.concatenate([draws, own], axis=2), axis=2)
    assert (np.diff(rows, axis=2) > 0).all(), "no index twice, and never the row's own"
    for row in range(population):
        for place in range(3):
            counts = np.bincount(draws[:, row, place], minlength=population)
            expected = 2000 / (population - 1)
            assert counts[row] == 0
            assert (np.abs(np.delete(counts, row) - expected) < 6 * expected**0.5).all()


def test_the_largest_draw_still_names_an_individual():
    almost_one = jnp.full((5, 3), np.nextafter(np.float32(1), np.float32(0)))
    np.testing.assert_array_equal(
        evolution.others(almost_one), [[4, 3, 2], [4, 3, 2], [4, 3, 1], [4, 2, 1], [3, 2, 1]]
    )


def test_rand_1_is_the_base_plus_the_weighted_difference():
    population = jnp.arange(8, dtype=jnp.float32)[None, :, None] ** 2  # all differences are different
    params = Params(8, weight_low=0.5, weight_high=0.5)
    state = evolution.init(population)._replace(generation=jnp.ones(1, jnp.int32))
    wide = jnp.full(1, 1e6, jnp.float32)
    trials = np.asarray(ask(keys(1), state, -wide, wide, params))[0, :, 0]
    squares = np.arange(8.0) ** 2
    for row, trial in enumerate(trials):
        rest = np.delete(squares, row)
        possible = {a + 0.5 * (b - c) for a in rest for b in rest for c in rest if len({a, b, c}) == 3}
        assert trial in possible


def test_best_1_starts_from_the_best():
    population = jnp.array([[[3.0], [7.0], [1.0], [9.0]]], jnp.float32)
    state = evolution.tell(
        evolution.init(population), population, jnp.array([[4.0, 2.0, 8.0, 6.0]], jnp.float32)
    )
    params = Params(4, "best/1", weight_low=0.0, weight_high=0.0)
    trials = ask(keys(1), state, jnp.zeros(1), jnp.full(1, 10.0), params)
    np.testing.assert_array_equal(trials, np.full((1, 4, 1), 7.0))


def test_without_crossover_exactly_one_gene_comes_from_the_mutant():
    state, _ = run(keys(3), jnp.zeros((3, 3), jnp.float32), Params(20), 1)
    trials = ask(keys(3, 9), state, LOWER, UPPER, Params(20, crossover_rate=0.0, boundary="redraw"))
    np.testing.assert_array_equal((trials != state.population).sum(-1), np.ones((3, 20)))


@pytest.mark.parametrize("boundary", evolution.BOUNDARIES)
def test_trials_stay_inside_the_bounds_even_for_a_large_weight(boundary):
    state = evolution.init(evolution.uniform(keys(4), 50, LOWER, UPPER))._replace(
        generation=jnp.ones(4, jnp.int32)
    )
    params = Params(50, weight_low=3.0, weight_high=3.0, boundary=boundary)
    trials = np.asarray(ask(keys(4, 2), state, LOWER, UPPER, params))
    assert (trials >= np.asarray(LOWER)).all()
    assert (trials <= np.asarray(UPPER)).all()


def test_a_trial_wins_when_not_worse_and_nan_never_wins():
    old = jnp.zeros((1, 4, 1), jnp.float32)
    state = evolution.State(old, jnp.array([[1.0, 1.0, 1.0, jnp.inf]]), jnp.ones(1, jnp.int32))
    trials = jnp.ones((1, 4, 1), jnp.float32)
    told = evolution.tell(state, trials, jnp.array([[1.0, 2.0, jnp.nan, 5.0]]))
    np.testing.assert_array_equal(told.population[0, :, 0], [1.0, 0.0, 0.0, 1.0])
    np.testing.assert_array_equal(told.fitness[0], [1.0, 1.0, 1.0, 5.0])


def test_a_problem_in_a_batch_goes_as_it_goes_alone():
    optimum = jnp.array([[1.0, 0.5, 40.0], [2.0, 0.1, 20.0], [-3.0, 0.9, 80.0]], jnp.float32)
    together, _ = run(keys(3), optimum, Params(12), 6)
    alone, _ = run(keys(3)[1:2], optimum[1:2], Params(12), 6)
    np.testing.assert_array_equal(together.population[1], alone.population[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"population": 3}, r"population \(=3\) must be at least 4"),
        ({"strategy": "rand/2"}, r"strategy \(='rand/2'\) must be one of rand/1, best/1"),
        ({"boundary": "wrap"}, r"boundary \(='wrap'\) must be one of"),
        ({"weight_low": 0.9, "weight_high": 0.5}, r"weight_low \(=0.9\)"),
        ({"crossover_rate": 1.5}, r"crossover_rate \(=1.5\)"),
    ],
)
def test_parameters_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Params(**options)


# ---- SciPy as oracle -----------------------------------------------------------------------------


class Recorder:
    """A generator for SciPy that remembers what it drew."""

    def __init__(self, seed):
        self.random = np.random.RandomState(seed)
        self.uniforms, self.integers = [], []

    def uniform(self, *arguments, **options):
        self.uniforms.append(self.random.uniform(*arguments, **options))
        return self.uniforms[-1]

    def randint(self, *arguments, **options):
        self.integers.append(self.random.randint(*arguments, **options))
        return self.integers[-1]

    def shuffle(self, values):
        self.random.shuffle(values)


@pytest.mark.parametrize("strategy", evolution.STRATEGIES)
@pytest.mark.parametrize("crossover_rate", [0.3, 1.0])
def test_a_step_is_scipys_step_given_the_same_donors_factors_and_redraws(strategy, crossover_rate):
    """Population 12 in the unit square, F large enough that many genes leave their bounds and are redrawn."""
    individuals, genes = 12, 4

    def hills(x):  # SciPy's vectorized form: (genes, individuals)
        return np.sin(9 * x).sum(0) + (x**2).sum(0)

    first = np.random.default_rng(5).random((individuals, genes))
    solver = DifferentialEvolutionSolver(
        hills,
        [(0, 1)] * genes,
        strategy=strategy.replace("/", "") + "bin",
        init=first,
        mutation=(0.9, 1.5),
        recombination=crossover_rate,
        vectorized=True,
        updating="deferred",
        polish=False,
        rng=np.random.RandomState(0),
    )
    next(solver)  # its first step evaluates the first population as well
    recorder = solver.random_number_generator = Recorder(1)
    donors = []
    select = solver._select_samples

    def remembering(candidate, count):
        donors.append(select(candidate, count))
        return donors[-1]

    solver._select_samples = remembering
    left = 0  # genes that left their bounds
    for _ in range(4):
        recorder.uniforms, recorder.integers, donors[:] = [], [], []
        before = State(
            jnp.asarray(solver.population, jnp.float32)[None],
            jnp.asarray(solver.population_energies, jnp.float32)[None],
            jnp.ones(1, jnp.int32),
        )
        next(solver)
        scale, cross, *redrawn = recorder.uniforms
        crossed = cross < crossover_rate
        crossed[np.arange(individuals), recorder.integers[0]] = True
        partners = np.array(donors)[:, : 3 if strategy == "rand/1" else 2]
        params = Params(individuals, strategy, 0.9, 1.5, crossover_rate, "redraw")
        # What SciPy redraws it draws in the order of the genes that left their bounds: find these first.
        mutants = evolution.propose(
            before.population[0],
            before.fitness[0],
            Draws(jnp.asarray(partners, jnp.int32), jnp.float32(scale), jnp.asarray(crossed), None),
            jnp.full(genes, -9.0),
            jnp.full(genes, 9.0),
            Params(individuals, strategy, boundary="clip"),
        )
        outside = (np.asarray(mutants) < 0) | (np.asarray(mutants) > 1)
        redraw = np.zeros((individuals, genes), np.float32)
        if redrawn:
            redraw[outside] = redrawn[0]
        trials = evolution.propose(
            before.population[0],
            before.fitness[0],
            Draws(
                jnp.asarray(partners, jnp.int32),
                jnp.float32(scale),
                jnp.asarray(crossed),
                jnp.asarray(redraw),
            ),
            jnp.zeros(genes),
            jnp.ones(genes),
            params,
        )
        after = evolution.tell(before, trials[None], jnp.asarray(hills(np.asarray(trials).T))[None])
        ours = np.concatenate([after.population[0], after.fitness[0][:, None]], axis=1)
        theirs = np.concatenate([solver.population, solver.population_energies[:, None]], axis=1)
        # SciPy moves its best individual to the front.
        np.testing.assert_allclose(
            ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)], rtol=1e-4, atol=1e-5
        )
        left += outside.sum()
    assert left, "or the redraw was not tested"


def sphere(x):
    return (x**2).sum(0)


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum(0)


def rastrigin(x):
    module = jnp if isinstance(x, jax.Array) else np
    return (x**2 - 10 * module.cos(2 * np.pi * x) + 10).sum(0)


def ackley(x):
    module = jnp if isinstance(x, jax.Array) else np
    flat = module.exp(-0.2 * module.sqrt((x**2).mean(0)))
    return 20 + np.e - 20 * flat - module.exp(module.cos(2 * np.pi * x).mean(0))


STANDARD = (sphere, rosenbrock, rastrigin, ackley)
SIDE = 5.0


@partial(jax.jit, static_argnames=("params", "generations"))
def minimized(problem_keys, which, params, generations):
    """The least values that searches of STANDARD[which] found; one program for all functions."""
    bounds = (jnp.full(3, -SIDE), jnp.full(3, SIDE))

    def one(state, generation):
        fresh = jax.vmap(jax.random.fold_in, (0, None))(problem_keys, generation)
        trials = evolution.ask(fresh, state, *bounds, params)
        return evolution.tell(
            state, trials, jax.lax.switch(which, STANDARD, jnp.moveaxis(trials, -1, 0))
        ), None

    start = evolution.init(evolution.latin_hypercube(problem_keys, params.population, *bounds))
    state, _ = jax.lax.scan(one, start, jnp.arange(generations + 1))
    return evolution.best(state)[1]


@pytest.mark.parametrize("function", STANDARD)
@pytest.mark.parametrize("strategy", evolution.STRATEGIES)
def test_the_standard_functions_are_minimized_as_scipy_does(function, strategy):
    """Five searches each, in three dimensions; the medians, in powers of ten, are at most one apart."""
    seeds, individuals, generations = 5, 45, 80
    params = Params(individuals, strategy, 0.5, 1.0, 0.7, "redraw")
    ours = minimized(keys(seeds), STANDARD.index(function), params, generations)
    theirs = [
        differential_evolution(
            function,
            [(-SIDE, SIDE)] * 3,
            strategy=strategy.replace("/", "") + "bin",
            popsize=individuals // 3,
            maxiter=generations,
            mutation=(0.5, 1.0),
            recombination=0.7,
            vectorized=True,
            updating="deferred",
            polish=False,
            tol=0,
            rng=np.random.default_rng(seed),
        ).fun
        for seed in range(seeds)
    ]
    smallest = 1e-5  # what float32 can tell from zero here
    powers = [np.median(np.log10(np.maximum(values, smallest))) for values in (ours, theirs)]
    assert abs(powers[0] - powers[1]) <= 1, powers
    assert (
        powers[0]
        < np.log10(float(np.median(function(np.random.default_rng(0).uniform(-5, 5, (3, 999)))))) - 1
    )
