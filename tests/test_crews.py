"""Several workers on one ingest, by Dask or a PostgreSQL server, and some that die: the rows are the same."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from db import engine as engines
from db import schema
from db.engine import writing
from db.runs import chunks, leases
from db.write import finish_run, start_run
from ingest import pipeline
from ingest.stages import attack, neighbors, repair, sweep
from ingest.workers import dask
from ingest.workers.local import Alone
from ingest.workers.postgresql import Helper
from tests.support import contents, fresh_database, ingested_batch
from tests.support.ingest_process import cache_of_the_killed, compiled_in

# Sweeps decide some images, evolution the others: every stage that is shared has something to do.
BATCH = replace(ingested_batch.BATCH, cases=3, population=16, screen="undecided")
HOLDER = """
import sys
from db import engine
from db.runs import chunks
with chunks.taken(engine.create(sys.argv[1])) as chunk:
    print(chunk.item_count, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def options(small_weights):
    return {"load": ingested_batch.load, "weights": small_weights}


@pytest.fixture(scope="module", autouse=True)
def small_chunks():
    """So few images make a chunk, of one block, that there is one for everybody."""
    with pytest.MonkeyPatch.context() as patched:
        for module in (attack, sweep, repair):
            patched.setattr(module, "CHUNK", 4)
        patched.setattr(sweep, "images_together", lambda *_: 4)
        patched.setattr(repair, "TOGETHER", 4)
        patched.setattr(neighbors, "SHARED", 4)
        yield


@pytest.fixture(scope="module")
def alone(options, tmp_path_factory):
    """What a single process writes."""
    engine = engines.create(tmp_path_factory.mktemp("alone") / "alone.db")
    pipeline.ingest(engine, BATCH, **options, crew=Alone())
    found = contents.contents(engine)
    for name in ("reference_activations", "attacks", "vulnerability_maps", "repairs", "neighbors"):
        assert found[name], name
    engine.dispose()
    return found


# ---- Dask ----------------------------------------------------------------------------------------


class Deadly(dask.Cluster):
    """A cluster of which a worker is killed once, while it is at a chunk of a sweep."""

    def share(self, work, task, *arguments, **same):
        if work == "sweep" and not self.killed:
            self.killed.append(None)
            threading.Thread(target=self.kill).start()
        yield from super().share(work, task, *arguments, **same)

    def kill(self):
        pids = self.client.run(os.getpid)
        while not (busy := [worker for worker, held in self.client.processing().items() if held]):
            time.sleep(0.01)
        os.kill(pids[busy[0]], signal.SIGKILL)
        self.killed[0] = pids[busy[0]]


def test_dask_workers_write_what_one_process_does_also_when_one_of_them_is_killed(
    alone, options, tmp_path, shared, monkeypatch
):
    for name, value in compiled_in(cache_of_the_killed(shared)).items():
        monkeypatch.setenv(name, value)
    engine = engines.create(tmp_path / "dask.db")
    with dask.cluster("local", engine, ingested_batch.load) as crew:
        deadly = Deadly(crew.client, crew.url, crew.load)
        deadly.killed = []
        report = pipeline.ingest(engine, BATCH, **options, crew=deadly)
        assert deadly.killed[0]
        assert deadly.killed[0] not in deadly.client.run(os.getpid).values()
        for name, said in (("code_version", "here it is 9"), ("platform.node", "serves one machine")):
            with monkeypatch.context() as patched:
                patched.setattr(f"ingest.workers.dask.{name}", lambda: "9")
                with pytest.raises(ValueError, match=said):
                    dask._require_workers(crew.client, "local", one_machine=True)
        assert not any(report.missing.values())
    ingested_batch.require_the_same(engine, alone)
    engine.dispose()


def test_a_scheduler_that_does_not_answer_is_one_line(tmp_path, monkeypatch):
    def begin(address, path):
        with dask.cluster(address, engines.create(path), ingested_batch.load):
            pass

    monkeypatch.setattr(dask, "ANSWER", 0.2)
    path = tmp_path / "none.db"
    with pytest.raises(OSError, match=r"^--scheduler tcp://127\.0\.0\.1:1: no Dask scheduler answers"):
        begin("tcp://127.0.0.1:1", path)
    assert not path.exists()
    with pytest.raises(ValueError, match="in memory is of one process"):
        begin("local", ":memory:")


# ---- PostgreSQL ----------------------------------------------------------------------------------


@pytest.fixture
def post(migrated_server):
    with fresh_database.on(migrated_server) as engine:
        yield engine


@pytest.fixture
def run_id(post):
    return start_run(post, "attack", parameters={}, code_version="test")


def numbered(run_id, count):
    """Chunks with as many items as their number says, from 1."""
    return [chunks.Chunk(run_id, "sweep", {"number": number}, number + 1) for number in range(count)]


def test_a_chunk_has_one_worker_and_is_gone_when_it_is_done(post, run_id):
    chunks.publish(post, numbered(run_id, 3))
    with chunks.taken(post) as first, chunks.taken(post) as second:
        assert [first.arguments["number"], second.arguments["number"]] == [0, 1]
        with suppress(KeyError), chunks.taken(post, run_id) as third:
            assert third == chunks.Chunk(run_id, "sweep", {"number": 2}, 3)
            raise KeyError  # an error leaves it to others
        assert chunks.items_left(post, run_id) == 1 + 2 + 3
        with writing(post) as connection:
            chunks.discard(connection, run_id)  # all but those that somebody is at
        with chunks.taken(post) as none:
            assert none is None
        assert chunks.items_left(post, run_id) == 1 + 2
    assert chunks.items_left(post, run_id) == 0


def test_chunks_of_a_run_that_is_over_are_nobodys_and_go_with_the_next_lease(post, run_id):
    chunks.publish(post, numbered(run_id, 2))
    finish_run(post, run_id, status="interrupted")
    with pytest.raises(RuntimeError, match="another process took this one for dead"):
        chunks.items_left(post, run_id)  # what is taken back was not done by others
    with pytest.raises(RuntimeError, match="another process took this one for dead"):
        finish_run(post, run_id)
    with chunks.taken(post) as chunk:
        assert chunk is None
    leases.release(post, leases.take(post, "test"))
    with post.connect() as connection:
        assert connection.execute(schema.chunks.select()).all() == []


def test_who_cannot_take_part_says_so_once_and_leaves_the_chunk(post, run_id, options, capsys):
    place = {"dataset": "cifar10-sample", "version": "0.0", "unknown": 1}
    chunks.publish(post, [chunks.Chunk(run_id, "sweep", {"place": place, "items": [1], "same": {}}, 1)])
    helper = Helper(post, options["load"])
    assert [helper(), helper()] == [False, False]
    assert capsys.readouterr().err.startswith("not taking part: the ingest is of version 0.0 of this program")
    assert chunks.items_left(post, run_id) == 1


def test_the_chunk_of_a_worker_that_is_killed_is_free_again(post, run_id):
    chunks.publish(post, numbered(run_id, 1))
    command = [sys.executable, "-c", HOLDER, post.url.render_as_string()]
    root = Path(__file__).parents[1]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"1\n"
        with chunks.taken(post) as chunk:
            assert chunk is None
        holder.kill()
        holder.wait()
    with post.connect() as connection:  # the server notices in its own time
        connection.exec_driver_sql("SET LOCAL lock_timeout = '20s'")
        connection.exec_driver_sql("SELECT 1 FROM chunks FOR UPDATE")
    with chunks.taken(post) as chunk:
        assert chunk.arguments == {"number": 0}


def test_ingests_on_one_server_share_the_work_and_write_what_one_process_does(alone, options, post):
    helpers = [Helper(post, options["load"]) for _ in range(2)]
    over, did, errors = threading.Event(), [0, 0], []

    def wait(number):
        try:
            while not over.is_set():
                did[number] += helpers[number]()
        except Exception as error:  # told below: a thread's error fails no test
            errors.append(error)

    waiting = [threading.Thread(target=wait, args=(number,)) for number in range(2)]
    for thread in waiting:
        thread.start()
    try:
        pipeline.ingest(post, BATCH, **options)
    finally:
        over.set()
        for thread in waiting:
            thread.join()
    assert errors == []
    assert sum(did) > 0
    ingested_batch.require_the_same(post, alone)
    with post.connect() as connection:
        assert connection.execute(schema.chunks.select()).all() == []
