"""The description of a network's layers."""

import pytest

from model.network.architecture import Architecture
from model.network.cifar10_cnn import CIFAR10_CNN
from model.network.description import from_json, to_json
from model.network.layers import Conv, Dense, Flatten, MaxPool


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
    assert from_json(to_json(CIFAR10_CNN)) == CIFAR10_CNN


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((), "last layer must give a vector"),
        ((Flatten("flatten"), Dense("dense", 1)), "last layer must give a vector"),
        ((Dense("logits", 3, activation="linear"),), "needs a flat input"),
        (
            (Conv("a", 2, 9, "VALID"), Flatten("f"), Dense("l", 3, activation="linear")),
            "smaller than its kernel",
        ),
        ((MaxPool("p", 9), Flatten("f"), Dense("l", 3, activation="linear")), "smaller than its window"),
        ((Flatten("f"), Conv("c", 2), Dense("l", 3, activation="linear")), "image-shaped input"),
        ((Flatten("f"), Dense("f", 3, activation="linear")), "must differ"),
        ((Flatten("composed"), Dense("l", 3, activation="linear")), "must differ"),
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
    with pytest.raises(ValueError, match=r"not a description of a network's layers|of the kind 'Lstm'"):
        from_json(description)
