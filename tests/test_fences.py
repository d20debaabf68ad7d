"""What is written is committed only while the run that it belongs to is at work, on SQLite and PostgreSQL."""

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import event, insert, select, update
from sqlalchemy.exc import DBAPIError

from db import engine as engines
from db import processes, schema, write
from db.commands import upkeep
from db.runs import chunks, fences, leases
from tests.support import fresh_database

ELSEWHERE = "another-machine/12/34"  # not of this machine: silence makes it dead
RUN = {"parameters": {}, "code_version": "test"}
# What SQLite has no such thing of: its second transaction that writes waits for the first one to end.
on_a_server = pytest.mark.parametrize(
    "fresh", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)


@pytest.fixture
def lease(empty):
    """The lease of a process of another machine, which these tests play."""
    id_ = leases.take(empty, "test")
    with engines.writing(empty) as connection:
        connection.execute(update(schema.runs).values(process=ELSEWHERE))
    return id_


def take_over(engine):
    """Take the lease of who has been silent, as its successor does."""
    found = leases.take(engine, "test", silent=leases.take(engine, "test"))
    assert isinstance(found, int)
    return found


def add(connection, name):
    connection.execute(insert(schema.datasets).values(name=name, source="test", created_at=schema.now()))


def names(engine):
    with engine.connect() as connection:
        return set(connection.scalars(select(schema.datasets.c.name)))


@contextmanager
def begun(engine):
    """A transaction that says nothing of itself."""
    with engine.begin() as connection:
        yield connection


@contextmanager
def committed_by_hand(engine):
    with engine.connect() as connection:
        yield connection
        connection.commit()


WAYS = {"writing": engines.writing, "begin": begun, "commit": committed_by_hand}


@pytest.mark.parametrize("way", WAYS)
def test_what_a_lost_lease_wrote_is_undone_however_the_transaction_was_opened(empty, others, lease, way):
    with fences.held(empty, lease, ELSEWHERE):
        with WAYS[way](empty) as connection:
            add(connection, "before")
        successor = take_over(others)
        with pytest.raises(processes.TakenForDead) as caught, WAYS[way](empty) as connection:
            add(connection, "after")
    assert names(empty) == {"before"}
    host, pid = processes.split(processes.own())
    assert f"another ingest (process {pid} on {host}, since 20" in str(caught.value)
    assert "took this one for dead" in str(caught.value)
    assert "\n" not in str(caught.value)
    leases.release(others, successor)
    with WAYS[way](empty) as connection:  # the fence is gone with its block
        add(connection, "later")
    assert names(empty) == {"before", "later"}


def test_a_fence_around_a_run_that_is_over_is_refused_before_any_work(empty):
    run_id = write.start_run(empty, "attack", **RUN)
    write.finish_run(empty, run_id)
    with pytest.raises(processes.TakenForDead, match=f"run {run_id} is over"), fences.held(empty, run_id):
        raise AssertionError
    with engines.writing(empty) as connection:  # nothing of it is left
        add(connection, "later")


def test_within_a_lease_its_runs_are_no_fences_of_their_own(empty, others, lease):
    with fences.held(empty, lease, ELSEWHERE):
        run_id = write.start_run(empty, "attack", **RUN)
        with fences.held(empty, run_id):
            write.finish_run(empty, run_id)  # which the run's own fence would refuse
        take_over(others)
        with pytest.raises(processes.TakenForDead), engines.writing(empty) as connection:
            add(connection, "after")
    assert names(empty) == set()


def test_who_lost_its_lease_does_not_record_how_its_stage_ended(empty, others, lease):
    def work():
        with write.run(empty, "attack", **RUN) as run_id:
            with engines.writing(others) as connection:  # as it was begun on that other machine
                theirs = schema.runs.c.id == run_id
                connection.execute(update(schema.runs).where(theirs).values(process=ELSEWHERE))
            take_over(others)

    with fences.held(empty, lease, ELSEWHERE), pytest.raises(processes.TakenForDead):
        work()
    with empty.connect() as connection:
        runs = schema.runs.c
        told = connection.execute(select(runs.status, runs.message).where(runs.stage == "attack")).one()
    assert tuple(told) == ("interrupted", "its process ended")


def test_reading_in_a_snapshot_neither_waits_nor_fails_while_signs_of_life_come(empty, others, lease):
    with fences.held(empty, lease, ELSEWHERE), engines.snapshot(empty) as connection:
        assert connection.scalar(select(schema.runs.c.seconds)) == 0
        with engines.writing(others) as other:
            other.execute(update(schema.runs).values(seconds=15.0))
        assert connection.scalar(select(schema.runs.c.seconds)) == 0


@on_a_server
def test_a_chunk_whose_run_ends_is_undone_with_what_was_written_for_it(empty, others):
    run_id = write.start_run(empty, "attack", **RUN)
    chunks.publish(empty, [chunks.Chunk(run_id, "sweep", {}, 1)])

    def work():
        with chunks.taken(others):
            with engines.writing(others) as connection:
                add(connection, "before")
            write.finish_run(empty, run_id, status="interrupted")
            with pytest.raises(processes.TakenForDead), engines.writing(others) as connection:
                add(connection, "after")

    with pytest.raises(processes.TakenForDead):
        work()
    assert names(empty) == {"before"}
    with empty.connect() as connection:
        assert len(connection.execute(select(schema.chunks)).all()) == 1


# ---- A takeover at the same time -----------------------------------------------------------------


def waiting_for_a_lock(engine):
    """How many sessions of the server wait for somebody's lock."""
    with engine.connect() as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        return connection.exec_driver_sql(query + " AND datname = current_database()").scalar()


def until(condition):
    deadline = threading.Event()
    for _ in range(6000):
        if condition():
            return
        deadline.wait(0.01)
    raise AssertionError("it did not come to that")


@on_a_server
@pytest.mark.parametrize("commits", [True, False])
def test_a_commit_waits_for_a_takeover_that_has_begun_and_goes_by_what_becomes_of_it(
    empty, others, lease, commits
):
    def work():
        with engines.writing(empty) as connection:
            add(connection, "work")

    with fences.held(empty, lease, ELSEWHERE), ThreadPoolExecutor(1) as thread:
        with others.connect() as taking:
            over = {"status": "interrupted", "finished_at": schema.now()}
            taking.execute(update(schema.runs).where(schema.runs.c.id == lease).values(over))
            working = thread.submit(work)
            until(lambda: waiting_for_a_lock(others) == 1)
            assert not working.done()
            taking.commit() if commits else taking.rollback()
        if commits:
            with pytest.raises(processes.TakenForDead):
                working.result()
        else:
            working.result()
    assert names(empty) == (set() if commits else {"work"})


def test_a_takeover_waits_for_a_commit_that_has_looked(empty, others, lease):
    looked, goes_on = threading.Event(), threading.Event()

    def linger(_connection):
        looked.set()
        assert goes_on.wait(60)

    def work(name):
        with engines.writing(empty) as connection:
            add(connection, name)

    with fences.held(empty, lease, ELSEWHERE), ThreadPoolExecutor(2) as threads:
        event.listen(empty, "commit", linger)  # after the fence's look, immediately before the commit
        working = threads.submit(work, "work")
        assert looked.wait(60)
        silent = leases.Holder("another-machine", 12, *_since(others), 0.0)
        taking = threads.submit(leases.take, others, "test", silent)
        if engines.locks_rows(empty):
            until(lambda: waiting_for_a_lock(others) == 1)
        assert not taking.done()
        goes_on.set()
        working.result()
        assert isinstance(taking.result(), int)
        event.remove(empty, "commit", linger)
        with pytest.raises(processes.TakenForDead):
            work("more")
    assert names(empty) == {"work"}


def _since(engine):
    with engine.connect() as connection:
        return (connection.scalar(select(schema.runs.c.started_at)),)


def test_signs_of_life_runs_and_commits_at_once_wait_for_nobody_for_ever(empty):
    lease = leases.take(empty, "test")
    over = threading.Event()

    def sign():
        count = 0
        while not over.wait(0.005):  # SQLite lets who hammers at it come first again and again
            leases.live(empty, lease, float(count))
            count += 1
        return count

    with fences.held(empty, lease, processes.own()), ThreadPoolExecutor(1) as thread:
        signing = thread.submit(sign)
        try:
            for number in range(40):
                with write.run(empty, "attack", **RUN), engines.writing(empty) as connection:
                    add(connection, f"number {number}")
        finally:
            over.set()
        assert signing.result() > 0
    assert len(names(empty)) == 40


# ---- Another file under the same name ------------------------------------------------------------

REPLACED = "was replaced by another one: what was to be written last was not|is gone: what was to be"


@pytest.fixture
def path(migrated_file, tmp_path):
    return shutil.copy(migrated_file, tmp_path / "x.db")


def copied(path, migrated_file):
    """The same database as it is now, lease and all, in another file."""
    target = path.with_name("copy.db")
    fresh_database.copy_file(path, target).rename(path)


def another(path, migrated_file):
    target = path.with_name("other.db")
    shutil.copy(migrated_file, target)
    target.rename(path)


def removed(path, migrated_file):
    path.unlink()


@pytest.mark.parametrize("connected", [True, False], ids=["connected", "connecting anew"])
@pytest.mark.parametrize("replace", [copied, another, removed])
def test_a_file_that_was_replaced_or_removed_is_written_to_no_more(path, migrated_file, replace, connected):
    engine = engines.create(path)
    lease = leases.take(engine, "test")
    with fences.held(engine, lease, processes.own()):
        with engines.writing(engine) as connection:
            add(connection, "before")
        if not connected:
            engine.dispose()
        replace(path, migrated_file)
        for _ in range(2):
            with pytest.raises(RuntimeError, match=REPLACED), engines.writing(engine) as connection:
                add(connection, "after")
        with pytest.raises(RuntimeError, match=REPLACED):
            leases.live(engine, lease, 15.0)
        with pytest.raises(RuntimeError, match=REPLACED):
            names(engine)
    assert path.exists() == (replace is not removed)
    if path.exists():
        assert names(engine) == ({"before"} if replace is copied else set())
        assert upkeep.check(engine) == []
    engine.dispose()


def test_a_file_that_is_replaced_just_before_a_commit_is_not_taken_for_written(path, migrated_file):
    engine = engines.create(path)

    def work():
        with engines.writing(engine) as connection:
            add(connection, "work")
            another(path, migrated_file)

    with fences.held(engine, leases.take(engine, "test")), pytest.raises(RuntimeError, match=REPLACED):
        work()
    engine.dispose()
    assert names(engine) == set()
    engine.dispose()


@on_a_server
def test_a_snapshot_on_a_server_refuses_to_write(empty):
    with pytest.raises(DBAPIError, match="read-only"), engines.snapshot(empty) as connection:
        add(connection, "never")
