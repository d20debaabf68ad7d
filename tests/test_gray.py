"""Attacks, sweeps and repairs of gray images against trying every candidate, with 2 and 300 classes."""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.attacks.images import as_rows, check_images
from model.attacks.near_median import near_median_attack
from model.attacks.one_pixel import one_pixel_attack
from model.attacks.step import as_function
from model.attacks.sweep import as_attacks, color_grid, corner_sweep
from model.detectors.repair import Repair, neighbor_medians, repair_sweep
from model.detectors.repair_screen import screened_stream
from model.network.incremental_pass import incremental
from tests.support.networks import TINY, random_network

pytestmark = pytest.mark.usefixtures("compiled_quickly")

N, H, W = 4, 6, 5
IMAGES = np.random.default_rng(3).integers(0, 256, (N, H, W, 1), np.uint8)
CLASSES = (2, 300)
SEARCH = {"population": 24, "generations": 20, "key": jax.random.key(0), "batch_size": 4}


@cache
def linear(classes):
    """A plain function: the logits of a random linear classifier."""
    weights = np.random.default_rng(classes).normal(size=(H * W, classes))
    weights = jnp.asarray(weights * (20 if classes == 2 else 1), jnp.float32)
    middle = jnp.asarray((IMAGES.reshape(N, -1) / 255).mean(0) @ weights, jnp.float32)
    return lambda images: images.reshape(len(images), -1) @ weights - middle[None]


def logits_of(function, images):
    """Logits (..., K) of images (..., H, W, 1), each evaluated in full."""
    flat = jnp.asarray(images.reshape(-1, *images.shape[-3:]).astype(np.float32) / np.float32(255))
    return np.array(function(flat)).reshape(*images.shape[:-3], -1)


def labels_of(function):
    return logits_of(function, IMAGES).argmax(-1)


def painted_with(image, row, column, gray):
    copy = image.copy()
    copy[row, column, 0] = gray
    return copy


def every_candidate(image, grays):
    """The image (H * W, M, H, W, 1) with each pixel in turn in each gray."""
    return np.stack(
        [[painted_with(image, *divmod(place, W), gray) for gray in grays] for place in range(H * W)]
    )


def lead(logits, classes):
    """The logit of a class ahead of the best other one."""
    own = np.take_along_axis(logits, classes[..., None], -1)[..., 0]
    others = logits.copy()
    np.put_along_axis(others, classes[..., None], -np.inf, -1)
    return own - others.max(-1)


@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("targeted", [False, True])
def test_the_attack_finds_what_trying_black_and_white_everywhere_finds(classes, targeted):
    """A linear classifier's best single gray is black or white, so the truth is known exactly."""
    function = linear(classes)
    labels = labels_of(function)
    goals = np.argsort(logits_of(function, IMAGES), axis=1)[:, -2] if targeted else labels
    found = one_pixel_attack(function, IMAGES, labels, targets=goals if targeted else None, **SEARCH)
    for i in range(N):
        winner = logits_of(function, every_candidate(IMAGES[i], (0, 255))).argmax(-1)
        assert found.success[i] == ((winner == goals[i]) if targeted else (winner != goals[i])).any()
        row, column, red, green, blue = found.pixels[i, 0]
        assert red == green == blue
        np.testing.assert_array_equal(found.images[i], painted_with(IMAGES[i], row, column, red))
    np.testing.assert_allclose(found.logits, logits_of(function, found.images), rtol=1e-4, atol=1e-4)
    assert found.success.any()


def test_several_gray_pixels_are_listed_as_they_stand_in_the_image():
    function = linear(2)
    labels = labels_of(function)
    found = one_pixel_attack(function, IMAGES, labels, pixels=3, start="gaussian", **SEARCH)
    assert found.pixels.shape == (N, 3, 5)
    for before, after, pixels in zip(IMAGES, found.images, found.pixels, strict=True):
        painted = before.copy()
        for row, column, *color in pixels:
            assert len(set(color)) == 1
            painted[row, column] = color[:1]
        np.testing.assert_array_equal(painted, after)


@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize(("levels", "stride"), [(2, 1), (3, 2), (256, 4)])
def test_the_sweep_finds_what_trying_everything_finds(classes, levels, stride):
    function, grays = linear(classes), color_grid(levels, 1)
    labels = labels_of(function)
    assert grays.tolist() == np.rint(np.linspace(0, 255, levels)).astype(int)[:, None].tolist()
    found = corner_sweep(function, IMAGES, labels, colors=grays, stride=stride)
    tried = [row * W + column for row in range(0, H, stride) for column in range(0, W, stride)]
    shape = len(range(0, H, stride)), len(range(0, W, stride))
    assert found.margins.shape == (N, *shape)
    for i in range(N):
        logits = logits_of(function, every_candidate(IMAGES[i], grays[:, 0])[tried])  # (P, M, K)
        margins = -lead(logits, np.full(logits.shape[:2], labels[i]))
        np.testing.assert_allclose(found.margins[i].ravel(), margins.max(1), atol=1e-4)
        chosen = found.colors[i].ravel()
        np.testing.assert_allclose(margins[np.arange(len(tried)), chosen], margins.max(1), atol=1e-4)
        others = logits[np.arange(len(tried)), chosen]
        others[:, labels[i]] = -np.inf
        np.testing.assert_array_equal(found.classes[i].ravel(), others.argmax(-1))
        reach = np.stack([lead(logits, np.full(logits.shape[:2], k)) for k in range(classes)], -1)
        np.testing.assert_allclose(found.reach[i], reach.max((0, 1)), atol=1e-4)
        whole = np.full((H * W, len(grays), classes), -np.inf, np.float32)
        whole[tried] = reach
        at = whole.reshape(-1, classes)[found.places[i, 1:], np.arange(classes)]
        np.testing.assert_allclose(at, reach.max((0, 1)), atol=1e-4)
        place, gray = divmod(int(found.places[i, 0]), len(grays))
        best = margins[tried.index(place), gray]
        np.testing.assert_allclose(best, margins.max(), atol=1e-4)


@pytest.mark.parametrize("stride", [1, 2])
def test_the_sweep_as_an_attack_shows_its_successes_in_their_bytes(stride):
    function = linear(2)
    labels = labels_of(function)
    found = corner_sweep(function, IMAGES, labels, stride=stride)
    targets = np.stack([1 - labels, np.full(N, -1)], axis=1)
    for result in (
        as_attacks(IMAGES, labels, found),
        as_attacks(IMAGES, labels, found, targets=targets),
        as_attacks(IMAGES, labels, found, targets=targets, painted=False),
    ):
        first = (slice(None), 0) if result.success.ndim == 2 else slice(None)
        tried = len(range(0, H, stride)) * len(range(0, W, stride))
        assert (result.queries[first] == tried * 2).all()
        np.testing.assert_array_equal(result.success[first], (found.margins > 0).any((1, 2)))
        for i, ((row, column, *color),) in enumerate(result.pixels[first]):
            assert row % stride == column % stride == 0
            assert color in ([0, 0, 0], [255, 255, 255])
            after = painted_with(IMAGES[i], row, column, color[0])
            if result.images.size:
                np.testing.assert_array_equal(result.images[first][i], after)
            np.testing.assert_allclose(result.logits[first][i], logits_of(function, after), atol=1e-4)
    assert found.margins.max() > 0
    assert result.images.shape == (N, 2, 0)


@pytest.mark.parametrize("stride", [1, 3])
def test_near_the_median_a_gray_pixel_has_two_values(stride):
    function = linear(2)
    labels, medians = labels_of(function), neighbor_medians(IMAGES).astype(int)
    found = near_median_attack(function, IMAGES, labels, 40, stride=stride)
    for i in range(N):
        margins = {}
        for row in range(0, H, stride):
            for column in range(0, W, stride):
                for gray in np.clip(medians[i, row, column, 0] + np.array([-40, 40]), 0, 255).tolist():
                    logits = logits_of(function, painted_with(IMAGES[i], row, column, gray))
                    margins[row, column, gray] = logits[1 - labels[i]] - logits[labels[i]]
        row, column, gray, *same = found.pixels[i, 0].tolist()
        assert same == [gray, gray]
        assert margins[row, column, gray] == pytest.approx(max(margins.values()), abs=1e-4)
        assert found.success[i] == (max(margins.values()) > 0)
    assert found.queries.tolist() == [2 * len(range(0, H, stride)) * len(range(0, W, stride))] * N


@pytest.mark.parametrize("classes", CLASSES)
def test_the_repair_sweep_finds_what_repairing_one_by_one_finds(classes):
    function = linear(classes)
    found, medians = repair_sweep(function, IMAGES), neighbor_medians(IMAGES)
    few = [part for _, part in screened_stream(as_function(function), IMAGES, 7)]
    few = Repair(*(np.concatenate(field) for field in zip(*few, strict=True)))
    np.testing.assert_array_equal(found.predicted, labels_of(function))
    for i in range(N):
        repaired = [painted_with(IMAGES[i], r, c, medians[i, r, c, 0]) for r in range(H) for c in range(W)]
        logits = logits_of(function, np.stack(repaired))
        margins = -lead(logits, np.full(H * W, found.predicted[i])).reshape(H, W)
        np.testing.assert_allclose(found.margins[i], margins, atol=1e-4)
        logits[:, found.predicted[i]] = -np.inf
        np.testing.assert_array_equal(found.classes[i].ravel(), logits.argmax(-1))
        tried = np.isfinite(few.margins[i])
        assert tried.sum() == 7
        np.testing.assert_allclose(few.margins[i][tried], margins[tried], atol=1e-4)


def test_by_the_incremental_pass_the_very_same_is_found():
    network = random_network(replace(TINY, input_shape=(H, W, 1)), np.random.default_rng(6))
    quick = incremental(network)
    labels = labels_of(quick.plain)
    one, other = (corner_sweep(function, IMAGES, labels) for function in (quick.plain, quick))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    one, other = (one_pixel_attack(function, IMAGES, labels, **SEARCH) for function in (quick.plain, quick))
    np.testing.assert_array_equal(one.pixels, other.pixels)
    one, other = (repair_sweep(function, IMAGES) for function in (quick.plain, quick))
    np.testing.assert_allclose(one.margins, other.margins, atol=1e-5)


def test_only_gray_and_color_are_images():
    for channels in (1, 3):
        assert check_images(np.zeros((2, 4, 4, channels), np.uint8)).shape[-1] == channels
    for shape in ((2, 4, 4, 2), (2, 4, 4, 4), (2, 4, 4), (2, 0, 4, 1)):
        with pytest.raises(ValueError, match=r"must be uint8 of shape \(N, H, W, 1 or 3\)"):
            check_images(np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match=r"colors \(=uint8 \(8, 3\)\) must be uint8 of shape \(M, 1\)"):
        corner_sweep(linear(2), IMAGES, labels_of(linear(2)), colors=color_grid())
    with pytest.raises(ValueError, match=r"levels \(=257\) must lie in 2..256: the grid has one gray"):
        color_grid(257, 1)
    with pytest.raises(ValueError, match=r"stride \(=0\) must be a whole number"):
        corner_sweep(linear(2), IMAGES, labels_of(linear(2)), stride=0)


def test_pixels_are_listed_in_one_form():
    assert as_rows(np.array([[3, 4, 7]])).tolist() == [[3, 4, 7, 7, 7]]
    assert as_rows(np.array([[3, 4, 7, 8, 9]], np.int32)).dtype == np.int64
