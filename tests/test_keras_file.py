"""Networks that Keras saved: read without it, they give the scores that it gives."""

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.network import cnn
from model.network.architecture import Pixels
from model.network.build import build
from model.network.foreign import ForeignError
from model.network.keras.model import read_here
from model.network.layers import Affine, Conv, Dense, Flatten
from tests.support import keras_models
from tests.support.keras_by_hand import KERNEL, SIDE, layer, plain_layers, plain_weights, sequential, write_h5

AS_IT_IS = Pixels()
OLD = Path(__file__).parent / "support" / "old_keras.zip"  # files that Keras 1.2.2, 2.1.4 and 2.15 wrote
OLD_NAMES = [name for name in zipfile.ZipFile(OLD).namelist() if name != "scores.npz"]
needs_keras = pytest.mark.skipif(
    importlib.util.find_spec("keras") is None, reason="Keras, an extra for tests, is not installed"
)


@pytest.fixture(scope="module", autouse=True)
def quickly(compiled_quickly):
    """All networks here are tiny."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The files of `keras_models`, and scores.npz."""
    made = tmp_path_factory.mktemp("keras")
    program = [sys.executable, "-m", "tests.support.keras_models", str(made)]
    subprocess.run(program, check=True, capture_output=True, cwd=Path(__file__).parents[1])
    return made


@pytest.fixture(scope="module")
def old(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("old")
    zipfile.ZipFile(OLD).extractall(made)
    return made


def scores(network, images):
    """Logits (N, K)."""
    return np.asarray(jax.jit(network)(cnn.to_float(jnp.asarray(images))))


def assert_same_scores(foreign, images, expected):
    given = scores(build(foreign.architecture, foreign.arrays), images)
    if any("softmax taken off" in note for note in foreign.notes):
        given = np.asarray(jax.nn.log_softmax(given))
        if expected.min() >= 0:
            expected = np.log(expected)
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-4)


@needs_keras
@pytest.mark.parametrize("name", keras_models.MODELS)
def test_scores_are_those_of_keras(folder, name):
    results = np.load(folder / "scores.npz")
    images = results[f"{name}/images"]
    images = images[..., None] if images.ndim == 3 else images
    foreign = read_here(folder / f"{name}.keras", AS_IT_IS)
    older = read_here(folder / f"{name}.h5", AS_IT_IS)
    assert foreign.architecture.input_shape == images.shape[1:]
    assert foreign.architecture.pixels == Pixels(scale="byte" if name.startswith("bytes") else "unit")
    assert_same_scores(foreign, images, results[f"{name}/scores"])
    assert older.architecture == foreign.architecture
    assert older.notes == foreign.notes
    for parameter, array in foreign.arrays.items():
        np.testing.assert_array_equal(older.arrays[parameter], array)


@pytest.mark.parametrize("name", OLD_NAMES)
def test_scores_of_older_files(old, name):
    results = np.load(old / "scores.npz")
    assert_same_scores(read_here(old / name, AS_IT_IS), results[f"{name}/images"], results[f"{name}/scores"])


def read_layers(path, layers, weights=None, pixels=AS_IT_IS, version="2.9.0"):
    return read_here(write_h5(path, sequential(layers), weights, version), pixels)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "my network.h5"


def test_names_notes_and_facts(path):
    layers = plain_layers()
    layers.insert(1, layer("GaussianNoise", "noise", stddev=0.1))
    foreign = read_layers(path, layers)
    assert foreign.architecture.name == "my_network"
    assert [type(each) for each in foreign.architecture.layers] == [Conv, Flatten, Dense]
    assert foreign.notes == (
        "GaussianNoise is left out: it does nothing once a network is trained",
        "softmax taken off: the logits before it are what is compared",
    )
    assert foreign.facts == {"format": "Keras HDF5", "program": "Keras 2.9.0"}


def test_a_network_that_scales_bytes_gets_bytes_unless_asked_otherwise(path):
    layers = plain_layers()
    shape = layers[0]["config"].pop("batch_input_shape")
    layers.insert(0, layer("Rescaling", "scale", batch_input_shape=shape, scale=1 / 255, offset=0.0))
    foreign = read_layers(path, layers)
    assert isinstance(foreign.architecture.layers[0], Affine)
    assert foreign.architecture.pixels == Pixels(scale="byte")
    assert "it scales pixels of 0..255 itself: it gets bytes" in foreign.notes
    asked = Pixels(mean=(0.5,))
    assert read_layers(path, layers, pixels=asked).architecture.pixels == asked
    layers[0]["config"]["scale"] = 2.0
    assert read_layers(path, layers).architecture.pixels == Pixels()


def test_lists_that_keras_cuts(path):
    """Names beyond 64 kilobytes stand in several attributes."""
    write_h5(path)
    with h5py.File(path, "a") as file:
        attributes = file["model_weights/conv"].attrs
        names = attributes["weight_names"]
        del attributes["weight_names"]
        attributes["weight_names0"], attributes["weight_names1"] = names[:1], names[1:]
    np.testing.assert_array_equal(read_here(path, AS_IT_IS).arrays["conv.kernel"], KERNEL)


def test_weights_without_names_are_taken_in_order(path):
    weights = plain_weights()
    weights["conv"] = {f"param_{number}": array for number, array in enumerate(weights["conv"].values())}
    foreign = read_layers(path, plain_layers(), weights)
    np.testing.assert_array_equal(foreign.arrays["conv.kernel"], KERNEL)


def test_channels_first_throughout_or_nowhere(path):
    layers = plain_layers()
    shape = [None, 3, SIDE, SIDE]
    layers[0]["config"] |= {"data_format": "channels_first", "batch_input_shape": shape}
    foreign = read_layers(path, layers)
    assert foreign.architecture.input_shape == (SIDE, SIDE, 3)
    kernel = plain_weights()["scores"]["scores/kernel:0"].reshape(4, 25, 3).transpose(1, 0, 2)
    np.testing.assert_array_equal(foreign.arrays["scores.kernel"], kernel.reshape(100, 3))
    layers.insert(1, layer("MaxPooling2D", "pool", data_format="channels_last"))
    with pytest.raises(ForeignError, match="channels first and last"):
        read_layers(path, layers)


def test_scores_flattened_from_a_map_with_channels_first(path):
    layers = plain_layers()[:2]
    layers[0]["config"] |= {"data_format": "channels_first", "batch_input_shape": [None, 3, SIDE, SIDE]}
    with pytest.raises(ForeignError, match="flattened from a map with channels first"):
        read_layers(path, layers)


def test_who_wrote_a_file_of_keras_1(path):
    layers = plain_layers()
    layers[0] = layer(
        "Convolution2D",
        "conv",
        batch_input_shape=[None, SIDE, SIDE, 3],
        nb_filter=4,
        nb_row=2,
        nb_col=2,
        dim_ordering="tf",
        border_mode="valid",
    )
    write_h5(path, sequential(layers), version="1.2.2")
    with h5py.File(path, "a") as file:
        del file.attrs["backend"]
    foreign = read_here(path, AS_IT_IS)
    np.testing.assert_array_equal(foreign.arrays["conv.kernel"], KERNEL)
    assert "taken for TensorFlow" in foreign.notes[-1]
    with h5py.File(path, "a") as file:
        file.attrs["backend"] = "theano"
    foreign = read_here(path, AS_IT_IS)
    np.testing.assert_array_equal(foreign.arrays["conv.kernel"], KERNEL[::-1, ::-1])
    assert foreign.notes[-1] == "written by Theano: its kernels are mirrored"


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("ReLU", {"max_value": 3.0}),
        ("ReLU", {"threshold": 1.0}),
        ("ReLU", {"max_value": 6.0, "negative_slope": 0.1}),
        ("Activation", {"activation": "hard_sigmoid"}),  # which Keras 3 changed
        ("Softmax", {"axis": 1}),
        ("BatchNormalization", {"axis": 1}),
        ("BatchNormalization", {"mode": 1}),
        ("Normalization", {"axis": [1, 2]}),
        ("Rescaling", {"scale": [1.0, 2.0]}),
        ("Reshape", {"target_shape": [4, 25]}),
        ("Resizing", {"height": 3, "width": 3}),
        ("Merge", {"mode": "mul"}),
        ("TFOpLambda", {"function": "math.exp"}),
    ],
)
def test_settings_that_cannot_be_described(path, kind, config):
    layers = plain_layers()
    layers.insert(1, layer(kind, "odd", **config))
    with pytest.raises(ForeignError, match=r"layer 'odd' is a .*, which cannot be described"):
        read_layers(path, layers)
