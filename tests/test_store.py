"""The user's networks by name, and what `--network` can name."""

import hashlib
import threading

import numpy as np
import pytest
from test_cnn import SMALL

from model.data.registry import source
from model.network import checkpoint, chosen, cnn, store
from model.network.build import arrays_of
from model.network.chosen import Images
from tests.support.networks import random_network

pytestmark = pytest.mark.usefixtures("compiled_quickly")

SMALL_IMAGES = Images("tiny", (9, 9, 3), tuple("abcd"))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache folder, and an empty current folder."""
    (tmp_path / "current").mkdir()
    monkeypatch.chdir(tmp_path / "current")
    monkeypatch.setenv("XPIXELS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def network():
    return random_network(SMALL, np.random.default_rng(0))


@pytest.fixture
def file(network, tmp_path):
    path = tmp_path / "their.safetensors"
    checkpoint.save(path, network, dataset="tiny")
    return path


def test_a_network_is_stored_by_its_name(file, network, cache):
    added = store.add(file, "mine")
    assert added.new
    assert added.path == store.find("mine") == cache / "networks" / "mine.safetensors"
    assert added.loaded.sha256 == hashlib.sha256(added.path.read_bytes()).hexdigest()
    loaded = checkpoint.load(store.find("mine"))
    assert (loaded.network.architecture.name, loaded.sha256) == ("mine", added.loaded.sha256)
    assert loaded.facts == {"dataset": "tiny"}
    for name, array in arrays_of(network).items():
        np.testing.assert_array_equal(arrays_of(loaded.network)[name], array)
    assert store.names() == ("cifar10-cnn", "mine")
    assert store.read_description("mine") == loaded.description
    assert [path.name for path in (cache / "networks").iterdir()] == ["mine.safetensors"]


def test_the_bundled_network_is_always_there():
    assert store.names() == ("cifar10-cnn",)
    assert store.find("cifar10-cnn") == checkpoint.BUNDLED
    assert store.read_description("cifar10-cnn")["dataset"] == "cifar10"
    with pytest.raises(LookupError, match="cifar10-cnn ships with the code"):
        store.remove("cifar10-cnn")


def test_the_same_again_is_no_error_and_another_one_is(file, network, tmp_path):
    digest = store.add(file, "mine").loaded.sha256
    again = store.add(file, "mine")
    assert (again.new, again.loaded.sha256) == (False, digest)
    checkpoint.save(tmp_path / "other.safetensors", random_network(SMALL, np.random.default_rng(1)))
    with pytest.raises(FileExistsError, match=r"another network mine .*`xpixels network remove mine`"):
        store.add(tmp_path / "other.safetensors", "mine")
    assert checkpoint.load(store.find("mine")).sha256 == digest
    store.remove("mine")
    assert store.add(tmp_path / "other.safetensors", "mine").loaded.sha256 != digest


def test_of_two_that_add_at_once_one_wins(network, cache):
    others = [random_network(SMALL, np.random.default_rng(seed)) for seed in range(4)]
    loaded = [checkpoint.of_network(other, {}) for other in others]
    new, taken = [], []

    def put(one):
        try:
            new.append(store.put(one, "mine").new)
        except FileExistsError:
            taken.append(one)

    threads = [threading.Thread(target=put, args=(one,)) for one in loaded]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (new, len(taken)) == ([True], 3)
    assert [path.name for path in (cache / "networks").iterdir()] == ["mine.safetensors"]


@pytest.mark.parametrize("name", ["", "1", "a b", "../a", "a/b", ".a", "a" * 65, "ä", "a\n", "cifar10-cnn"])
def test_a_name_that_none_may_have_is_refused(name, file, cache):
    with pytest.raises(ValueError, match="--name"):
        store.add(file, name)
    assert not cache.exists()


def test_what_cannot_be_read_leaves_nothing(tmp_path, cache):
    (tmp_path / "bad.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(checkpoint.CheckpointError):
        store.add(tmp_path / "bad.safetensors", "mine")
    assert not cache.exists()


@pytest.mark.parametrize("act", [store.find, store.remove, store.read_description])
def test_an_unknown_name_is_told_those_that_there_are(act, file):
    store.add(file, "mine")
    with pytest.raises(LookupError, match="unknown network 'none': there are cifar10-cnn, mine; add"):
        act("none")


def test_an_exported_network_is_the_same(file, tmp_path):
    digest = store.add(file, "mine").loaded.sha256
    store.export("mine", tmp_path / "out.safetensors")
    assert checkpoint.load(tmp_path / "out.safetensors").sha256 == digest
    with pytest.raises(FileExistsError, match="--force"):
        store.export("mine", tmp_path / "out.safetensors")
    with pytest.raises(ValueError, match=r"expected a name that ends in \.safetensors"):
        store.export("mine", tmp_path / "out.onnx")
    store.export("cifar10-cnn", tmp_path / "out.safetensors", replace=True)
    bundled, exported = checkpoint.load(), checkpoint.load(tmp_path / "out.safetensors")
    assert exported.facts == bundled.facts
    for name, array in arrays_of(bundled.network).items():
        np.testing.assert_array_equal(arrays_of(exported.network)[name], array)


# ---- What `--network` names ----------------------------------------------------------------------


def test_a_name_a_file_and_nothing_name_a_network(file, tmp_path):
    stored = store.add(file, "mine").path
    assert chosen.find(None) == chosen.find("") == chosen.find("cifar10-cnn") == checkpoint.BUNDLED
    assert chosen.find("mine") == stored
    assert chosen.find(str(file)) == chosen.find(file) == file
    (tmp_path / "current" / "mine").write_bytes(b"")
    assert chosen.find("mine") == stored
    assert chosen.find("./mine").samefile(tmp_path / "current" / "mine")
    assert chosen.load("mine", SMALL_IMAGES).network.architecture.name == "mine"
    with pytest.raises(LookupError, match=r"network nope: none .* there are cifar10-cnn, mine; add your own"):
        chosen.find("nope")
    with pytest.raises(checkpoint.CheckpointError, match=r"nope\.h5 does not exist"):
        chosen.load("nope.h5", SMALL_IMAGES)


def test_another_process_finds_the_same(file, tmp_path, monkeypatch):
    store.add(file, "mine")
    (tmp_path / "current" / "net.safetensors").write_bytes(file.read_bytes())
    texts = [chosen.portable(one) for one in (None, checkpoint.BUNDLED, "mine", "net.safetensors", "nets:f")]
    assert texts == ["", "", "mine", str(tmp_path / "current" / "net.safetensors"), "nets:f"]
    monkeypatch.chdir(tmp_path)
    assert chosen.load(texts[3], SMALL_IMAGES).sha256 == checkpoint.load(file).sha256


def test_a_function_is_taken_from_the_current_folder(tmp_path):
    text = "def logits(images):\n    return images.reshape(len(images), -1)[:, :4]\n"
    (tmp_path / "current" / "their_chosen_net.py").write_text(text)
    loaded = chosen.load("their_chosen_net:logits", SMALL_IMAGES)
    assert cnn.predict(loaded.network, np.zeros((2, 9, 9, 3), np.uint8)).shape == (2, 4)
    assert chosen.is_function("their_chosen_net:logits")
    (tmp_path / "current" / "a:b").write_text("a file of this name")
    assert not chosen.is_function("a:b")


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (
            Images("wide", (9, 12, 3), tuple("abcd")),
            r"takes images of 9 x 9 pixels in 3 channels, .* wide has images of 9 x 12 .* add --resize 9 9`",
        ),
        (
            Images("gray", (9, 9, 1), tuple("abcd")),
            "images of 9 x 9 pixels in 1 channel: .* --colors rgb`",
        ),
        (Images("both", (8, 8, 1), tuple("abcd")), "add --resize 9 9 --colors rgb`"),
        (
            Images("five", (9, 9, 3), tuple("abcde")),
            "tells 4 classes apart, the data set five has 5: .*",
        ),
        (Images("other", (9, 9, 3), tuple("abdc")), "calls class 2 'c', the data set other 'd': expected"),
    ],
)
def test_a_network_that_does_not_fit_is_told_with_both_and_the_way_out(images, said, file):
    store.add(file, "mine", class_names=tuple("abcd"))
    with pytest.raises(checkpoint.CheckpointError, match=said) as caught:
        chosen.load("mine", images)
    assert "\n" not in str(caught.value)


def test_without_names_of_classes_their_number_counts(file):
    store.add(file, "mine")
    assert chosen.load("mine", Images("other", (9, 9, 3), tuple("wxyz"))).class_names == ()


def test_what_a_data_set_asks_of_a_network_is_known_without_loading_it(sample):
    assert chosen.images_of_source(source("cifar10-sample")) == chosen.images_of(sample.test)
