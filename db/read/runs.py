"""Runs: the parameters of each, the rows it wrote, and its results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, case, distinct, func, select

from db.query_types import AnySelect
from db.runs import provenance
from db.schema import attacks, batches, datasets, layers, networks, operating_points, runs


class Run(NamedTuple):
    """An execution of an ingest stage."""

    id: int
    stage: str
    status: str
    network: str | None  # None: it began before its network and data set were known
    dataset: str | None
    weights: str | None  # sha256, hexadecimal
    started_at: str  # UTC, like the next one
    finished_at: str | None  # None: it is running
    seconds: float | None
    seed: int | None
    code_version: str
    process: str | None  # as from `db.processes.name`
    message: str | None
    batch: str | None  # None: it belongs to no batch
    parameters: dict[str, Any]


class AttackWay(NamedTuple):
    """A way to make attacks."""

    method: str
    variant: str
    targeted: bool


class AttackTally(NamedTuple):
    """The counts of attacks made in one way."""

    attacks: int
    successes: int
    samples: int
    queries: int


class Agreement(NamedTuple):
    """Samples that two runs attacked, by which run fooled the network in at least one attack."""

    both: int
    first_only: int
    second_only: int
    neither: int


class TunedLayer(NamedTuple):
    """A tuned layer, metric and rule, and the partition whose cases were counted."""

    layer: str
    metric: str
    rule: str
    partition: str


class TunedPoint(NamedTuple):
    """The k and threshold that tuning chose, and their quality; shares in [0, 1], None without cases."""

    k: int
    threshold: int
    auc: float | None
    accuracy: float | None


def list_runs(
    connection: Connection, *, stage: str | None = None, batch: str | None = None, limit: int | None = None
) -> list[Run]:
    """Runs, the latest first; optionally only of one stage, of batches of a name, or the latest `limit`."""
    query = _described().order_by(runs.c.id.desc()).limit(limit)
    if stage is not None:
        query = query.where(runs.c.stage == stage)
    if batch is not None:
        query = query.where(batches.c.name == batch)
    return [Run(*row) for row in connection.execute(query)]


def stages(connection: Connection) -> list[str]:
    """The stages that have runs."""
    return list(connection.scalars(select(runs.c.stage).distinct().order_by(runs.c.stage)))


def find_run(connection: Connection, run_id: int) -> Run:
    """The run with this id. Raises LookupError if there is none."""
    first, last = connection.execute(select(func.min(runs.c.id), func.max(runs.c.id))).one()
    row = None
    if first is not None and first <= run_id <= last:
        row = connection.execute(_described().where(runs.c.id == run_id)).one_or_none()
    if row is None:
        known = "this database has no runs" if first is None else f"the runs here are {first} to {last}"
        raise LookupError(f"no run {run_id}: {known}; `xpixels runs` lists them")
    return Run(*row)


def rows_written(connection: Connection, run_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """For each run, how many of its rows each table still has; tables without any are left out."""
    written: dict[int, dict[str, int]] = {run_id: {} for run_id in run_ids}
    if not written:
        return written
    for table in provenance.tables():
        rows, run = provenance.written(table)
        query = select(run, func.count()).select_from(rows).group_by(run)
        for run_id, count in connection.execute(query.where(run.between(min(written), max(written)))):
            if run_id in written:
                written[run_id][table.name] = count
    return written


def attack_tallies(connection: Connection, run_id: int) -> dict[AttackWay, AttackTally]:
    """The counts of a run's attacks, by the way they were made."""
    way = (attacks.c.method, attacks.c.variant, attacks.c.target_class.is_not(None))
    query = (
        select(
            *way,
            func.count(),
            func.sum(case((attacks.c.succeeded, 1), else_=0)),
            func.count(distinct(attacks.c.sample_id)),
            func.sum(attacks.c.queries),
        )
        .where(attacks.c.run_id == run_id)
        .group_by(*way)
        .order_by(*way)
    )
    return {
        AttackWay(method, variant, bool(targeted)): AttackTally(*map(int, tally))
        for method, variant, targeted, *tally in connection.execute(query)
    }


def agreement(connection: Connection, first: int, second: int) -> Agreement:
    """How two runs agree about the samples that both attacked."""
    one, other = (
        select(attacks.c.sample_id, func.max(case((attacks.c.succeeded, 1), else_=0)).label("fooled"))
        .where(attacks.c.run_id == run_id)
        .group_by(attacks.c.sample_id)
        .subquery()
        for run_id in (first, second)
    )
    query = (
        select(one.c.fooled, other.c.fooled, func.count())
        .join(other, other.c.sample_id == one.c.sample_id)
        .group_by(one.c.fooled, other.c.fooled)
    )
    counts = {(mine, its): count for mine, its, count in connection.execute(query)}
    return Agreement(*(counts.get(which, 0) for which in ((1, 1), (1, 0), (0, 1), (0, 0))))


def tuned_points(connection: Connection, run_id: int) -> dict[TunedLayer, TunedPoint]:
    """The points that a tuning chose, from the input to the output; empty if a later tuning replaced them."""
    points = operating_points.c
    query = (
        select(
            *(layers.c.name, points.metric, points.rule, points.partition),
            *(points.k, points.threshold, points.auc, points.accuracy),
        )
        .join(layers, layers.c.id == points.layer_id)
        .where(points.run_id == run_id, points.how_chosen == "tuning")
        .order_by(layers.c.network_id, layers.c.position, points.metric, points.rule, points.partition)
    )
    return {TunedLayer(*row[:4]): TunedPoint(*row[4:]) for row in connection.execute(query)}


def _described() -> AnySelect:
    columns = (networks.c.name, datasets.c.name, networks.c.sha256)
    times = (runs.c.started_at, runs.c.finished_at, runs.c.seconds)
    rest = (runs.c.seed, runs.c.code_version, runs.c.process, runs.c.message)
    of_run = (runs.c.id, runs.c.stage, runs.c.status)
    whole = select(*of_run, *columns, *times, *rest, batches.c.name, runs.c.parameters)
    described = whole.select_from(runs).outerjoin(networks, networks.c.id == runs.c.network_id)
    described = described.outerjoin(datasets, datasets.c.id == runs.c.dataset_id)
    return described.outerjoin(batches, batches.c.id == runs.c.batch_id)
