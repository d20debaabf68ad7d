"""Real ingests that are killed, stopped, out of disk, two at once, or read meanwhile, and what comes of it.

`python -m benchmarks.interruptions` does the first with many more kills.
"""

import platform
import resource
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count

import pytest
from sqlalchemy import insert, select, update

import xpixels
from benchmarks.reading import Tally, read
from dashapp.app import create_app
from db import engine as engines
from db import migrate, schema
from db.commands import upkeep
from db.runs import leases
from ingest import pipeline
from ingest.workers import lease as turn
from tests.support import contents
from tests.support.ingest_process import (
    ROOT,
    SAME_BATCH,
    cache_of_the_killed,
    finish,
    killing_those_left,
    options_of,
    start,
    undisturbed_file,
    wait_until_stopped,
)

HOLDER = """
import sys
from db import engine
from db.runs import leases
print(leases.take(engine.create(sys.argv[1]), "test"), flush=True)
sys.stdin.read()
"""
GOES_ON = "what was written is kept, and the same command goes on from there"


@pytest.fixture(scope="module")
def options(load, small_weights):
    return options_of(load, small_weights)


@pytest.fixture(scope="module")
def undisturbed(options, migrated_file, shared):
    """What a single process writes."""
    return contents.contents_of_file(undisturbed_file(shared, migrated_file, options))


@pytest.fixture
def begin(small_weights, shared, undisturbed):
    """Begin a real ingest; what is left of it at the end is killed."""
    begun = []

    def beginning(path, *, largest=None, **settings):
        begun.append(start(str(path), small_weights, cache_of_the_killed(shared), **settings))
        if largest is not None:
            resource.prlimit(begun[-1].pid, resource.RLIMIT_FSIZE, (largest, largest))
        return begun[-1]

    with killing_those_left(begun):
        yield beginning


def statuses(engine):
    with engine.connect() as connection:
        return set(connection.scalars(select(schema.runs.c.status)))


def test_what_found_no_room_was_stopped_and_was_killed_comes_to_the_same_end(
    begin, undisturbed, options, tmp_path, migrated_file
):
    path = shutil.copy(migrated_file, tmp_path / "disturbed.db")
    too_little = path.stat().st_size + 150_000  # bytes, for the activations of the reference set
    status, said = finish(begin(path, largest=too_little))
    assert status == 1
    assert said.endswith(f"make room: {GOES_ON}"), said
    assert upkeep.check(engines.create(path, read_only=True)) == []

    stopped = begin(path, stop_before="reference")
    wait_until_stopped(stopped)
    stopped.terminate()
    stopped.send_signal(signal.SIGCONT)
    assert finish(stopped) == (1, f"xpixels: stopped; {GOES_ON}")

    killed = begin(path, stop_within="duplicates")
    wait_until_stopped(killed)
    killed.kill()
    assert finish(killed)[0] == -signal.SIGKILL

    pipeline.ingest(engines.create(path), SAME_BATCH, **options)
    found = engines.create(path, read_only=True)
    assert contents.differences(contents.contents(found), undisturbed) == []
    assert upkeep.check(found) == []
    assert statuses(found) == {"done", "failed", "interrupted"}  # none is running


def test_of_two_ingests_begun_at_once_one_waits_and_nothing_is_there_twice(
    begin, undisturbed, tmp_path, capsys
):
    path = tmp_path / "both.db"
    processes = [begin(path), begin(path)]
    said = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    first, second = sorted(zip(said, processes, strict=True), key=lambda one: "waiting" in one[0])
    assert "waiting" not in first[0]
    assert f"another ingest (process {first[1].pid} on {platform.node()}, since 20" in second[0]
    assert second[0].endswith("no case to add: this batch is complete (another --seed makes another)\n")
    found = engines.create(path, read_only=True)
    assert contents.differences(contents.contents(found), undisturbed) == []
    assert statuses(found) == {"done"}
    assert xpixels.main(["db", "check", "--database", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: sound\n"


def test_a_second_ingest_waits_says_so_once_and_goes_on_when_the_first_one_is_gone(empty, monkeypatch):
    command = [sys.executable, "-c", HOLDER, migrate.name(empty)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        lease = int(holder.stdout.readline())
        said, looks = [], count(1)

        def look(_seconds):
            if next(looks) == 3:
                holder.kill()
                holder.wait()

        monkeypatch.setattr(turn.time, "sleep", look)
        with turn.Turn(empty, say=said.append) as second:
            second.take()
            assert second.lease != lease
            assert statuses(empty) == {"running", "interrupted"}
    (line,) = said
    assert f"another ingest (process {holder.pid} on {platform.node()}, since 20" in line
    assert line.endswith("is at work on this database: waiting")
    assert statuses(empty) == {"interrupted"}


def test_a_lease_from_elsewhere_holds_as_long_as_there_are_signs_of_life(empty):
    lease = leases.take(empty, "test")
    runs, long_ago = schema.runs, "2026-01-01T00:00:00Z"
    elsewhere = {"process": "another-machine/12/34", "started_at": long_ago}
    with engines.writing(empty) as connection:
        connection.execute(update(runs).values(**elsewhere, seconds=5.0))
        stage = {"stage": "attack", "status": "running", "parameters": {}, "code_version": "test"}
        connection.execute(insert(runs).values(**stage, **elsewhere))
    before = leases.take(empty, "test")
    assert before == ("another-machine", 12, long_ago, 5.0)
    with engines.writing(empty) as connection:
        connection.execute(update(runs).where(runs.c.id == lease).values(seconds=20.0))
    now = leases.take(empty, "test", silent=before)
    assert now == ("another-machine", 12, long_ago, 20.0)
    mine = leases.take(empty, "test", silent=now)
    with empty.connect() as connection:
        found = dict(map(tuple, connection.execute(select(runs.c.id, runs.c.status))))
    assert found == {lease: "interrupted", lease + 1: "interrupted", mine: "running"}


def test_readers_beside_an_ingest_meet_no_error_and_nothing_that_does_not_fit_together(
    options, tmp_path, migrated_file
):
    path, tally = shutil.copy(migrated_file, tmp_path / "busy.db"), Tally(10**9)
    engine = engines.create(path)
    server = create_app(engines.create(path, read_only=True), writer=engine).server

    def write():
        try:
            for seed in (0, 1):
                pipeline.ingest(engine, replace(SAME_BATCH, seed=seed), **options)
        finally:
            tally.wanted = 0  # it was enough

    with ThreadPoolExecutor(1) as others:
        written = others.submit(write)
        read(tally, 2, server.test_client, path)
        written.result()
    assert (tally.errors, tally.torn) == ([], [])
    assert min(map(len, tally.seconds.values())) > 50
    assert upkeep.check(engine) == []
