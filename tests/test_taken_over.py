"""Processes that others took for dead end by themselves, and the rows are those of one undisturbed ingest."""

import os
import platform
import re
import shutil
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import distributed
import pytest
from sqlalchemy import func, select

from benchmarks.crews import dask_workers
from db import engine as engines
from db import migrate, processes, schema, write
from db.runs import leases
from ingest import pipeline
from ingest.workers import dask
from ingest.workers import lease as turn
from ingest.workers.local import Alone
from tests.support import contents, ingested_batch
from tests.support.ingest_process import (
    BACKGROUND,
    SAME_BATCH,
    cache_of_the_killed,
    compiled_in,
    finish,
    killing_those_left,
    options_of,
    start,
    undisturbed_file,
    wait_until_stopped,
)

ELSEWHERE, YET_ELSEWHERE = "another-machine", "a-third-machine"
FOR_EVER = 1e6  # seconds
TAKEN = r"run \d+ is over: {who} took this one for dead, as it gave no sign of life, and took its place; .*"


@pytest.fixture(scope="module")
def options(load, small_weights):
    return options_of(load, small_weights)


@pytest.fixture(scope="module")
def whole(options, migrated_file, shared):
    """The file that a single process writes."""
    return undisturbed_file(shared, migrated_file, options)


@pytest.fixture(scope="module")
def undisturbed(whole):
    """What a single process writes."""
    return contents.contents_of_file(whole)


@pytest.fixture
def begin(small_weights, shared, undisturbed):
    """Begin a real ingest; what is left of it at the end is killed."""
    begun = []

    def beginning(database, *more, **settings):
        cache = cache_of_the_killed(shared)
        begun.append(start(migrate.name(database), small_weights, cache, *more, **settings))
        return begun[-1]

    with killing_those_left(begun):
        yield beginning


def statuses(engine, stage):
    with engine.connect() as connection:
        runs = schema.runs.c
        return list(connection.scalars(select(runs.status).where(runs.stage == stage).order_by(runs.id)))


def wait_for(process, condition):
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)


def until(condition):
    """Return when it is so, which takes no two minutes."""
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come to that")


def take_over(engine):
    """Take the lease of a process of another machine, between two of its signs of life."""
    found = None
    while not isinstance(found, int):
        found = leases.take(engine, "test", silent=found)
    return found


def require_taken_over(process, *, by=None, on=None):
    """Returns when a process has ended, and has said who took its place, by default this one."""
    status, said = finish(process)
    who = f"another ingest (process {by or os.getpid()} on {on or platform.node()}, since "
    assert status == 1
    assert re.fullmatch("xpixels: " + TAKEN.format(who=re.escape(who) + r"[^)]*\)"), said), said


# ---- Real processes ------------------------------------------------------------------------------

STOPS = [
    pytest.param(
        "sqlite", ({"stop_before": "search"}, {"stop_before": "evaluation"}), id="sqlite, before they write"
    ),
    pytest.param(
        "postgresql",
        ({"stop_within": "search"}, {"stop_within": "cases"}),
        id="postgresql, before they commit",
        marks=pytest.mark.postgresql,
    ),
]


@pytest.mark.parametrize(("fresh", "stops"), STOPS, indirect=["fresh"])
def test_who_was_stopped_for_too_long_is_refused_at_its_next_commit_and_so_is_a_stopped_successor(
    begin, empty, others, undisturbed, options, monkeypatch, stops
):
    same = {"sign_of_life": FOR_EVER, "ignored": BACKGROUND}
    first = begin(empty, host=ELSEWHERE, **same, **stops[0])
    wait_until_stopped(first)
    second = begin(empty, host=YET_ELSEWHERE, silence=0.5, **same, **stops[1])
    until(lambda: statuses(empty, "ingest") == ["interrupted", "running"])
    with ThreadPoolExecutor(1) as thread:
        # At first it waits for the second; on a server it helps with the attacks.
        successor = thread.submit(pipeline.ingest, others, SAME_BATCH, **options)
        first.send_signal(signal.SIGCONT)
        require_taken_over(first, by=second.pid, on=YET_ELSEWHERE)
        wait_until_stopped(second)
        monkeypatch.setattr(leases, "SILENCE", 0.5)
        until(lambda: successor.done() or statuses(empty, "ingest")[:2] == ["interrupted"] * 2)
        second.send_signal(signal.SIGCONT)
        require_taken_over(second)
        successor.result()
    ingested_batch.require_the_same(empty, undisturbed)
    assert statuses(empty, "ingest") == ["interrupted"] * 2


def test_who_computes_for_long_and_hears_no_signal_ends_by_its_sign_of_life_and_dask_workers_with_it(
    begin, empty, undisturbed, options
):
    first = begin(empty, host=ELSEWHERE, sign_of_life=0.1, ignored=BACKGROUND, endless=True)
    while "computing" not in (line := first.stdout.readline()):
        assert line, "it ended"
    for ignored in (signal.SIGINT, signal.SIGHUP):
        first.send_signal(ignored)
    lease = take_over(empty)
    require_taken_over(first)
    leases.release(empty, lease)
    if empty.dialect.name == "postgresql":  # a SQLite file has no worker elsewhere
        known = {"host": ELSEWHERE, "sign_of_life": 0.2, "cores": 1}  # so many workers
        second = begin(empty, "--scheduler", "local", ignored=BACKGROUND, **known)
        wait_for(second, lambda: "running" in statuses(empty, "attack"))
        workers = [processes.name(pid) for pid in dask_workers(second.pid)]
        assert workers
        lease = take_over(empty)
        require_taken_over(second)
        until(lambda: not any(map(processes.alive, workers)))
        leases.release(empty, lease)
    pipeline.ingest(empty, SAME_BATCH, **options)
    ingested_batch.require_the_same(empty, undisturbed)


@pytest.mark.parametrize("fresh", ["sqlite"], indirect=True)
@pytest.mark.parametrize("how", ["by its sign of life", "at its next transaction"])
def test_who_writes_to_a_file_that_is_replaced_ends_and_leaves_the_new_one_alone(
    begin, empty, tmp_path, whole, undisturbed, how
):
    path, other = engines.file(empty), shutil.copy(whole, tmp_path / "other.db")
    before = other.read_bytes()
    if how == "by its sign of life":
        first = begin(empty, sign_of_life=0.1, endless=True, ignored=BACKGROUND)
        while "computing" not in (line := first.stdout.readline()):
            assert line, "it ended"
        other.rename(path)
    else:
        first = begin(empty, sign_of_life=FOR_EVER, stop_before="search", ignored=BACKGROUND)
        wait_until_stopped(first)
        other.rename(path)
        first.send_signal(signal.SIGCONT)
    status, said = finish(first)
    assert status == 1
    assert said.startswith(f"xpixels: The database {path.name} was replaced by another one")
    assert path.read_bytes() == before
    empty.dispose()  # which had the old file open
    ingested_batch.require_the_same(empty, undisturbed)


class Caught(Exception):
    """What would have been shared."""


class Catching(dask.Cluster):
    """A cluster that leaves the first stages to this process, and does none of the attacks."""

    def share(self, work, task, run_id, items, size, **same):
        if work == "attack":
            raise Caught(dask.describe(task), items, same)
        yield from Alone().share(work, task, run_id, items, size, **same)


@pytest.fixture(scope="module")
def scheduler(shared):
    """The address of a Dask cluster with one worker."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in compiled_in(cache_of_the_killed(shared)).items():
            patched.setenv(name, value)
        with distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, memory_limit=0, dashboard_address="127.0.0.1:0"
        ) as cluster:
            yield cluster.scheduler_address


def test_a_dask_worker_whose_run_ends_while_it_is_stopped_writes_nothing_more(
    scheduler, empty, others, options
):
    with dask.cluster(scheduler, empty, ingested_batch.load) as crew:
        catching = Catching(crew.client, crew.url, crew.load)
        with pytest.raises(Caught) as caught:
            pipeline.ingest(empty, SAME_BATCH, **options, crew=catching)
        place, items, same = caught.value.args
        run_id = write.start_run(empty, "attack", parameters={}, code_version="test")

        def submit():
            where = (catching.command, place, catching.url, catching.load)
            return crew.client.submit(dask._do, where, "attack", run_id, items, same, pure=False)

        (worker,) = crew.client.run(os.getpid).values()
        running = submit()
        until(lambda: any(crew.client.processing().values()))
        os.kill(worker, signal.SIGSTOP)
        write.finish_run(others, run_id, status="interrupted")
        before = attack_count(empty)
        os.kill(worker, signal.SIGCONT)
        assert isinstance(running.exception(timeout=120), processes.TakenForDead)
        assert isinstance(submit().exception(timeout=120), processes.TakenForDead)  # before it computes
        assert attack_count(empty) == before


def attack_count(engine):
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(schema.attacks))


# ---- In this process -----------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(leases, "SIGN_OF_LIFE", 0.01)
    monkeypatch.setattr(turn, "AGAIN", 0.01)


def lose(engine, begun, attempts=1):
    """Work for ever, and hold out against so many interruptions but one."""
    with turn.Turn(engine) as mine:
        mine.take()
        begun.set()
        for attempt in range(1, attempts + 1):
            try:
                while True:
                    time.sleep(0.001)
            except turn.Interruption:
                if attempt == attempts:
                    raise


@pytest.mark.parametrize("attempts", [1, 3])
@pytest.mark.parametrize("main", [True, False], ids=["main thread", "another thread"])
def test_a_script_is_told_in_the_thread_that_works_and_may_go_on(empty, others, impatient, main, attempts):
    begun = threading.Event()

    def take():
        assert begun.wait(60)
        return leases.take(others, "test")

    with ThreadPoolExecutor(2) as threads:
        taking = threads.submit(take)
        work = (lose, empty, begun, attempts)
        with pytest.raises(processes.TakenForDead, match="took this one for dead"):
            lose(*work[1:]) if main else threads.submit(*work).result()
        lease = taking.result()
    leases.release(others, lease)
    with turn.Turn(empty) as again:  # nothing of the fence is left
        again.take()
    assert statuses(empty, "ingest") == ["interrupted"]


def test_work_that_is_done_when_its_lease_is_lost_is_done(empty, others, impatient):
    with turn.Turn(empty) as mine:
        mine.take()
        lease = leases.take(others, "test")
        mine.over.set()  # before it is noticed
    leases.release(others, lease)
    assert statuses(empty, "ingest") == ["interrupted"]
