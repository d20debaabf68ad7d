"""The sweep against trying every candidate one by one."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.attacks import sweep
from model.attacks.sweep import as_attacks, color_grid, corner_sweep, sweep_stream
from model.network import cnn
from model.network.incremental_pass import incremental
from tests.support.networks import TINY, random_network

pytestmark = pytest.mark.usefixtures("compiled_quickly")

N, H, W, K = 5, 7, 6, 4
NETWORK = random_network(TINY, np.random.default_rng(1))
IMAGES = np.random.default_rng(2).integers(0, 256, (N, H, W, 3), np.uint8)
LABELS = cnn.predict(NETWORK, IMAGES).argmax(1)
FUNCTIONS = {
    "plain function": cnn.logits_function(NETWORK),
    "incremental": incremental(NETWORK),
    "network": NETWORK,
}


@cache
def every_logit(levels):
    """Logits (N, H * W * M, K) of every candidate, evaluated one by one."""
    colors = color_grid(levels)
    logits = np.zeros((N, H * W * len(colors), K), np.float32)
    for image in range(N):
        copies = np.repeat(IMAGES[image][None], logits.shape[1], 0)
        for place, copy in enumerate(copies):
            position, color = divmod(place, len(colors))
            copy[position // W, position % W] = colors[color]
        logits[image] = cnn.predict(NETWORK, copies)
    return logits


def lead(logits, classes):
    """The logit of a class ahead of the best other one."""
    own = np.take_along_axis(logits, classes[..., None], -1)[..., 0]
    others = logits.copy()
    np.put_along_axis(others, classes[..., None], -np.inf, -1)
    return own - others.max(-1)


@pytest.mark.parametrize("levels", [2, 3])
@pytest.mark.parametrize("kind", FUNCTIONS)
def test_it_finds_what_trying_everything_finds(kind, levels):
    colors = color_grid(levels)
    found = corner_sweep(FUNCTIONS[kind], IMAGES, LABELS, colors=colors)
    logits = every_logit(levels)
    labels = np.broadcast_to(LABELS[:, None], logits.shape[:2])
    margins = (-lead(logits, labels)).reshape(N, H * W, len(colors))
    np.testing.assert_allclose(found.margins.reshape(N, -1), margins.max(2), atol=1e-5)
    chosen = found.colors.reshape(N, -1, 1)
    np.testing.assert_allclose(np.take_along_axis(margins, chosen, 2)[..., 0], margins.max(2), atol=1e-5)
    others = logits.reshape(N, H * W, len(colors), K).copy()
    others[np.arange(N), ..., LABELS] = -np.inf
    best = np.take_along_axis(others, chosen[..., None], 2)[:, :, 0]
    np.testing.assert_array_equal(found.classes.reshape(N, -1), best.argmax(-1))
    for k in range(K):
        reach = lead(logits, np.full(logits.shape[:2], k))
        np.testing.assert_allclose(found.reach[:, k], reach.max(1), atol=1e-5)
        at = np.take_along_axis(reach, found.places[:, 1 + k, None], 1)[:, 0]
        np.testing.assert_allclose(at, reach.max(1), atol=1e-5)
    best = np.take_along_axis(margins.reshape(N, -1), found.places[:, :1], 1)[:, 0]
    np.testing.assert_allclose(best, margins.max((1, 2)), atol=1e-5)
    for image in range(N):
        np.testing.assert_allclose(found.logits[image], logits[image, found.places[image]], atol=1e-5)


def test_the_parts_of_an_image_put_together_are_the_whole(monkeypatch):
    whole = corner_sweep(FUNCTIONS["incremental"], IMAGES, LABELS)
    monkeypatch.setattr(sweep, "WORTH_EDGES", 1)
    assert len(sweep._parts(FUNCTIONS["incremental"], IMAGES.shape[1:3], True)) > 1
    parts = corner_sweep(FUNCTIONS["incremental"], IMAGES, LABELS)
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_blocks_come_in_order_and_an_image_does_not_depend_on_them():
    whole = corner_sweep(FUNCTIONS["incremental"], IMAGES, LABELS)
    blocks = list(sweep_stream(FUNCTIONS["incremental"], IMAGES, LABELS, together=2))
    assert [indices.tolist() for indices, _ in blocks] == [[0, 1], [2, 3], [4]]
    for field, parts in zip(whole, zip(*(part for _, part in blocks), strict=True), strict=True):
        np.testing.assert_allclose(field, np.concatenate(parts), atol=1e-5)


def test_a_finer_grid_has_the_corners_and_finds_no_less():
    assert color_grid().tolist() == [[r, g, b] for r in (0, 255) for g in (0, 255) for b in (0, 255)]
    assert color_grid(4)[1].tolist() == [0, 0, 85]
    corners, finer = (
        corner_sweep(FUNCTIONS["incremental"], IMAGES, LABELS, colors=color_grid(levels)) for levels in (2, 3)
    )
    assert (finer.margins >= corners.margins - 1e-5).all()
    assert (finer.margins > corners.margins + 1e-3).any()


def test_as_an_attack_it_shows_its_successes_in_their_bytes():
    found = corner_sweep(FUNCTIONS["incremental"], IMAGES, LABELS)
    result = as_attacks(IMAGES, LABELS, found)
    logits = cnn.predict(NETWORK, result.images)
    np.testing.assert_allclose(result.logits, logits, atol=1e-5)
    np.testing.assert_array_equal(result.success, logits.argmax(1) != LABELS)
    np.testing.assert_array_equal(result.success, (found.margins > 0).any((1, 2)))
    assert result.success.any()
    assert (result.queries == H * W * 8).all()
    assert (result.generations == 0).all()
    for before, after, ((row, column, *color),) in zip(IMAGES, result.images, result.pixels, strict=True):
        expected = before.copy()
        expected[row, column] = color
        np.testing.assert_array_equal(after, expected)


def test_each_target_is_an_attack_of_its_own_and_minus_one_is_none():
    found = corner_sweep(FUNCTIONS["incremental"], IMAGES, LABELS)
    targets = (LABELS[:, None] + np.arange(1, K)) % K
    targets[0, 1] = -1
    result = as_attacks(IMAGES, LABELS, found, targets=targets)
    assert result.images.shape == (N, K - 1, H, W, 3)
    wanted = targets >= 0
    logits = cnn.predict(NETWORK, result.images.reshape(-1, H, W, 3)).reshape(N, K - 1, K)
    np.testing.assert_array_equal(result.success, wanted & (logits.argmax(-1) == targets))
    reach = np.take_along_axis(found.reach, np.maximum(targets, 0), 1)
    np.testing.assert_array_equal(result.success, wanted & (reach > 0))
    assert result.queries[0].tolist() == [H * W * 8, 0, H * W * 8]
    assert result.generations[0].tolist() == [0, -1, 0]
    assert (result.pixels[0, 1] == -1).all()


def test_a_pixel_that_has_its_color_already_is_no_success():
    """A network that errs on the image as it is: nothing was attacked where nothing is changed."""

    def ones(images):
        zero = images.sum((1, 2, 3)) * 0
        return jnp.stack([zero, zero + 1.0], axis=1)

    white = np.full((1, H, W, 3), 255, np.uint8)
    labels = np.array([0])
    found = corner_sweep(ones, white, labels, colors=np.array([[255, 255, 255]], np.uint8))
    assert (found.margins > 0).all()
    assert not as_attacks(white, labels, found, colors=np.array([[255, 255, 255]], np.uint8)).success.any()


def test_a_sweep_that_is_left_early_begins_no_more_blocks():
    seen = []

    def counting(images):
        jax.debug.callback(lambda x: seen.append(len(x)), images)
        return images.reshape(len(images), -1)[:, :K]

    stream = sweep_stream(counting, np.repeat(IMAGES, 8, 0), np.repeat(LABELS, 8), together=1)
    next(stream)
    stream.close()
    jax.effects_barrier()
    assert len(seen) < 10 * (H * W + 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": IMAGES / 255}, r"images \(=float64 \(5, 7, 6, 3\)\) must be uint8 of shape"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "images: expected at least one"),
        ({"labels": LABELS[:2]}, r"labels \(=int64 \(2,\)\) must be integers of shape \(5,\)"),
        ({"labels": LABELS + K}, r"labels must lie in 0..3, but go from"),
        ({"colors": np.zeros((0, 3), np.uint8)}, r"colors \(=uint8 \(0, 3\)\) must be uint8"),
        ({"colors": color_grid() / 255}, r"colors \(=float64 \(8, 3\)\)"),
        ({"function": None}, r"logits_fn \(=None\) must be a function"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_input_is_named_in_one_line_before_any_work(change, message):
    arguments = {"function": FUNCTIONS["incremental"], "images": IMAGES, "labels": LABELS} | change
    with pytest.raises(ValueError, match=message):
        sweep_stream(**arguments)


@pytest.mark.parametrize("levels", [1, 17])
def test_a_grid_has_two_to_sixteen_levels(levels):
    with pytest.raises(ValueError, match=rf"levels \(={levels}\) must lie in 2..16"):
        color_grid(levels)
