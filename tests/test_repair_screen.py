"""The screened repair sweep, which `xpixels check` makes of few images: the whole one where it looks."""

import numpy as np
import pytest

from model.detectors import repair_screen
from model.detectors.repair import Repair, repair_sweep
from model.network import cnn
from model.network.incremental_pass import fastest
from tests.support.networks import TINY, random_network

pytestmark = pytest.mark.usefixtures("compiled_quickly")


def screened(function, images, positions):
    """The sweep of all blocks: there may be one a device."""
    blocks = [found for _, found in repair_screen.screened_stream(function, images, positions)]
    return Repair(*(np.concatenate(field) for field in zip(*blocks, strict=True)))


@pytest.mark.parametrize("form", ["incremental", "full"])
def test_the_screened_sweep_is_the_whole_one_where_it_looks(form):
    network = random_network(TINY, np.random.default_rng(1))
    images = np.random.default_rng(2).integers(0, 256, (5, 7, 6, 3), np.uint8)
    whole, (function, _) = repair_sweep(network, images), fastest(network, form=form)
    for most, tried in ((10, 10), (42, 42), (100, 42)):
        found = screened(function, images, most)
        looked = np.isfinite(found.margins)
        assert (looked.sum((1, 2)) == tried).all()
        np.testing.assert_allclose(found.margins[looked], whole.margins[looked], atol=1e-5)
        np.testing.assert_array_equal(found.classes[looked], whole.classes[looked])
    np.testing.assert_allclose(found.scores, whole.scores, atol=1e-5)


def test_an_odd_pixel_is_looked_at_first():
    images = np.full((1, 7, 6, 3), 100, np.uint8)
    images[0, 4, 2] = 255, 0, 255
    function = cnn.logits_function(random_network(TINY, np.random.default_rng(1)))
    # Two: the first by its distance from its neighbors, and the first by what its repair would help.
    found = screened(function, images, 2)
    assert np.isfinite(found.margins[0, 4, 2])
