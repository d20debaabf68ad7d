"""Files that are none of Keras, damaged ones, zips made to harm, and the process that reads them all."""

import io
import json
import os
import pickle
import struct
import zipfile

import h5py
import numpy as np
import pytest

from model.network.architecture import Pixels
from model.network.foreign import ForeignError
from model.network.keras import file as keras_file
from model.network.keras.file import read
from model.network.keras.model import read_here
from tests.support.keras_by_hand import DENSE, KERNEL, plain_layers, refusal, sequential, write_h5


@pytest.fixture
def path(tmp_path):
    return tmp_path / "network.h5"


def test_the_plain_file_is_read(path):
    foreign = read_here(write_h5(path), Pixels())
    assert [each.name for each in foreign.architecture.layers] == ["conv", "flat", "scores"]
    np.testing.assert_array_equal(foreign.arrays["scores.kernel"], DENSE)
    assert foreign.facts == {"format": "Keras HDF5", "program": "Keras 2.9.0"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!DOCTYPE html><html>Not found</html>",
        pickle.dumps({"weights": [1, 2]}),
        bytes(range(256)) * 20,
        b"\x89HDF\r\n\x1a\n",
        b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 20,
        b"PK\x03\x04" + b"\xff" * 100,
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
    ],
)
def test_other_files(path, content):
    path.write_bytes(content)
    assert "expected a .h5 or .keras file" in (line := refusal(path)) or "no file of Keras" in line


def test_cut_files(path):
    whole = write_h5(path).read_bytes()
    for length in range(0, len(whole), 1500):
        path.write_bytes(whole[:length])
        refusal(path)


def test_no_file(path):
    with pytest.raises(ForeignError, match="there is no such file"):
        read(path)
    with pytest.raises(ForeignError, match="there is no such file"):
        read(path.parent)


def test_weights_alone(path):
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"conv"]
    assert "weights alone: expected the whole model" in refusal(path)
    with h5py.File(path, "w") as file:
        file.create_group("layers/conv/vars")
    assert "weights alone" in refusal(path)
    with h5py.File(path, "w") as file:
        file["pictures"] = np.zeros(3)
    assert "without model_config" in refusal(path)


def write_keras(path, **members) -> None:
    """A `.keras` file; members are named with _ for a dot."""
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        for place, arrays in {"conv2d": [KERNEL, np.zeros(4)], "dense": [DENSE, np.zeros(3)]}.items():
            for number, array in enumerate(arrays):
                file[f"layers/{place}/vars/{number}"] = array.astype(np.float32)
    given = {
        "metadata_json": json.dumps({"keras_version": "3.15.1"}),
        "config_json": json.dumps(sequential(plain_layers())),
        "model_weights_h5": weights.getvalue(),
        **members,
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in given.items():
            if content is not None:
                name = name.replace("_", ".")
                archive.writestr(name, content)


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "network.keras"


def test_zips(archive):
    write_keras(archive)
    foreign = read_here(archive, Pixels())
    np.testing.assert_array_equal(foreign.arrays["conv.kernel"], KERNEL)
    assert foreign.facts == {"format": "Keras zip", "program": "Keras 3.15.1"}


@pytest.mark.parametrize("name", ["metadata_json", "config_json", "model_weights_h5"])
def test_zips_without_a_member(archive, name):
    write_keras(archive, **{name: None})
    assert f"a zip with 0 members {name.replace('_', '.')!r}" in refusal(archive)


def test_zips_with_other_content(archive):
    for name in ("metadata_json", "config_json", "model_weights_h5"):
        for content in (b"", b"\xff" * 100, b"[]", b"{}"):
            write_keras(archive, **{name: content})
            refusal(archive) if (name, content) != ("metadata_json", b"{}") else read_here(archive, Pixels())
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("model.weights.npz", b"")
        file.writestr("config.json", b"{}")
        file.writestr("metadata.json", b"{}")
    assert "it has model.weights.npz" in refusal(archive)


def test_zips_that_unpack_to_far_more(archive):
    write_keras(archive)
    with zipfile.ZipFile(archive) as file:
        members = {name: file.read(name) for name in file.namelist()}
    for name, size in (("model.weights.h5", 1 << 27), ("config.json", 1 << 25)):
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            for each, content in members.items():
                file.writestr(each, bytes(size) if each == name else content)
        assert f"{name} unpacks from" in refusal(archive)


def test_zips_that_say_they_unpack_to_less(archive):
    """The size in the directory is not that of the content."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("metadata.json", b"{}")
        file.writestr("config.json", bytes(1 << 25))
    data = archive.read_bytes()
    archive.write_bytes(data.replace(struct.pack("<L", 1 << 25), struct.pack("<L", 1 << 10)))
    refusal(archive)


def test_zips_with_a_member_twice_or_elsewhere(archive):
    write_keras(archive)
    with zipfile.ZipFile(archive, "a") as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr("config.json", b"{}")
    assert "a zip with 2 members 'config.json'" in refusal(archive)
    write_keras(archive, config_json=None)
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("../config.json", json.dumps(sequential(plain_layers())))
    assert "a zip with 0 members 'config.json'" in refusal(archive)
    assert os.listdir(archive.parent) == ["network.keras"]


def test_a_file_in_which_the_library_would_loop_for_ever(path, monkeypatch):
    """In its heap the size of an object is such that the next one begins in zeros."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = "x" * 100
    data = bytearray(path.read_bytes())
    data[data.index(b"GCOL") + 24] = 128
    path.write_bytes(data)
    monkeypatch.setattr(keras_file, "SECONDS", 2)
    with pytest.raises(ForeignError, match="reading it took too long: it is damaged") as caught:
        read(path)
    assert str(caught.value).startswith(f"network {path}: ")


def test_a_crash_of_the_library(path, monkeypatch):
    write_h5(path)
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    monkeypatch.setattr(keras_file, "START", code + " or {!r}")
    with pytest.raises(ForeignError, match=r"the HDF5 library crashed \(signal 11\)"):
        read(path)
    monkeypatch.setattr(keras_file, "START", "raise MemoryError('no room') or {!r}")
    with pytest.raises(ForeignError, match=r"reading it failed \(MemoryError: no room\)"):
        read(path)


def test_the_process_gives_what_it_read(path):
    pixels = Pixels("byte", (1.0, 2.5, 3.0), (4.0, 5.0, 1 / 3), "bgr")
    write_h5(path)
    given, expected = read(path, pixels=pixels), read_here(path, pixels)
    assert given.architecture == expected.architecture
    assert given.architecture.pixels == pixels
    assert (given.notes, given.facts) == (expected.notes, expected.facts)
    assert given.arrays.keys() == expected.arrays.keys()
    for name, array in expected.arrays.items():
        np.testing.assert_array_equal(given.arrays[name], array)
        assert given.arrays[name].dtype == np.float32


def test_the_process_refuses_in_the_same_words(path):
    path.write_bytes(b"nothing")
    with pytest.raises(ForeignError, match="neither HDF5 nor zip") as caught:
        read(path)
    assert str(caught.value) == f"network {path}: {refusal(path)}"
