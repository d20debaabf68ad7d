"""An ingest that is killed again and again: what it comes to in the end, beside one that nobody disturbed.

`python -m benchmarks.interruptions --kills 40` kills `xpixels ingest` by SIGKILL at random moments of every
stage, gives the same command again, and compares the database with that of an undisturbed run, row for row.
Unknown options are passed to the ingest, such as `--targets all`.
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from benchmarks.compiled import compiled_in
from db import engine as engines
from db.address import ENVIRONMENT
from db.commands import upkeep
from tests.support.contents import contents, differences, running

STAGES = (
    *("reference", "near-duplicates", "attack", "cases", "originals", "sweep", "repair"),
    *("neighbors", "tuning", "evaluation"),
)
BATCH = ("--dataset", "cifar10-sample", "--population", "16", "--generations", "3")
# The command line, with a line in a log for every finished attack, whether it is stored or not.
CHILD = """
import os, sys
from model.attacks import one_pixel
import xpixels
whole, log = one_pixel.attack_stream, os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def told(*arguments, identities, targets, **options):
    width = 1 if targets is None else targets.shape[1]
    for flat, result in whole(*arguments, identities=identities, targets=targets, **options):
        lines = zip(identities[flat // width], flat % width, result.queries, strict=True)
        made = [f"{image}/{target} {queries}" for image, target, queries in lines if queries]
        os.write(log, "".join(line + "\\n" for line in made).encode())
        yield flat, result
one_pixel.attack_stream = told
sys.exit(xpixels.main(["ingest", *sys.argv[2:]]))
"""


class Bench:
    """Runs ingests into the databases of a folder."""

    def __init__(self, folder: Path, options: Sequence[str]) -> None:
        """`options`: of the ingest, except the database."""
        self.folder, self.options = folder, list(options)

    def start(self, name: str) -> subprocess.Popen:
        """Start an ingest into database `name`; its output goes to a file."""
        with (self.folder / f"{name}.out").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-c", CHILD, str(self.folder / f"{name}.attacks"), *self.options],
                stdout=output,
                stderr=output,
                cwd=Path(__file__).parents[1],
                env=os.environ
                | compiled_in(self.folder / "compiled")
                | {ENVIRONMENT: str(self.folder / f"{name}.db")},
            )

    def whole(self, name: str) -> None:
        """Run an ingest to its end. Raises RuntimeError if it fails."""
        if self.start(name).wait():
            raise RuntimeError((self.folder / f"{name}.out").read_text())

    def stage(self, name: str) -> tuple[int, str] | None:
        """The active run, and its stage; None: there is none."""
        path = self.folder / f"{name}.db"
        if not path.exists():
            return None
        query = "SELECT id, stage FROM runs WHERE status = 'running' AND stage <> 'ingest' ORDER BY id DESC"
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0.1)) as connection:
                return connection.execute(query).fetchone()
        except sqlite3.OperationalError:  # not made yet
            return None

    def kill(self, name: str, stage: str | None, after: float) -> str | None:
        """Start an ingest; kill it `after` seconds after a stage begins, or after the start if that is None.

        Returns the stage that was active ("-": none), or None if the ingest was done before.
        """
        process = self.start(name)
        before = self.stage(name)
        while stage is not None and process.poll() is None:
            now = self.stage(name)
            if now is not None and now != before and now[1] == stage:
                break
            time.sleep(0.002)
        deadline = time.monotonic() + after
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        if process.poll() is not None:
            if process.returncode:
                raise RuntimeError((self.folder / f"{name}.out").read_text())
            return None
        process.kill()
        process.wait()
        at_work = self.stage(name)
        return at_work[1] if at_work else "-"

    def attacks(self, name: str) -> tuple[int, int, int]:
        """How many attacks were finished, how many were repetitions, and the queries of all."""
        path = self.folder / f"{name}.attacks"
        lines = path.read_text().split("\n")[:-1] if path.exists() else []
        counted = Counter(line.split()[0] for line in lines)
        return len(counted), sum(counted.values()) - len(counted), sum(int(x.split()[1]) for x in lines)

    def problems(self, name: str, expected: dict) -> list[str]:
        """The problems of a database in the end."""
        engine = engines.create(self.folder / f"{name}.db", read_only=True)
        found = upkeep.check(engine) + differences(expected, contents(engine))
        with engine.connect() as connection:
            left = running(connection)
        engine.dispose()
        return found + ([f"{left} runs are still running"] if left else [])


def main() -> int:
    """Kill until there were enough kills; prints a line for each, then sums. Exit status 1: problems."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--cases", default="40")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--weights", type=Path, help="npz of a network (default: the bundled one)")
    options, further = parser.parse_known_args()  # of the ingest, such as --targets all
    chance, wrong, killed, databases = random.Random(options.seed), [], Counter(), 0
    again = queries = 0
    with tempfile.TemporaryDirectory() as name:
        chosen = [*BATCH, "--cases", options.cases, *further]
        bench = Bench(Path(name), [*chosen, "--weights", str(options.weights)] if options.weights else chosen)
        bench.whole("compiles")
        began = time.monotonic()
        bench.whole("undisturbed")
        seconds = time.monotonic() - began
        engine = engines.create(bench.folder / "undisturbed.db", read_only=True)
        expected = contents(engine)
        with engine.connect() as connection:
            took = dict(connection.exec_driver_sql("SELECT stage, seconds FROM runs").all())
        attacks, _, needed = bench.attacks("undisturbed")
        print(f"undisturbed: {seconds:.1f} s, {attacks} attacks, {needed:,} queries", flush=True)
        while killed.total() < options.kills:
            databases += 1
            database = f"killed-{databases}"
            for stage in STAGES:  # a kill in each, sometimes at any other moment
                anywhere = chance.random() < 0.2
                after = chance.uniform(0, seconds if anywhere else took[stage])
                at = bench.kill(database, None if anywhere else stage, after)
                if at is not None:
                    killed[at] += 1
                    print(f"  {database}: kill {killed.total()} in {at}", flush=True)
                if killed.total() == options.kills:
                    break
            bench.whole(database)
            finished, twice, made = bench.attacks(database)
            again, queries = again + twice, queries + made - needed
            found = bench.problems(database, expected)
            wrong += found
            print(f"{database}: {finished} attacks, {twice} of them twice; {found or 'equal'}", flush=True)
            for path in bench.folder.glob(f"{database}.*"):
                path.unlink()
    where = ", ".join(f"{count} {stage}" for stage, count in killed.most_common())
    print(f"{killed.total()} kills ({where}) of {databases} ingests: {len(wrong)} differences or problems")
    print(
        f"{again} attacks of {databases * attacks} were finished twice, {queries:,} queries were made again"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
