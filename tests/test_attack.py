"""The one-pixel attack on small functions whose weak spots are known."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.attacks import candidates
from model.attacks.one_pixel import AttackResult, attack_stream, one_pixel_attack
from model.attacks.step import logits_of, step
from model.attacks.sweep import corner_sweep
from model.network.cnn import logits_function
from model.network.incremental_pass import incremental
from tests.support.networks import TINY, random_network

pytestmark = pytest.mark.usefixtures("compiled_quickly")

N, H, W, K = 6, 6, 8, 4
WEIGHTS = jnp.asarray(np.random.default_rng(7).normal(size=(H * W * 3, K)), jnp.float32)
IMAGES = np.random.default_rng(3).integers(0, 256, (N, H, W, 3), np.uint8)
SMALL = {"population": 20, "generations": 8, "key": jax.random.key(0), "batch_size": 4}


def linear(images):
    """Logits of a random linear classifier."""
    return images.reshape(len(images), -1) @ WEIGHTS


def logits(function, images):
    return np.asarray(function(jnp.asarray(images.astype(np.float32) / np.float32(255))))


LABELS = logits(linear, IMAGES).argmax(1)
RUNNER_UP = np.argsort(logits(linear, IMAGES), axis=1)[:, -2]


def stubborn(images):
    """Class 0 whatever the image shows, with a slope that leads nowhere."""
    mean = images.mean(axis=(1, 2, 3))
    return jnp.stack([jnp.full_like(mean, 9.0), mean, -mean], axis=1)


def only_the_corner(images):
    """Class 0, or class 1 where the last row and column is nearly red; far from it, a gentle slope."""
    corner = images[:, -1, -1]
    red = corner[:, 0] - corner[:, 1] - corner[:, 2]
    return jnp.stack([jnp.full_like(red, 0.5), red, jnp.full_like(red, -9.0)], axis=1)


def assert_consistent(result, function, images, labels, targets, population):
    """Everything a result says must be visible in its own bytes."""
    again = logits(function, result.images)
    np.testing.assert_allclose(result.logits, again, rtol=1e-4, atol=1e-4)
    predicted = result.logits.argmax(1)
    np.testing.assert_array_equal(
        result.success, predicted == targets if targets is not None else predicted != labels
    )
    np.testing.assert_array_equal(result.queries, population * (1 + result.generations))
    for before, after, pixels in zip(images, result.images, result.pixels, strict=True):
        painted = before.copy()
        for row, column, *color in pixels:
            painted[row, column] = color
        np.testing.assert_array_equal(painted, after)


@pytest.mark.parametrize(
    ("targeted", "options"),
    [
        (False, {}),
        (True, {}),
        (False, {"pixels": 3, "chunk": 7, "strategy": "best/1"}),
        (True, {"pixels": 2, "fitness": "margin", "start": "latin-hypercube"}),
        (False, {"start": "gaussian", "crossover_rate": 0.7, "boundary": "redraw"}),
    ],
    ids=str,
)
def test_what_the_result_says_can_be_seen_in_its_bytes(targeted, options):
    targets = RUNNER_UP if targeted else None
    result = one_pixel_attack(linear, IMAGES, LABELS, targets=targets, **SMALL, **options)
    assert_consistent(result, linear, IMAGES, LABELS, targets, 20)
    pixels = options.get("pixels", 1)
    assert result.images.dtype == np.uint8
    assert result.images.shape == IMAGES.shape
    assert result.pixels.shape == (N, pixels, 5)
    assert np.issubdtype(result.pixels.dtype, np.integer)
    assert result.success.dtype == bool
    assert result.logits.shape == (N, K)
    assert result.logits.dtype == np.float32
    assert ((result.images != IMAGES).any(axis=-1).sum(axis=(1, 2)) <= pixels).all()
    assert (result.queries[~result.success] == 20 * 9).all()
    assert (result.seconds > 0).all()


def test_the_attack_finds_what_trying_every_pixel_and_color_corner_finds():
    """A linear classifier's best single pixel is a color corner, so the truth is known exactly."""
    corners = np.array(np.meshgrid(*[[0, 255]] * 3)).reshape(3, -1).T.astype(np.uint8)
    possible = []
    for image, label in zip(IMAGES, LABELS, strict=True):
        copies = np.repeat(image[None], H * W * 8, axis=0)
        for index in range(H * W * 8):
            copies[index, index // 8 // W, index // 8 % W] = corners[index % 8]
        possible.append((logits(linear, copies).argmax(1) != label).any())
    found = one_pixel_attack(linear, IMAGES, LABELS, population=400, generations=60, key=jax.random.key(0))
    assert 0 < sum(possible) < N, "both kinds must be there for this test to mean something"
    np.testing.assert_array_equal(found.success, possible)


def test_the_last_row_and_column_can_be_reached_and_coordinates_are_row_then_column():
    images = np.zeros((3, H, W, 3), np.uint8)
    result = one_pixel_attack(
        only_the_corner, images, np.zeros(3, int), key=jax.random.key(4), generations=30
    )
    assert result.success.all()
    np.testing.assert_array_equal(result.pixels[:, 0, :2], np.full((3, 2), [H - 1, W - 1]))


def test_a_targeted_success_is_the_target_and_nothing_less():
    """Every candidate is called 1, 2 becomes likelier but never wins: leaving the label is not enough."""

    def near_miss(images):
        total = images.sum(axis=(1, 2, 3))
        return jnp.stack([jnp.where(total > 0, -9.0, 9.0), jnp.zeros_like(total), total - 9.0], axis=1)

    black = np.zeros((2, H, W, 3), np.uint8)
    labels = np.zeros(2, int)
    result = one_pixel_attack(near_miss, black, labels, targets=labels + 2, **SMALL)
    np.testing.assert_array_equal(result.logits.argmax(1), [1, 1])
    assert not result.success.any()
    np.testing.assert_array_equal(result.queries, [20 * 9] * 2)
    assert one_pixel_attack(near_miss, black, labels, targets=labels + 1, **SMALL).success.all()


def test_an_image_that_resists_costs_its_whole_budget_and_is_a_failure():
    result = one_pixel_attack(stubborn, IMAGES, np.zeros(N, int), **SMALL)
    assert not result.success.any()
    np.testing.assert_array_equal(result.queries, np.full(N, 20 * 9))
    np.testing.assert_array_equal(result.generations, np.full(N, 8))
    assert_consistent(result, stubborn, IMAGES, np.zeros(N, int), None, 20)


def test_an_attack_without_generations_tries_the_first_population_only():
    result = one_pixel_attack(linear, IMAGES, LABELS, **SMALL | {"generations": 0})
    np.testing.assert_array_equal(result.queries, np.full(N, 20))


def test_queries_are_the_candidates_that_the_function_really_saw():
    seen = []

    def counting(images):
        jax.debug.callback(lambda batch: seen.append(np.asarray(batch)), images, ordered=True)
        return linear(images)

    one = one_pixel_attack(
        counting, IMAGES[:1], LABELS[:1], **SMALL | {"batch_size": 1, "population": 10}, chunk=10
    )
    jax.effects_barrier()
    searched = sum(len(batch) for batch in seen if len(batch) == 10)
    assert one.queries[0] == searched


def fields(result):
    """All fields but the time it took."""
    return result._replace(seconds=None)[:-1]


@pytest.mark.parametrize("batch_size", [1, 16])
def test_a_result_does_not_depend_on_the_batch_size(batch_size):
    base = one_pixel_attack(linear, IMAGES, LABELS, **SMALL)
    other = one_pixel_attack(linear, IMAGES, LABELS, **SMALL | {"batch_size": batch_size})
    for a, b in zip(fields(base), fields(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_with_identities_a_result_does_not_depend_on_order_or_company():
    base = one_pixel_attack(linear, IMAGES, LABELS, **SMALL)
    some = np.array([4, 1, 5])
    part = one_pixel_attack(linear, IMAGES[some], LABELS[some], identities=some, **SMALL)
    for a, b in zip(fields(base), fields(part), strict=True):
        np.testing.assert_array_equal(a[some], b)


def test_another_seed_finds_other_pixels_and_the_same_seed_the_same():
    first = one_pixel_attack(linear, IMAGES, LABELS, **SMALL)
    again = one_pixel_attack(linear, IMAGES, LABELS, **SMALL | {"key": jax.random.PRNGKey(0)})
    other = one_pixel_attack(linear, IMAGES, LABELS, **SMALL | {"key": jax.random.key(1)})
    np.testing.assert_array_equal(first.pixels, again.pixels)
    assert not np.array_equal(first.pixels, other.pixels)


def test_the_stream_yields_every_image_once_as_it_leaves():
    told = []
    parts = list(attack_stream(linear, IMAGES, LABELS, progress=told.append, **SMALL))
    assert len(parts) > 1, "not all at the end"
    indices = np.concatenate([part for part, _ in parts])
    assert sorted(indices) == list(range(N))
    whole = one_pixel_attack(linear, IMAGES, LABELS, **SMALL)
    for index, row in zip(indices, np.concatenate([result.images for _, result in parts]), strict=True):
        np.testing.assert_array_equal(whole.images[index], row)
    assert told[-1].finished == told[-1].total == N
    assert told[-1].succeeded == whole.success.sum()
    assert told[-1].evaluations == whole.queries.sum()
    assert whole.seconds.sum() > 0


def test_a_stream_that_is_left_early_does_no_more_work():
    told = []
    stream = attack_stream(stubborn, IMAGES, np.zeros(N, int), progress=told.append, **SMALL)
    next(stream)
    stream.close()
    assert told[-1].finished == 4, "one batch of four, not six"


def test_equal_shapes_compile_once():
    before = step._cache_size()
    one_pixel_attack(linear, IMAGES[:3], LABELS[:3], **SMALL | {"population": 21})
    compiled = step._cache_size()
    assert compiled == before + 1
    one_pixel_attack(linear, IMAGES[1:], LABELS[1:], **SMALL | {"population": 21, "generations": 3})
    assert step._cache_size() == compiled


def test_weights_bound_by_a_partial_are_arguments_not_constants():
    def apply(weights, images):
        return images.reshape(len(images), -1) @ weights

    partial = jax.tree_util.Partial
    kwargs = SMALL
    one = one_pixel_attack(partial(apply, WEIGHTS), IMAGES, LABELS, **kwargs)
    np.testing.assert_array_equal(one.images, one_pixel_attack(linear, IMAGES, LABELS, **kwargs).images)
    compiled = step._cache_size()
    two = one_pixel_attack(partial(apply, -WEIGHTS), IMAGES, LABELS, **kwargs)
    assert step._cache_size() == compiled
    assert not two.success.any(), "the negated network calls none of them by its label: all are skipped"
    assert (two.queries == 0).all()


# ---- Several targets an image --------------------------------------------------------------------

ALL = (LABELS[:, None] + np.arange(1, K)) % K


def test_every_target_of_an_image_is_an_attack_with_a_row_of_its_own():
    told = []
    result = one_pixel_attack(linear, IMAGES, LABELS, targets=ALL, progress=told.append, **SMALL)
    assert result.images.shape == (N, K - 1, H, W, 3)
    assert result.success.shape == result.queries.shape == (N, K - 1)
    assert 0 < result.success.sum() < result.success.size
    flat = AttackResult(*(field.reshape(-1, *field.shape[2:]) for field in result))
    images, labels = np.repeat(IMAGES, K - 1, 0), np.repeat(LABELS, K - 1)
    assert_consistent(flat, linear, images, labels, ALL.ravel(), 20)
    assert told[-1].finished == told[-1].total == N * (K - 1)
    assert told[-1].succeeded == result.success.sum()


def test_the_first_population_of_an_image_is_evaluated_once_for_all_its_targets():
    told = []
    one_pixel_attack(linear, IMAGES, LABELS, targets=ALL, progress=told.append, **SMALL | {"generations": 0})
    assert told[-1].evaluations == N * 20


def test_a_search_for_one_target_may_find_another_one():
    """Two classes win at once where any pixel is bright in one color: whoever looks for one finds both."""

    def two(images):
        red = jnp.where(images[..., 0] > 0.9, images[..., 1], 0.0).max((1, 2))
        blue = jnp.where(images[..., 2] > 0.9, images[..., 1], 0.0).max((1, 2))
        return jnp.stack([jnp.full_like(red, 0.85), red, blue, -red], axis=1)

    black = np.zeros((4, H, W, 3), np.uint8)
    labels = np.zeros(4, int)
    both = one_pixel_attack(
        two, black, labels, targets=np.tile([1, 2, 3], (4, 1)), **SMALL | {"generations": 40}
    )
    alone = one_pixel_attack(two, black, labels, targets=labels + 2, **SMALL | {"generations": 40})
    assert both.success[:, 1].all()
    assert not both.success[:, 2].any(), "nothing leads to class 3"
    assert both.queries[:, 1].sum() < alone.queries.sum()


def test_targets_of_an_image_do_not_depend_on_company_and_minus_one_is_none():
    base = one_pixel_attack(linear, IMAGES, LABELS, targets=ALL, **SMALL)
    some = np.array([4, 1])
    part = one_pixel_attack(linear, IMAGES[some], LABELS[some], targets=ALL[some], identities=some, **SMALL)
    for a, b in zip(fields(base), fields(part), strict=True):
        np.testing.assert_array_equal(a[some], b)
    fewer = ALL.copy()
    fewer[2, 0] = -1
    left_out = one_pixel_attack(linear, IMAGES, LABELS, targets=fewer, **SMALL)
    assert not left_out.success[2, 0]
    assert left_out.generations[2, 0] == -1
    assert left_out.queries[2, 0] == 0
    assert (left_out.pixels[2, 0] == -1).all()
    np.testing.assert_array_equal(left_out.images[[0, 1, 3, 4, 5]], base.images[[0, 1, 3, 4, 5]])


# ---- By the incremental pass, and on several devices -----------------------------------------------


@pytest.mark.parametrize(("pixels", "targeted"), [(1, True), (2, False)])
def test_by_the_incremental_pass_the_very_same_is_found(pixels, targeted):
    network = random_network(TINY, np.random.default_rng(6))
    images = np.random.default_rng(2).integers(0, 256, (5, *TINY.input_shape)).astype(np.uint8)
    plain = logits_function(network)
    labels = logits(plain, images).argmax(1)
    options = SMALL | {"pixels": pixels}
    if targeted:
        options["targets"] = (labels[:, None] + np.arange(1, K)) % K
    full = one_pixel_attack(plain, images, labels, **options)
    quick = one_pixel_attack(incremental(network), images, labels, **options)
    assert 0 < full.success.sum() < full.success.size
    for a, b in zip(fields(full), fields(quick), strict=True):
        np.testing.assert_array_equal(a, b)


def found_and_swept():
    """What the attack and the sweep find on the devices that this process has: 7 + 6 arrays."""
    random = np.random.default_rng(0)
    function = incremental(random_network(TINY, random))
    images = random.integers(0, 256, (5, *TINY.input_shape)).astype(np.uint8)
    labels = np.asarray(function((images / 255).astype(np.float32))).argmax(1)
    targets = (labels[:, None] + np.arange(1, K)) % K
    found = one_pixel_attack(function, images, labels, targets=targets, **SMALL | {"generations": 3})
    return [*found._replace(seconds=labels), *corner_sweep(function, images[:3], labels[:3])]


def test_two_devices_find_what_one_finds(tmp_path):
    program = """
import sys
import jax
from model import devices
devices.use_all_cores(2)
jax.config.update("jax_num_cpu_devices", 2)
import numpy as np
from tests.test_attack import found_and_swept
assert len(jax.local_devices()) == 2
np.savez(sys.argv[1], *found_and_swept())
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    two = subprocess.Popen([sys.executable, "-c", program, tmp_path / "two.npz"], env=environment)
    assert len(jax.local_devices()) == 1
    one = found_and_swept()
    assert two.wait(timeout=300) == 0
    with np.load(tmp_path / "two.npz") as two:
        assert len(one) == len(two.files) == 7 + 6
        for mine, name in zip(one, two.files, strict=True):
            np.testing.assert_allclose(mine, two[name], rtol=1e-5, atol=1e-5)


def test_an_image_that_needs_no_attack_is_an_error_that_names_it():
    labels = LABELS.copy()
    labels[2] = RUNNER_UP[2]
    with pytest.raises(ValueError, match="images at 2 need no attack: each is misclassified as it is"):
        one_pixel_attack(linear, IMAGES, labels, already="raise", **SMALL)
    targets = RUNNER_UP.copy()
    labels, targets[2] = LABELS.copy(), LABELS[2]
    labels[2] = RUNNER_UP[2]
    with pytest.raises(ValueError, match="images at 2 need no attack: each is classified as its target"):
        one_pixel_attack(linear, IMAGES, labels, targets=targets, already="raise", **SMALL)


def test_an_image_that_is_skipped_is_no_success():
    labels = LABELS.copy()
    labels[[0, 2]] = RUNNER_UP[[0, 2]]
    result = one_pixel_attack(linear, IMAGES, labels, **SMALL)
    assert not result.success[[0, 2]].any()
    np.testing.assert_array_equal(result.images[[0, 2]], IMAGES[[0, 2]])
    np.testing.assert_array_equal(result.queries[[0, 2]], [0, 0])
    np.testing.assert_array_equal(result.generations[[0, 2]], [-1, -1])
    assert (result.pixels[[0, 2]] == -1).all()
    others = [1, 3, 4, 5]
    base = one_pixel_attack(linear, IMAGES, LABELS, **SMALL)
    np.testing.assert_array_equal(result.images[others], base.images[others])


def test_no_images_give_an_empty_result():
    result = one_pixel_attack(linear, IMAGES[:0], LABELS[:0], pixels=2, **SMALL)
    assert isinstance(result, AttackResult)
    assert [field.shape for field in result[:5]] == [(0,), (0, H, W, 3), (0, 2, 5), (0,), (0, K)]


def test_not_a_number_is_never_a_success():
    def poisoned(images):
        return linear(images) + jnp.where(images[:, :1, 0, 0] > 0.9, jnp.nan, 0.0)

    images = IMAGES.copy()
    images[:, 0, 0, 0] = 0
    labels = logits(poisoned, images).argmax(1)
    result = one_pixel_attack(poisoned, images, labels, **SMALL)
    assert np.isfinite(result.logits).all()
    images[3, 0, 0, 0] = 255
    with pytest.raises(ValueError, match="not finite for 1 images, first 3"):
        one_pixel_attack(poisoned, images, labels, **SMALL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": IMAGES / 255}, r"images \(=float64 \(6, 6, 8, 3\)\) must be uint8 of .* 1 or 3\)"),
        ({"images": IMAGES[0]}, r"images \(=uint8 \(6, 8, 3\)\)"),
        ({"images": IMAGES[..., :2]}, r"images \(=uint8 \(6, 6, 8, 2\)\)"),
        ({"labels": LABELS[:3]}, r"labels \(=int64 \(3,\)\) must be integers of shape \(6,\)"),
        ({"labels": LABELS.astype(float)}, r"labels \(=float64"),
        ({"labels": np.full(N, K)}, r"labels must lie in 0..3, but labels\[0\] is 4"),
        ({"targets": np.full(N, -1)}, r"targets must lie in 0..3, but targets\[0\] is -1"),
        ({"targets": np.full((N, 2), -2)}, r"targets must lie in -1..3, but targets\[0, 0\] is -2"),
        ({"targets": np.stack([RUNNER_UP, RUNNER_UP], 1)}, "targets name a class twice at 0, 1"),
        (
            {"targets": np.stack([RUNNER_UP, LABELS], 1)},
            "targets must differ from labels, but are equal at 0",
        ),
        ({"targets": LABELS[None]}, r"targets \(=int64 \(1, 6\)\) must be integers of shape \(6,\)"),
        ({"weight": (0.9, 0.5)}, r"weight_low \(=0.9\)"),
        ({"targets": LABELS}, "targets must differ from labels, but are equal at 0, 1"),
        ({"population": 3}, r"population \(=3\) must be at least 4"),
        ({"pixels": 0}, r"pixels \(=0\) must be a whole number of at least 1"),
        ({"generations": -1}, r"generations \(=-1\)"),
        ({"batch_size": 0}, r"batch_size \(=0\)"),
        ({"chunk": 0.5}, r"chunk \(=0.5\)"),
        ({"fitness": "accuracy"}, r"fitness \(='accuracy'\) must be one of log-probability, margin"),
        ({"start": "corners"}, r"start \(='corners'\)"),
        ({"strategy": "best/2"}, r"strategy \(='best/2'\)"),
        ({"already": "ignore"}, r"already \(='ignore'\)"),
        ({"key": 0}, r"key \(=0\) must be one random key"),
        ({"logits_fn": None}, r"logits_fn \(=None\) must be a function"),
        ({"logits_fn": lambda images: images}, r"logits_fn gives shape \(1, 6, 8, 3\) for one image"),
        ({"identities": np.full(N, -2)}, "identities must lie in"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_input_is_named_in_one_line_before_any_work(change, message):
    arguments = {"logits_fn": linear, "images": IMAGES, "labels": LABELS} | SMALL | change
    with pytest.raises(ValueError, match=message) as error:
        attack_stream(**arguments)
    assert "\n" not in str(error.value)


def test_painting_rounds_down_and_keeps_the_upper_bound_inside():
    image = jnp.full((H, W, 3), 9, jnp.uint8)
    genomes = jnp.array(
        [[5.99, 0.0, 255.99, 0.9, 128.5], [H, W, 256.0, 256.0, 256.0], [0.0, 7.5, 0.0, 1.0, 2.0]], jnp.float32
    )
    painted = np.asarray(candidates.paint(image, genomes))
    for copy, (row, column, color) in zip(
        painted, [(5, 0, [255, 0, 128]), (5, 7, [255, 255, 255]), (0, 7, [0, 1, 2])], strict=True
    ):
        np.testing.assert_array_equal(copy[row, column], color)
        assert (copy != 9).any(axis=-1).sum() == 1


def test_of_pixels_at_one_place_the_last_stays_and_is_reported_for_both():
    image = jnp.zeros((H, W, 3), jnp.uint8)
    genome = jnp.array([1, 2, 10, 11, 12, 1, 2, 20, 21, 22], jnp.float32)
    painted = candidates.paint(image, genome[None])[0]
    np.testing.assert_array_equal(painted[1, 2], [20, 21, 22])
    np.testing.assert_array_equal(
        candidates.painted_pixels(painted, genome), [[1, 2, 20, 21, 22], [1, 2, 20, 21, 22]]
    )


@pytest.mark.parametrize("kind", candidates.FITNESS)
@pytest.mark.parametrize("targeted", [False, True])
def test_fitness_has_no_plateau_where_probabilities_saturate(kind, targeted):
    """Three candidates, each nearer than the last, whose probabilities are all 0 or 1 in float32."""
    rows = jnp.array([[60.0, 0.0, -9.0], [59.0, 1.0, -9.0], [58.0, 2.0, -9.0]], jnp.float32)
    goal = jnp.int32(1 if targeted else 0)
    saturated = jax.nn.softmax(rows, axis=1)[:, 0]
    assert len(np.unique(saturated)) == 1
    values = np.asarray(candidates.fitness(rows, goal, targeted=targeted, kind=kind))
    assert (np.diff(values) < 0).all()


def test_log_probability_fitness_orders_as_the_probability():
    rows = jnp.asarray(np.random.default_rng(0).normal(size=(50, 5)) * 2, jnp.float32)
    probability = np.asarray(jax.nn.softmax(rows, axis=1))[:, 3]
    leave = candidates.fitness(rows, jnp.int32(3), targeted=False, kind="log-probability")
    reach = candidates.fitness(rows, jnp.int32(3), targeted=True, kind="log-probability")
    np.testing.assert_array_equal(np.argsort(leave), np.argsort(probability))
    np.testing.assert_array_equal(np.argsort(reach), np.argsort(-probability))


def test_the_margin_is_negative_exactly_when_the_attack_succeeds():
    rows = jnp.asarray(np.random.default_rng(1).normal(size=(200, 3)), jnp.float32)
    for targeted in (False, True):
        margin = candidates.fitness(rows, jnp.int32(1), targeted=targeted, kind="margin")
        np.testing.assert_array_equal(margin < 0, candidates.fooled(rows, jnp.int32(1), targeted=targeted))


def test_logits_come_from_bytes_divided_by_255():
    np.testing.assert_allclose(
        logits_of(jax.tree_util.Partial(linear), IMAGES), logits(linear, IMAGES), rtol=1e-5, atol=1e-5
    )
