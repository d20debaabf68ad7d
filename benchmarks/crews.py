"""Several workers on one ingest: Dask's, and ingests that share a PostgreSQL server, beside one process.

    python -m benchmarks.crews [--server postgresql://user@host/postgres] [--kills 3] [--weights FILE]

Every crew makes the same batch from nothing. Some are killed by SIGKILL at random moments: Dask workers, and
any of three ingests on the server, the one that plans among them. Prints seconds, kills, and in what the rows
differ from those of one process.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, create_engine, make_url

from benchmarks.compiled import compiled_in
from db import engine as engines
from db.address import ENVIRONMENT
from db.commands import upkeep
from tests.support.contents import Contents, contents, differences

BATCH = ("--dataset", "cifar10-sample", "--population", "64", "--generations", "3")
SERVER_INGESTS = 3


class Bench:
    """Runs ingests, and checks the resulting databases."""

    def __init__(self, folder: Path, options: Sequence[str], seed: int) -> None:
        """options: of the ingest, except the database. seed: for the moments of kills."""
        self.folder, self.options, self.chance = folder, list(options), random.Random(seed)
        self.seconds, self.expected = 0.0, None

    def start(self, database: str, *more: str) -> subprocess.Popen:
        """Start an ingest; its output goes to a file."""
        with (self.folder / "said").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "ingest", *self.options, *more],
                stdout=output,
                stderr=output,
                cwd=Path(__file__).parents[1],
                env=os.environ | compiled_in(self.folder / "compiled") | {ENVIRONMENT: database},
            )

    def alone(self) -> None:
        """Run one process, twice: the first one compiles."""
        for name in ("compiles", "alone"):
            began = time.monotonic()
            self.finish(self.start(str(self.folder / f"{name}.db")))
            self.seconds = time.monotonic() - began
        self.expected = self.read(engines.create(self.folder / "alone.db", read_only=True))[0]
        print(f"one process: {self.seconds:.0f} s", flush=True)

    def finish(self, process: subprocess.Popen) -> None:
        """Wait for the end. Raises RuntimeError with the output if the process fails."""
        if process.wait():
            raise RuntimeError((self.folder / "said").read_text())

    def read(self, engine: Engine) -> tuple[Contents, list[str]]:
        """The contents of a database, and its problems."""
        found = contents(engine), upkeep.check(engine)
        engine.dispose()
        return found

    def judge(self, name: str, engine: Engine, seconds: float, kills: int) -> list[str]:
        """Print a line; returns the problems of a database."""
        found, wrong = self.read(engine)
        wrong += differences(found, self.expected)
        share = f"{seconds:.0f} s, {seconds / self.seconds:.2f} of one process's"
        print(f"{name}: {share}; {kills} killed; {wrong or 'the same rows'}", flush=True)
        return wrong

    def dask(self, kills: int) -> list[str]:
        """Run a local Dask cluster, and kill some of its workers."""
        path = self.folder / f"dask-{kills}.db"
        began = time.monotonic()
        process = self.start(str(path), "--scheduler", "local")
        with killing(self.moments(kills), lambda: dask_workers(process.pid), self.chance) as killed:
            self.finish(process)
        seconds = time.monotonic() - began
        name = "Dask, a worker a core"
        return self.judge(name, engines.create(path, read_only=True), seconds, len(killed))

    def server(self, address: str, kills: int) -> list[str]:
        """Run three ingests on a server's new database; killed ones are started again."""
        url = make_url(address).set(database=f"xpixels_crews_{os.getpid()}_{kills}")
        with admin(address) as execute:
            execute(f'CREATE DATABASE "{url.database}"')
        try:
            text = url.render_as_string(hide_password=False)
            began = time.monotonic()
            processes = [self.start(text) for _ in range(SERVER_INGESTS)]
            alive = lambda: [process.pid for process in processes if process.poll() is None]  # noqa: E731
            with killing(self.moments(kills), alive, self.chance) as killed:
                while alive():
                    for place, process in enumerate(processes):
                        if process.poll() == -signal.SIGKILL:
                            processes[place] = self.start(text)
                    time.sleep(0.1)
            for process in processes:
                self.finish(process)
            seconds = time.monotonic() - began
            name = f"{SERVER_INGESTS} ingests on PostgreSQL"
            return self.judge(name, engines.create(text, read_only=True), seconds, len(killed))
        finally:
            with admin(address) as execute:
                execute(f'DROP DATABASE "{url.database}" WITH (FORCE)')

    def moments(self, count: int) -> list[float]:
        """Random moments within the time that one process takes, in seconds from the start."""
        return sorted(self.chance.uniform(0.1, 0.9) * self.seconds for _ in range(count))


def dask_workers(parent: int) -> list[int]:
    """Worker processes of a local cluster, whose nannies are threads of `parent`."""
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "pid=,ppid=,args="], capture_output=True, encoding="utf-8", check=True
    ).stdout.splitlines()
    split = [line.split(None, 2) for line in listed]
    return [int(pid) for pid, above, args in split if int(above) == parent and "spawn_main" in args]


@contextmanager
def killing(
    moments: Sequence[float], among: Callable[[], list[int]], chance: random.Random
) -> Iterator[list[int]]:
    """Kill one of some processes at each moment; yields the list of killed processes."""
    over, killed, began = threading.Event(), [], time.monotonic()

    def work() -> None:
        for moment in moments:
            if over.wait(max(0.0, began + moment - time.monotonic())):
                return
            if found := among():
                killed.append(chance.choice(found))
                os.kill(killed[-1], signal.SIGKILL)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


@contextmanager
def admin(address: str) -> Iterator[Callable]:
    """Execute statements outside of transactions, as CREATE DATABASE requires."""
    engine = create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection.exec_driver_sql
    engine.dispose()


def main() -> int:
    """Compare the crews. Exit status 1: rows differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--server", metavar="URL", help="of a PostgreSQL database that may make others")
    parser.add_argument("--kills", type=int, default=3, help="of each crew (default: %(default)s)")
    parser.add_argument("--cases", default="16", help="default: %(default)s")
    parser.add_argument("--weights", type=Path, help="npz of a network (default: the bundled one)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        chosen = [*BATCH, "--cases", options.cases]
        chosen += ["--weights", str(options.weights)] if options.weights else []
        bench = Bench(Path(folder), chosen, options.seed)
        bench.alone()
        wrong = []
        for kills in dict.fromkeys((0, options.kills)):
            wrong += bench.dask(kills)
            wrong += bench.server(options.server, kills) if options.server else []
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
