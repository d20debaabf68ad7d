"""The stage that lets a network answer the adversarial cases of the others."""

import numpy as np
import pytest
from sqlalchemy import delete, insert, select, update

from db import engine as engines
from db import schema
from db.read.for_ingest.images import image_files
from db.scope import Scope
from ingest.stages.transfer import write_missing_transfers
from model.data.png import decode_png
from model.network.architecture import Architecture
from model.network.cnn import predict
from model.network.layers import Conv, Dense, Flatten, MaxPool
from tests.support import database
from tests.support.networks import random_network

TINY = Architecture(
    "tiny",
    (32, 32, 3),
    (Conv("conv", 2), MaxPool("pool", 16), Flatten("flatten"), Dense("logits", 10, activation="linear")),
)
SECOND = Scope(2, 1)
pytestmark = pytest.mark.usefixtures("compiled_quickly")


@pytest.fixture
def engine(fresh):
    """The synthetic database without transfers, and with a second network."""
    engine = fresh()
    database.fill(engine, per_group=3, references=50)
    now = schema.now()
    network = {"id": 2, "name": "tiny", "sha256": "2" * 64, "description": {}, "created_at": now}
    with engines.writing(engine) as connection:
        connection.execute(delete(schema.transfers))
        connection.execute(insert(schema.networks), network)
        connection.execute(insert(schema.network_datasets), {**SECOND._asdict(), "created_at": now})
    return engine


def rows(engine):
    with engine.connect() as connection:
        return connection.execute(select(schema.transfers).order_by(schema.transfers.c.case_id)).all()


def runs(engine):
    with engine.connect() as connection:
        return connection.execute(select(schema.runs).where(schema.runs.c.stage == "transfer")).all()


def test_a_network_answers_the_attacks_on_the_others_once(engine):
    network = random_network(TINY, np.random.default_rng(3))
    assert write_missing_transfers(engine, SECOND, network) == 6
    found = rows(engine)
    with engine.connect() as connection:
        query = select(schema.cases).where(schema.cases.c.kind == "adversarial").order_by(schema.cases.c.id)
        cases = connection.execute(query).all()
        files = image_files(connection, [case.image_id for case in cases])
    assert [row.case_id for row in found] == [case.id for case in cases]
    logits = predict(network, np.stack([decode_png(png) for png in files]))
    assert [row.predicted_class for row in found] == logits.argmax(1).tolist()
    shares = np.exp(logits - logits.max(1, keepdims=True))
    wanted = (shares / shares.sum(1, keepdims=True)).max(1)
    np.testing.assert_allclose([row.confidence for row in found], wanted, rtol=1e-6)
    (run,) = runs(engine)
    assert (run.status, run.network_id, run.dataset_id) == ("done", 2, 1)
    assert {row.run_id for row in found} == {run.id}
    assert write_missing_transfers(engine, SECOND, network) == 0  # nothing is asked twice
    assert len(runs(engine)) == 1


def test_its_own_cases_and_those_of_other_data_sets_are_left_out(engine):
    network = random_network(TINY, np.random.default_rng(3))
    assert write_missing_transfers(engine, Scope(1, 1), network) == 0
    with engines.writing(engine) as connection:
        row = {"id": 2, "name": "other", "source": "a test", "created_at": schema.now()}
        connection.execute(insert(schema.datasets), row)
        connection.execute(update(schema.cases).values(dataset_id=2))
    assert write_missing_transfers(engine, SECOND, network) == 0
    assert runs(engine) == []
