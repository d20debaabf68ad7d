"""Shared by all tests: strict JAX, the bundled sample read once, a small ingest done once."""

from functools import partial
from types import SimpleNamespace

import ingested_batch
import jax
import pytest
import small_network

from db import engine as engines
from db import schema
from ingest import pipeline
from model import data

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory):
    """What XLA compiled serves every test of the session: each ingest reads its network anew."""
    jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("compiled")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


@pytest.fixture(scope="session")
def sample():
    """Give the bundled sample: .train (4,000 images) and .test (1,000), to be read, not written to."""
    return SimpleNamespace(
        train=data.load("cifar10-sample", "train"), test=data.load("cifar10-sample", "test")
    )


@pytest.fixture(scope="session")
def load(sample):
    """The bundled sample, cut to what a test can wait for: (name, split) -> Dataset."""
    return partial(ingested_batch.cut, sample)


@pytest.fixture(scope="session")
def small_weights(sample, tmp_path_factory):
    """The weights file of a small network, for what is true of any network."""
    path = tmp_path_factory.mktemp("weights") / "small.npz"
    small_network.write(path, sample.train)
    return path


@pytest.fixture(scope="session")
def ingested(load, tmp_path_factory):
    """A database after one small batch, to be read; tests that write take a copy."""
    engine = engines.create(tmp_path_factory.mktemp("ingested") / "batch.db")
    report = pipeline.ingest(engine, ingested_batch.BATCH, load=load)
    assert report.tuned
    assert report.added == {
        (partition, kind): 2 for partition in schema.PARTITIONS for kind in ("adversarial", "clean")
    }
    return engine


@pytest.fixture
def copy(ingested, tmp_path):
    """A copy of that database to write to."""
    target = tmp_path / "copy.db"
    with ingested.connect() as connection:
        connection.connection.dbapi_connection.execute("VACUUM INTO ?", (str(target),))
    return engines.create(target)
