"""Weights in Keras files: wrong ones are named, and what HDF5 can lead to is never followed or unpacked."""

import h5py
import numpy as np
import pytest

from model.network.architecture import Pixels
from model.network.keras import hdf5 as keras_hdf5
from model.network.keras.model import read_here
from tests.support.keras_by_hand import (
    KERNEL,
    SIDE,
    layer,
    plain_layers,
    plain_weights,
    refusal,
    sequential,
    write_h5,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "network.h5"


def changed(layer_name: str, name: str, array) -> dict:
    weights = plain_weights()
    weights[layer_name][name] = array
    return weights


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers(path, value):
    kernel = KERNEL.copy()
    kernel[1, 1, 1, 1] = value
    line = refusal(write_h5(path, weights=changed("conv", "conv/kernel:0", kernel)))
    assert "'conv/kernel:0' hold NaN or infinite numbers" in line


def test_weights_beyond_float32(path):
    weights = changed("conv", "conv/kernel:0", KERNEL.astype(np.float64) * 1e300)
    line = refusal(write_h5(path, weights=weights))
    assert "'conv/kernel:0' hold NaN or infinite numbers" in line


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">f4"])
def test_other_floating_point_is_converted(path, dtype):
    weights = changed("conv", "conv/kernel:0", KERNEL.astype(dtype))
    foreign = read_here(write_h5(path, weights=weights), Pixels())
    np.testing.assert_allclose(foreign.arrays["conv.kernel"], KERNEL, rtol=1e-3)
    assert foreign.arrays["conv.kernel"].dtype == np.float32
    assert any("converted to float32" in note for note in foreign.notes) == (np.dtype(dtype).itemsize != 4)


@pytest.mark.parametrize("dtype", [np.int8, np.complex64, "S4"])
def test_other_types_are_refused(path, dtype):
    refusal(write_h5(path, weights=changed("conv", "conv/kernel:0", np.zeros(KERNEL.shape, dtype))))


def test_missing_and_additional_weights(path):
    weights = plain_weights()
    del weights["scores"]["scores/bias:0"]
    line = refusal(write_h5(path, weights=weights))
    assert "layer 'scores' needs the weights kernel (100, 3), bias (3,); the file has scores/kernel:0" in line
    del weights["scores"]
    assert "; the file has none" in refusal(write_h5(path, weights=weights))
    line = refusal(write_h5(path, weights=changed("scores", "scores/more:0", np.zeros(3, np.float32))))
    assert "the file has scores/kernel:0, scores/bias:0, scores/more:0" in line
    write_h5(path)
    with h5py.File(path, "a") as file:
        del file["model_weights/scores/scores/kernel:0"]
    assert "'scores/kernel:0' that the file lacks" in refusal(path)


def test_a_variance_that_is_not_above_0(path):
    layers = plain_layers()
    layers.insert(1, layer("BatchNormalization", "norm", axis=-1))
    arrays = {f"norm/{name}:0": np.full(4, -1, np.float32) for name in ("gamma", "beta", "moving_mean")}
    arrays["norm/moving_variance:0"] = np.full(4, -0.5, np.float32)
    weights = plain_weights() | {"norm": arrays}
    assert "layer 'norm'" in (line := refusal(write_h5(path, sequential(layers), weights)))
    assert "a variance that is not above 0" in line


def replaced(path, make) -> str:
    """The line that refuses a file whose kernel is made otherwise: `make(group)`."""
    write_h5(path)
    with h5py.File(path, "a") as file:
        group = file["model_weights/conv/conv"]
        del group["kernel:0"]
        make(group)
    return refusal(path)


@pytest.fixture
def secret(tmp_path):
    """Another file, whose content must not be read."""
    made = tmp_path / "secret"
    made.write_bytes(KERNEL.tobytes())
    return made


def test_links_are_not_followed(path, tmp_path):
    other = write_h5(tmp_path / "other.h5")
    kernel = "model_weights/conv/conv/kernel:0"

    def link_outside(group):
        group["kernel:0"] = h5py.ExternalLink(str(other), kernel)

    def link_inside(group):
        group["kernel:0"] = h5py.SoftLink("/model_weights/conv/conv/bias:0")

    assert "is a link to another place, which is never followed" in replaced(path, link_outside)
    assert "is a link to another place, which is never followed" in replaced(path, link_inside)
    with h5py.File(path, "a") as file:
        del file["model_weights"]
        file["model_weights"] = h5py.ExternalLink(str(other), "model_weights")
    assert "is a link to another place" in refusal(path)


def test_other_files_are_not_read(path, tmp_path, secret):
    def store_outside(group):
        group.create_dataset("kernel:0", KERNEL.shape, "<f4", external=[(str(secret), 0, KERNEL.nbytes)])

    other = write_h5(tmp_path / "other.h5")

    def store_virtually(group):
        layout = h5py.VirtualLayout(KERNEL.shape, "<f4")
        layout[...] = h5py.VirtualSource(str(other), "model_weights/conv/conv/kernel:0", KERNEL.shape)
        group.create_virtual_dataset("kernel:0", layout)

    assert "are stored in another file, which is never read" in replaced(path, store_outside)
    assert "are stored in another file, which is never read" in replaced(path, store_virtually)


def test_groups_and_arrays_in_each_others_place(path):
    assert "is no array: expected weights" in replaced(path, lambda group: group.create_group("kernel:0"))
    write_h5(path)
    with h5py.File(path, "a") as file:
        del file["model_weights"]
        file["model_weights"] = np.zeros(3)
    assert "is no group of the file" in refusal(path)


def test_arrays_that_were_never_written(path):
    line = replaced(path, lambda group: group.create_dataset("kernel:0", KERNEL.shape, "<f4"))
    assert "were declared, but never written" in line


def test_arrays_far_larger_than_the_file(path):
    """A gigabyte of zeros, packed to a megabyte."""
    model = sequential(
        [
            layer("Flatten", "flat", batch_input_shape=[None, SIDE, SIDE, 3]),
            layer("Dense", "scores", units=1 << 20, use_bias=False),
        ]
    )
    write_h5(path, model, {"scores": {}})
    with h5py.File(path, "a") as file:
        group = file["model_weights/scores"]
        group.attrs["weight_names"] = [b"kernel"]
        options = {"chunks": (108, 1 << 15), "compression": "gzip"}
        kernel = group.create_dataset("kernel", (108, 1 << 20), "<f4", **options)
        kernel[:, :10] = 1
    assert "its weights take 452,984,832 bytes" in refusal(path)


def test_chunks_far_larger_than_their_array(path):
    def store(group):
        options = {"chunks": (2, 2, 3, 1 << 20), "maxshape": (None,) * 4, "compression": "gzip"}
        group.create_dataset("kernel:0", data=KERNEL, **options)

    assert "stand in chunks of (2, 2, 3, 1048576)" in replaced(path, store)


def test_packed_arrays(path):
    write_h5(path)
    with h5py.File(path, "a") as file:
        group = file["model_weights/conv/conv"]
        del group["kernel:0"]
        group.create_dataset("kernel:0", data=KERNEL, compression="gzip", shuffle=True, fletcher32=True)
    np.testing.assert_array_equal(read_here(path, Pixels()).arrays["conv.kernel"], KERNEL)
    line = replaced(path, lambda group: group.create_dataset("kernel:0", data=KERNEL, scaleoffset=3))
    assert "are packed by the HDF5 filter 6" in line


def test_attributes_of_another_kind(path, monkeypatch):
    for value, words in (
        (np.zeros(3), "expected text"),
        ([b"a", b"b"], "2 values: expected one text"),
        (b"\xff\xfe", "no file of Keras"),
    ):
        write_h5(path)
        with h5py.File(path, "a") as file:
            file.attrs["model_config"] = value
        assert words in refusal(path)
    write_h5(path)
    monkeypatch.setattr(keras_hdf5, "MOST_TEXT", 100)
    assert "longer than 100 letters" in refusal(path)
