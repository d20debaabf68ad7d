"""The case list over very many cases: those of a real database, multiplied.

    python -m benchmarks.many_cases DATABASE [--cases 100000] [--keep PATH]

Prints the time on the server of the list under each kind of filter and order, and of a case within them.

Every copy has a sample, an attack, scores and decisions of its own; its classes are those of the case that it
is a copy of, moved on by one with each copy, and its confidence a little less. Activations, neighbors and
maps stay those of the cases that were there: they would be gigabytes, and no list reads them.
"""

import argparse
import statistics
import tempfile
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Engine, Table, func, literal, select, true

import db.engine
import db.read
from benchmarks.pages import Visit, callbacks_of
from dashapp.app import create_app
from db import facets, schema
from db.commands import upkeep
from db.read.network_titles import scopes

MOVED = {  # table -> columns that identify a sample, an attack or a case, or are part of such a key
    schema.samples: ("id", "position"),
    schema.attacks: ("id", "sample_id"),
    schema.attack_pixels: ("attack_id",),
    schema.cases: ("id", "sample_id", "attack_id"),
    schema.class_scores: ("case_id",),
    schema.decisions: ("case_id",),
    schema.detector_decisions: ("case_id",),
}
CLASSES = ("label", "true_class", "predicted_class", "target_class", "recovered_class", "majority_class")
STEP = 10_000_000  # between the ids of a row and of its next copy; more than any id of the source


def multiply(source: Path, target: Path, cases: int) -> Engine:
    """Make a database at `target` with at least `cases` cases from the one at `source`, which has some."""
    upkeep.backup(db.engine.create(source, read_only=True), target)
    engine = db.engine.create(target)
    with db.engine.writing(engine) as connection:
        there = connection.scalar(select(func.count()).select_from(schema.cases))
        if not there:
            raise ValueError(f"{source} has no cases to multiply; expected some, as `xpixels demo` makes.")
        copies = -(-cases // there) - 1
        for table, moved in MOVED.items():
            _copy(connection, table, moved, copies)
        for scope in scopes(connection):
            facets.refresh(connection, scope)
        connection.exec_driver_sql("ANALYZE")
    return engine


def _copy(connection: Connection, table: Table, moved: tuple[str, ...], copies: int) -> None:
    numbers = select(literal(1).label("copy")).cte("numbers", recursive=True)
    numbers = numbers.union_all(select(numbers.c.copy + 1).where(numbers.c.copy < copies))
    copy, values = numbers.c.copy, []
    for column in table.c:
        value = column
        if column.name in moved:
            value = column + copy * STEP
        elif column.name in CLASSES:
            value = (column + copy) % 10
        elif column.name == "confidence":
            value = column * (1 - (copy % 97) / 1000.0)
        values.append(value.label(column.name))
    chosen = select(*values).join_from(table, numbers, true())
    if table is schema.samples:  # the reference set is not multiplied
        chosen = chosen.where(table.c.id.in_(select(schema.cases.c.sample_id)))
    if table is schema.attacks:
        chosen = chosen.where(table.c.id.in_(select(schema.cases.c.attack_id)))
    if table is schema.attack_pixels:
        chosen = chosen.where(table.c.attack_id.in_(select(schema.cases.c.attack_id)))
    connection.execute(table.insert().from_select([column.name for column in table.c], chosen))


LISTS = (
    "",
    "?partition=all",
    "?kind=adversarial",
    "?true=cat",
    "?true=cat&true=dog",
    "?predicted=dog",
    "?outcome=FN",
    "?detector=repair&outcome=FN",
    "?recovered=cat",
    "?alarms=none",
    "?divergence=dense",
    "?confidence=0.5..0.9",
    "?unexpected=1..",
    "?queries=100..300",
    "?kind=adversarial&true=cat&outcome=FN&confidence=0.3..",
    "?find=100-9000",
    "?find=no such words",
    "?sort=-confidence",
    "?sort=true,-confidence",
    "?sort=-unexpected",
    "?view=gallery",
    "?page=900",
)


def measure(engine: Engine, repeats: int) -> None:
    """Print the medians of the page's callback, and of the previous and next case, for every list."""
    client = create_app(engine).server.test_client()
    callbacks = callbacks_of(client)
    print(f"{'list':58}{'cases':>9}{'server ms':>11}{'CPU ms':>8}{'place ms':>10}")
    for search in LISTS:
        visits = []
        for _ in range(repeats):
            visit = Visit(client, callbacks)
            visit.open("/", search)
            visits.append(visit)
        query, options = db.read.case_query(engine, search)
        listed = db.read.list_cases(engine, query, options)
        place = Visit(client, callbacks)
        if listed.rows:
            place.timed(partial(db.read.neighbor_cases, engine, search, listed.rows[-1].id))
        print(
            f"{search or '(first page)':58}{listed.total:9,}"
            f"{1000 * statistics.median(max(visit.times) for visit in visits):11.0f}"
            f"{1000 * statistics.median(visit.busiest for visit in visits):8.0f}"
            f"{1000 * max(place.times, default=0):10.0f}",
            flush=True,
        )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("database", type=Path, metavar="DATABASE", help="path of a database with cases")
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, metavar="PATH", help="keep the large database there")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        engine = multiply(options.database, options.keep or Path(folder) / "many.db", options.cases)
        measure(engine, options.repeats)
        engine.dispose()


if __name__ == "__main__":
    main()
