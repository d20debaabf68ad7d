"""The data that detectors are evaluated on: cases with network outputs, originals, neighbors and repairs."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Connection, Table, func, select

from db.query_types import AnySelect
from db.schema import (
    attack_pixels,
    attacks,
    cases,
    class_scores,
    detector_decisions,
    detectors,
    evaluations,
    originals,
    reference_samples,
    repairs,
    runs,
    samples,
)
from db.scope import Scope, same_scope
from db.vocabulary import PARTITIONS


class EvaluatedCases(NamedTuple):
    """The cases in the tuning and validation partitions, by id; N cases, K classes."""

    ids: np.ndarray  # (N,) int
    partitions: np.ndarray  # (N,) str
    adversarial: np.ndarray  # (N,) bool
    targeted: np.ndarray  # (N,) bool, of a batch whose attacks had targets; clean cases too
    predicted: np.ndarray  # (N,) int
    true: np.ndarray  # (N,) int
    logits: np.ndarray  # (N, K) float64


class Originals(NamedTuple):
    """The originals of adversarial cases, by the case's id; A originals."""

    case_ids: np.ndarray  # (A,) int
    predicted: np.ndarray  # (A,) int
    confidence: np.ndarray  # (A,) float64, [0, 1]
    margin: np.ndarray  # (A,) float64, logits


class Repairs(NamedTuple):
    """The repair sweeps of the N cases that have one, by id."""

    case_ids: np.ndarray  # (N,) int
    scores: np.ndarray  # (N,) float64
    original_scores: np.ndarray  # (N,) float64, NaN if the original has none
    recovered: np.ndarray  # (N,) int, class
    located: np.ndarray  # (N,) bool, at an attacked pixel


def evaluated_cases(connection: Connection, scope: Scope) -> EvaluatedCases:
    """Every case of a network on a data set in the tuning and validation partitions."""
    query = (
        select(
            cases.c.id,
            cases.c.partition,
            cases.c.kind,
            cases.c.predicted_class,
            cases.c.true_class,
            attacks.c.target_class,
            runs.c.parameters,
        )
        .join(runs, runs.c.id == cases.c.run_id)
        .outerjoin(attacks, attacks.c.id == cases.c.attack_id)
        .where(scope.of(cases), cases.c.partition.in_(PARTITIONS))
        .order_by(cases.c.id)
    )
    rows = connection.execute(query).all()
    scores = (
        select(class_scores.c.logit)
        .join(cases, cases.c.id == class_scores.c.case_id)
        .where(scope.of(cases), cases.c.partition.in_(PARTITIONS))
        .order_by(class_scores.c.case_id, class_scores.c["class"])
    )
    logits = np.array(connection.execute(scores).scalars().all(), float)
    ids, partitions, kinds, predicted, true, targets, parameters = (
        zip(*rows, strict=True) if rows else [()] * 7
    )
    aimed = [_has_targets(p) if t is None else True for t, p in zip(targets, parameters, strict=True)]
    return EvaluatedCases(
        np.array(ids, int),
        np.array(partitions, str),
        np.array(kinds, str) == "adversarial",
        np.array(aimed, bool),
        np.array(predicted, int),
        np.array(true, int),
        logits.reshape(len(ids), -1) if rows else logits.reshape(0, 0),
    )


def _has_targets(parameters: Mapping[str, Any]) -> bool:
    return bool(parameters.get("targets", "none") != "none")


def case_originals(connection: Connection, scope: Scope) -> Originals:
    """The originals of a network's adversarial cases."""
    query = (
        select(originals.c.case_id, originals.c.predicted_class, originals.c.confidence, originals.c.margin)
        .join(cases, cases.c.id == originals.c.case_id)
        .where(scope.of(cases), cases.c.partition.in_(PARTITIONS))
        .order_by(originals.c.case_id)
    )
    columns = _columns(connection, query, float)
    return Originals(columns[0].astype(int), columns[1].astype(int), columns[2], columns[3])


def case_repairs(connection: Connection, scope: Scope) -> Repairs:
    """The repair sweeps of a network's cases, with the score of the image before the attack."""
    before = repairs.alias("before")
    at_pixel = (
        select(attack_pixels.c.pixel)
        .where(
            attack_pixels.c.attack_id == cases.c.attack_id,
            attack_pixels.c.row == repairs.c.row,
            attack_pixels.c.column == repairs.c.column,
        )
        .exists()
    )
    query = (
        select(cases.c.id, repairs.c.score, before.c.score, repairs.c.recovered_class, at_pixel)
        .join(repairs, same_scope(repairs, cases) & (repairs.c.image_id == cases.c.image_id))
        .join(samples, samples.c.id == cases.c.sample_id)
        .outerjoin(before, same_scope(before, cases) & (before.c.image_id == samples.c.image_id))
        .where(scope.of(cases), cases.c.partition.in_(PARTITIONS))
        .order_by(cases.c.id)
    )
    columns = _columns(connection, query, float)  # NULL becomes NaN
    return Repairs(
        columns[0].astype(int), columns[1], columns[2], columns[3].astype(int), columns[4].astype(bool)
    )


def last_case(connection: Connection, scope: Scope) -> int | None:
    """The newest case; ids are never reused, so another set of cases has another newest case."""
    newest: int | None = connection.scalar(select(func.max(cases.c.id)).where(scope.of(cases)))
    return newest


def attacked_case_positions(connection: Connection, scope: Scope, partition: str) -> list[int]:
    """Test positions of the sources of adversarial cases in a partition, in the order of the cases."""
    query = (
        select(samples.c.position)
        .join(cases, cases.c.sample_id == samples.c.id)
        .where(
            scope.of(cases),
            cases.c.partition == partition,
            cases.c.kind == "adversarial",
            samples.c.split == "test",
        )
    )
    return list(connection.execute(query.order_by(cases.c.id)).scalars())


def reference_labels(connection: Connection, scope: Scope) -> tuple[np.ndarray, np.ndarray]:
    """Ids (M,) of the reference samples, in the order of `reference_ids`, and their labels (M,)."""
    query = select(reference_samples.c.id, samples.c.label).join(
        samples, samples.c.id == reference_samples.c.sample_id
    )
    query = query.where(scope.of(reference_samples)).order_by(samples.c.position)
    ids, labels = _columns(connection, query, int)
    return ids, labels


def neighbor_ids(
    connection: Connection, table: Table, scope: Scope, layer_id: int, metric: str
) -> tuple[np.ndarray, np.ndarray]:
    """Ids (N,) of the cases that have neighbors in the table, ascending, and their neighbors (N, k) by rank.

    table: `neighbors`, of the cases' images, or `original_neighbors`, of their originals.
    """
    query = (
        select(table.c.case_id, table.c.reference_sample_id)
        .join(cases, cases.c.id == table.c.case_id)
        .where(table.c.layer_id == layer_id, table.c.metric == metric)
        .where(scope.of(cases), cases.c.partition.in_(PARTITIONS))
        .order_by(table.c.case_id, table.c.rank)
    )
    case_ids, references = _columns(connection, query, int)
    ids = np.unique(case_ids)
    return ids, references.reshape(len(ids), -1)


def _columns(connection: Connection, query: AnySelect, kind: type) -> list[np.ndarray]:
    """The result's columns as arrays; one by one, as an array of rows takes NumPy many times as long."""
    rows = connection.execute(query).all()
    columns = zip(*rows, strict=True) if rows else [()] * len(query.selected_columns)
    return [np.array(column, kind) for column in columns]


def evaluated_detectors(connection: Connection, scope: Scope) -> dict[str, dict[str, Any]]:
    """The parameters of the run that evaluated each detector, by the detector's name."""
    query = (
        select(detectors.c.name, runs.c.parameters)
        .join(evaluations, evaluations.c.detector_id == detectors.c.id)
        .join(runs, runs.c.id == evaluations.c.run_id)
        .where(scope.of(detectors))
        .group_by(detectors.c.id, runs.c.id)  # not DISTINCT: PostgreSQL cannot compare JSON values
    )
    return dict(map(tuple, connection.execute(query)))


def references(connection: Connection, scope: Scope) -> list[str]:
    """The kinds of reference set that detectors were evaluated with."""
    query = select(detectors.c.reference).where(scope.of(detectors)).distinct()
    return list(connection.execute(query.where(detectors.c.reference.is_not(None))).scalars())


def deciding_detectors(connection: Connection, scope: Scope) -> set[str]:
    """Names of the detectors whose decision about each case is stored."""
    table = detector_decisions
    return set(connection.scalars(select(table.c.detector).where(scope.of(table)).distinct()))
