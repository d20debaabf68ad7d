"""Networks that Keras saved: read without it, they give the scores that it gives."""

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.network import cnn
from model.network.architecture import Pixels
from model.network.build import build
from model.network.keras_file import read
from tests.support import keras_models

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
    foreign = read(folder / f"{name}.keras")
    older = read(folder / f"{name}.h5")
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
    assert_same_scores(read(old / name), results[f"{name}/images"], results[f"{name}/scores"])
