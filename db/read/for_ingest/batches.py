"""Read queries of the stages of an ingest: what it has stored, and what is left to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, and_, case, distinct, func, select

from db.query_types import AnySelect
from db.schema import (
    attack_pixels,
    attacks,
    cases,
    classes,
    layers,
    neighbors,
    predictions,
    reference_samples,
    runs,
    samples,
    vulnerability_maps,
)
from db.scope import Scope
from db.vocabulary import PARTITIONS

if TYPE_CHECKING:
    import numpy as np


class KnownAttack(NamedTuple):
    """An earlier attack: its result, and its final pixels."""

    id: int
    succeeded: bool
    predicted_class: int
    pixels: list[tuple[int, int, int, int, int]]  # row, column, red, green, blue


class AttackTotal(NamedTuple):
    """All attacks of a network on a data set made in one way."""

    method: str
    variant: str
    screened: str | None
    targeted: bool
    attacks: int
    successes: int
    images: int
    images_fallen: int


class LayerRow(NamedTuple):
    """A layer of a network."""

    id: int
    name: str
    kind: str
    compared: bool


class CaseVotes(NamedTuple):
    """Cases with the labels of their neighbors in one layer under one metric; N cases, k = 50."""

    case_ids: list[int]
    partitions: np.ndarray  # (N,) str
    adversarial: np.ndarray  # (N,) bool
    predicted: np.ndarray  # (N,) int
    labels: np.ndarray  # (N, k) int, nearest first


def layer_rows(connection: Connection, network: int) -> list[LayerRow]:
    """The layers of a network, from the input to the output."""
    query = select(layers.c.id, layers.c.name, layers.c.kind, layers.c.compared)
    rows = connection.execute(query.where(layers.c.network_id == network).order_by(layers.c.position))
    return [LayerRow(*row) for row in rows]


def stage_done(connection: Connection, scope: Scope, stage: str) -> bool:
    """Whether a run of the stage is done for this network and data set."""
    query = select(runs.c.id).where(scope.of(runs), runs.c.stage == stage, runs.c.status == "done")
    return connection.execute(query.limit(1)).scalar() is not None


def last_parameters(connection: Connection, scope: Scope, stage: str) -> dict[str, Any] | None:
    """The parameters of the latest run of a stage that is done."""
    query = select(runs.c.parameters).where(scope.of(runs), runs.c.stage == stage, runs.c.status == "done")
    return connection.execute(query.order_by(runs.c.id.desc()).limit(1)).scalar()


def batch_runs(connection: Connection, batch: int, stage: str = "cases") -> list[int]:
    """The runs of a stage that belong to one batch."""
    query = select(runs.c.id).where(runs.c.batch_id == batch, runs.c.stage == stage)
    return list(connection.scalars(query))


def predicted_classes(connection: Connection, scope: Scope, split: str) -> dict[int, int]:
    """The stored predictions of a network for the images of a data set's split, by their positions."""
    query = select(predictions.c.position, predictions.c.predicted_class)
    mine = query.where(scope.of(predictions), predictions.c.split == split)
    return dict(map(tuple, connection.execute(mine)))


def attacked_positions(connection: Connection, run_ids: Sequence[int]) -> set[int]:
    """Positions in their split of the samples that these runs attacked."""
    query = select(samples.c.position).join(attacks, attacks.c.sample_id == samples.c.id)
    return set(connection.execute(query.where(attacks.c.run_id.in_(run_ids)).distinct()).scalars())


def attack_totals(connection: Connection, scope: Scope) -> list[AttackTotal]:
    """Attacks on the samples of a data set by the way they were made, with successes and images."""
    how = [attacks.c.method, attacks.c.variant, attacks.c.screened, attacks.c.target_class.is_not(None)]
    fallen = case((attacks.c.succeeded, attacks.c.sample_id))
    query: AnySelect = (
        select(
            *how,
            func.count(),
            func.count(fallen),
            *(func.count(distinct(x)) for x in (attacks.c.sample_id, fallen)),
        )
        .join(samples, samples.c.id == attacks.c.sample_id)
        .where(attacks.c.network_id == scope.network_id, samples.c.dataset_id == scope.dataset_id)
        .group_by(*how)
        .order_by(*how)
    )
    return [AttackTotal(*row) for row in connection.execute(query)]


def mapped_positions(connection: Connection, scope: Scope, variant: str) -> set[int]:
    """Test positions that have a vulnerability map for a set of colors."""
    query = (
        select(samples.c.position)
        .join(vulnerability_maps, vulnerability_maps.c.sample_id == samples.c.id)
        .where(vulnerability_maps.c.network_id == scope.network_id, vulnerability_maps.c.variant == variant)
        .where(samples.c.dataset_id == scope.dataset_id, samples.c.split == "test")
    )
    return set(connection.execute(query).scalars())


def batch_counts(connection: Connection, run_ids: Sequence[int]) -> dict[tuple[str, str], int]:
    """How many cases these runs made, by (partition, kind)."""
    query = select(cases.c.partition, cases.c.kind, func.count()).where(cases.c.run_id.in_(run_ids))
    rows = connection.execute(query.group_by(cases.c.partition, cases.c.kind))
    return {(partition, kind): count for partition, kind, count in rows}


def used_positions(
    connection: Connection, scope: Scope, *, except_runs: Sequence[int] = ()
) -> dict[int, str]:
    """Test positions that are the source of a case, with its kind; except for cases of `except_runs`."""
    query = (
        select(samples.c.position, cases.c.kind)
        .join(samples, samples.c.id == cases.c.sample_id)
        .where(scope.of(cases), cases.c.run_id.not_in(except_runs))
        .where(cases.c.partition.in_(PARTITIONS))  # kept cases come from another data set
    )
    return dict(map(tuple, connection.execute(query)))


def known_attacks(
    connection: Connection, scope: Scope, settings: Mapping[str, str | int]
) -> dict[tuple[int, int | None], KnownAttack]:
    """Earlier attacks with these settings, by test position and target class (None: untargeted).

    `settings` are columns of `attacks` with the value each must have.
    """
    alike = (attacks.c[name] == value for name, value in settings.items())
    key = and_(attacks.c.network_id == scope.network_id, samples.c.dataset_id == scope.dataset_id, *alike)
    rows = connection.execute(
        select(
            samples.c.position,
            attacks.c.target_class,
            attacks.c.id,
            attacks.c.succeeded,
            attacks.c.predicted_class,
            attack_pixels.c.row,
            attack_pixels.c.column,
            attack_pixels.c.red,
            attack_pixels.c.green,
            attack_pixels.c.blue,
        )
        .join(samples, samples.c.id == attacks.c.sample_id)
        .join(attack_pixels, attack_pixels.c.attack_id == attacks.c.id)
        .where(key)
        .order_by(attacks.c.id, attack_pixels.c.pixel)
    )
    known: dict[tuple[int, int | None], KnownAttack] = {}
    for position, target, identity, succeeded, predicted, *pixel in rows:
        entry = known.setdefault((position, target), KnownAttack(identity, succeeded, predicted, []))
        entry.pixels.append(tuple(pixel))
    return known


def cases_without_neighbors(connection: Connection, scope: Scope, layer_id: int, metric: str) -> list[int]:
    """Cases that have no neighbors yet in a layer under a metric, in order of id."""
    missing = ~(
        select(neighbors.c.case_id)
        .where(
            neighbors.c.case_id == cases.c.id, neighbors.c.layer_id == layer_id, neighbors.c.metric == metric
        )
        .exists()
    )
    query = select(cases.c.id).where(scope.of(cases), missing).order_by(cases.c.id)
    return list(connection.execute(query).scalars())


def case_votes(connection: Connection, scope: Scope, layer_id: int, metric: str) -> CaseVotes:
    """Every case that has neighbors in a layer under a metric, with their labels."""
    import numpy as np

    rows = connection.execute(
        select(
            cases.c.id,
            cases.c.partition,
            cases.c.kind,
            cases.c.predicted_class,
            samples.c.label,
        )
        .join(neighbors, neighbors.c.case_id == cases.c.id)
        .join(reference_samples, reference_samples.c.id == neighbors.c.reference_sample_id)
        .join(samples, samples.c.id == reference_samples.c.sample_id)
        .where(scope.of(cases), neighbors.c.layer_id == layer_id, neighbors.c.metric == metric)
        .order_by(cases.c.id, neighbors.c.rank)
    ).all()
    labels: dict[int, list[int]] = {}
    facts: dict[int, tuple[Any, ...]] = {}
    for case_id, partition, kind, predicted, label in rows:
        facts[case_id] = (partition, kind == "adversarial", predicted)
        labels.setdefault(case_id, []).append(label)
    partitions, adversarial, predicted = zip(*facts.values(), strict=True) if facts else ((),) * 3
    return CaseVotes(
        list(facts),
        np.array(partitions, str),
        np.array(adversarial, bool),
        np.array(predicted, np.int64),
        np.array(list(labels.values()), np.int64),
    )


def tuning_counts(connection: Connection, scope: Scope) -> dict[str, int]:
    """How many tuning cases a network has on a data set, by kind."""
    query = select(cases.c.kind, func.count()).where(scope.of(cases), cases.c.partition == "tuning")
    return dict(map(tuple, connection.execute(query.group_by(cases.c.kind))))


def class_count(connection: Connection, dataset: int) -> int:
    """How many classes a data set has."""
    query = select(func.count()).select_from(classes).where(classes.c.dataset_id == dataset)
    return connection.execute(query).scalar_one()


def neighbor_counts(connection: Connection, scope: Scope) -> dict[str, int]:
    """How many searches are stored, by metric: pairs of a case and a layer that have neighbors."""
    query = (
        select(neighbors.c.metric, func.count())
        .join(cases, cases.c.id == neighbors.c.case_id)
        .where(scope.of(cases), neighbors.c.rank == 1)
        .group_by(neighbors.c.metric)
    )
    return dict(map(tuple, connection.execute(query)))
