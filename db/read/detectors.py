"""Detectors as they were tuned, which a check of new images is judged by; and the cases that it kept."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection, func, select

from db.schema import (
    cases,
    class_scores,
    classes,
    datasets,
    detectors,
    evaluations,
    layers,
    neighbors,
    networks,
    operating_points,
    reference_samples,
    repairs,
    samples,
)


class KnownNetwork(NamedTuple):
    """A network of a database."""

    id: int
    name: str
    sha256: str  # of its weights, hexadecimal
    dataset: str
    class_names: tuple[str, ...]  # by class id


class TunedLayer(NamedTuple):
    """Where the k-NN defence of a layer alarms: more than `threshold` of the first k are unexpected."""

    layer_id: int
    name: str
    k: int
    threshold: int


class TunedScore(NamedTuple):
    """Where a detector without neighbours alarms: its score is above the threshold."""

    name: str
    kind: str  # repair or baseline
    threshold: float


def known_networks(connection: Connection) -> list[KnownNetwork]:
    """Every network, the oldest first."""
    names: dict[int, list[str]] = {}
    query = select(classes.c.dataset_id, classes.c.name).order_by(classes.c.dataset_id, classes.c["class"])
    for dataset_id, name in connection.execute(query):
        names.setdefault(dataset_id, []).append(name)
    query = select(
        networks.c.id,
        networks.c.name,
        networks.c.sha256,
        networks.c.dataset_id,
        datasets.c.name.label("dataset"),
    ).join(datasets, datasets.c.id == networks.c.dataset_id)
    return [
        KnownNetwork(row.id, row.name, row.sha256, row.dataset, tuple(names.get(row.dataset_id, ())))
        for row in connection.execute(query.order_by(networks.c.id))
    ]


def tuned_layers(connection: Connection, network: int, metric: str, rule: str) -> list[TunedLayer]:
    """The operating points chosen on the tuning cases, from the input to the output; empty before tuning."""
    points = operating_points.c
    query = (
        select(layers.c.id, layers.c.name, points.k, points.threshold)
        .join(operating_points, points.layer_id == layers.c.id)
        .where(
            layers.c.network_id == network,
            points.metric == metric,
            points.rule == rule,
            points.how_chosen == "tuning",
            points.partition == "tuning",
        )
        .order_by(layers.c.position)
    )
    return [TunedLayer(*row) for row in connection.execute(query)]


def tuned_scores(connection: Connection, network: int) -> list[TunedScore]:
    """Detectors without neighbours, by id, at the thresholds chosen on all tuning cases."""
    query = (
        select(detectors.c.name, detectors.c.kind, evaluations.c.threshold)
        .join(evaluations, evaluations.c.detector_id == detectors.c.id)
        .where(
            detectors.c.network_id == network,
            detectors.c.kind != "neighbors",
            evaluations.c.case_set == "all",
            evaluations.c.how_chosen == "tuning",
            evaluations.c.partition == "tuning",
        )
        .order_by(detectors.c.id)
    )
    return [TunedScore(*row) for row in connection.execute(query)]


def kept_votes(
    connection: Connection, network: int, layer_id: int, metric: str, k: int
) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Of kept cases their ids, predicted classes (N,), and labels (N, k) of their first k neighbours."""
    query = (
        select(cases.c.id, cases.c.predicted_class, samples.c.label)
        .join(neighbors, neighbors.c.case_id == cases.c.id)
        .join(reference_samples, reference_samples.c.id == neighbors.c.reference_sample_id)
        .join(samples, samples.c.id == reference_samples.c.sample_id)
        .where(cases.c.network_id == network, cases.c.partition == "checked")
        .where(neighbors.c.layer_id == layer_id, neighbors.c.metric == metric, neighbors.c.rank <= k)
        .order_by(cases.c.id, neighbors.c.rank)
    )
    found = np.array([tuple(row) for row in connection.execute(query)], np.int64).reshape(-1, k, 3)
    return found[:, 0, 0].tolist(), found[:, 0, 1], found[:, :, 2]


class KeptScores(NamedTuple):
    """Kept cases that a detector without neighbors can judge; N cases, K classes."""

    case_ids: list[int]
    logits: np.ndarray  # (N, K) float64
    repaired: dict[int, tuple[float, int]]  # by case: score and recovered class of its repair sweep


def kept_scores(connection: Connection, network: int) -> KeptScores:
    """What the network made of kept cases, and the repair sweeps of those that have one."""
    kept = cases.c.network_id == network, cases.c.partition == "checked"
    scores = (
        select(cases.c.id, class_scores.c.logit)
        .join(class_scores, class_scores.c.case_id == cases.c.id)
        .where(*kept)
        .order_by(cases.c.id, class_scores.c["class"])
    )
    logits: dict[int, list[float]] = {}
    for case_id, logit in connection.execute(scores):
        logits.setdefault(case_id, []).append(logit)
    swept = select(cases.c.id, repairs.c.score, repairs.c.recovered_class).join(
        repairs, (repairs.c.network_id == cases.c.network_id) & (repairs.c.image_id == cases.c.image_id)
    )
    repaired = {
        case_id: (score, recovered) for case_id, score, recovered in connection.execute(swept.where(*kept))
    }
    return KeptScores(list(logits), np.array(list(logits.values()), float), repaired)


def kept_samples(connection: Connection, dataset: int) -> tuple[dict[int, int], int]:
    """Samples of a data set of kept images by their image, and the first position that is free."""
    mine = samples.c.dataset_id == dataset
    known = dict(map(tuple, connection.execute(select(samples.c.image_id, samples.c.id).where(mine))))
    last = connection.scalar(select(func.max(samples.c.position)).where(mine))
    return known, 0 if last is None else last + 1
