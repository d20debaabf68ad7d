"""List batches with their results, and find one by its name or by a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, case, func, select

from db.read.network_titles import network_title
from db.read.runs import find_run
from db.schema import attacks, batches, cases, datasets, networks, runs
from db.scope import Scope


class ListedBatch(NamedTuple):
    """A batch, and its results so far."""

    id: int
    name: str
    network_id: int
    dataset_id: int
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

    @property
    def scope(self) -> Scope:
        """The network and the data set that it belongs to."""
        return Scope(self.network_id, self.dataset_id)

    def __str__(self) -> str:
        """One line that identifies the batch."""
        return f"batch '{self.name}' of {network_title(self.network, self.dataset, self.network_id)}"


def list_batches(connection: Connection, *, name: str | None = None) -> list[ListedBatch]:
    """Batches, or only those of a name, the latest first."""
    query = (
        select(
            *(batches.c.id, batches.c.name, batches.c.network_id, batches.c.dataset_id),
            *(networks.c.name.label("network"), datasets.c.name.label("dataset")),
            *(batches.c.method, batches.c.pixel_count, batches.c.seed),
            *(batches.c.created_at, batches.c.parameters),
        )
        .join(networks, networks.c.id == batches.c.network_id)
        .join(datasets, datasets.c.id == batches.c.dataset_id)
        .order_by(batches.c.id.desc())
    )
    if name is not None:
        query = query.where(batches.c.name == name)
    rows = connection.execute(query).all()
    ids = [row.id for row in rows]
    runs_of, tried, made = _runs(connection, ids), _attacks(connection, ids), _cases(connection, ids)
    return [
        ListedBatch._make((*row, runs_of.get(row.id, []), *tried.get(row.id, (0, 0)), made.get(row.id, {})))
        for row in rows
    ]


def find_batch(connection: Connection, *, run_id: int | None = None, name: str | None = None) -> ListedBatch:
    """The batch of a run, or with a name.

    Raises LookupError, with the choices, if there is none, or if several networks have a batch of that name.
    """
    if run_id is not None:
        run = find_run(connection, run_id)
        batch_id = connection.scalar(select(runs.c.batch_id).where(runs.c.id == run_id))
        matches = [batch for batch in list_batches(connection) if batch.id == batch_id]
        what = f"run {run_id}, of stage {run.stage}, is of no batch"
    else:
        matches = list_batches(connection, name=name)
        what = f"no batch '{name}'"
    if len(matches) > 1:
        runs_ = "; ".join(f"{batch.runs[0]} for {batch}" for batch in matches if batch.runs)
        raise LookupError(f"several batches are called '{name}': give a run of one instead, {runs_}")
    if not matches:
        raise LookupError(f"{what}: {_choices(list_batches(connection))}")
    return matches[0]


def batch_of(connection: Connection, batch_id: int) -> ListedBatch:
    """The batch with this id, which must exist."""
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
