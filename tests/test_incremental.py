"""The incremental pass agrees with the plain one to float32 rounding, wherever the changed pixels are."""

from functools import partial

import jax
import numpy as np
import pytest

from model.network import checkpoint, cnn, incremental_pass
from model.network.architecture import Architecture
from model.network.cifar10_cnn import CIFAR10_CNN
from model.network.incremental_pass import Incremental, fastest
from model.network.layers import Dense, Flatten, GlobalPool
from tests.support.networks import DEEP, LENET, random_architecture, random_graph, random_network

pytestmark = pytest.mark.usefixtures("compiled_quickly")

MLP = Architecture("mlp", (5, 6, 3), (Flatten("f"), Dense("d", 9), Dense("logits", 4, activation="linear")))
NETWORKS = {"lenet": LENET, "deep": DEEP} | {
    f"random {seed}": random_architecture(np.random.default_rng(100 + seed)) for seed in range(4)
}
NETWORKS |= {f"graph {seed}": random_graph(np.random.default_rng(seed)) for seed in (1, 7, 11, 13, 18)}

remember = jax.jit(lambda function, images: function.remember(images))
changed = jax.jit(lambda function, memory, pixels: function.changed(memory, pixels))


@partial(jax.jit, static_argnums=(4, 5))
def at_positions(function, memory, places, colors, rows=None, columns=None):
    """Logits (P, N, M, K) at positions (P, 2)."""

    def one(place):
        return function.at_position(memory, place[0], place[1], colors, rows, columns)

    return jax.lax.map(one, places)


def assert_agree(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * max(1.0, float(np.abs(wanted).max())))


def plain(network, images):
    return cnn.predict(network, np.ascontiguousarray(images.reshape(-1, *images.shape[-3:])))


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    return random_network(NETWORKS[request.param], np.random.default_rng(0))


def places_of(height, width, random, rows=None, columns=None, count=12):
    """Every corner and the middle of every edge of a part of an image, and some positions at random."""
    (top, bottom), (left, right) = rows or (0, height), columns or (0, width)
    edges = [
        (row, column)
        for row in (top, (top + bottom) // 2, bottom - 1)
        for column in (left, (left + right) // 2, right - 1)
    ]
    some = random.integers((top, left), (bottom, right), (count, 2))
    return np.concatenate([edges, some]).astype(np.int32)


def painted(images, places, colors):
    """Images (P, N, M, H, W, C)."""
    copies = np.repeat(np.repeat(images[None, :, None], len(colors), 2), len(places), 0)
    for copy, (row, column) in zip(copies, places, strict=True):
        copy[:, :, row, column] = colors
    return copies


@pytest.mark.parametrize("zone", [None, (0, 2), (-3, None)], ids=["anywhere", "low", "high"])
def test_one_pixel_of_many_images_at_one_position(network, zone):
    random = np.random.default_rng(1)
    height, width, _ = network.architecture.input_shape
    images = random.integers(0, 256, (2, height, width, 3)).astype(np.uint8)
    colors = np.concatenate([[[0, 0, 0], [255, 255, 255]], random.integers(0, 256, (1, 3))]).astype(np.uint8)
    parts = (None, None)
    if zone:
        parts = tuple(range(side)[zone[0] : zone[1]] for side in (height, width))
        parts = tuple((part[0], part[-1] + 1) for part in parts)
    places = places_of(height, width, random, *parts)
    function = incremental_pass.incremental(network)
    found = at_positions(function, remember(function, images), places, colors, *parts)
    assert_agree(
        np.asarray(found).reshape(-1, found.shape[-1]), plain(network, painted(images, places, colors))
    )


@pytest.mark.parametrize("pixels", [1, 3])
def test_pixels_anywhere_in_one_image(network, pixels):
    """Half of the candidates have their pixels close together, so that their windows overlap."""
    assert_candidates_agree(network, pixels)


def test_five_pixels_and_a_network_without_maps():
    assert_candidates_agree(random_network(DEEP, np.random.default_rng(0)), 5)
    assert_candidates_agree(random_network(MLP, np.random.default_rng(0)), 2)


def assert_candidates_agree(network, pixels):
    random = np.random.default_rng(2)
    height, width, _ = network.architecture.input_shape
    image = random.integers(0, 256, (1, height, width, 3)).astype(np.uint8)
    first = places_of(height, width, random, count=23)
    count = len(first)
    near = random.integers(-3, 4, (count, pixels, 2))
    far = random.integers(0, 64, (count, pixels, 2))
    steps = np.where(np.arange(count)[:, None, None] % 2 == 0, near, far)
    steps[:, 0] = 0
    places = (first[:, None] + steps) % (height, width)
    colors = random.integers(0, 256, (count, pixels, 3))
    candidates = np.concatenate([places, colors], axis=2).astype(np.int32)
    copies = np.repeat(image, count, 0)
    for copy, candidate in zip(copies, candidates, strict=True):
        for row, column, *color in candidate:
            copy[row, column] = color
    function = incremental_pass.incremental(network)
    assert_agree(np.asarray(changed(function, remember(function, image), candidates)), plain(network, copies))


def test_of_pixels_at_one_place_the_last_stays():
    network = random_network(DEEP, np.random.default_rng(0))
    image = np.full((1, *network.architecture.input_shape), 100, np.uint8)
    candidates = np.array(
        [[[1, 2, 0, 0, 0], [1, 2, 255, 9, 9]], [[1, 2, 255, 9, 9], [1, 2, 0, 0, 0]]], np.int32
    )
    copies = np.repeat(image, 2, 0)
    copies[0, 1, 2], copies[1, 1, 2] = (255, 9, 9), (0, 0, 0)
    function = incremental_pass.incremental(network)
    assert_agree(np.asarray(changed(function, remember(function, image), candidates)), plain(network, copies))


def test_our_trained_network_at_every_position(sample):
    network = checkpoint.load().network
    function = incremental_pass.incremental(network)
    image = sample.test.images[:1]
    places = np.indices((32, 32)).reshape(2, -1).T.astype(np.int32)
    colors = np.array([[255, 0, 255]], np.uint8)
    wanted = plain(network, painted(image, places, colors))
    memory = remember(function, image)
    assert_agree(np.asarray(at_positions(function, memory, places, colors)).reshape(-1, 10), wanted)
    pixels = np.concatenate([places, np.repeat(colors, 1024, 0)], axis=1)[:, None].astype(np.int32)
    scattered = jax.lax.map(partial(function.changed, memory), pixels.reshape(8, 128, 1, 5))
    assert_agree(np.asarray(scattered).reshape(-1, 10), wanted)


def test_a_pixel_that_keeps_its_color_changes_no_bit():
    network = random_network(DEEP, np.random.default_rng(0))
    image = np.random.default_rng(3).integers(0, 256, (1, *network.architecture.input_shape)).astype(np.uint8)
    same = np.array([[[2, 3, *image[0, 2, 3]]], [[0, 0, *image[0, 0, 0]]]], np.int32)
    function = incremental_pass.incremental(network)
    found = np.asarray(changed(function, remember(function, image), same))
    np.testing.assert_array_equal(found[0], found[1])
    assert_agree(found[:1], plain(network, image))


def test_it_is_a_function_of_images_too():
    network = random_network(DEEP, np.random.default_rng(0))
    images = np.random.default_rng(4).random((3, *network.architecture.input_shape)).astype(np.float32)
    np.testing.assert_array_equal(incremental_pass.incremental(network)(images), network(images))


# ---- Which way is taken --------------------------------------------------------------------------


def small(architecture):
    return random_network(architecture, np.random.default_rng(0))


def test_on_a_cpu_the_incremental_pass_is_taken_and_says_by_how_much_it_is_less():
    function, why = fastest(checkpoint.load().network)
    assert isinstance(function, Incremental)
    assert why == "incremental passes, 8.8 times fewer multiply-adds than full ones"


def test_where_pixels_reach_nearly_everything_full_passes_are_taken():
    function, why = fastest(small(MLP))
    assert not isinstance(function, Incremental)
    assert why == "full passes: 1 changed pixels reach too much for the incremental pass to pay"
    assert isinstance(fastest(small(MLP), form="incremental")[0], Incremental)


def test_a_network_that_cannot_be_described_falls_back_and_says_so():
    two = Architecture("squeezed", (4, 4, 3), (GlobalPool("a", "max"), Dense("logits", 2)))
    function, why = fastest(small(two))
    assert not isinstance(function, Incremental)
    assert why == "full passes: squeezed has no layer in which a pixel reaches only a small part"
    with pytest.raises(ValueError, match="no layer in which a pixel"):
        fastest(small(two), form="incremental")


def test_on_a_device_where_it_was_not_measured_full_passes_are_taken_unless_asked(monkeypatch):
    network = random_network(CIFAR10_CNN, np.random.default_rng(0))
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    function, why = fastest(network)
    assert not isinstance(function, Incremental)
    assert why.endswith("this is gpu")
    assert isinstance(fastest(network, form="incremental")[0], Incremental)


def test_full_passes_can_be_asked_for_and_other_forms_are_refused():
    function, why = fastest(small(LENET), form="full")
    assert not isinstance(function, Incremental)
    assert why == "full passes, as asked"
    with pytest.raises(ValueError, match=r"form \(='half'\) must be one of auto, incremental, full"):
        fastest(small(LENET), form="half")
