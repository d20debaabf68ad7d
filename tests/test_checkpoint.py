"""Weights on disk, and every way in which they can be wrong."""

import hashlib
import json

import numpy as np
import pytest
from flax import nnx
from test_cnn import SMALL

from model.network import checkpoint, cnn

pytestmark = pytest.mark.usefixtures("compiled_quickly")


@pytest.fixture
def saved(tmp_path):
    network = cnn.Network(SMALL, rngs=nnx.Rngs(0))
    path = tmp_path / "weights.npz"
    digest = checkpoint.save(path, network, test_accuracy=0.5)
    return network, path, digest


def test_what_was_saved_comes_back_to_the_bit(saved):
    network, path, digest = saved
    loaded = checkpoint.load(path)
    assert loaded.sha256 == digest
    assert loaded.description["test_accuracy"] == 0.5
    assert loaded.network.architecture == SMALL
    images = np.random.default_rng(0).integers(0, 256, (3, 9, 9, 3), np.uint8)
    np.testing.assert_array_equal(cnn.predict(loaded.network, images), cnn.predict(network, images))


def test_the_same_weights_are_the_same_bytes(saved, tmp_path):
    network, path, digest = saved
    assert checkpoint.save(tmp_path / "again.npz", network) == digest
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "again.json",
        "again.npz",
        "weights.json",
        "weights.npz",
    ]


def test_an_altered_file_is_told_by_its_digest(saved):
    _, path, digest = saved
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(checkpoint.CheckpointError, match=f"its description says {digest[:12]}"):
        checkpoint.load(path)


def test_a_missing_file_is_named_with_the_way_out(tmp_path):
    with pytest.raises(checkpoint.CheckpointError, match=r"none\.npz does not exist; make it with"):
        checkpoint.load(tmp_path / "none.npz")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"architecture": {}, "sha256": ""}'])
def test_a_foreign_description_is_told(saved, text):
    _, path, _ = saved
    path.with_suffix(".json").write_text(text)
    with pytest.raises(checkpoint.CheckpointError, match="is not a description of weights"):
        checkpoint.load(path)


def test_a_file_that_is_no_npz_is_told(saved):
    _, path, _ = saved
    _describe(path, b"not an archive")
    with pytest.raises(checkpoint.CheckpointError, match="is not an npz file of plain arrays"):
        checkpoint.load(path)


def test_a_pickle_is_never_loaded(saved):
    _, path, _ = saved
    with path.open("wb") as file:
        np.savez(file, **{"conv1.kernel": np.array([{"a": 1}], object)})
    _describe(path, path.read_bytes())
    with pytest.raises(checkpoint.CheckpointError, match="is not an npz file of plain arrays"):
        checkpoint.load(path)


def test_arrays_of_another_architecture_are_told(saved):
    _, path, _ = saved
    _describe(path, checkpoint.pack({"conv1.kernel": np.zeros((3, 3, 3, 4), np.float32)}))
    with pytest.raises(checkpoint.CheckpointError, match="the architecture needs"):
        checkpoint.load(path)


def test_the_bundled_weights_are_the_described_ones_and_small():
    loaded = checkpoint.load()
    assert loaded.description["dataset"] == "cifar10"
    assert loaded.description["test_accuracy"] >= 0.81
    assert checkpoint.BUNDLED.stat().st_size < 5.1e6
    log = checkpoint.BUNDLED.with_suffix(".log").read_text()
    assert f"test accuracy {loaded.description['test_accuracy']:.4f} on 10000 images" in log


def _describe(path, data):
    """Make the description agree with other bytes."""
    path.write_bytes(data)
    description = json.loads(path.with_suffix(".json").read_text())
    description["sha256"] = hashlib.sha256(data).hexdigest()
    path.with_suffix(".json").write_text(json.dumps(description))
