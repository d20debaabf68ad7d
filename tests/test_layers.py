"""The description of a network's layers."""

import pytest

from model.network import layers
from model.network.layers import CIFAR10_CNN, Architecture, Conv, Dense, Flatten, MaxPool


def test_the_shapes_are_those_of_keras_cifar10_cnn():
    assert CIFAR10_CNN.activation_shapes() == {
        "conv1": (32, 32, 32),
        "conv2": (30, 30, 32),
        "conv3": (15, 15, 64),
        "conv4": (13, 13, 64),
        "flatten": (2304,),
        "dense": (512,),
        "logits": (10,),
        "composed": (2826,),
    }
    assert CIFAR10_CNN.classes == 10
    assert CIFAR10_CNN.compared == ("flatten", "dense", "logits")


def test_a_description_survives_json():
    assert layers.from_json(CIFAR10_CNN.to_json()) == CIFAR10_CNN


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((), "last layer must be a dense one"),
        ((Flatten("flatten"), Dense("dense", 3)), "last layer must be a dense one"),
        ((Dense("logits", 3, relu=False),), "needs a flat input"),
        (
            (Conv("a", 2, 9, "VALID"), Flatten("f"), Dense("l", 3, relu=False)),
            "smaller than its kernel",
        ),
        ((MaxPool("p", 9), Flatten("f"), Dense("l", 3, relu=False)), "smaller than its window"),
        ((Flatten("f"), Conv("c", 2), Dense("l", 3, relu=False)), "image-shaped input"),
        ((Flatten("f"), Dense("f", 3, relu=False)), "must differ"),
        ((Flatten("composed"), Dense("l", 3, relu=False)), "must differ"),
    ],
)
def test_layers_that_do_not_fit_are_named(parts, message):
    with pytest.raises(ValueError, match=message):
        Architecture("wrong", (8, 8, 3), parts)


@pytest.mark.parametrize(
    "description",
    [
        {},
        {"name": "x", "input_shape": [8, 8, 3], "layers": [{"type": "Lstm", "name": "l"}]},
        {"name": "x", "input_shape": [8, 8, 3], "layers": [{"type": "Conv", "name": "c", "depth": 2}]},
    ],
)
def test_a_foreign_description_is_refused(description):
    with pytest.raises(ValueError, match="not a description of a network's layers"):
        layers.from_json(description)
