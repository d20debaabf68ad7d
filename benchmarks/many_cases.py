"""A database of many cases, for timings: the cases of a real one, multiplied.

Every copy has a sample, an attack, scores and decisions of its own, with the values of the case that it is a
copy of. Activations, neighbours and maps stay those of the cases that were there: they would be gigabytes,
and no list reads them.
"""

from pathlib import Path

from sqlalchemy import Connection, Engine, Table, func, literal, select, true

import db.engine
from db import facets, schema, upkeep

MOVED = {  # table -> columns that name a sample, an attack or a case, or are part of such a name
    schema.samples: ("id", "position"),
    schema.attacks: ("id", "sample_id"),
    schema.attack_pixels: ("attack_id",),
    schema.cases: ("id", "sample_id", "attack_id"),
    schema.class_scores: ("case_id",),
    schema.decisions: ("case_id",),
    schema.detector_decisions: ("case_id",),
}
STEP = 10_000_000  # between a row and its next copy; more than any id of the source


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
        for network_id in connection.scalars(select(schema.networks.c.id)).all():
            facets.add_cases(connection, network_id)
        connection.exec_driver_sql("ANALYZE")
    return engine


def _copy(connection: Connection, table: Table, moved: tuple[str, ...], copies: int) -> None:
    numbers = select(literal(1).label("copy")).cte("numbers", recursive=True)
    numbers = numbers.union_all(select(numbers.c.copy + 1).where(numbers.c.copy < copies))
    values = [
        (column + numbers.c.copy * STEP if column.name in moved else column).label(column.name)
        for column in table.c
    ]
    chosen = select(*values).join_from(table, numbers, true())
    if table is schema.samples:  # the reference set is not multiplied
        chosen = chosen.where(table.c.id.in_(select(schema.cases.c.sample_id)))
    if table is schema.attacks:
        chosen = chosen.where(table.c.id.in_(select(schema.cases.c.attack_id)))
    if table is schema.attack_pixels:
        chosen = chosen.where(table.c.attack_id.in_(select(schema.cases.c.attack_id)))
    connection.execute(table.insert().from_select([column.name for column in table.c], chosen))
