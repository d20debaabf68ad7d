"""Bulk writes: the rows of neighbors, scores and decisions through db.write beside the bare driver.

    python -m benchmarks.writes [--rows 1000000]

Both write the same rows into the same table of an empty database, in transactions of the same size, beginning
from what an ingest has in its hands: a mapping a row. Prints seconds of each and their ratio.
"""

import argparse
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import Table

import db.engine
from db import schema, write
from db.tables.columns import metadata

CHUNK = 50_000  # rows per transaction


def neighbor_rows(count: int) -> Iterator[dict]:
    """Rows of `neighbors`: 50 per case, in the order of their key."""
    draw = random.Random(0)
    for i in range(count):
        yield {
            "case_id": i // 50 + 1,
            "layer_id": 1,
            "metric": "euclidean",
            "rank": i % 50 + 1,
            "reference_sample_id": draw.randrange(1, 45_000),
            "distance": draw.random() * 10,
        }


def score_rows(count: int) -> Iterator[dict]:
    """Rows of `class_scores`: ten per case."""
    draw = random.Random(1)
    for i in range(count):
        yield {
            "case_id": i // 10 + 1,
            "class": i % 10,
            "logit": draw.gauss(0, 3),
            "probability": draw.random(),
        }


def decision_rows(count: int) -> Iterator[dict]:
    """Rows of `decisions`, with their booleans and NULLs."""
    draw = random.Random(2)
    for i in range(count):
        found = draw.randrange(14)
        yield {
            "case_id": i // 4 + 1,
            "layer_id": i % 4 + 1,
            "metric": "euclidean",
            "rule": "total",
            "k": 13,
            "threshold": 6,
            "unexpected_count": found,
            "alarm": found > 6,
            "majority_class": None if found == 7 else found % 10,
            "recovered_class": None,
            "outcome": "TP" if found > 6 else "FN",
            "run_id": 1,
        }


def ours(path: Path, table: Table, chunks: list[list[dict]]) -> float:
    """Seconds that db.write takes."""
    engine = db.engine.create(path)
    metadata.create_all(engine)
    with engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        driver.execute("PRAGMA foreign_keys = OFF")  # the rows stand alone here
        began = time.perf_counter()
        for chunk in chunks:
            with connection.begin():
                if table is schema.neighbors:
                    write.add_neighbors(connection, table, chunk, run_id=1)  # also records each search
                else:
                    write.insert_missing(connection, table, chunk)
        seconds = time.perf_counter() - began
    engine.dispose()
    return seconds


def bare(path: Path, table: Table, chunks: list[list[dict]]) -> float:
    """Seconds that the bare driver takes, with positional parameters, for the rows as they are."""
    engine = db.engine.create(path)
    metadata.create_all(engine)
    engine.dispose()
    names = list(chunks[0][0])
    columns = ", ".join(f'"{name}"' for name in names)
    statement = f"INSERT INTO {table.name} ({columns}) VALUES ({', '.join('?' * len(names))})"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA cache_size = -{db.engine.PAGES_KEPT}")
    began = time.perf_counter()
    for chunk in chunks:
        connection.execute("BEGIN")
        connection.executemany(statement, [tuple(row.values()) for row in chunk])
        connection.execute("COMMIT")
    seconds = time.perf_counter() - began
    connection.close()
    return seconds


def compare(name: str, make: Callable[[int], Iterator[dict]], count: int) -> None:
    """Print the best of three runs of each."""
    rows = list(make(count))
    chunks = [rows[i : i + CHUNK] for i in range(0, count, CHUNK)]
    table = schema.metadata.tables[name]
    times: dict[Callable, list[float]] = {ours: [], bare: []}
    for _ in range(3):
        for way, found in times.items():
            with tempfile.TemporaryDirectory() as folder:
                found.append(way(Path(folder) / "rows.db", table, chunks))
    best = {way: min(found) for way, found in times.items()}
    print(
        f"{name:14}{count:10,} rows  db.write {best[ours]:6.2f} s  bare driver {best[bare]:6.2f} s  "
        f"ratio {best[ours] / best[bare]:.2f}",
        flush=True,
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of neighbors (default: %(default)s)")
    rows = parser.parse_args(arguments).rows
    compare("neighbors", neighbor_rows, rows)
    compare("class_scores", score_rows, rows // 4)
    compare("decisions", decision_rows, rows // 4)


if __name__ == "__main__":
    main()
