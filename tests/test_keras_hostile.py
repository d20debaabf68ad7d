"""Keras files with anything wrong in their description: one line that names it, and no code is run."""

import base64
import marshal
import time

import numpy as np
import pytest

from tests.support.keras_by_hand import (
    DENSE,
    functional,
    layer,
    plain_layers,
    plain_weights,
    refusal,
    sequential,
    write_h5,
)

CONV = {"filters": 3, "kernel_size": [1, 1]}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "network.h5"


def plain_with(place: int, **config) -> dict:
    """The plain network with other settings of one layer."""
    layers = plain_layers()
    layers[place]["config"] |= config
    return sequential(layers)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        '{"class_name": "Sequential"}',
        '{"class_name": "Sequential", "config": 7}',
        '{"class_name": "Sequential", "config": []}',
        '{"class_name": "Sequential", "config": {"layers": [7]}}',
        '{"class_name": "Functional", "config": {"layers": []}}',
        '{"class_name": "MyModel", "config": {}}',
        "[" * 100_000,
        '{"class_name": "Sequential", "config": ' * 3000,
        '{"class_name": 1' + "0" * 5000 + "}",
    ],
)
def test_broken_descriptions(path, text):
    refusal(write_h5(path, text))


def test_models_in_models_without_end(path):
    model = sequential(plain_layers())
    for _ in range(40):
        model = sequential([model])
    assert "deep" in refusal(write_h5(path, model))


def test_models_in_models_that_double(path):
    """Thirty models, each uses the next one twice: a thousand million layers."""
    inner = functional([], {}, "image")
    for number in range(30):
        model = {**inner, "name": f"m{number}", "inbound_nodes": [[["image", 0, 0]], [[f"m{number}", 0, 0]]]}
        inner = functional([], {}, "image")
        inner["config"] |= {"output_layers": [[f"m{number}", 1, 0]], "name": f"m{number + 1}"}
        inner["config"]["layers"].append(model)
    started = time.process_time()
    assert "more than 4,096 layers" in refusal(write_h5(path, inner))
    assert time.process_time() - started < 5


def test_a_cycle(path):
    layers = [layer("Conv2D", name, **CONV) for name in ("a", "b", "c")]
    model = functional(layers, {"a": ["c"], "b": ["a"], "c": ["b"]}, "c")
    assert "form a cycle: " in refusal(write_h5(path, model))
    model = functional(layers[:1], {"a": ["a"]}, "a")
    assert "form a cycle: a -> a" in refusal(write_h5(path, model))


def test_a_layer_that_is_missing(path):
    model = functional([layer("Conv2D", "a", **CONV)], {"a": ["nowhere"]}, "a")
    assert "reads 'nowhere' (use 0), which the file lacks" in refusal(write_h5(path, model))


def test_several_inputs_or_outputs(path):
    model = functional([layer("Flatten", "a")], {"a": ["image"]}, "a")
    model["config"]["output_layers"] *= 2
    assert "2 outputs: expected one" in refusal(write_h5(path, model))
    model["config"]["input_layers"] *= 3
    assert "3 inputs: expected one" in refusal(write_h5(path, model))


@pytest.mark.parametrize(
    "kind",
    ["Lambda", "TimeDistributed", "LSTM", "Permute", "PReLU", "Multiply", "Conv2DTranspose", "Custom>Mine"],
)
def test_layers_that_cannot_be_described(path, kind):
    layers = plain_layers()
    layers.insert(1, layer(kind, "odd", function=["4wAAAAAAAAAA", None, None], function_type="lambda"))
    line = refusal(write_h5(path, sequential(layers)))
    assert line.startswith(f"layer 'odd' is a {kind}")
    assert "give a Python function instead" in line


def test_the_code_of_a_lambda_is_never_run(path, tmp_path):
    touched = tmp_path / "touched"
    code = compile(f"open({str(touched)!r}, 'w')", "x", "eval")
    packed = base64.b64encode(marshal.dumps(code)).decode()
    layers = [*plain_layers(), layer("Lambda", "odd", function=[packed, None, None], function_type="lambda")]
    assert "never run" in refusal(write_h5(path, sequential(layers)))
    assert not touched.exists()


def test_a_class_that_only_has_the_name_of_a_known_one(path):
    layers = plain_layers()
    layers[1] |= {"module": "my.layers", "registered_name": "Custom>Flatten"}
    assert "layer 'flat' is a Custom>Flatten" in refusal(write_h5(path, sequential(layers)))
    del layers[1]["registered_name"]
    assert "layer 'flat' is a my.layers.Flatten" in refusal(write_h5(path, sequential(layers)))


@pytest.mark.parametrize(
    ("place", "config", "words"),
    [
        (0, {"filters": 1 << 40}, "filters 1099511627776: expected a whole number from 1"),
        (0, {"filters": -4}, "filters -4: expected a whole number from 1"),
        (0, {"filters": True}, "filters True: expected a whole number from 1"),
        (0, {"kernel_size": [2, 2, 2]}, "kernel_size [2, 2, 2]: expected a whole number from 1, or two"),
        (
            0,
            {"kernel_size": [9, 9]},
            "have shape (2, 2, 3, 4): expected (9, 9, 3, 4)",
        ),
        (0, {"strides": [0, 1]}, "strides [0, 1]: expected"),
        (0, {"padding": "causal"}, "padding causal: expected same or valid"),
        (0, {"activation": "mine"}, "its activation function is 'mine'"),
        (0, {"activation": {"class_name": "function", "config": "relu\x1b[2J\n"}}, "is 'relu"),
        (0, {"use_bias": "yes"}, "use_bias yes: expected true or false"),
        (0, {"groups": 2}, "have shape (2, 2, 3, 4): expected (2, 2, 1, 4)"),
        (0, {"batch_input_shape": [None, None, None, 3]}, "fixed height, width and channels"),
        (0, {"batch_input_shape": [None, 1 << 18, 1 << 18, 3]}, "fixed height, width and channels"),
        (0, {"batch_input_shape": [None, 108]}, "vectors of 108 numbers: expected images"),
        (0, {"batch_input_shape": [None, 2, 2, 2, 2]}, "fixed height, width and channels"),
        (0, {"batch_input_shape": None}, "does not say the shape of its input"),
        (2, {"units": 4}, "have shape (100, 3): expected (100, 4)"),
        (2, {"activation": "sigmoid", "units": 1}, "have shape (100, 3)"),
    ],
)
def test_settings_that_do_not_fit(path, place, config, words):
    assert words in refusal(write_h5(path, plain_with(place, **config)))


def test_layers_larger_than_any_network(path):
    layers = plain_layers()
    layers.insert(1, layer("ZeroPadding2D", "pad", padding=[[100_000, 0], [0, 100_000]]))
    assert "layer 'pad' of shape" in refusal(write_h5(path, sequential(layers)))


def test_two_classes_from_one_number(path):
    weights = plain_weights()
    weights["scores"] = {"scores/kernel:0": DENSE[:, :1], "scores/bias:0": np.zeros(1, np.float32)}
    model = plain_with(2, units=1, activation="sigmoid")
    line = refusal(write_h5(path, model, weights))
    assert "one number after a sigmoid, for two classes" in line
    assert "Dense(2)" in line


def test_a_softmax_before_the_end(path):
    layers = [*plain_layers(), layer("ReLU", "relu")]
    assert "it follows a softmax" in refusal(write_h5(path, sequential(layers)))
    layers = plain_layers()
    layers[0]["config"]["activation"] = "softmax"
    assert "with a softmax over each cell of (5, 5, 4)" in refusal(write_h5(path, sequential(layers)))


def test_a_layer_that_trains_while_it_predicts(path):
    model = functional(plain_layers(), {"conv": ["image"], "flat": ["conv"], "scores": ["flat"]}, "scores")
    model["config"]["layers"][1]["inbound_nodes"][0][0][3] = {"training": True}
    assert "called with training=True" in refusal(write_h5(path, model))
