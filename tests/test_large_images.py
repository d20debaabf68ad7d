"""Large images: strides, sweeps of the most promising pixels, and passes whose memory is bounded."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ingest.batch import Batch, attack_settings, stride_words, sweep_settings
from model import devices
from model.attacks import step, sweep
from model.attacks.grid import count_positions, usual_stride
from model.attacks.methods import NEAR_MEDIAN
from model.attacks.one_pixel import one_pixel_attack
from model.attacks.step import as_function, most_stored
from model.attacks.sweep import corner_sweep, images_together
from model.detectors import duplicates, repair, repair_screen
from model.detectors.repair import Repair, neighbor_medians, repair_sweep
from model.detectors.repair_screen import positions_of, screened_stream, usual_repair
from model.network import cnn
from model.network.incremental_pass import incremental
from tests.support.networks import TINY, random_network

pytestmark = pytest.mark.usefixtures("compiled_quickly")

NETWORK = random_network(TINY, np.random.default_rng(1))
PLAIN, QUICK = cnn.logits_function(NETWORK), incremental(NETWORK)
IMAGES = np.random.default_rng(2).integers(0, 256, (5, 7, 6, 3), np.uint8)
LABELS = cnn.predict(NETWORK, IMAGES).argmax(1)


@pytest.mark.parametrize(
    ("shape", "stride", "positions"),
    [
        ((2, 2, 1), 1, 4),
        ((64, 64, 3), 1, 4096),
        ((65, 64, 3), 2, 33 * 32),
        ((32, 128, 1), 1, 4096),
        ((128, 128, 3), 2, 4096),
        ((224, 224, 3), 4, 56 * 56),
        ((256, 256, 3), 4, 4096),
        ((2, 256, 3), 1, 512),
    ],
)
def test_the_usual_stride_is_the_smallest_that_leaves_few_positions(shape, stride, positions):
    assert usual_stride(shape) == stride
    assert count_positions(shape, stride) == positions
    assert stride == 1 or count_positions(shape, stride - 1) > 4096


def test_a_sweep_says_its_colors_and_its_stride():
    usual = Batch().parameters
    color, gray, large = (32, 32, 3), (28, 28, 1), (256, 200, 3)
    assert sweep_settings(usual, color)["variant"] == "corners"
    assert sweep_settings(usual, color)["budget"] == 8192
    assert sweep_settings(usual, gray) | {"seed": 0} == {
        "method": "corner-sweep",
        "variant": "grays-2",
        "pixel_count": 1,
        "population": 28 * 28 * 2,
        "budget": 28 * 28 * 2,
        "seed": 0,
    }
    assert sweep_settings({**usual, "levels": 256}, gray)["variant"] == "grays-256"
    assert sweep_settings(usual, large)["variant"] == "corners, stride 4"
    assert sweep_settings(usual, large)["budget"] == 64 * 50 * 8
    assert sweep_settings({"levels": 3, "stride": 7}, large)["variant"] == "grid-3, stride 7"
    assert sweep_settings({"levels": 3, "stride": 1}, large)["budget"] == 256 * 200 * 27
    near = attack_settings(NEAR_MEDIAN, {"within": 16, "stride": 0}, large)
    assert (near["variant"], near["budget"]) == ("within 16, stride 4", 64 * 50 * 8)
    assert stride_words(usual, color) == ""
    assert stride_words(usual, large).startswith("64 x 50 of 256 x 200 positions, as --stride 4 does")


def test_levels_of_gray_are_too_many_for_colors():
    with pytest.raises(ValueError, match=r"levels \(=17\) must lie in 2..16") as caught:
        sweep_settings(Batch(levels=17).parameters, (32, 32, 3))
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"--levels 257: expected 2\.\.16, of grays 2\.\.256"):
        Batch(levels=257)
    with pytest.raises(ValueError, match=r"--stride -1: expected 0\.\.256"):
        Batch(stride=-1)


def test_a_batch_with_the_usual_stride_is_the_one_of_older_databases():
    assert "stride" not in Batch(attack="corner-sweep").identity()
    assert Batch(attack="corner-sweep", stride=4).identity()["stride"] == 4
    assert "stride 4" in Batch(attack="corner-sweep", stride=4).title()
    assert Batch.from_json(Batch(stride=3).as_json()) == Batch(stride=3)


@pytest.mark.parametrize("function", [PLAIN, QUICK], ids=["plain", "incremental"])
@pytest.mark.parametrize("stride", [2, 3])
def test_a_stride_leaves_out_rows_and_columns_and_nothing_else(function, stride):
    whole = corner_sweep(function, IMAGES, LABELS)
    found = corner_sweep(function, IMAGES, LABELS, stride=stride)
    for name in ("margins", "classes", "colors"):
        some = getattr(whole, name)[:, ::stride, ::stride]
        np.testing.assert_allclose(getattr(found, name), some, atol=1e-5)
    rows, columns = np.divmod(found.places // 8, 6)
    assert (rows % stride == 0).all()
    assert (columns % stride == 0).all()
    assert (found.reach <= whole.reach + 1e-5).all()


def test_what_is_checked_in_several_passes_is_the_same(monkeypatch):
    whole = corner_sweep(QUICK, IMAGES, LABELS)
    monkeypatch.setattr(sweep, "CHECKED", 3)
    monkeypatch.setattr(step, "MOST_STORED", 1)
    assert images_together(QUICK, IMAGES.shape[1:], 8) == 1
    for a, b in zip(corner_sweep(QUICK, IMAGES, LABELS), whole, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_device_holds_as_many_images_as_fit():
    stored = sum(
        math.prod(leaf.shape) * leaf.dtype.itemsize
        for leaf in jax.tree.leaves(jax.eval_shape(QUICK.remember, jnp.zeros((1, 7, 6, 3), jnp.uint8)))
    )
    most = step.MOST_STORED
    assert most_stored(QUICK, (7, 6, 3), 10) == 10
    assert most_stored(QUICK, (7, 6, 3), 10, most // 5 - stored) == 4
    assert most_stored(QUICK, (7, 6, 3), 10, most // 3 - stored) == 2
    assert most_stored(QUICK, (7, 6, 3), 10, 2 * most) == 1
    assert most_stored(PLAIN, (7, 6, 3), 16, most // 16) == 16


@pytest.mark.parametrize(("shape", "together"), [((32, 32, 3), 64), ((64, 64), 64), ((256, 256), 4)])
def test_passes_take_fewer_large_images(shape, together):
    assert devices.most_together(64, shape) == together
    assert devices.most_together(1, shape) == 1


def test_an_attack_in_smaller_parts_finds_the_same(monkeypatch):
    options = {"population": 20, "generations": 4, "key": jax.random.key(1), "batch_size": 4}
    whole = one_pixel_attack(PLAIN, IMAGES, LABELS, **options)
    jax.clear_caches()
    monkeypatch.setattr(devices, "USUAL_PIXELS", 1)  # so that these count as large
    monkeypatch.setattr(step, "MOST_PAINTED", 1)
    monkeypatch.setattr(step, "MOST_STORED", 1)
    for a, b in zip(one_pixel_attack(PLAIN, IMAGES, LABELS, **options)[:4], whole[:4], strict=True):
        np.testing.assert_array_equal(a, b)
    jax.clear_caches()


def test_activations_of_large_images_come_in_the_same_batches(monkeypatch):
    names = ("conv", "logits")
    whole = list(cnn.activate(NETWORK, IMAGES, names, batch_size=4))
    logits = cnn.predict(NETWORK, IMAGES)
    monkeypatch.setattr(devices, "USUAL_PIXELS", 21)  # an image has 42: half as many in a pass
    again = list(cnn.activate(NETWORK, IMAGES, names, batch_size=4))
    assert [len(part["conv"]) for part in again] == [4, 1]
    for a, b in zip(again, whole, strict=True):
        for name in names:
            np.testing.assert_allclose(a[name], b[name], atol=1e-5)
    np.testing.assert_allclose(cnn.predict(NETWORK, IMAGES), logits, atol=1e-5)


def collected(stream):
    parts = [part for _, part in stream]
    return Repair(*(np.concatenate(field) for field in zip(*parts, strict=True)))


@pytest.mark.parametrize("function", [PLAIN, QUICK], ids=["plain", "incremental"])
def test_of_large_images_the_most_promising_pixels_are_repaired_and_no_others(function, monkeypatch):
    whole = repair_sweep(function, IMAGES)
    assert np.isfinite(usual_repair(function, IMAGES).margins).all()
    monkeypatch.setattr(repair_screen, "WHOLE", 41)
    monkeypatch.setattr(repair_screen, "POSITIONS_OF_LARGE", 12)
    monkeypatch.setattr(repair_screen, "POSITIONS", 5)  # of one pass: three are needed
    jax.clear_caches()
    assert positions_of((7, 6, 3)) == 12
    for found in (usual_repair(function, IMAGES), collected(screened_stream(as_function(function), IMAGES))):
        tried = np.isfinite(found.margins)
        assert (tried.sum((1, 2)) == 12).all()
        np.testing.assert_allclose(found.margins[tried], whole.margins[tried], atol=1e-5)
        np.testing.assert_array_equal(found.classes[tried], whole.classes[tried])
    jax.clear_caches()


def test_medians_are_the_same_however_many_images_are_sorted_together(monkeypatch):
    whole = neighbor_medians(IMAGES)
    monkeypatch.setattr(repair, "MOST_NEIGHBORS", 1)
    np.testing.assert_array_equal(neighbor_medians(IMAGES), whole)
    assert neighbor_medians(IMAGES[:0]).shape == (0, 7, 6, 3)


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_alike_are_found_in_large_images_too(channels, monkeypatch):
    random = np.random.default_rng(4)
    images = random.integers(0, 256, (6, 70, 90, channels), np.uint8)
    images[4] = images[1] ^ 1  # 1 off everywhere
    found = duplicates.close_pictures(images, None, 10.0)
    assert (found.first.tolist(), found.second.tolist()) == ([1], [4])
    np.testing.assert_allclose(found.distances, [1.0])
    thumbnails = duplicates._thumbnails(images)
    assert thumbnails.shape == (6, 5 * 7 * channels)  # squares of 12 pixels
    square = images[2, 12:24, 36:48, channels - 1].mean() * 12
    assert thumbnails.reshape(6, 5, 7, channels)[2, 1, 3, channels - 1] == pytest.approx(square)
    monkeypatch.setattr(duplicates, "BLOCK_BYTES", 1)
    np.testing.assert_array_equal(duplicates._thumbnails(images), thumbnails)


def test_only_the_best_candidates_of_asked_targets_are_evaluated_in_full():
    whole = corner_sweep(QUICK, IMAGES, LABELS)
    others = (LABELS[:, None] + np.arange(1, 4)) % 4
    targets = others[:, :2].copy()
    targets[3] = -1
    found = corner_sweep(QUICK, IMAGES, LABELS, targets=targets)
    for name in ("margins", "reach", "places"):
        np.testing.assert_allclose(getattr(found, name), getattr(whole, name), atol=1e-5)
    known = np.isfinite(found.logits).all(2)
    assert known.sum(1).tolist() == [3, 3, 3, 1, 3]
    np.testing.assert_allclose(found.logits[known], whole.logits[known], atol=1e-5)
    for chosen in (None, targets):
        one, other = (sweep.as_attacks(IMAGES, LABELS, each, targets=chosen) for each in (found, whole))
        np.testing.assert_array_equal(one.success, other.success)
        np.testing.assert_array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (LABELS, r"targets \(=int64 \(5,\)\) must be integers of shape \(5, T\)"),
        (np.zeros((5, 1)), r"targets \(=float64 \(5, 1\)\)"),
        (np.full((5, 1), 4), r"targets must lie in -1\.\.3, not 4\.\.4"),
    ],
)
def test_bad_targets_are_named_in_one_line(targets, message):
    with pytest.raises(ValueError, match=message):
        sweep.sweep_stream(QUICK, IMAGES, LABELS, targets=targets)
