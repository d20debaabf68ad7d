"""`xpixels network` and `--network`: what they print, and what they refuse in one line."""

import hashlib
import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_cnn import SMALL

import xpixels
from model.data.cifar10_sample import load_sample
from model.network import checkpoint, cnn, readers, store
from model.network.architecture import Pixels
from model.network.build import arrays_of
from model.network.foreign import Foreign
from tests.support import fresh_database
from tests.support.networks import random_network

pytestmark = pytest.mark.usefixtures("compiled_quickly")
OLD_KERAS = Path(__file__).parent / "support" / "old_keras.zip"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XPIXELS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "their.safetensors"
    checkpoint.save(path, random_network(SMALL, np.random.default_rng(0)), dataset="tiny", test_accuracy=0.5)
    return str(path)


@pytest.fixture
def run(capsys):
    """Run a command; gives its exit status, and what it printed."""

    def run(*arguments):
        try:
            status = xpixels.main(list(map(str, arguments)))
        except SystemExit as stopped:
            status = stopped.code
        out, err = capsys.readouterr()
        assert status in (0, 3) or err.count("\n") == 1, err
        return status, out + err

    return run


def test_a_network_comes_in_is_listed_shown_written_and_removed(run, file, tmp_path):
    status, text = run("network", "add", file, "--name", "mine", "--classes", *"abcd")
    assert status == 0, text
    assert text.startswith("mine: 9 x 9 color images, 4 classes, 7 layers, ")
    assert "use it with --network mine" in text
    again = run("network", "add", file, "--name", "mine", "--classes", *"abcd")[1]
    assert again.startswith("mine is there already, the same to the last byte")
    lines = run("network", "list")[1].splitlines()
    assert [line.split()[0] for line in lines] == ["NAME", "cifar10-cnn", "mine"]
    assert re.fullmatch(r"mine +9 x 9 color +4 +7 +8\d\d  trained on tiny", lines[2])

    _, text = run("network", "show", "mine")
    facts = dict(line.split(maxsplit=1) for line in text.partition("\n\n")[0].splitlines())
    digest = hashlib.sha256(store.find("mine").read_bytes()).hexdigest()
    assert facts["name"] == "mine"
    assert facts["classes"] == "a, b, c, d"
    assert facts["compared"] == "flatten, dense, logits, composed"
    assert facts["viewed"] == "conv1, conv2"
    assert facts["attacks"].startswith(("incremental passes, ", "full passes: "))
    assert facts["accuracy"] == "50.00% on the test images of tiny"
    assert facts["digest"] == f"SHA-256 {digest}"
    rows = text.partition("\n\n")[2].splitlines()
    assert [row.split()[0] for row in rows] == ["LAYER", *SMALL.sources()]
    assert re.fullmatch(r"conv1 +Conv 3 x 3 relu +9 x 9 x 4 +112 +8,748  viewed", rows[1])

    assert run("network", "export", "mine", "out.safetensors")[0] == 0
    assert hashlib.sha256((tmp_path / "out.safetensors").read_bytes()).hexdigest() == digest
    assert run("network", "export", "mine", "out.safetensors")[0] == 1
    assert run("network", "export", "mine", "out.safetensors", "--force")[0] == 0
    assert run("network", "show", "out.safetensors")[1] == run("network", "show", "mine")[1]
    assert run("network", "remove", "mine")[0] == 0
    assert store.names() == ("cifar10-cnn",)


def test_how_pixels_become_inputs_is_stored_with_a_file_of_another_program(run, tmp_path, monkeypatch):
    (tmp_path / "their.h5").write_bytes(b"theirs")
    given = []

    def read(path, pixels):
        given.append(pixels)
        network = random_network(SMALL, np.random.default_rng(0))
        notes = ("softmax taken off",)
        facts = {"format": "Keras HDF5", "program": "Keras 2.1.4"}
        return Foreign(
            SMALL.__class__("a", (9, 9, 3), SMALL.layers, pixels), arrays_of(network), notes, facts
        )

    monkeypatch.setattr(readers, "read", read)
    options = ["--scale", "byte", "--mean", 120, -1.5, 3, "--std", 60, "--channels", "bgr"]
    status, text = run("network", "add", "their.h5", "--name", "mine", *options)
    assert status == 0, text
    assert given == [Pixels("byte", (120.0, -1.5, 3.0), (60.0,), "bgr")]
    assert "bytes in 0..255, less 120 -1.5 3, divided by 60, blue first" in text
    assert f"their.h5 (Keras HDF5, Keras 2.1.4, SHA-256 {hashlib.sha256(b'theirs').hexdigest()[:12]})" in text
    assert "note      softmax taken off" in text
    assert checkpoint.load(store.find("mine")).network.architecture.pixels == given[0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--std", "0"], "pixels: std (0.0,): expected a number, or one for each of 3 channels, above 0"),
        (["--mean", "1", "2"], "pixels: mean (1.0, 2.0): expected a number, or one for each of 3 channels"),
        (["--mean", "nan"], "pixels: mean (nan,): expected a number"),
    ],
)
def test_pixels_that_do_not_fit_are_refused(options, said, run, tmp_path, monkeypatch):
    (tmp_path / "their.h5").write_bytes(b"theirs")
    network = random_network(SMALL, np.random.default_rng(0))

    def read(path, pixels):
        return Foreign(replace(SMALL, pixels=pixels), arrays_of(network))

    monkeypatch.setattr(readers, "read", read)
    status, text = run("network", "add", "their.h5", "--name", "mine", *options)
    assert (status, said in text) == (1, True), text
    assert store.names() == ("cifar10-cnn",)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["add", "{file}"], 2, "the following arguments are required: --name"),
        (["add", "{file}", "--name", "a b"], 1, "--name 'a b': expected a letter"),
        (["add", "{file}", "--name", "cifar10-cnn"], 1, "the bundled network is called so"),
        (["add", "{file}", "--name", "a", "--scale", "byte"], 1, "leave out --scale"),
        (["add", "{file}", "--name", "a", "--classes", "x", "y"], 1, "--classes: 2 names"),
        (["add", "none.h5", "--name", "a"], 1, "none.h5 does not exist"),
        (["add", "{file}", "--name", "a", "--mean", "x"], 2, "'x' is no number"),
        (["show", "none"], 1, "network none: none of this name, and no such file"),
        (["remove", "none"], 1, "unknown network 'none'"),
        (["remove", "cifar10-cnn"], 1, "ships with the code"),
        (["export", "none", "x.safetensors"], 1, "unknown network 'none'"),
        (["export", "cifar10-cnn", "x.npz"], 1, "expected a name that ends in .safetensors"),
        (["export", "cifar10-cnn", "no/x.safetensors"], 1, "make it first"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(arguments, status, said, run, file):
    given, text = run("network", *(argument.format(file=file) for argument in arguments))
    assert (given, said in text) == (status, True), text
    assert store.names() == ("cifar10-cnn",)


def test_a_damaged_network_is_listed_and_can_be_removed(run, file):
    run("network", "add", file, "--name", "mine")
    store.find("mine").write_bytes(b"damaged")
    assert "mine         -" in run("network", "list")[1]
    assert run("network", "show", "mine")[0] == 1
    assert run("network", "remove", "mine")[0] == 0


# ---- `--network` and `--dataset` -----------------------------------------------------------------


@pytest.mark.parametrize("command", ["evaluate", "ingest", "study"])
def test_a_network_that_does_not_fit_the_data_is_told_before_any_work(command, run, file, tmp_path):
    run("network", "add", file, "--name", "mine")
    more = ["--database", "new.db", "--dataset", "cifar10-sample"]
    for name in ("mine", file):
        status, text = run(command, "--network", name, *more)
        assert (status, "takes images of 9 x 9 pixels" in text) == (1, True), text
    status, text = run(command, "--network", "nope", *more)
    assert (status, "network nope: none of this name" in text) == (1, True), text
    status, text = run(command, "--network", "their_nets:nope", *more)
    assert (status, "there is no module their_nets" in text) == (1, True), text
    assert not (tmp_path / "new.db").exists() or command == "evaluate"


def test_accuracy_is_measured_by_name_file_and_function(run, small_weights, tmp_path, monkeypatch):
    monkeypatch.setattr("model.data.registry.load", _few)
    (tmp_path / "their_measured_net.py").write_text(
        "from model.network.checkpoint import load\n"
        "from pathlib import Path\n"
        f"network = load(Path({str(small_weights)!r})).network\n"
        "def logits(images):\n"
        "    return network(images)\n"
    )
    run("network", "add", small_weights, "--name", "mine")
    texts = {
        run("evaluate", flag, name, "--dataset", "cifar10-sample")[1].partition("test accuracy")[2][:7]
        for flag, name in (
            ("--network", "mine"),
            ("--network", small_weights),
            ("--weights", small_weights),
            ("--network", "their_measured_net:logits"),
        )
    }
    assert len(texts) == 1
    assert 0.2 < float(texts.pop()) < 0.6


def _few(name, split):
    whole = load_sample(split)
    parts = {name: getattr(whole, name)[:100] for name in ("images", "labels", "positions")}
    return replace(whole, **parts)


# ---- Training ------------------------------------------------------------------------------------


@pytest.fixture
def tiny(run, tmp_path):
    """A data set of gray images of 8 x 8, whose three classes differ in brightness; added as `tiny`."""
    chance = np.random.default_rng(0)
    labels = np.arange(192) % 3
    images = chance.integers(0, 60, (192, 8, 8), np.uint8) + (labels * 90).astype(np.uint8)[:, None, None]
    np.savez(
        tmp_path / "tiny.npz",
        x_train=images[:128],
        y_train=labels[:128],
        x_test=images[128:],
        y_test=labels[128:],
    )
    status, text = run("data", "add", "tiny", "tiny.npz")
    assert status == 0, text


def test_a_network_is_trained_for_a_data_set_stored_and_trained_on(run, tiny, tmp_path):
    options = ["--dataset", "tiny", "--epochs", 2, "--batch-size", 32]
    status, text = run("train", *options, "--name", "mine")
    assert status == 0, text
    assert "training mine on tiny: 2 epochs, peak rate 0.0015, shifts of up to 1 pixels" in text
    assert "left out, as images of 8 x 8 are too small for it: pool2" in text
    assert "use it with --network mine" in text
    stored = checkpoint.load(store.find("mine"))
    assert stored.sha256 == checkpoint.load(tmp_path / "checkpoints" / "mine.safetensors").sha256
    assert (stored.network.architecture.input_shape, stored.class_names) == ((8, 8, 1), ("0", "1", "2"))
    assert stored.facts["dataset"] == "tiny"
    assert stored.facts["training"]["flip"] is False
    assert "trained on tiny" in run("network", "list")[1]

    status, text = run("train", *options, "--network", "mine", "--output", "more.safetensors", "--flip")
    assert status == 0, text
    assert "fine-tuning mine as more on tiny: 2 epochs, peak rate 0.0003, flips and shifts" in text
    more = checkpoint.load(tmp_path / "more.safetensors")
    assert more.facts["fine_tuned_from"] == {"name": "mine", "sha256": stored.sha256}
    assert store.names() == ("cifar10-cnn", "mine")
    _, text = run("network", "show", "more.safetensors")
    assert f"mine (SHA-256 {stored.sha256[:12]}), fine-tuned on tiny" in text


def test_a_training_refuses_in_one_line_what_does_not_fit(run, tiny, file):
    run("network", "add", file, "--name", "mine")
    for network, said in (
        ("mine", "takes images of 9 x 9 pixels in 3 channels, the data set tiny has"),
        ("nope", "network nope: none of this name"),
        ("their:f", "the layers of a Python function are not known, so it cannot be trained"),
    ):
        status, text = run("train", "--dataset", "tiny", "--network", network, "--output", "x.safetensors")
        assert (status, said in text) == (1, True), text
    status, text = run("train", "--dataset", "tiny", "--name", "mine")
    assert (status, "another network mine is there already" in text) == (1, True), text


def test_what_a_stored_description_holds_is_json(run, file):
    run("network", "add", file, "--name", "mine")
    description = store.read_description("mine")
    assert json.loads(json.dumps(description)) == description


# ---- Files of other programs, from end to end ----------------------------------------------------


def test_networks_that_keras_wrote_come_in_by_name(run, tmp_path):
    files = zipfile.ZipFile(OLD_KERAS)
    for number, name in enumerate(("keras-2.1.4-list.h5", "keras-2.15-frozen.keras")):
        files.extract(name, tmp_path)
        status, text = run("network", "add", name, "--name", f"net{number}", "--scale", "byte")
        assert status == 0, (name, text)
        loaded, stored = checkpoint.load(tmp_path / name, pixels=Pixels("byte")), store.find(f"net{number}")
        assert arrays_of(checkpoint.load(stored).network).keys() == arrays_of(loaded.network).keys()
        shape = loaded.network.architecture.input_shape
        images = np.random.default_rng(0).integers(0, 256, (2, *shape), np.uint8)
        np.testing.assert_array_equal(
            cnn.predict(checkpoint.load(stored).network, images, batch_size=2),
            cnn.predict(loaded.network, images, batch_size=2),
        )
        assert f"{name} (Keras" in run("network", "show", f"net{number}")[1]


def test_a_network_of_onnx_comes_in_by_name(run, tmp_path):
    pytest.importorskip("onnx", reason="onnx, an extra, is not installed")
    from tests.support.onnx_models import Model

    model = Model(shape=(1, 8, 9))
    maps = model.add("Relu", model.conv("image", 1, 4))
    model.save(tmp_path / "their.onnx", model.head(maps, 4 * 6 * 7, classes=3))
    status, text = run("network", "add", "their.onnx", "--name", "mine", "--mean", "0.5", "--std", "0.25")
    assert status == 0, text
    assert text.startswith("mine: 8 x 9 gray images, 3 classes, ")
    assert "in 0..1, less 0.5, divided by 0.25" in run("network", "show", "mine")[1]


# ---- `xpixels check` -----------------------------------------------------------------------------


def test_a_check_finds_its_network_by_name_by_file_and_alone(run, checked, small_weights, tmp_path):
    picture = tmp_path / "picture.png"
    Image.fromarray(load_sample("test").images[0]).save(picture)
    asked = ["check", picture, "--database", checked, "--detector", "logit-margin"]
    status, text = run(*asked, "--network", small_weights)
    assert status in (0, 3), text
    assert "small-cnn on cifar10-sample" in text
    for named in (["--network", "small-cnn"], ["--network", "1"], []):
        status, said = run(*asked, *named)
        assert (status, "the network small-cnn of the database is none of" in said) == (1, True), said
    run("network", "add", small_weights, "--name", "small-cnn")
    for named in (
        ["--network", "small-cnn"],
        ["--network", "1"],
        ["--network", "small-cnn@cifar10-sample"],
        [],
    ):
        assert run(*asked, *named) == (run(*asked, "--weights", small_weights)), named
    status, said = run(*asked, "--network", "nope")
    assert (status, "network nope: none of this name" in said) == (1, True), said
    status, said = run(*asked, "--network", "cifar10-cnn")
    assert (status, "cifar10-cnn has sha256 704065be0276, and the database knows 1 (small-cnn" in said) == (
        1,
        True,
    )


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--network", "small-cnn"], 0, "tuned 1 of 1 networks"),
        (
            ["--network", "small-cnn@cifar10-sample", "--dataset", "cifar10-sample"],
            0,
            "tuned 1 of 1 networks",
        ),
        (["--network", "mine"], 1, "--network mine: expected 1 (small-cnn@cifar10-sample, weights "),
        (["--dataset", "pets"], 1, "--dataset pets: expected 1 (small-cnn@cifar10-sample, weights "),
    ],
)
def test_one_network_is_tuned_again(options, status, said, run, checked, tmp_path):
    copy = fresh_database.copy_file(checked, tmp_path / "copy.db")
    given, text = run("tune", "--database", copy, *options)
    assert (given, said in text) == (status, True), text
