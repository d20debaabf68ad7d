"""Windows follow from the layers' description: nothing that a pixel changes lies outside of them."""

import numpy as np
import pytest

from model.network.architecture import Architecture
from model.network.cifar10_cnn import CIFAR10_CNN
from model.network.layers import Conv, Dense, Flatten, MaxPool
from model.network.windows import full_multiply_adds, parts, plan
from tests.support.networks import random_architecture, random_network

pytestmark = pytest.mark.usefixtures("compiled_quickly")


def test_the_windows_of_our_network_are_those_of_the_notes():
    """3 x 3 of conv1, 5 x 5 of conv2, 3 x 3 of pool1, 5 x 5 of conv3, 7 x 7 of conv4, 4 x 4 of pool2."""
    stages = plan(CIFAR10_CNN).stages
    assert [stage.rows.spread.size for stage in stages] == [1, 3, 5, 5, 7]
    assert [stage.rows.pooled.size for stage in stages] == [1, 3, 3, 5, 4]
    assert [stage.rows.aligned.size for stage in stages] == [1, 3, 6, 5, 8]


def test_fewer_operations_as_arithmetic_says():
    whole = full_multiply_adds(CIFAR10_CNN)
    assert whole == 20_741_120
    assert round(whole / plan(CIFAR10_CNN).multiply_adds(), 1) == 12.2
    assert plan(CIFAR10_CNN).multiply_adds(3) > 2 * plan(CIFAR10_CNN).multiply_adds()


def changed_cells(network, image, row, column):
    """By conv layer, where its output changes when a pixel changes a lot."""
    other = image.copy()
    other[row, column] = 255 - other[row, column]
    both = network.activations(np.stack([image, other]).astype(np.float32) / np.float32(255))
    convs = [layer.name for layer in network.architecture.layers if isinstance(layer, Conv)]
    return {
        name: np.argwhere((np.asarray(both[name][0]) != np.asarray(both[name][1])).any(-1)) for name in convs
    }


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("zone", [None, (0, 3), (4, 8), (-2, None)], ids=str)
def test_what_a_pixel_changes_lies_in_its_window(seed, zone):
    random = np.random.default_rng(seed)
    architecture = random_architecture(random)
    network = random_network(architecture, random)
    sides = architecture.input_shape[:2]
    zones = [range(side)[slice(*zone)] if zone else range(side) for side in sides]
    found = plan(architecture, *([(z[0], z[-1] + 1) for z in zones] if zone else (None, None)))
    stages = {stage.conv.name: stage for stage in found.stages if stage.conv}
    image = random.integers(0, 256, architecture.input_shape).astype(np.uint8)
    for row, column in [
        (zones[0][0], zones[1][0]),
        (zones[0][-1], zones[1][-1]),
        (zones[0][1], zones[1][-1]),
    ]:
        for name, cells in changed_cells(network, image, row, column).items():
            stage = stages[name]
            read = cells[(cells < stage.shape[:2]).all(1)]
            for axis, (reach, at) in enumerate(((stage.rows, row), (stage.columns, column))):
                start = reach.aligned.start[at]
                assert ((read[:, axis] >= start) & (read[:, axis] < start + reach.aligned.size)).all()


@pytest.mark.parametrize("seed", range(3))
def test_parts_cover_every_pixel_once_and_cost_less(seed):
    architecture = CIFAR10_CNN if seed == 0 else random_architecture(np.random.default_rng(seed))
    rows, columns = parts(architecture)
    for axis, cut in enumerate((rows, columns)):
        assert [pixel for part in cut for pixel in range(*part)] == list(
            range(architecture.input_shape[axis])
        )
    total = sum(
        (row[1] - row[0]) * (column[1] - column[0]) * plan(architecture, row, column).multiply_adds()
        for row in rows
        for column in columns
    )
    height, width, _ = architecture.input_shape
    assert total <= height * width * plan(architecture).multiply_adds()
    if seed == 0:
        assert total < 0.85 * height * width * plan(architecture).multiply_adds()


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Architecture("flat", (12,), (Dense("logits", 2, activation="linear"),)), "flat has no Flatten"),
        (
            Architecture(
                "twice", (4, 4, 3), (Flatten("a"), Flatten("b"), Dense("logits", 2, activation="linear"))
            ),
            "twice: Flatten 'b' stands behind the Flatten",
        ),
    ],
    ids=["no flatten", "two flattens"],
)
def test_a_network_of_another_form_is_refused_by_name(network, message):
    with pytest.raises(ValueError, match=message):
        plan(network)


def test_a_pool_that_drops_a_row_leaves_that_row_out():
    """13 rows pooled by two leave the last one unread, as conv4's in our network."""
    conv4 = plan(CIFAR10_CNN).stages[-1]
    assert CIFAR10_CNN.output_shapes()["conv4"] == (13, 13, 64)
    assert conv4.shape == (12, 12, 64)


def test_pools_behind_one_another_are_one_step():
    architecture = Architecture(
        "pools",
        (24, 24, 3),
        (
            Conv("c", 2),
            MaxPool("p", 2),
            MaxPool("q", 3),
            Flatten("f"),
            Dense("logits", 2, activation="linear"),
        ),
    )
    stage = plan(architecture).stages[-1]
    assert stage.pools == (2, 3)
    assert stage.rows.spread.size == 3
    assert stage.rows.aligned.size == 12  # 3 rows may lie across two cells of 6
