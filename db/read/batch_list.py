"""Batches with what came of them, and which one is meant by a name or a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, case, func, select

from db.read.network_titles import network_title
from db.read.runs import find_run
from db.schema import attacks, batches, cases, datasets, networks, runs


class ListedBatch(NamedTuple):
    """A batch, and what came of it so far."""

    id: int
    name: str
    network_id: int
    network: str
    dataset: str
    method: str
    pixel_count: int
    seed: int
    created_at: str  # UTC
    parameters: dict[str, Any]
    runs: list[int]  # their ids
    attacks: int
    successes: int
    cases: dict[tuple[str, str], int]  # by (partition, kind)

    def __str__(self) -> str:
        """What tells it from others, in a line."""
        return f"batch '{self.name}' of {network_title(self.network, self.dataset, self.network_id)}"


def list_batches(connection: Connection, *, name: str | None = None) -> list[ListedBatch]:
    """Batches, the latest first; those of a name."""
    query = (
        select(
            *(batches.c.id, batches.c.name, batches.c.network_id),
            *(networks.c.name.label("network"), datasets.c.name.label("dataset")),
            *(batches.c.method, batches.c.pixel_count, batches.c.seed),
            *(batches.c.created_at, batches.c.parameters),
        )
        .join(networks, networks.c.id == batches.c.network_id)
        .join(datasets, datasets.c.id == networks.c.dataset_id)
        .order_by(batches.c.id.desc())
    )
    if name is not None:
        query = query.where(batches.c.name == name)
    found = connection.execute(query).all()
    ids = [row.id for row in found]
    runs_of, tried, made = _runs(connection, ids), _attacks(connection, ids), _cases(connection, ids)
    return [
        ListedBatch._make((*row, runs_of.get(row.id, []), *tried.get(row.id, (0, 0)), made.get(row.id, {})))
        for row in found
    ]


def find_batch(connection: Connection, *, run_id: int | None = None, name: str | None = None) -> ListedBatch:
    """The batch that a run is of, or that has a name.

    Raises LookupError, with the choices, where there is none, or where the name is that of several networks'.
    """
    if run_id is not None:
        run = find_run(connection, run_id)
        batch_id = connection.scalar(select(runs.c.batch_id).where(runs.c.id == run_id))
        meant = [batch for batch in list_batches(connection) if batch.id == batch_id]
        what = f"run {run_id}, of stage {run.stage}, is of no batch"
    else:
        meant = list_batches(connection, name=name)
        what = f"no batch '{name}'"
    if len(meant) > 1:
        runs_ = "; ".join(f"{batch.runs[0]} for {batch}" for batch in meant if batch.runs)
        raise LookupError(f"several batches are called '{name}': give a run of one instead, {runs_}")
    if not meant:
        raise LookupError(f"{what}: {_choices(list_batches(connection))}")
    return meant[0]


def batch_of(connection: Connection, batch_id: int) -> ListedBatch:
    """The batch of an id, which is there."""
    return next(batch for batch in list_batches(connection) if batch.id == batch_id)


def _choices(known: Sequence[ListedBatch]) -> str:
    if not known:
        return "this database has no batches"
    named = (
        f"'{batch.name}'" + (f" (runs {', '.join(map(str, batch.runs))})" if batch.runs else "")
        for batch in known
    )
    return f"expected one of {', '.join(named)}"


def _runs(connection: Connection, ids: Sequence[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    query = select(runs.c.batch_id, runs.c.id).where(runs.c.batch_id.in_(ids)).order_by(runs.c.id)
    for batch_id, run_id in connection.execute(query):
        found.setdefault(batch_id, []).append(run_id)
    return found


def _attacks(connection: Connection, ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    hits = func.sum(case((attacks.c.succeeded, 1), else_=0))
    query = select(runs.c.batch_id, func.count(), hits).join(runs, runs.c.id == attacks.c.run_id)
    rows = connection.execute(query.where(runs.c.batch_id.in_(ids)).group_by(runs.c.batch_id))
    return {batch_id: (number, int(successes)) for batch_id, number, successes in rows}


def _cases(connection: Connection, ids: Sequence[int]) -> dict[int, dict[tuple[str, str], int]]:
    key = (runs.c.batch_id, cases.c.partition, cases.c.kind)
    query = select(*key, func.count()).join(runs, runs.c.id == cases.c.run_id)
    found: dict[int, dict[tuple[str, str], int]] = {}
    for batch_id, partition, kind, number in connection.execute(
        query.where(runs.c.batch_id.in_(ids)).group_by(*key).order_by(*key)
    ):
        found.setdefault(batch_id, {})[partition, kind] = number
    return found
