"""The repair sweep against repairing every pixel one by one."""

from functools import cache

import numpy as np
import pytest

from model.detectors.repair import neighbor_medians, repair_stream, repair_sweep
from model.network import cnn
from model.network.incremental_pass import incremental
from tests.support.networks import TINY, random_network

pytestmark = pytest.mark.usefixtures("compiled_quickly")

N, H, W, K = 5, 7, 6, 4
NETWORK = random_network(TINY, np.random.default_rng(1))
IMAGES = np.random.default_rng(2).integers(0, 256, (N, H, W, 3), np.uint8)
FUNCTIONS = {
    "plain function": cnn.logits_function(NETWORK),
    "incremental": incremental(NETWORK),
    "network": NETWORK,
}


def median(image, row, column):
    """By hand: all neighbors inside the image but the pixel itself."""
    places = [
        (r, c)
        for r in range(row - 1, row + 2)
        for c in range(column - 1, column + 2)
        if 0 <= r < H and 0 <= c < W and (r, c) != (row, column)
    ]
    return np.rint(np.median([image[place] for place in places], axis=0)).astype(np.uint8)


@cache
def every_logit():
    """Logits (N, H, W, K), one image at a time repaired and evaluated in full."""
    logits = np.zeros((N, H, W, K), np.float32)
    for image in range(N):
        copies = np.repeat(IMAGES[image][None], H * W, 0)
        for place, copy in enumerate(copies):
            copy[place // W, place % W] = median(IMAGES[image], place // W, place % W)
        logits[image] = cnn.predict(NETWORK, copies).reshape(H, W, K)
    return logits


def test_medians_at_corners_edges_and_inside():
    found = neighbor_medians(IMAGES)
    assert found.dtype == np.uint8
    for row in range(H):
        for column in range(W):
            np.testing.assert_array_equal(found[3, row, column], median(IMAGES[3], row, column))


def test_a_median_between_two_values_is_their_mean_without_overflow():
    image = np.zeros((1, 3, 3, 3), np.uint8)
    image.reshape(9, 3)[[0, 1, 2, 3]] = 251
    image.reshape(9, 3)[[5, 6, 7, 8]] = 254
    assert neighbor_medians(image)[0, 1, 1].tolist() == [252] * 3  # 252.5, to the even number


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_it_finds_what_repairing_one_by_one_finds(kind):
    found = repair_sweep(FUNCTIONS[kind], IMAGES)
    predicted = cnn.predict(NETWORK, IMAGES).argmax(1)
    np.testing.assert_array_equal(found.predicted, predicted)
    logits = every_logit()
    own = logits[np.arange(N), :, :, predicted]
    others = np.where(np.arange(K) == predicted[:, None, None, None], -np.inf, logits)
    np.testing.assert_allclose(found.margins, others.max(-1) - own, atol=1e-5)
    np.testing.assert_array_equal(found.classes, others.argmax(-1))
    np.testing.assert_allclose(found.scores, (others.max(-1) - own).max((1, 2)), atol=1e-5)
    for image, (row, column) in enumerate(found.positions):
        assert found.margins[image, row, column] == found.scores[image]
        assert found.recovered[image] == found.classes[image, row, column]


def test_blocks_come_in_order_and_do_not_change_an_image():
    images = np.concatenate([IMAGES] * 30)
    blocks = list(repair_stream(FUNCTIONS["incremental"], images))
    assert len(blocks) > 1
    np.testing.assert_array_equal(np.concatenate([indices for indices, _ in blocks]), np.arange(150))
    margins = np.concatenate([part.margins for _, part in blocks])
    np.testing.assert_allclose(margins, np.tile(repair_sweep(NETWORK, IMAGES).margins, (30, 1, 1)), atol=1e-5)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (IMAGES.astype(np.float32), "float32"),
        (IMAGES[0], r"\(7, 6, 3\)"),
        (IMAGES[:, :1], "H >= 2"),
        (IMAGES[:0], "at least one"),
    ],
)
def test_bad_images_get_one_line(images, message):
    with pytest.raises(ValueError, match=message) as error:
        repair_sweep(NETWORK, images)
    assert "\n" not in str(error.value)
