"""What a network predicts of all test images: written once, by an ingest or an evaluation, and read then."""

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete, func, select

import xpixels
from db import engine as engines
from db import schema
from db.commands import upkeep
from db.scope import Scope
from ingest.stages import predictions
from model.data import registry
from model.network import checkpoint, cnn

PREDICTED = schema.predictions.c


def rows(engine):
    with engine.connect() as connection:
        return connection.execute(select(schema.predictions).order_by(PREDICTED.position)).all()


def runs(engine, stage="predictions"):
    with engine.connect() as connection:
        query = select(func.count()).select_from(schema.runs).where(schema.runs.c.stage == stage)
        return connection.scalar(query)


def test_an_ingest_writes_what_the_network_says_of_every_test_image(ingested, load):
    test, network = load("cifar10-sample", "test"), checkpoint.load(checkpoint.BUNDLED).network
    logits = cnn.predict(network, test.images)
    found = rows(ingested)
    assert [row.position for row in found] == test.positions.tolist()
    assert [row.label for row in found] == test.labels.tolist()
    assert [row.predicted_class for row in found] == logits.argmax(1).tolist()
    kept = np.stack([np.frombuffer(row.logits, "<f4") for row in found])
    np.testing.assert_array_equal(kept, logits)
    powers = np.exp(kept.astype(float) - kept.max(1, keepdims=True))
    np.testing.assert_allclose([row.confidence for row in found], powers.max(1) / powers.sum(1))
    assert runs(ingested) == 1


def test_what_is_known_is_read_and_not_asked_again(copy, load, monkeypatch):
    test, network = load("cifar10-sample", "test"), checkpoint.load(checkpoint.BUNDLED).network
    expected = [row.predicted_class for row in rows(copy)]
    asked = []
    monkeypatch.setattr(predictions, "predict", lambda *_: asked.append(True))
    assert predictions.predict_split(copy, Scope(1, 1), network, test).tolist() == expected
    assert asked == []


def test_what_is_lacking_is_written_and_the_rest_stays(copy, load):
    test, network = load("cifar10-sample", "test"), checkpoint.load(checkpoint.BUNDLED).network
    before = rows(copy)
    with engines.writing(copy) as connection:
        connection.execute(delete(schema.predictions).where(PREDICTED.position % 3 == 0))
    predictions.predict_split(copy, Scope(1, 1), network, test)
    after = rows(copy)
    assert [row[:-1] for row in after] == [row[:-1] for row in before]
    assert {row.run_id for row in after if row.position % 3} == {before[0].run_id}
    assert {row.run_id for row in after if not row.position % 3} != {before[0].run_id}
    assert runs(copy) == 2


@pytest.fixture
def small_dataset(load, monkeypatch):
    """The sample, cut, in the place of the whole one."""
    monkeypatch.setattr(registry, "load", lambda name, split: load(name, split))


@pytest.mark.usefixtures("small_dataset")
def test_an_evaluation_keeps_its_predictions_where_there_is_a_database(load, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XPIXELS_DATABASE_URL", raising=False)
    command = ["evaluate", "--dataset", "cifar10-sample"]
    assert xpixels.main(command) == 0
    said = capsys.readouterr()
    assert said.out.startswith("test accuracy 0.")
    assert "the predictions are not kept" in said.err
    assert list(tmp_path.iterdir()) == []
    assert xpixels.main([*command, "--database", "new.db"]) == 0
    assert xpixels.main([*command, "--database", "new.db"]) == 0  # and once is enough
    engine = engines.create(Path("new.db"))
    count = len(load("cifar10-sample", "test"))
    assert (len(rows(engine)), runs(engine)) == (count, 1)
    assert upkeep.check(engine) == []
    share = float(capsys.readouterr().out.splitlines()[0].split()[2])
    with engine.connect() as connection:
        right = connection.scalar(select(func.sum(schema.class_accuracy.c.correct)))
        told = connection.scalar(select(schema.network_datasets.c.test_accuracy))
    assert right / count == pytest.approx(share, abs=1e-4)
    assert told == pytest.approx(right / count)  # what it reached here, not what its file says of cifar10
    engine.dispose()
