"""Networks on disk, and every way in which a file can be wrong."""

import hashlib
import json
import random
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from flax import nnx
from test_cnn import SMALL

from model.network import checkpoint, cnn, weights_npz, weights_safetensors
from model.network import description as descriptions
from model.network.architecture import Architecture, Pixels
from model.network.build import arrays_of, build
from model.network.foreign import Foreign, ForeignError
from model.network.layers import BatchNorm, Conv, Dense, Flatten

pytestmark = pytest.mark.usefixtures("compiled_quickly")

NORMED = Architecture(
    "normed",
    (4, 5, 1),
    (
        Conv("conv", 2, stride=2, bias=False, activation="linear"),
        BatchNorm("norm"),
        Flatten("flatten"),
        Dense("logits", 3, activation="linear"),
    ),
    Pixels("byte", mean=(120.5,), std=(60.25,)),
)


@pytest.fixture(scope="module")
def network():
    return cnn.Network(SMALL, rngs=nnx.Rngs(0))


@pytest.fixture
def saved(network, tmp_path):
    path = tmp_path / "weights.safetensors"
    return path, checkpoint.save(path, network, test_accuracy=0.5)


@pytest.fixture
def old(network, tmp_path):
    """Weights as versions before 0.7 wrote them: an npz, and a description beside it."""
    path = tmp_path / "weights.npz"
    path.write_bytes(weights_npz.pack(arrays_of(network)))
    described = {"architecture": descriptions.to_json(SMALL), "sha256": "", "test_accuracy": 0.5}
    path.with_suffix(".json").write_text(json.dumps(described))
    _describe(path, path.read_bytes())
    return path


def test_what_was_saved_comes_back_to_the_bit(network, saved):
    path, digest = saved
    loaded = checkpoint.load(path)
    assert loaded.sha256 == digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert loaded.facts == {"test_accuracy": 0.5}
    assert loaded.network.architecture == SMALL
    images = np.random.default_rng(0).integers(0, 256, (3, 9, 9, 3), np.uint8)
    np.testing.assert_array_equal(cnn.predict(loaded.network, images), cnn.predict(network, images))


def test_the_same_weights_are_the_same_bytes(network, saved, tmp_path):
    path, digest = saved
    assert checkpoint.save(tmp_path / "new" / "again.safetensors", network, test_accuracy=0.5) == digest
    assert (tmp_path / "new" / "again.safetensors").read_bytes() == path.read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["new", "weights.safetensors"]


def test_statistics_and_how_pixels_are_prepared_come_back(tmp_path):
    chance = np.random.default_rng(0)
    arrays = {
        name: chance.uniform(0.5, 2, shape).astype(np.float32)
        for name, shape in NORMED.parameter_shapes().items()
    }
    checkpoint.save(tmp_path / "normed.safetensors", build(NORMED, arrays))
    loaded = checkpoint.load(tmp_path / "normed.safetensors").network
    assert loaded.architecture == NORMED
    assert arrays_of(loaded).keys() == arrays.keys()
    for name, array in arrays_of(loaded).items():
        np.testing.assert_array_equal(array, arrays[name])


def test_what_a_network_would_be_as_a_file_is_what_it_is_when_it_was_one(network, saved):
    path, digest = saved
    of_network = checkpoint.of_network(network, {"test_accuracy": 0.5})
    assert (of_network.sha256, of_network.description) == (digest, checkpoint.load(path).description)


def test_another_name_is_another_digest_and_its_classes_may_have_names(saved):
    loaded = checkpoint.load(saved[0])
    again = checkpoint.renamed(loaded, "mine", "abcd")
    assert (again.network.architecture.name, again.class_names) == ("mine", ("a", "b", "c", "d"))
    assert again.facts == {"test_accuracy": 0.5, "class_names": ["a", "b", "c", "d"]}
    assert again.sha256 != loaded.sha256
    assert checkpoint.renamed(loaded, "small").sha256 == loaded.sha256
    for names in ("abc", "abca", "abcde"):
        with pytest.raises(checkpoint.CheckpointError, match="the network tells 4 classes apart"):
            checkpoint.renamed(loaded, "mine", names)


# ---- Older files: an npz, and a description beside it --------------------------------------------


def test_older_files_are_read(network, old):
    loaded = checkpoint.load(old)
    assert loaded.sha256 == hashlib.sha256(old.read_bytes()).hexdigest()
    assert loaded.facts == {"test_accuracy": 0.5}
    np.testing.assert_array_equal(arrays_of(loaded.network)["conv1.kernel"], network.conv1.kernel[...])


def test_an_altered_file_is_told_by_its_digest(old):
    data = bytearray(old.read_bytes())
    digest = hashlib.sha256(data).hexdigest()
    data[len(data) // 2] ^= 1
    old.write_bytes(data)
    with pytest.raises(checkpoint.CheckpointError, match=f"its description says {digest[:12]}"):
        checkpoint.load(old)


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".onnx", ".h5", ".pt"])
def test_a_missing_file_is_named_with_the_way_out(suffix, tmp_path):
    with pytest.raises(checkpoint.CheckpointError, match=rf"none\{suffix} does not exist; make it with"):
        checkpoint.load(tmp_path / f"none{suffix}")


def test_a_folder_is_no_network(tmp_path):
    (tmp_path / "model.keras").mkdir()
    with pytest.raises(checkpoint.CheckpointError, match="is no ordinary file; make it with"):
        checkpoint.load(tmp_path / "model.keras")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"architecture": {}, "sha256": ""}'])
def test_a_foreign_description_is_told(old, text):
    old.with_suffix(".json").write_text(text)
    with pytest.raises(checkpoint.CheckpointError, match="is not a description of weights"):
        checkpoint.load(old)


def test_an_npz_without_its_description_is_told(old):
    old.with_suffix(".json").unlink()
    with pytest.raises(checkpoint.CheckpointError, match=r"weights\.json does not exist"):
        checkpoint.load(old)


def test_a_file_that_is_no_npz_is_told(old):
    _describe(old, b"not an archive")
    with pytest.raises(checkpoint.CheckpointError, match="is not an npz file of plain arrays"):
        checkpoint.load(old)


def test_a_pickle_is_never_loaded(old):
    with old.open("wb") as file:
        np.savez(file, **{"conv1.kernel": np.array([{"a": 1}], object)})
    _describe(old, old.read_bytes())
    with pytest.raises(checkpoint.CheckpointError, match="is not an npz file of plain arrays"):
        checkpoint.load(old)


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


# ---- Hostile files -------------------------------------------------------------------------------


def _file(header, body=b"", *, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def _tensor(dtype, shape, first, last):
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}


ONE = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
NO_SAFETENSORS = {
    "nothing": b"",
    "a length alone": bytes(8),
    "HTML": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
    "a pickle": b"\x80\x04cos\nsystem\n(S'touch owned'\ntR.",
    "a huge header": _file(b"{}", length=2**63),
    "a header of 99 megabytes that is not there": _file(b"{}", length=99_000_000),
    "a header that is no JSON": _file(b"{'a': 1}"),
    "a header that is no text": _file(b'{"\xff": 1}'),
    "a header of brackets": _file(b"[" * 100_000),
    "a list": _file(b"[]"),
    "a name twice": _file(f'{{"a":{ONE},"a":{ONE}}}'.encode(), bytes(4)),
    "metadata twice": _file(
        b'{"__metadata__":{"explainable-pixels":"{}","explainable-pixels":"{}"}}',
    ),
    "metadata of numbers": _file({"__metadata__": {"explainable-pixels": 1}}),
    "an array beyond the end": _file({"a": _tensor("F32", [1], 0, 4)}),
    "an array that lies on another": _file(
        {"a": _tensor("F32", [1], 0, 4), "b": _tensor("F32", [1], 0, 4)}, bytes(4)
    ),
    "bytes of no array": _file({"a": _tensor("F32", [1], 0, 4)}, bytes(8)),
    "a negative side": _file({"a": _tensor("F32", [-1], 0, 4)}, bytes(4)),
    "more numbers than there are": _file({"a": _tensor("F32", [2**40, 2**40], 0, 0)}),
    "a type of no numbers": _file({"a": _tensor("OBJECT", [1], 0, 4)}, bytes(4)),
    "half of a float": _file({"a": _tensor("BF16", [2], 0, 4)}, bytes(4)),
}


@pytest.mark.parametrize("data", NO_SAFETENSORS.values(), ids=NO_SAFETENSORS)
def test_bytes_that_are_no_safetensors_are_refused_in_one_line(data, tmp_path):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(data)
    with pytest.raises(checkpoint.CheckpointError, match=r"bad\.safetensors: it is no safetensors") as caught:
        checkpoint.load(path)
    assert "\n" not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == ["bad.safetensors"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "it holds arrays, but no description of the layers"),
        ("", "its description is no JSON"),
        ("[]", "its description is no JSON"),
        ("[" * 100_000, "its description is no JSON"),
        ('{"architecture": 1, "architecture": 2}', "stands there twice"),
        ("{}", "its description is not one of layers"),
        ('{"architecture": []}', "its description is not one of layers"),
        ('{"architecture": {"name": "a b", "input_shape": [1, 1, 1], "layers": []}}', "'a b' is no name"),
    ],
)
def test_a_description_of_no_network_is_refused_in_one_line(text, said, network, tmp_path):
    path = tmp_path / "bad.safetensors"
    metadata = {} if text is None else {weights_safetensors.KEY: text}
    path.write_bytes(weights_safetensors.numpy.save(arrays_of(network), metadata))
    with pytest.raises(checkpoint.CheckpointError, match=said) as caught:
        checkpoint.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"conv1.bias": np.full(4, np.nan, np.float32)}, "holds conv1.bias with values that are no finite"),
        ({"conv1.bias": np.full(4, -np.inf, np.float32)}, "holds conv1.bias with values that are no finite"),
        ({"conv1.bias": np.zeros(4, np.float16)}, "holds conv1.bias as float16, expected float32"),
        ({"conv1.bias": np.zeros(3, np.float32)}, r"the architecture needs 8: .* where it is \(4,\)"),
        ({"conv1.bias": None}, "it lacks conv1.bias"),
        ({"extra\nline": np.zeros(3, np.float32)}, "it holds extra line besides"),
    ],
)
def test_arrays_that_do_not_fit_the_layers_are_named(change, said, network, tmp_path):
    arrays = {name: array for name, array in {**arrays_of(network), **change}.items() if array is not None}
    path = tmp_path / "bad.safetensors"
    metadata = {weights_safetensors.KEY: json.dumps({"architecture": descriptions.to_json(SMALL)})}
    path.write_bytes(weights_safetensors.numpy.save(arrays, metadata))
    with pytest.raises(checkpoint.CheckpointError, match=said) as caught:
        checkpoint.load(path)
    assert "\n" not in str(caught.value)


def test_layers_that_no_machine_could_evaluate_are_refused():
    huge = {**descriptions.to_json(SMALL), "input_shape": [1 << 20, 1 << 20, 3]}
    huge["layers"] = [
        {"type": "Conv", "name": "conv1", "features": 4},
        {"type": "GlobalPool", "name": "pool"},
    ]
    architecture = descriptions.from_json(huge)
    arrays = {key: np.zeros(shape, np.float32) for key, shape in architecture.parameter_shapes().items()}
    with pytest.raises(checkpoint.CheckpointError, match=r"'conv1' gives .* numbers for an image"):
        build(architecture, arrays)


def test_a_variance_below_0_is_refused():
    arrays = {name: np.ones(shape, np.float32) for name, shape in NORMED.parameter_shapes().items()}
    arrays["norm.variance"][1] = -1
    with pytest.raises(checkpoint.CheckpointError, match=r"holds norm\.variance with values that are not"):
        build(NORMED, arrays)


def test_damaged_files_are_read_or_refused_in_one_line(saved):
    """Any bit may be another; only what lies in the description can go unnoticed: another network then."""
    path, digest = saved
    whole, chance, refused = path.read_bytes(), random.Random(0), 0
    header = 8 + int.from_bytes(whole[:8], "little")
    for _ in range(300):
        data = bytearray(whole)
        data[chance.randrange(header if chance.random() < 0.8 else len(whole))] ^= 1 << chance.randrange(8)
        path.write_bytes(data if chance.random() < 0.8 else data[: chance.randrange(len(data))])
        with suppress(checkpoint.CheckpointError):
            assert checkpoint.load(path).sha256 != digest
            continue
        refused += 1
    assert refused > 200


@pytest.mark.parametrize("place", [-1, -3000])
def test_an_altered_number_is_told_by_its_digest(place, saved):
    path = saved[0]
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(checkpoint.CheckpointError, match=r"its arrays have sha256 .* restore the file"):
        checkpoint.load(path)


def test_a_description_is_read_without_the_arrays(saved):
    path = saved[0]
    description = checkpoint.load(path).description
    with path.open("r+b") as file:
        file.truncate(8 + int.from_bytes(file.read(8), "little"))
    assert weights_safetensors.read_description(path) == description


@pytest.mark.parametrize("data", NO_SAFETENSORS.values(), ids=NO_SAFETENSORS)
def test_a_description_of_no_safetensors_is_refused_in_one_line(data, tmp_path):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(data)
    with pytest.raises(checkpoint.CheckpointError, match=r"bad\.safetensors: it.* (is|holds)") as caught:
        weights_safetensors.read_description(path)
    assert "\n" not in str(caught.value)


# ---- Files of other programs ---------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".pt", ".PTH", ".pkl", ".ckpt", ".bin"])
def test_a_pickle_is_never_opened(suffix, tmp_path):
    path = tmp_path / f"net{suffix}"
    path.write_bytes(b"\x80\x04cos\nsystem\n(S'touch owned'\ntR.")
    with pytest.raises(ForeignError, match=r"are pickles, which can run .* export the network to ONNX"):
        checkpoint.load(path)


@pytest.mark.parametrize("name", ["net", "net.tflite", "net.pb"])
def test_a_format_that_nothing_reads_is_told_what_is_read(name, tmp_path):
    (tmp_path / name).write_bytes(b"TFL3")
    with pytest.raises(ForeignError, match=r"expected safetensors .*; Keras \(\.h5.*; ONNX \(\.onnx\)"):
        checkpoint.load(tmp_path / name)


@pytest.fixture
def read_as(monkeypatch):
    """Let another program's file be read as this network."""

    def read(foreign):
        monkeypatch.setattr(checkpoint.readers, "read", lambda path, pixels: foreign)

    return read


def test_a_network_of_another_program_says_where_it_came_from(read_as, network, tmp_path):
    path = tmp_path / "their net.h5"
    path.write_bytes(b"theirs")
    notes = ("softmax taken off",)
    read_as(Foreign(SMALL, arrays_of(network), notes, {"format": "Keras 2.1.4"}))
    loaded = checkpoint.load(path)
    assert loaded.network.architecture.name == "their_net"
    assert loaded.facts == {
        "origin": {
            "file": "their net.h5",
            "sha256": hashlib.sha256(b"theirs").hexdigest(),
            "format": "Keras 2.1.4",
            "notes": ["softmax taken off"],
        }
    }
    assert loaded.sha256 == checkpoint.load(path).sha256
    written = tmp_path / "ours.safetensors"
    written.write_bytes(checkpoint.dump(loaded.network, loaded.facts))
    assert checkpoint.load(written).sha256 == loaded.sha256


def test_a_layer_called_like_a_method_gets_another_name(read_as, tmp_path):
    layers = (Conv("train", 2, inputs=("input",)), Flatten("weights", inputs=("train",)))
    theirs = Architecture("a", (3, 3, 1), (*layers, Dense("logits", 2, activation="linear")))
    arrays = {name: np.ones(shape, np.float32) for name, shape in theirs.parameter_shapes().items()}
    read_as(Foreign(theirs, arrays))
    Path(tmp_path / "their.onnx").touch()
    loaded = checkpoint.load(tmp_path / "their.onnx").network
    assert list(loaded.architecture.sources()) == ["train_layer", "weights_layer", "logits"]
    assert cnn.predict(loaded, np.zeros((1, 3, 3, 1), np.uint8)).shape == (1, 2)
    with pytest.raises(checkpoint.CheckpointError, match="no layer can be called train"):
        build(theirs, arrays)


def test_how_pixels_become_inputs_cannot_be_said_of_our_own_files(saved):
    with pytest.raises(checkpoint.CheckpointError, match="leave out --scale, --mean, --std and --channels"):
        checkpoint.load(saved[0], pixels=Pixels("byte"))
