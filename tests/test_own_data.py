"""From a file of pictures to a tuned database and its pages: digits, and a hundred classes of odd size."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sqlalchemy import text

from benchmarks.pages import Visit, callbacks_of
from dashapp.app import create_app
from db import engine as engines
from ingest import pipeline
from ingest.batch import Batch
from model.data import add, registry
from model.network import checkpoint, cnn, store
from model.network.architecture import Architecture
from model.network.layers import Add, BatchNorm, Conv, Dense, Flatten, GlobalPool, MaxPool
from tests.support.ridge import fit

DIGITS = Architecture(
    "digits-net",
    (8, 8, 1),
    (
        Conv("conv", 24),
        MaxPool("pool"),
        Flatten("flatten"),
        Dense("hidden", 48),
        Dense("scores", 10, activation="linear"),
    ),
)
SHADES = Architecture(  # with a residual block, and nothing dense before the logits
    "shades-net",
    (10, 12, 3),
    (
        Conv("stem", 32, stride=2),
        Conv("inner", 32, activation="linear"),
        BatchNorm("norm"),
        Add("sum", inputs=("stem", "norm")),
        GlobalPool("pooled"),
        Dense("scores", 100, activation="linear"),
    ),
)


class Own(NamedTuple):
    """A data set and a network of one's own, ingested."""

    architecture: Architecture
    engine: object
    report: pipeline.Report
    batch: Batch


def digits(path):
    """All 1,797 digits of scikit-learn: Alpaydin and Kaynak, "Optical recognition of handwritten digits"."""
    found = load_digits()
    np.savez(path, images=found.images.astype(np.uint8), labels=found.target)
    return add.Options(share=0.8, limits=(0, 16))


def shades(path):
    """A hundred colors, each with a little noise: class numbers, and images of 10 x 12."""
    random = np.random.default_rng(0)
    labels = np.tile(np.arange(100), 12)
    colors = random.integers(30, 226, (100, 3))
    images = np.clip(
        colors[labels][:, None, None] + random.integers(-40, 41, (len(labels), 10, 12, 3)), 0, 255
    )
    np.savez(path, images=images.astype(np.uint8), labels=labels)
    return add.Options(share=0.7)


@pytest.fixture(scope="module", params=[(digits, DIGITS), (shades, SHADES)], ids=["digits", "shades"])
def own(request, tmp_path_factory):
    make, architecture = request.param
    folder = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XPIXELS_CACHE", str(folder / "cache"))
        add.add("mine", folder / "mine.npz", make(folder / "mine.npz"))
        network = fit(architecture, registry.load("mine", "train"))
        checkpoint.save(folder / "net.safetensors", network)
        store.add(folder / "net.safetensors", "my-net")
        engine = engines.create(folder / "mine.db")
        batch = Batch(dataset="mine", cases=2, population=40, generations=6)
        report = pipeline.ingest(engine, batch, weights="my-net")
        yield Own(architecture, engine, report, batch)
        engine.dispose()


def asked(own, query):
    with own.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_cases_of_both_kinds_are_found_and_tuned(own):
    assert own.report.tuned
    assert set(own.report.added.values()) == {2}
    assert asked(own, "SELECT name FROM networks") == [("my-net",)]
    assert asked(own, "SELECT DISTINCT network, dataset FROM case_overview") == [("my-net", "mine")]


def test_every_adversarial_case_is_its_source_with_one_other_pixel_and_the_network_errs_on_it(own):
    rows = asked(
        own,
        'SELECT "row", "column", red, green, blue, true_class, predicted_class FROM cases '
        "JOIN attack_pixels ON attack_pixels.attack_id = cases.attack_id",
    )
    height, width, channels = own.architecture.input_shape
    assert len(rows) == 4
    for row, column, red, green, blue, true, predicted in rows:
        assert 0 <= row < height
        assert 0 <= column < width
        assert channels == 3 or red == green == blue
        assert true != predicted


def test_layers_are_compared_by_their_kind(own):
    named = dict(asked(own, "SELECT name, kind FROM layers WHERE compared"))
    assert named == {
        name: own.architecture.kinds()[name] for name in (*own.architecture.compared, "composed")
    }
    assert len(asked(own, "SELECT DISTINCT layer_id FROM operating_points")) == len(named)


def test_class_numbers_and_accuracy_are_those_of_the_network(own):
    classes = own.architecture.classes
    assert asked(own, "SELECT COUNT(*) FROM classes") == [(classes,)]
    per_case = asked(own, "SELECT COUNT(*) FROM class_scores GROUP BY case_id")
    assert set(per_case) == {(classes,)}
    right = asked(own, "SELECT COUNT(*), SUM(label = predicted_class) FROM predictions WHERE split = 'test'")
    ((count, correct),) = right
    assert correct / count > 0.2


def test_maps_cover_the_image(own):
    height, width, _ = own.architecture.input_shape
    assert set(asked(own, "SELECT height, width FROM vulnerability_maps")) == {(height, width)}


def test_the_same_command_does_nothing_more(own, monkeypatch, tmp_path):
    before = asked(own, "SELECT COUNT(*) FROM runs")
    url = str(own.engine.url)
    cache = engines.file(own.engine).parent / "cache"
    monkeypatch.setenv("XPIXELS_CACHE", str(cache))
    pipeline.ingest(engines.create(url), own.batch, weights="my-net")
    assert asked(own, "SELECT COUNT(*) FROM runs") == before


def test_every_page_shows_it(own):
    client = create_app(own.engine).server.test_client()
    cases = [case for (case,) in asked(own, "SELECT id FROM cases ORDER BY kind LIMIT 3")]
    for path in ("/", "/detectors", *(f"/case/{case}" for case in cases)):
        visit = Visit(client, callbacks_of(client))
        visit.open(path, "")
        shown = str(visit.components)
        assert "mine" in shown, path
        assert "Traceback" not in shown


def test_other_content_under_the_same_name_is_refused(own, monkeypatch, tmp_path):
    monkeypatch.setenv("XPIXELS_CACHE", str(tmp_path / "cache"))
    options = digits(tmp_path / "other.npz")
    add.add("mine", tmp_path / "other.npz", add.Options(share=0.5, limits=options.limits))
    network = fit(DIGITS, registry.load("mine", "train"))
    checkpoint.save(tmp_path / "net.safetensors", network)
    with pytest.raises(ValueError, match="data set mine: the database has other content under this name"):
        pipeline.ingest(own.engine, own.batch, weights=str(tmp_path / "net.safetensors"))


def test_too_few_training_images_are_refused_before_any_work(own, tmp_path, monkeypatch):
    monkeypatch.setenv("XPIXELS_CACHE", str(engines.file(own.engine).parent / "cache"))

    def few(name, split):
        data = registry.load(name, split)
        return replace(data, images=data.images[:49], labels=data.labels[:49], positions=data.positions[:49])

    engine = engines.create(tmp_path / "none.db")
    with pytest.raises(ValueError, match="mine has 49 training images that could be neighbors"):
        pipeline.ingest(engine, own.batch, weights="my-net", load=few)
    assert not engines.file(engine).exists()


def test_a_network_of_another_shape_is_refused_before_any_work(own, monkeypatch):
    cache = engines.file(own.engine).parent / "cache"
    monkeypatch.setenv("XPIXELS_CACHE", str(cache))
    with pytest.raises(ValueError, match="32 x 32"):
        pipeline.ingest(own.engine, own.batch)


def test_a_network_evaluates_what_the_file_holds(own, monkeypatch):
    monkeypatch.setenv("XPIXELS_CACHE", str(engines.file(own.engine).parent / "cache"))
    test = registry.load("mine", "test")
    found = cnn.predict(checkpoint.load(store.find("my-net")).network, test.images[:7]).argmax(1)
    stored = asked(
        own, "SELECT predicted_class FROM predictions WHERE split = 'test' ORDER BY position LIMIT 7"
    )
    assert [one for (one,) in stored] == found.tolist()
