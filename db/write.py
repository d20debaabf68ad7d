"""Idempotent bulk writes: existing rows stay as they are, missing ones are added.

Every function takes a Connection and leaves the transaction to its caller (see `engine.writing`), so that
a chunk of work is one transaction. Only the functions of runs take the Engine: a run is visible while it
works, and its end is recorded even if the work failed.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any, cast

from sqlalchemy import Column, ColumnElement, Connection, Engine, Table, and_, delete, insert, select, update

from db import facets, processes, schema, vocabulary
from db.bulk import given_rows
from db.engine import insert_many, insert_or_skip, writing
from db.query_types import AnyRow
from db.scope import Scope, judged_on

Row = Mapping[str, Any]


def insert_missing(connection: Connection, table: Table, rows: Iterable[Row]) -> int:
    """Inserts the rows whose keys do not exist yet; returns how many were inserted.

    All rows have the same columns. A row that breaks any other constraint is an error, not skipped.
    """
    added = 0
    for chunk in _chunks(rows, 50_000):
        added += insert_many(connection, table, chunk)
    return added


def ids_by_key(
    connection: Connection, table: Table, columns: Sequence[str], keys: Sequence[Sequence[Any]]
) -> list[int]:
    """The ids of the rows with the given keys, in the order of the keys; None in a key is NULL.

    Args:
        columns: names of the columns that together are unique, as `("dataset_id", "split", "position")`.
        keys: each with one value for each column.

    Raises:
        LookupError: a key has no row.
    """
    wanted = list(dict.fromkeys(tuple(key) for key in keys))
    given = given_rows(connection, [table.c[name] for name in columns])
    same = [_equal(table.c[name], given.c[name]) for name in columns]
    query = select(given.c.place, table.c.id).join_from(given, table, and_(*same))
    ids = {wanted[place]: id_ for place, id_ in connection.execute(query, {"rows": json.dumps(wanted)})}
    missing = [key for key in wanted if key not in ids]
    if missing:
        described = ", ".join(f"{name}={value!r}" for name, value in zip(columns, missing[0], strict=True))
        raise LookupError(f"No row in {table.name} with {described} ({len(missing)} such keys).")
    return [ids[tuple(key)] for key in keys]


def ensure(connection: Connection, table: Table, key: Row, others: Row | None = None) -> int:
    """The id of the row with the given key; if there is none, it is inserted with the other values."""
    query = select(table.c.id).where(*(_equal(table.c[name], value) for name, value in key.items()))
    id_ = connection.scalar(query)
    if id_ is None:
        connection.execute(insert_or_skip(connection, table), {**key, **(others or {})})
        id_ = connection.execute(query).scalar_one()
    return int(id_)


# ---- Runs ----------------------------------------------------------------------------------------


@contextmanager
def run(
    engine: Engine,
    stage: str,
    *,
    parameters: Row,
    code_version: str,
    seed: int | None = None,
    scope: Scope | None = None,
    batch_id: int | None = None,
) -> Iterator[int]:
    """Records a run around a stage's work, from `running` to done, failed or interrupted; yields its id.

    An error's first line becomes the run's message, and the error goes on to the caller.
    """
    of = {"seed": seed, "batch_id": batch_id}
    id_ = start_run(engine, stage, parameters=parameters, code_version=code_version, scope=scope, **of)
    began = time.monotonic()
    try:
        yield id_
    except BaseException as error:
        status = "failed" if isinstance(error, Exception) else "interrupted"
        message = (str(error).splitlines() or [""])[0]
        message = f"{type(error).__name__}: {message}" if message else type(error).__name__
        with suppress(RuntimeError):  # another process has ended it already
            finish_run(engine, id_, status=status, message=message, seconds=time.monotonic() - began)
        raise
    finish_run(engine, id_, seconds=time.monotonic() - began)


def start_run(
    engine: Engine,
    stage: str,
    *,
    parameters: Row,
    code_version: str,
    seed: int | None = None,
    scope: Scope | None = None,
    batch_id: int | None = None,
) -> int:
    """Records that a stage is running, in a transaction of its own; returns the run's id.

    Runs whose process died are marked first (see `mark_interrupted`).
    """
    row = {
        **({} if scope is None else scope._asdict()),
        "stage": stage,
        "status": "running",
        "parameters": dict(parameters),
        "seed": seed,
        "batch_id": batch_id,
        "code_version": code_version,
        "process": processes.own(),
        "started_at": schema.now(),
    }
    with writing(engine) as connection:
        mark_interrupted(connection)
        return int(cast(AnyRow, connection.execute(insert(schema.runs), row).inserted_primary_key)[0])


def finish_run(
    engine: Engine,
    run_id: int,
    *,
    status: str = "done",
    message: str | None = None,
    seconds: float | None = None,
    scope: Scope | None = None,
) -> None:
    """Records how a run ended, in a transaction of its own.

    Args:
        status: done, failed or interrupted.
        message: one line for people: what was made, or why it failed.
        seconds: how long it worked.
        scope: the network and data set of the run, when they were not known at the start.

    Raises:
        LookupError: there is no such run.
        RuntimeError: it is over already: another process took this one for dead.
    """
    ended = {"status": status, "finished_at": schema.now(), "message": message, "seconds": seconds}
    if scope is not None:
        ended |= scope._asdict()
    with writing(engine) as connection:
        runs = schema.runs.c
        at_work = (runs.id == run_id) & (runs.status == "running")
        if connection.execute(update(schema.runs).where(at_work).values(ended)).rowcount == 1:
            return
        if connection.scalar(select(runs.id).where(runs.id == run_id)) is None:
            raise LookupError(f"No run {run_id}.")
    raise processes.taken_for_dead(run_id)


def mark_interrupted(connection: Connection) -> list[int]:
    """Marks `running` runs as `interrupted` if their process, on this machine, is gone; returns their ids."""
    runs = schema.runs
    running = connection.execute(select(runs.c.id, runs.c.process).where(runs.c.status == "running"))
    dead = [id_ for id_, process in running if not processes.alive(process)]
    for id_ in dead:
        ended = {"status": "interrupted", "finished_at": schema.now(), "message": "its process ended"}
        connection.execute(update(runs).where(runs.c.id == id_).values(ended))
    return dead


# ---- Neighbors, tuning, evaluations and annotations ---------------------------------------------


def add_neighbors(connection: Connection, table: Table, rows: Sequence[Row], run_id: int) -> None:
    """Inserts missing neighbors, and records that this run searched for them.

    Args:
        table: `neighbors` of cases, or `original_neighbors`.
        rows: all neighbors of each case, layer and metric.
    """
    searched = "case" if table is schema.neighbors else "original"
    same = {"searched": searched, "run_id": run_id}
    searches = [
        {name: row[name] for name in ("case_id", "layer_id", "metric")} | same
        for row in rows
        if row["rank"] == 1
    ]
    insert_missing(connection, schema.searches, searches)
    insert_missing(connection, table, rows)


def replace_tuning(
    connection: Connection,
    scope: Scope,
    layer_ids: Sequence[int],
    metric: str,
    rule: str,
    *,
    run_id: int,
    tuning_points: Sequence[Row],
    operating_points: Sequence[Row],
    decisions: Sequence[Row],
) -> None:
    """Replaces the tuning of a network's layers on a data set for one metric and rule.

    Within the caller's transaction: readers always see decisions with the operating points that made them.
    The rows leave out `run_id` and `dataset_id`.

    Raises:
        ValueError: a row is of another layer, metric or rule.
    """
    allowed = {(layer_id, metric, rule) for layer_id in layer_ids}
    new = (
        (schema.tuning_points, tuning_points),
        (schema.operating_points, operating_points),
        (schema.decisions, decisions),
    )
    for table, rows in new:
        for row in rows:
            if (row["layer_id"], row["metric"], row["rule"]) not in allowed:
                raise ValueError(
                    f"A row of {table.name} is of layer {row['layer_id']}, {row['metric']}, {row['rule']}; "
                    f"expected layers {sorted(layer_ids)}, {metric}, {rule}."
                )
    for table, rows in new:
        old = and_(table.c.layer_id.in_(layer_ids), table.c.metric == metric, table.c.rule == rule)
        connection.execute(delete(table).where(old, judged_on(table, scope)))
        _insert(connection, table, rows, {"run_id": run_id, "dataset_id": scope.dataset_id})
    if (metric, rule) == (vocabulary.METRIC, vocabulary.RULE):
        facets.refresh(connection, scope)


def replace_evaluation(
    connection: Connection,
    detector_id: int,
    *,
    run_id: int,
    detector_points: Sequence[Row],
    k_points: Sequence[Row],
    evaluations: Sequence[Row],
) -> None:
    """Replaces the evaluation of a detector, within the caller's transaction.

    The rows leave out `detector_id` and `run_id`.
    """
    detectors = schema.detectors
    connection.execute(update(detectors).where(detectors.c.id == detector_id).values(run_id=run_id))
    new = (
        (schema.detector_points, detector_points),
        (schema.k_points, k_points),
        (schema.evaluations, evaluations),
    )
    for table, rows in new:
        connection.execute(delete(table).where(table.c.detector_id == detector_id))
        _insert(connection, table, rows, {"detector_id": detector_id, "run_id": run_id})


def add_annotation(connection: Connection, case_id: int, *, kind: str, body: str) -> int:
    """Stores an annotation of a case; returns its id.

    Raises:
        LookupError: there is no such case.
        ValueError: kind or body is empty.
    """
    for name, value in (("kind", kind), ("body", body)):
        if not value.strip():
            raise ValueError(f"The annotation's {name} is empty: expected some text.")
    if connection.scalar(select(schema.cases.c.id).where(schema.cases.c.id == case_id)) is None:
        raise LookupError(f"No case {case_id}.")
    row = {"case_id": case_id, "kind": kind.strip(), "body": body.strip(), "created_at": schema.now()}
    return int(cast(AnyRow, connection.execute(insert(schema.annotations), row).inserted_primary_key)[0])


# ---- Parts ---------------------------------------------------------------------------------------


def _insert(connection: Connection, table: Table, rows: Sequence[Row], same: Row) -> None:
    """Inserts the rows, each with those values of `same` that the table has a column for."""
    same = {name: value for name, value in same.items() if name in table.c}
    if rows:
        connection.execute(insert(table), [{**same, **row} for row in rows])


def _chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _equal(target: Column[Any], value: object) -> ColumnElement[bool]:
    # NULL equals NULL here; indexes work best for the plain comparison, which is enough without NULLs.
    return target.is_not_distinct_from(value) if target.nullable else target == value
