"""Readers beside an ingest: not one error, not one answer that does not fit together.

    python -m benchmarks.readers [DATABASE] [--requests 10000] [--readers 8]

A real `xpixels ingest` writes all the while, one seed after the other, and `xpixels tune` after each; a real
`xpixels serve` answers. Half of the readers are browsers: documents, layouts, callbacks, images, exports. The
other half asks SQL, as `xpixels sql` does, and what must be true of the database at any moment. Each HTTP
request and each statement counts as one. DATABASE is copied first; without one, a small one is made.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import db.engine
from benchmarks.compiled import compiled_in
from benchmarks.invariants import ALWAYS, broken
from benchmarks.reading import Client, Tally, read
from db.address import ENVIRONMENT
from db.commands import upkeep

ROOT = Path(__file__).parents[1]
BATCH = ("--dataset", "cifar10-sample", "--population", "16", "--generations", "3")


def command(*arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "xpixels.py"), *arguments]


class Writer:
    """Runs ingests one after the other, each with another seed and then a tuning, until it is stopped."""

    def __init__(self, path: Path, options: list[str]) -> None:
        self.path, self.options = path, options
        self.log = path.with_name("ingest.log")
        self.settings = os.environ | compiled_in(path.with_name("compiled")) | {ENVIRONMENT: str(path)}
        self.done: Counter = Counter()
        self.failed: list[str] = []
        self.process: subprocess.Popen | None = None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._work, daemon=True)

    def ingest(self, seed: int) -> bool:
        """Run an ingest with this seed; returns whether it succeeded."""
        return self._run("ingest", *BATCH, *self.options, "--seed", str(seed))

    def _work(self) -> None:
        for seed in count(1000):
            if not self.over.is_set():
                self.done["ingests"] += self.ingest(seed)
            if not self.over.is_set():
                self.done["tunings"] += self._run("tune")
            if self.over.is_set():
                return

    def _run(self, *arguments: str) -> bool:
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                command(*arguments), stdout=output, stderr=output, cwd=ROOT, env=self.settings
            )
        failed = self.process.wait() != 0
        if failed and not self.over.is_set():
            self.failed.append(self.log.read_text().splitlines()[-1])
        return not failed

    def __enter__(self) -> Writer:
        """Start, and return when an ingest is running."""
        before = rows(self.path)["runs"]
        self.thread.start()
        while rows(self.path)["runs"] == before and not self.failed:
            time.sleep(0.1)
        return self

    def __exit__(self, *_) -> None:
        self.over.set()
        if self.process is not None:
            self.process.terminate()
        self.thread.join()


@contextmanager
def served(path: Path) -> Iterator[str]:
    """Serve a database's dashboard in a process of its own; yields its address."""
    settings = os.environ | {ENVIRONMENT: str(path)}
    arguments = command("serve", "--port", "0")
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, encoding="utf-8", cwd=ROOT, env=settings
    ) as process:
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def rows(path: Path) -> dict[str, int]:
    """How many rows each table has."""
    engine = db.engine.create(path, read_only=True)
    found = upkeep.info(engine).rows
    engine.dispose()
    return found


def told(seconds: list[float]) -> str:
    """Median, 95 %, 99 % and largest, in milliseconds."""
    if len(seconds) < 2:
        return "none"
    cuts = statistics.quantiles(seconds, n=100)
    return ", ".join(
        f"{1000 * value:.0f} ms {name}"
        for name, value in (
            ("median", cuts[49]),
            ("95 %", cuts[94]),
            ("99 %", cuts[98]),
            ("at most", max(seconds)),
        )
    )


def main(arguments: list[str] | None = None) -> int:
    """Read while others write; exit status 1: there were problems."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("database", type=Path, nargs="?", metavar="DATABASE", help="a path")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--readers", type=int, default=8)
    parser.add_argument("--cases", default="8", help="of each ingest (default: %(default)s)")
    parser.add_argument("--weights", type=Path, help="npz of a network (default: the bundled one)")
    options = parser.parse_args(arguments)
    batch = ["--cases", options.cases]
    batch += ["--weights", str(options.weights.resolve())] if options.weights else []
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "read.db"
        if options.database is not None:
            upkeep.backup(db.engine.create(options.database, read_only=True), path)
        writer = Writer(path, batch)
        if not writer.ingest(999):  # compiles, too
            print(writer.failed[0], file=sys.stderr)
            return 1
        before, tally, sizes = rows(path), Tally(options.requests), [0]
        log = path.with_name(path.name + "-wal")

        def look() -> None:
            sizes.append(log.stat().st_size if log.exists() else 0)

        began = time.perf_counter()
        with served(path) as address, writer:
            read(tally, options.readers, lambda: Client(address), path, meanwhile=look)
        seconds, after = time.perf_counter() - began, rows(path)
        with db.engine.create(path, read_only=True).connect() as connection:
            tally.torn += broken(connection, [*ALWAYS])
    print(f"{tally.requests:,} requests of {options.readers} readers in {seconds:.0f} s")
    for kind, found in tally.seconds.items():
        print(f"  {len(found):,} by {kind}: {told(found)}")
    new = {table: after[table] - before[table] for table in after if after[table] > before[table]}
    made = ", ".join(f"{number} {name}" for name, number in writer.done.items())
    print(f"{sum(new.values()):,} rows written meanwhile; {made} done, one more stopped in the middle:")
    print("  " + ", ".join(f"{number:,} {table}" for table, number in new.items()))
    print(f"write-ahead log: at most {max(sizes) / 1e6:.1f} MB")
    print(f"{len(tally.errors)} errors, {len(tally.torn)} torn answers, {len(writer.failed)} ingests failed")
    for line in [*tally.errors[:5], *tally.torn[:5], *writer.failed[:5]]:
        print(f"  {line}")
    return 1 if tally.errors or tally.torn or writer.failed else 0


if __name__ == "__main__":
    sys.exit(main())
