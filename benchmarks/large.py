"""A large database: 1,000,000 neighbors, 50,000 reference samples with activations. Is it still smooth?

    python -m benchmarks.large DATABASE [--neighbors 1000000] [--references 50000] [--keep PATH]

Copies DATABASE, as `xpixels demo` makes it, and multiplies its cases and its reference set. Prints what a
case and a reference sample take, by table; the time of bulk inserts of neighbors from the first to the last,
of the pages, of `xpixels db check`, and of loading the reference set for a search. Neighbors are written as
an ingest writes them: those of some cases in each layer in turn. `benchmarks.compression` tells what
compressing activations would save and cost.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from sqlalchemy import Connection, Engine, Table, func, insert, literal, select, true

import db.engine
from benchmarks import pages
from benchmarks.many_cases import STEP, multiply
from db import schema, write
from db.commands import upkeep
from db.read.for_ingest import batches, stored_activations
from db.read.network_titles import scopes
from db.scope import Scope
from ingest.spaces import reference_vectors, spaces
from ingest.stages.neighbors import CHUNK

METRIC = "euclidean"
OF_CASES = (
    *("cases", "class_scores", "case_activations", "neighbors", "decisions", "case_facets", "repairs"),
    *("detector_decisions", "vulnerability_maps", "originals", "original_activations", "original_neighbors"),
)
OF_REFERENCES = ("reference_samples", "reference_activations", "samples", "images")


def sizes(connection: Connection) -> dict[str, int]:
    """Bytes of every table's pages, including its indexes."""
    query = """SELECT tbl_name, SUM(pgsize) FROM dbstat JOIN sqlite_schema USING (name) GROUP BY tbl_name"""
    return dict(connection.exec_driver_sql(query).all())


def print_sizes(engine: Engine) -> None:
    """Print bytes by table per case and per reference sample; samples and images count for the latter."""
    with engine.connect() as connection:
        found = sizes(connection)
        for name, table, parts in (
            ("case", schema.cases, OF_CASES),
            ("reference sample", schema.reference_samples, OF_REFERENCES),
        ):
            number = connection.scalar(select(func.count()).select_from(table))
            each = {}
            for part in parts:
                counted = schema.metadata.tables[part] if part in ("samples", "images") else table
                there = connection.scalar(select(func.count()).select_from(counted))
                each[part] = found.get(part, 0) / there
            by_table = ", ".join(f"{part} {size:,.0f}" for part, size in each.items() if size >= 1)
            print(f"a {name} takes {sum(each.values()):,.0f} bytes ({number:,} there): {by_table}")


def multiply_references(connection: Connection, wanted: int) -> int:
    """Copy the reference set with its activations until it has `wanted` samples; images are shared."""
    samples, references = schema.samples, schema.reference_samples
    activations = schema.reference_activations
    there = connection.scalar(select(func.count()).select_from(references))
    copies = -(-wanted // there) - 1
    if copies < 1:
        return there
    numbers = select(literal(1).label("copy")).cte("numbers", recursive=True)
    numbers = numbers.union_all(select(numbers.c.copy + 1).where(numbers.c.copy < copies))
    of_reference = samples.c.id.in_(select(references.c.sample_id))
    for table, moved, which in (
        (samples, ("id", "position"), of_reference),
        (references, ("id", "sample_id"), true()),
        (activations, ("reference_sample_id",), true()),
    ):
        _copy(connection, table, moved, numbers, which, offset=100_000 * STEP)
    return there * (copies + 1)


def _copy(
    connection: Connection, table: Table, moved: tuple[str, ...], numbers, which, *, offset: int
) -> None:
    """Insert copies whose `moved` columns have numbers that no row has yet."""
    values = [
        (column + offset + numbers.c.copy * STEP if column.name in moved else column).label(column.name)
        for column in table.c
    ]
    chosen = select(*values).join_from(table, numbers, true()).where(which)
    connection.execute(insert(table).from_select([column.name for column in table.c], chosen))


def write_neighbors(engine: Engine, scope: Scope, wanted: int) -> Iterator[tuple[int, float, float]]:
    """Write neighbors of the cases that have none, in every compared layer.

    Yields the rows, seconds and CPU seconds of each chunk of cases.
    """
    random = np.random.default_rng(0)
    with engine.connect() as connection:
        layers = [row.id for row in batches.layer_rows(connection, scope.network_id) if row.compared]
        lacking = batches.cases_without_neighbors(connection, scope, layers[0], METRIC)
        references = stored_activations.reference_ids(connection, scope)
        there = connection.scalar(select(func.count()).select_from(schema.neighbors))
    for first in range(0, len(lacking), CHUNK):
        rows = seconds = busy = 0
        for layer_id in layers:
            some = lacking[first : first + CHUNK]
            ids = random.choice(references, (len(some), 50)).tolist()
            new = [
                {
                    "case_id": case_id,
                    "layer_id": layer_id,
                    "metric": METRIC,
                    "rank": rank,
                    "reference_sample_id": reference_id,
                    "distance": float(rank),
                }
                for case_id, near in zip(some, ids, strict=True)
                for rank, reference_id in enumerate(near, start=1)
            ]
            began, busily = time.perf_counter(), time.process_time()
            with db.engine.writing(engine) as connection:
                write.insert_missing(connection, schema.neighbors, new)
            rows, seconds = rows + len(new), seconds + time.perf_counter() - began
            busy += time.process_time() - busily
        there += rows
        yield rows, seconds, busy
        if there >= wanted:
            return


def timed(what: str, question: Callable):
    """Print the time of a query; returns its result."""
    began = time.perf_counter()
    answer = question()
    print(f"{what}: {time.perf_counter() - began:.2f} s", flush=True)
    return answer


def measure(path: Path, source: Path, wanted: int, references: int) -> None:
    """Make the large database at `path` from the one at `source`, and print all measurements."""
    small = db.engine.create(source, read_only=True)
    with small.connect() as connection:
        scope = scopes(connection)[-1]
        every = spaces(batches.layer_rows(connection, scope.network_id))
    print_sizes(small)
    small.dispose()
    engine = multiply(source, path, -(-wanted // (50 * len(every))))

    def multiplied() -> int:
        with db.engine.writing(engine) as connection:
            return multiply_references(connection, references)

    there = timed("the reference set multiplied", multiplied)
    parts = list(write_neighbors(engine, scope, wanted))
    written, seconds, busy = map(sum, zip(*parts, strict=True))
    print(f"{written:,} neighbors in {seconds:.1f} s, {busy:.1f} s of the processor; rows a second of each:")
    for name, (rows, took, used) in (("first", parts[0]), ("last", parts[-1])):
        print(f"  the {name} {rows:,}: {rows / took:,.0f}, {rows / used:,.0f}")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        number = connection.scalar(select(func.count()).select_from(schema.neighbors))
    print(f"{number:,} neighbors, {there:,} reference samples, {path.stat().st_size / 1e6:,.0f} MB")
    timed("xpixels db check", lambda: upkeep.check(engine))
    with engine.connect() as connection:
        for space in every:
            timed(f"loading {space.layer.name}", partial(reference_vectors, connection, scope, space))
    engine.dispose()
    for repeat in (source, path):
        print(f"pages of {repeat.name}:", flush=True)
        pages.main([str(repeat), "--repeats", "5"])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("database", type=Path, metavar="DATABASE", help="path of a database with cases")
    parser.add_argument("--neighbors", type=int, default=1_000_000)
    parser.add_argument("--references", type=int, default=50_000)
    parser.add_argument("--keep", type=Path, metavar="PATH", help="keep the large database there")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        path = options.keep or Path(folder) / "large.db"
        measure(path, options.database, options.neighbors, options.references)


if __name__ == "__main__":
    main()
