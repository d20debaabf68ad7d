"""A Dask cluster as crew: each chunk of a stage is a task, and its results go into the database.

If a worker dies, the scheduler gives its chunk to another one. Workers need on their machines what an ingest
needs: this program in the same version, the data set, the weights, and the database.
"""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import Engine

from db import engine as engines
from db.address import Address
from db.runs.fences import held
from ingest.runs import code_version
from ingest.task import Done, Task
from ingest.workers.local import WORK, chunks
from ingest.workers.remote import Place, describe, enter
from model import devices
from model.data import registry
from model.data.dataset import Dataset

if TYPE_CHECKING:
    from types import ModuleType

    from distributed import Client, Future, WorkerPlugin

LOCAL = "local"
ANSWER = 10  # seconds to wait for an answer of the scheduler
PATIENCE = 60  # seconds to wait for a first worker
AGAIN = 2  # retries of a chunk after an error, such as a busy database


class Cluster:
    """The workers of a Dask client, as a crew."""

    def __init__(self, client: Client, url: str, load: bytes) -> None:
        """url: of the database, for the workers. load: pickled, returns a split of a data set by name."""
        self.client, self.url, self.load = client, url, load
        self.command = uuid4().hex  # workers outlive it; the next one may use another file of that name

    def share(
        self, work: str, task: Task, run_id: int, items: Sequence[Any], size: int, **same: Any
    ) -> Iterator[Done]:
        """As in `Crew`. Raises RuntimeError if workers die again and again, or are gone."""
        from distributed import KilledWorker

        where = (self.command, describe(task), self.url, self.load)
        futures = [
            self.client.submit(_do, where, work, run_id, part, same, pure=False, retries=AGAIN)
            for part in chunks(items, size)
        ]
        try:
            for future in self._completed(futures):
                yield from future.result()
        except KilledWorker as error:
            raise RuntimeError(
                f"a chunk of the stage {work} ended several Dask workers, the last one "
                f"{error.last_worker.address}: their logs tell why; what was written is kept"
            ) from None
        except CancelledError:
            raise RuntimeError(
                f"the Dask scheduler at {self._address()} is gone; what was written is kept, "
                "and the same command goes on from there"
            ) from None
        finally:
            self.client.cancel(futures)

    def _address(self) -> str:
        return str(getattr(self.client.scheduler, "address", "an unknown address"))

    def _completed(self, futures: Sequence[Future[Any]]) -> Iterator[Future[Any]]:
        """Yield futures as they finish. Raises RuntimeError if there is no worker any more."""
        from distributed import wait

        left = set(futures)
        while left:
            try:
                done, left = wait(left, timeout=PATIENCE, return_when="FIRST_COMPLETED")
            except TimeoutError:
                if self.client.nthreads():
                    continue  # workers are still busy
                raise RuntimeError(
                    f"the Dask scheduler at {self._address()} has no workers any more; what "
                    "was written is kept, and the same command goes on from there"
                ) from None
            yield from done


def crew_at(scheduler: str | None, engine: Engine) -> AbstractContextManager[Cluster | None]:
    """The crew of a command: `cluster` at a scheduler's address, or None for the usual one."""
    if scheduler is None:
        return nullcontext()
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # errors are reported in one line
    return cluster(scheduler, engine, registry.load)


@contextmanager
def cluster(address: str, engine: Engine, load: Callable[[str, str], Dataset]) -> Iterator[Cluster]:
    """The crew at a scheduler's address; `local` starts a cluster on this machine that ends with the block.

    Raises ValueError if Dask is not installed, or workers have another version or are on another machine than
    a SQLite file; OSError if no scheduler answers, and TimeoutError if no worker connects.
    """
    try:
        import distributed
    except ModuleNotFoundError:
        raise ValueError(
            "--scheduler needs Dask, which the extra `dask` brings: run `pip install --constraint "
            "requirements.lock --editable '.[dask]'`"
        ) from None
    import cloudpickle

    path = engines.file(engine)
    if engine.dialect.name == "sqlite" and path is None:
        raise ValueError("--scheduler: a database in memory is of one process; name a file")
    url = Address(str(path.absolute()) if path else engine.url.render_as_string(hide_password=False))
    with _client(address, distributed) as client:
        _require_workers(client, address, path is not None)
        client.register_plugin(_plugin())
        yield Cluster(client, url, cloudpickle.dumps(load))


@contextmanager
def _client(address: str, distributed: ModuleType) -> Iterator[Client]:
    if address != LOCAL:
        try:
            client = distributed.Client(address, timeout=ANSWER)
        except (OSError, ValueError):
            raise OSError(
                f"--scheduler {address}: no Dask scheduler answers there: expected tcp://HOST:PORT; start "
                f"one with `dask scheduler`, or use `--scheduler {LOCAL}`"
            ) from None
        with client:
            yield client
        return
    cores = len(os.sched_getaffinity(0))
    with (
        distributed.LocalCluster(
            n_workers=cores,
            threads_per_worker=1,
            memory_limit=0,  # none: killing workers for a large reference set does not help
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.ERROR,
        ) as started,
        distributed.Client(started) as client,
    ):
        yield client


def _require_workers(client: Client, address: str, one_machine: bool) -> None:
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        raise TimeoutError(
            f"--scheduler {address}: it has no workers; start some with `dask worker {address} --nthreads 1`"
        ) from None
    try:
        known = client.run(_describe_worker)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"--scheduler {address}: a worker lacks {error.name}; install this program where the workers run"
        ) from None
    threads = client.nthreads()
    for worker, (host, version) in known.items():
        if threads[worker] != 1:
            raise ValueError(
                f"--scheduler {address}: the worker {worker} has {threads[worker]} threads, expected one: "
                f"start it with `dask worker {address} --nthreads 1`, one a core or an accelerator"
            )
        if version != code_version():
            raise ValueError(
                f"--scheduler {address}: the worker {worker} has version {version} of this program, here it "
                f"is {code_version()}; install the same one"
            )
        if one_machine and host != platform.node():
            raise ValueError(
                f"--scheduler {address}: the worker {worker} is on {host}, and a SQLite file serves one "
                "machine; use PostgreSQL (--database postgresql://...)"
            )


def _describe_worker() -> tuple[str, str]:
    return platform.node(), code_version()


def _plugin() -> WorkerPlugin:
    from distributed import WorkerPlugin

    class OneDevice(WorkerPlugin):
        """Limits a worker to one thread, or to its accelerators, as there is one worker per core."""

        def setup(self, worker: object) -> None:
            devices.use_all_cores(1)

    return OneDevice()


@lru_cache(maxsize=1)
def _entered(command: str, place: Place, url: str, load: bytes) -> Task:
    import cloudpickle

    return enter(place, engines.create(url, existing=True), cloudpickle.loads(load))


def _do(
    where: tuple[str, Place, str, bytes], work: str, run_id: int, items: list[Any], same: dict[str, Any]
) -> list[Done]:
    """Do a chunk in a worker's process. Raises TakenForDead if its run is over: then others do it."""
    task = _entered(*where)
    with held(task.engine, run_id):
        return list(WORK[work](task, run_id, items, **same))
