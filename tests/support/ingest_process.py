"""A real ingest in a process of its own, and how it is begun.

`python -m tests.support.ingest_process SETTINGS OPTIONS...`: SETTINGS, JSON, make it a process from elsewhere
that may be taken for dead within a test's time, and stop it (as SIGSTOP does) where a test can rely on it.
"""

import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import psutil

ROOT = Path(__file__).parents[2]
BATCH = ("--dataset", "cifar10-sample", "--cases", "2", "--population", "16", "--generations", "2")
BATCH += ("--no-maps", "--evaluation", "full")  # compiles sooner
BACKGROUND = "INT TERM HUP"  # signals that are ignored by a job of which nobody shall get hold


def start(database: str, weights: Path, cache: Path, *options: str, **settings) -> subprocess.Popen:
    """Begin an ingest of `BATCH`; what it says, on both streams, is its stdout.

    cache: a folder for what is compiled, which who is killed may leave broken.
    settings: of `_adapt`; `ignored`: names of signals.
    """
    compiled = {
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
        "JAX_COMPILATION_CACHE_MAX_SIZE": str(2**32),
    }
    ignored = settings.pop("ignored", "")
    shell = ["sh", "-c", f'trap "" {ignored}; exec "$@"', "sh"] if ignored else []
    module = "tests.support.ingest_process"
    command = [*shell, sys.executable, "-m", module, json.dumps(settings), *BATCH]
    return subprocess.Popen(
        [*command, "--database", database, "--weights", str(weights), *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | compiled,
    )


@contextmanager
def killing_those_left(processes: Sequence[subprocess.Popen]) -> Iterator[None]:
    """Who is still there when the block ends is killed."""
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
            process.stdout.close()


def finish(process: subprocess.Popen) -> tuple[int, str]:
    """Exit status, and the last line that was said."""
    said, _ = process.communicate(timeout=120)
    return process.returncode, (said.splitlines() or [""])[-1]


def wait_until_stopped(process: subprocess.Popen) -> None:
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
) -> None:
    """Make this process as a test wants it.

    host: the machine that it seems to be on. silence, sign_of_life: as in `db.runs.leases`.
    stop_before: a module of `ingest.stages` before whose first writing transaction it stops; stop_within:
        before whose first commit. endless: it computes attacks for ever, and writes none.
    """
    from db.runs import leases
    from model import devices
    from model.attacks import one_pixel

    devices.use_all_cores = lambda *_: None  # as in the tests' process, where the same was compiled
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


def main(settings: str, *options: str) -> int:
    """Run the command `xpixels ingest`, on the tests' part of the sample."""
    import xpixels
    from ingest import pipeline
    from model.data import registry
    from tests.support import ingested_batch

    _adapt(**json.loads(settings))
    sample = SimpleNamespace(**{split: registry.load("cifar10-sample", split) for split in ("train", "test")})
    registry.load = partial(ingested_batch.cut, sample)  # as Dask's workers get it
    pipeline.ingest = partial(pipeline.ingest, load=registry.load)
    return xpixels.main(["ingest", *options])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
