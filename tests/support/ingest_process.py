"""A real ingest in a process of its own, and how it is begun.

Settings make it a process from elsewhere that may be taken for dead within a test's time, and stop it (as
SIGSTOP does) where a test can rely on it. Each process is a fork of one that has imported everything and
computed nothing, as the imports take longer than the ingest.
"""

import multiprocessing
import os
import platform
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace

import psutil
from filelock import FileLock

from db import engine as engines
from ingest import pipeline
from tests.support import ingested_batch

ROOT = Path(__file__).parents[2]
BATCH = ("--dataset", "cifar10-sample", "--cases", "2", "--population", "16", "--generations", "2")
BATCH += ("--no-maps", "--evaluation", "full")  # compiles sooner
SAME_BATCH = replace(ingested_batch.BATCH, population=16)  # for the tests' own process, with `options_of`
BACKGROUND = "INT TERM HUP"  # signals that are ignored by a job of which nobody shall get hold
IMPORTED = (  # before a process is forked: what an ingest imports, also late
    "xpixels",
    "ingest.command",
    "ingest.pipeline",
    "ingest.workers.dask",
    "model.attacks.one_pixel",
    "model.terminal",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite",
    "tests.support.ingest_process",
    "tests.support.ingested_batch",
)


class Ingest:
    """A process that was begun, with what `subprocess.Popen` gives of it."""

    def __init__(self, process: multiprocessing.Process, said: Connection) -> None:
        """said: what it says, on both streams."""
        self.process, self.pid = process, process.pid
        self.stdout = open(os.dup(said.fileno()), encoding="utf-8")  # noqa: SIM115

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode

    def poll(self) -> int | None:
        return self.process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self) -> None:
        self.process.join()

    def communicate(self, timeout: float = 120) -> tuple[str, None]:
        """What it said up to its end; after `timeout` seconds it is killed."""
        late = threading.Timer(timeout, self.kill)
        late.start()
        try:
            said = self.stdout.read()
            self.wait()
        finally:
            late.cancel()
        return said, None


def options_of(load: Callable, weights: Path) -> dict:
    """With these, `pipeline.ingest` does what the options of `BATCH` ask for."""
    return {"load": load, "weights": weights, "maps": False, "repairs": False, "evaluation": "full"}


def undisturbed_file(shared: Path, migrated_file: Path, options: dict) -> Path:
    """The file that a single process writes, made by the first who asks."""
    path, done = shared / "undisturbed.db", shared / "undisturbed.done"
    with FileLock(shared / "undisturbed.lock"):
        if not done.exists():
            shutil.copy(migrated_file, path)
            engine = engines.create(path)
            pipeline.ingest(engine, SAME_BATCH, **options)
            engine.dispose()
            done.touch()
    return path


def cache_of_the_killed(shared: Path) -> Path:
    """A folder for what is compiled by those who are killed; it begins with what the tests have compiled."""
    compiled, cache = shared / "compiled", shared / "of-the-killed"
    with FileLock(shared / "of-the-killed.lock"):
        if not cache.exists():
            compiled.mkdir(exist_ok=True)
            with FileLock(compiled / ".lockfile"):  # JAX's own, held while it writes a file
                shutil.copytree(compiled, cache, ignore=shutil.ignore_patterns(".lockfile"))
    return cache


def compiled_in(cache: Path) -> dict[str, str]:
    """Environment of processes that keep all that they compile in a folder."""
    return {
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_COMPILATION_CACHE_MAX_SIZE": str(2**32),
    }


def start(database: str, weights: Path, cache: Path, *options: str, ignored: str = "", **settings) -> Ingest:
    """Begin an ingest of `BATCH`; what it says, on both streams, is its stdout.

    cache: a folder for what is compiled, which who is killed may leave broken.
    ignored: names of signals. settings: of `_adapt`.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    reading, writing = context.Pipe(duplex=False)
    command = ["ingest", *BATCH, "--database", database, "--weights", str(weights), *options]
    process = context.Process(target=_work, args=(writing, ignored, compiled_in(cache), settings, command))
    process.start()
    writing.close()
    with reading:
        return Ingest(process, reading)


@contextmanager
def killing_those_left(processes: Sequence[Ingest]) -> Iterator[None]:
    """Who is still there when the block ends is killed."""
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
            process.stdout.close()


def finish(process: Ingest) -> tuple[int, str]:
    """Exit status, and the last line that was said."""
    said, _ = process.communicate()
    return process.returncode, (said.splitlines() or [""])[-1]


def wait_until_stopped(process: Ingest) -> None:
    """Return when a process has stopped itself."""
    while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)


# ---- In the process ------------------------------------------------------------------------------


def _adapt(
    host: str | None = None,
    silence: float | None = None,
    sign_of_life: float | None = None,
    stop_before: str | None = None,
    stop_within: str | None = None,
    endless: bool = False,
    cores: int | None = None,
) -> None:
    """Make this process as a test wants it.

    cores: how many it may use. host: the machine that it seems to be on.
    silence, sign_of_life: as in `db.runs.leases`.
    stop_before: a module of `ingest.stages` before whose first writing transaction it stops; stop_within:
        before whose first commit. endless: it computes attacks for ever, and writes none.
    """
    from db.runs import leases
    from model import devices
    from model.attacks import one_pixel

    devices.use_all_cores = lambda *_: None  # as in the tests' process, where the same was compiled
    if cores is not None:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    if host is not None:
        platform.node = lambda: host
    leases.SILENCE = leases.SILENCE if silence is None else silence
    leases.SIGN_OF_LIFE = leases.SIGN_OF_LIFE if sign_of_life is None else sign_of_life
    for name, within in ((stop_before, False), (stop_within, True)):
        if name is not None:
            _stop_once(name, within)
    if endless:
        one_pixel.attack_stream = _compute_for_ever


def _stop_once(name: str, within: bool) -> None:
    from importlib import import_module

    module = import_module(f"ingest.stages.{name}")
    writing, left = module.writing, [None]

    @contextmanager
    def stopping(engine):
        stops = bool(left) and left.pop() is None
        if stops and not within:
            os.kill(os.getpid(), signal.SIGSTOP)
        with writing(engine) as connection:
            yield connection
            if stops and within:
                os.kill(os.getpid(), signal.SIGSTOP)

    module.writing = stopping


def _compute_for_ever(*_, **__) -> Iterator:
    print("computing", flush=True)
    while True:
        sum(range(1000))
    yield


def _work(
    said: Connection, ignored: str, compiled: dict[str, str], settings: dict, command: list[str]
) -> None:
    """Run the command on the tests' part of the sample, and exit with its status."""
    for name in ignored.split():
        signal.signal(getattr(signal, f"SIG{name}"), signal.SIG_IGN)
    for stream in (1, 2):
        os.dup2(said.fileno(), stream)
    said.close()
    _compile_in(compiled)

    import xpixels
    from ingest import pipeline
    from model.data import registry

    _adapt(**settings)
    sample = SimpleNamespace(**{split: registry.load("cifar10-sample", split) for split in ("train", "test")})
    registry.load = partial(ingested_batch.cut, sample)  # as Dask's workers get it
    pipeline.ingest = partial(pipeline.ingest, load=registry.load)
    sys.exit(xpixels.main(command))


def _compile_in(environment: dict[str, str]) -> None:
    """As if it had been started with this environment; JAX, which read its own before, is told."""
    import jax

    os.environ.update(environment)
    for name, value in environment.items():
        option = name.lower()
        jax.config.update(option, type(getattr(jax.config, option) or "")(value))
