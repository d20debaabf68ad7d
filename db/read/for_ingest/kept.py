"""The cases that a check of images has kept, and the data to decide about them."""

from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection, func, select

from db.schema import (
    annotations,
    cases,
    class_scores,
    images,
    neighbors,
    reference_samples,
    repairs,
    samples,
)
from db.scope import Scope, same_scope


class KeptCase(NamedTuple):
    """A case that a check has kept."""

    id: int
    network_id: int
    dataset_id: int  # that it is judged by
    name: str | None  # of its file, if it came from one
    sha256: str  # of its pixels, hexadecimal
    height: int
    width: int

    @property
    def scope(self) -> Scope:
        """The network and the data set that it is judged by."""
        return Scope(self.network_id, self.dataset_id)


def kept_cases(connection: Connection) -> list[KeptCase]:
    """Every kept case, by id."""
    query = (
        select(
            cases.c.id,
            cases.c.network_id,
            cases.c.dataset_id,
            samples.c.name,
            images.c.sha256,
            images.c.height,
            images.c.width,
        )
        .join(samples, samples.c.id == cases.c.sample_id)
        .join(images, images.c.id == cases.c.image_id)
        .where(cases.c.partition == "checked")
        .order_by(cases.c.id)
    )
    return [KeptCase(*row) for row in connection.execute(query)]


def written_about_kept(connection: Connection, case_ids: set[int]) -> dict[str, int]:
    """How many notes, tags and verdicts people wrote about some of the kept cases, by kind."""
    query = select(annotations.c.case_id, annotations.c.kind).join(cases, cases.c.id == annotations.c.case_id)
    counts: dict[str, int] = {}
    for case_id, kind in connection.execute(query.where(cases.c.partition == "checked")):
        if case_id in case_ids:
            counts[kind] = counts.get(kind, 0) + 1
    return dict(sorted(counts.items()))


def kept_votes(
    connection: Connection, scope: Scope, layer_id: int, metric: str, k: int
) -> tuple[list[int], np.ndarray, np.ndarray]:
    """The ids of kept cases, predicted classes (N,), and labels (N, k) of their first k neighbors."""
    query = (
        select(cases.c.id, cases.c.predicted_class, samples.c.label)
        .join(neighbors, neighbors.c.case_id == cases.c.id)
        .join(reference_samples, reference_samples.c.id == neighbors.c.reference_sample_id)
        .join(samples, samples.c.id == reference_samples.c.sample_id)
        .where(scope.of(cases), cases.c.partition == "checked")
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


def kept_scores(connection: Connection, scope: Scope) -> KeptScores:
    """The logits of kept cases, and the repair sweeps of those that have one."""
    kept = scope.of(cases), cases.c.partition == "checked"
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
        repairs, same_scope(repairs, cases) & (repairs.c.image_id == cases.c.image_id)
    )
    repaired = {
        case_id: (score, recovered) for case_id, score, recovered in connection.execute(swept.where(*kept))
    }
    return KeptScores(list(logits), np.array(list(logits.values()), float), repaired)


def kept_samples(connection: Connection, dataset: int) -> tuple[dict[int, int], int]:
    """Samples of a data set of kept images by their image, and the first free position."""
    mine = samples.c.dataset_id == dataset
    known = dict(map(tuple, connection.execute(select(samples.c.image_id, samples.c.id).where(mine))))
    last = connection.scalar(select(func.max(samples.c.position)).where(mine))
    return known, 0 if last is None else last + 1
