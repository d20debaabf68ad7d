"""Windows follow from the layers' description: nothing that a pixel changes lies outside of them."""

import numpy as np
import pytest

from model.network import windows
from model.network.architecture import Architecture
from model.network.cifar10_cnn import CIFAR10_CNN
from model.network.layers import Conv, Dense, Flatten, GlobalPool, MaxPool, Pad
from model.network.plan import parts, plan
from tests.support.networks import random_architecture, random_network

pytestmark = pytest.mark.usefixtures("compiled_quickly")


def test_the_windows_of_our_network_are_those_of_the_notes():
    """3 x 3 of conv1, 5 x 5 of conv2, 3 x 3 of pool1, 5 x 5 of conv3, 7 x 7 of conv4, 4 x 4 of pool2."""
    steps = plan(CIFAR10_CNN).steps
    windowed = {name: step for name, step in steps.items() if step.windowed and step.nonlinear}
    assert {name: step.axes[0].spread.size for name, step in windowed.items()} == {
        "conv1": 3,
        "conv2": 5,
        "pool1": 3,
        "conv3": 5,
        "conv4": 7,
        "pool2": 4,
    }
    assert steps["conv2"].windows[0].size == 6  # all pool windows in which something changes
    assert steps["conv4"].windows[0].size == 8


def test_fewer_operations_as_arithmetic_says():
    whole = CIFAR10_CNN.multiply_adds()
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
    image = random.integers(0, 256, architecture.input_shape).astype(np.uint8)
    for row, column in [
        (zones[0][0], zones[1][0]),
        (zones[0][-1], zones[1][-1]),
        (zones[0][1], zones[1][-1]),
    ]:
        for name, cells in changed_cells(network, image, row, column).items():
            step = found.steps[name]
            if not step.windowed:
                continue
            for axis, at in enumerate((row, column)):
                spread = step.axes[axis].spread
                first = spread.start[at]
                assert ((cells[:, axis] >= first) & (cells[:, axis] < first + spread.size)).all()


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


def test_a_network_in_which_a_pixel_reaches_everything_is_refused_by_name():
    flat = Architecture("squeezed", (6, 6, 3), (GlobalPool("p"), Dense("logits", 2, activation="linear")))
    with pytest.raises(ValueError, match="squeezed has no layer in which a pixel reaches only a small part"):
        plan(flat)


def test_where_windows_cover_most_of_a_map_the_rest_is_whole():
    """Windows grow by two cells a layer: 3, 5, 7 of 12, and nine of them are too many to be worth it."""
    convs = [Conv(f"c{place}", 4) for place in range(6)]
    head = (GlobalPool("p"), Dense("logits", 2, activation="linear"))
    steps = plan(Architecture("deep", (12, 12, 3), (*convs, *head))).steps
    assert [steps[conv.name].windowed for conv in convs] == [True, True, True, True, True, False]
    corner = plan(Architecture("deep", (12, 12, 3), (*convs, *head)), (0, 1), (0, 1)).steps
    assert all(corner[conv.name].windowed for conv in convs)


@pytest.mark.parametrize(
    ("layer", "shape", "low", "high"),
    [
        (Conv("c", 2, 3, stride=2, padding=((1, 1), (1, 1))), (9, 9, 2), [2, 2], [2, 3]),  # pixels 4, 5
        (Conv("c", 2, 2, padding="VALID"), (9, 9, 2), [3, 4], [4, 5]),
        (Conv("c", 2, 3, dilation=2, padding="VALID"), (9, 9, 2), [0, 1], [4, 5]),
        (MaxPool("p", 3, 2), (9, 9, 2), [1, 2], [2, 2]),
        (Pad("p", margins=((2, 0), (0, 0))), (9, 9, 2), [6, 7], [6, 7]),
    ],
    ids=["stride", "even kernel", "dilation", "pool", "pad"],
)
def test_what_changes_behind_each_kind_of_layer(layer, shape, low, high):
    pixels = np.array([4, 5])
    found = windows.reached(layer, shape, 0, windows.Range(pixels, pixels))
    assert (found.low.tolist(), found.high.tolist()) == (low, high)


def test_a_pool_that_reads_an_activation_alone_gets_new_values():
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
    steps = plan(architecture).steps
    assert steps["c"].feeds_pool
    assert (steps["p"].fed, steps["q"].fed) == (True, False)
    assert steps["c"].axes[0].spread.size == 3
    assert steps["c"].windows[0].size == 4  # 3 rows may lie across two cells of 2
