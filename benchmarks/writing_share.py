"""How much of an ingest's time goes into writing rows, stage by stage.

    python -m benchmarks.writing_share [OPTIONS OF xpixels ingest]

Runs `xpixels ingest` into an empty database; without options it ingests what `xpixels demo` does. Writing is
all the time from the beginning of a transaction that writes to its end: making rows inside it, waiting for
the disk, committing. What of it the database itself takes stands beside it: the rest is Python.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import Pool

import xpixels
from db import write
from ingest.demo import DEMO

TARGET = 0.10  # share of an ingest
DEMO_OPTIONS = (
    *("--dataset", DEMO.dataset, "--cases", str(DEMO.cases)),
    *("--population", str(DEMO.population), "--generations", str(DEMO.generations)),
)


class Spent:
    """Seconds of each stage, and the part of them within transactions that write."""

    def __init__(self) -> None:
        self.stage = "(between stages)"
        self.seconds: dict[str, float] = defaultdict(float)
        self.writing: dict[str, float] = defaultdict(float)
        self.database: dict[str, float] = defaultdict(float)
        self.longest: dict[str, float] = defaultdict(float)
        self.transactions: dict[str, int] = defaultdict(int)
        self.began: dict[int, float] = {}  # writing transactions by their driver's connection
        self.asked = 0.0

    def watch(self) -> None:
        """Listen to every engine of this process, and to the stages."""
        event.listen(Engine, "begin", self._begins)
        event.listen(Engine, "commit", self._commits)
        event.listen(Pool, "checkin", self._ends)
        event.listen(Engine, "before_cursor_execute", self._asks)
        event.listen(Engine, "after_cursor_execute", self._answers)
        whole = write.run

        @contextmanager
        def run(engine, stage, **facts) -> Iterator[int]:
            before, self.stage, began = self.stage, stage, time.perf_counter()
            try:
                with whole(engine, stage, **facts) as run_id:
                    yield run_id
            finally:
                self.seconds[stage] += time.perf_counter() - began
                self.stage = before

        write.run = run

    def _driver(self, connection: Connection) -> int:
        return id(connection.connection.dbapi_connection)

    def _begins(self, connection: Connection) -> None:
        if connection.get_execution_options().get("xpixels_writing"):
            self.began[self._driver(connection)] = time.perf_counter()

    def _commits(self, connection: Connection) -> None:
        """From here until the connection is returned, the disk is written."""
        self.asked = time.perf_counter()

    def _ends(self, driver, _record) -> None:
        began = self.began.pop(id(driver), None)
        if began is not None:
            now = time.perf_counter()
            self.writing[self.stage] += now - began
            self.database[self.stage] += now - self.asked
            self.longest[self.stage] = max(self.longest[self.stage], now - began)
            self.transactions[self.stage] += 1

    def _asks(self, *_) -> None:
        self.asked = time.perf_counter()

    def _answers(self, connection: Connection, *_) -> None:
        if self._driver(connection) in self.began:
            self.database[self.stage] += time.perf_counter() - self.asked

    def table(self, whole: float) -> Iterator[str]:
        """Yield a line per stage, and a last one for the whole ingest, which took `whole` seconds."""
        self.seconds["(between stages)"] = whole - sum(self.seconds.values())
        yield f"{'stage':18}{'seconds':>10}{'writing':>10}{'share':>8}{'database':>10}" + (
            f"{'transactions':>14}{'longest':>10}"
        )
        for stage, seconds in (*self.seconds.items(), ("whole", whole)):
            parts = (self.writing, self.database, self.transactions, self.longest)
            figures = [part[stage] for part in parts]
            if stage == "whole":
                figures = [*(sum(part.values()) for part in parts[:3]), max(self.longest.values(), default=0)]
            writing, database, count, longest = figures
            yield f"{stage:18}{seconds:10.2f}{writing:10.2f}{writing / seconds:8.1%}{database:10.2f}" + (
                f"{count:14,}{longest:10.3f}"
            )


def main(arguments: list[str] | None = None) -> int:
    options = sys.argv[1:] if arguments is None else arguments
    if {"-h", "--help"} & set(options):
        print(__doc__)
        return 0
    spent = Spent()
    spent.watch()
    with tempfile.TemporaryDirectory() as folder:
        database = ["--database", str(Path(folder) / "ingest.db")]
        began = time.perf_counter()
        status = xpixels.main(["ingest", *(options or DEMO_OPTIONS), *database])
        seconds = time.perf_counter() - began
    if status:
        return status
    print(*spent.table(seconds), sep="\n")
    share = sum(spent.writing.values()) / seconds
    print(f"writing takes {share:.1%} of {seconds:.1f} s (target: at most {TARGET:.0%})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
