"""Shared by all tests: strict JAX, the bundled sample read once, a small ingest done once.

`make test` runs several processes, each taking whole files (pytest-xdist). What is costly is made by one of
them for all, in a folder that they share.
"""

import os
import signal
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import jax
import pytest
from filelock import FileLock

from db import engine as engines
from db import migrate, vocabulary
from ingest import pipeline
from model.data import registry
from tests.support import (
    checked_database,
    fresh_database,
    ingested_batch,
    postgres_server,
    small_network,
    sole_writer,
    unfenced_commits,
)

# A job in the background, as of `nohup make test &`, ignores signals, and so do the processes that it starts:
# what the tests start hears them as a command in the foreground does.
for _name in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(_name) is signal.SIG_IGN:
        signal.signal(_name, signal.default_int_handler if _name == signal.SIGINT else signal.SIG_DFL)

# What the Makefile asks of the tests' own process (see setup.cfg) is not for the programs that they start,
# whose libraries would complain; pytest's workers, started by the first of them, still want it.
if "PYTEST_XDIST_WORKER" in os.environ or not any(word.startswith(("-n", "--numproc")) for word in sys.argv):
    os.environ.pop("PYTHONWARNDEFAULTENCODING", None)

unfenced_commits.forbid()
sole_writer.forbid_others()
# XLA reads its options once more for each program that it compiles, see `compiled_quickly`.
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_flags_reset=true"
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


# Files that take longest begin first, so that no process ends on a long one; the small ingest, which the
# first makes, is there when others ask for it.
LONGEST = (
    "test_ingest.py",
    "test_taken_over.py",
    "test_crews.py",
    "test_faults.py",
    "test_check.py",
    "test_browser_case.py",
    "test_orphans.py",
    "test_interruption.py",
    "test_attack.py",
    "test_incremental.py",
    "test_browser_database.py",
    "test_read.py",
    "test_hostile_requests.py",
    "test_check_keep.py",
    "test_browser_cases.py",
    "test_browser_whole.py",
    "test_app.py",
)


def pytest_collection_modifyitems(items):
    """Order files by what they take, where several are run; the tests of a file keep their order."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))
    for item in items:
        only = item.get_closest_marker("sqlite")
        if only and item.get_closest_marker("postgresql"):
            item.add_marker(pytest.mark.skip(reason=f"of SQLite: {only.args[0]}"))


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    """A folder of this run that its processes share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session", autouse=True)
def compiled_once(shared):
    """What XLA compiled serves every test of the session: each ingest reads its network anew."""
    jax.config.update("jax_compilation_cache_dir", str(shared / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_compilation_cache_max_size", 2**32)  # with a bound, JAX locks what it writes


@pytest.fixture(scope="module")
def compiled_quickly():
    """Compile the programs of a file with few optimizations: on tiny arrays, compiling is what takes long.

    Processes that the file's tests start compile so, too.
    """
    with pytest.MonkeyPatch.context() as patch:
        plainly = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
        patch.setenv("XLA_FLAGS", f"{os.environ['XLA_FLAGS']} {plainly}")
        patch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
        jax.config.update("jax_disable_most_optimizations", True)
        yield
        jax.config.update("jax_disable_most_optimizations", False)
    jax.clear_caches()  # the next file may compute more than it compiles


@pytest.fixture(scope="session")
def sample():
    """Give the bundled sample: .train (4,000 images) and .test (1,000), to be read, not written to."""
    return SimpleNamespace(
        train=registry.load("cifar10-sample", "train"), test=registry.load("cifar10-sample", "test")
    )


@pytest.fixture(scope="session")
def load(sample):
    """The bundled sample, cut to what a test can wait for: (name, split) -> Dataset."""
    return partial(ingested_batch.cut, sample)


@pytest.fixture(scope="session")
def small_weights(sample, shared):
    """The weights file of a small network, for what is true of any network."""
    path = shared / "weights" / "small.safetensors"
    with FileLock(shared / "weights.lock"):
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            small_network.write(path, sample.train)
    return path


def _ingest_once(path: Path, load, **options):
    """A database after one small batch, made by the process that is first to ask."""
    engine, done = engines.create(path), path.with_suffix(".done")
    with FileLock(path.with_suffix(".lock")):
        if not done.exists():
            report = pipeline.ingest(engine, ingested_batch.BATCH, load=load, **options)
            assert report.tuned
            assert report.added == {
                (partition, kind): 2
                for partition in vocabulary.PARTITIONS
                for kind in ("adversarial", "clean")
            }
            done.touch()
    return engine


@pytest.fixture(scope="session")
def ingested(load, shared):
    """A database after one small batch, to be read; tests that write take a copy."""
    return _ingest_once(shared / "batch.db", load)


@pytest.fixture(scope="session")
def ingested_small(load, shared, small_weights):
    """The same of the small network (`small_weights`), which is quick to ask once more."""
    return _ingest_once(shared / "small.db", load, weights=small_weights)


@pytest.fixture(scope="session")
def checked(ingested_small, shared, small_weights) -> Path:
    """The file of that database with every kind of detector tuned, to be read (see `checked_database`)."""
    path, done = shared / "checked.db", shared / "checked.done"
    with FileLock(shared / "checked.lock"):
        if not done.exists():
            checked_database.make(ingested_small, path, small_weights)
            done.touch()
    return path


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server; gives the address of its own database (see `postgres_server.make`)."""
    with postgres_server.running() as address:
        yield address


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory):
    """A SQLite file with every table and no row, to be copied."""
    return fresh_database.migrate_file(tmp_path_factory.mktemp("migrated") / "migrated.db")


@pytest.fixture(scope="session")
def migrated_server(postgres):
    """The PostgreSQL server with a database that has every table and no row, to be copied."""
    return fresh_database.migrate_on(postgres)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def fresh(request, tmp_path_factory):
    """`fresh()` is a new database with every table and no row, there until the file's tests are done.

    What asks for it runs twice: on SQLite and on PostgreSQL.
    """
    with ExitStack() as opened:
        if request.param == "sqlite":
            template = request.getfixturevalue("migrated_file")
            make = partial(fresh_database.file, template, tmp_path_factory.mktemp("fresh"))
        else:
            make = partial(fresh_database.on, request.getfixturevalue("migrated_server"))
        yield lambda: opened.enter_context(make())


@pytest.fixture
def fresh_copies(tmp_path):
    """A function: a copy, for the time of a block, of a database that `fresh()` gave and that was closed."""
    return lambda original: fresh_database.copy(original, tmp_path)


@pytest.fixture
def empty(fresh):
    """An upgraded database without a row."""
    return fresh()


@pytest.fixture
def others(empty):
    """The same database, as another process reaches it."""
    made = engines.create(migrate.name(empty))
    yield made
    made.dispose()


@pytest.fixture
def copy(ingested, tmp_path):
    """A copy of that database to write to."""
    return engines.create(fresh_database.copy_file(ingested.url.database, tmp_path / "copy.db"))
