"""Networks and their tuned detectors, by which a check judges new images."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select

from db.query_types import AnySelect
from db.read.network_titles import network_title
from db.schema import (
    classes,
    datasets,
    detectors,
    evaluations,
    layers,
    network_datasets,
    networks,
    operating_points,
)
from db.scope import Scope


class TunedOn(NamedTuple):
    """The numbers of tuning cases, by kind, that thresholds were chosen on."""

    adversarial: int
    clean: int


class KnownNetwork(NamedTuple):
    """A network of a database, on one of its data sets."""

    id: int
    dataset_id: int
    name: str
    sha256: str  # of its weights, hexadecimal
    dataset: str
    class_names: tuple[str, ...]  # by class id
    tuned_on: TunedOn | None = None  # None: not tuned

    @property
    def scope(self) -> Scope:
        """Its id with that of the data set."""
        return Scope(self.id, self.dataset_id)

    @property
    def title(self) -> str:
        """The network's title, from `network_title`."""
        return network_title(self.name, self.dataset, self.id)


class TunedDetector(NamedTuple):
    """A detector at its operating point: it alarms when its score is above the threshold."""

    name: str
    kind: str  # neighbors, repair or baseline
    threshold: float
    tuned_on: TunedOn
    decides: bool  # whether its decision about every case is in the database
    layer: str | None = None  # of the k-NN defense, like the two below
    reference: str | None = None  # all: the whole reference set; distinct: without near-duplicates and hubs
    k: int | None = None

    def search(self) -> tuple[str, str, int]:
        """Layer, reference set and k of the k-NN defense. Raises ValueError for another detector."""
        if self.layer is None or self.reference is None or self.k is None:
            raise ValueError(f"{self.name} uses no neighbors")
        return self.layer, self.reference, self.k


class TunedLayer(NamedTuple):
    """When the k-NN defense of a layer alarms: more than `threshold` of the first k are unexpected."""

    layer_id: int
    name: str
    k: int
    threshold: int
    tuned_on: TunedOn


class TunedScore(NamedTuple):
    """When a detector without neighbors alarms: its score is above the threshold."""

    name: str
    kind: Literal["repair", "baseline"]
    threshold: float
    tuned_on: TunedOn


def known_networks(connection: Connection) -> list[KnownNetwork]:
    """Every network on each of its data sets, the oldest first."""
    names: dict[int, list[str]] = {}
    query = select(classes.c.dataset_id, classes.c.name).order_by(classes.c.dataset_id, classes.c["class"])
    for dataset_id, name in connection.execute(query):
        names.setdefault(dataset_id, []).append(name)
    pairs = network_datasets.c
    query = (
        select(
            pairs.network_id,
            pairs.dataset_id,
            networks.c.name,
            networks.c.sha256,
            datasets.c.name.label("dataset"),
        )
        .join(networks, networks.c.id == pairs.network_id)
        .join(datasets, datasets.c.id == pairs.dataset_id)
        .order_by(pairs.network_id, pairs.dataset_id)
    )
    tuned_on = _tuned_on(connection)
    return [
        KnownNetwork(
            row.network_id,
            row.dataset_id,
            row.name,
            row.sha256,
            row.dataset,
            tuple(names.get(row.dataset_id, ())),
            tuned_on.get(Scope(row.network_id, row.dataset_id)),
        )
        for row in connection.execute(query)
    ]


def tuned_detectors(connection: Connection, scope: Scope, metric: str, rule: str) -> list[TunedDetector]:
    """Every tuned detector: the layers from the input to the output, then the others."""
    layered = tuned_layers(connection, scope, metric, rule)
    found = [
        TunedDetector(row.name, "neighbors", row.threshold, row.tuned_on, True, row.name, "all", row.k)
        for row in layered
    ]
    known = {row.name for row in layered}
    others = (
        _evaluated(scope, detectors.c.layer, detectors.c.reference, evaluations.c.k)
        .where(detectors.c.kind == "neighbors", detectors.c.metric == metric, detectors.c.rule == rule)
        .order_by(detectors.c.id)
    )
    for row in connection.execute(others):
        if row.reference != "all" or row.layer not in known:
            name = row.layer if row.reference == "all" else f"{row.layer}-{row.reference}"
            on = TunedOn(row.adversarial, row.clean)
            found.append(
                TunedDetector(
                    name, "neighbors", int(row.threshold), on, False, row.layer, row.reference, row.k
                )
            )
    return found + [
        TunedDetector(row.name, row.kind, row.threshold, row.tuned_on, True)
        for row in tuned_scores(connection, scope)
    ]


def tuned_layers(connection: Connection, scope: Scope, metric: str, rule: str) -> list[TunedLayer]:
    """The operating points chosen on the tuning cases, from the input to the output; empty before tuning."""
    points = operating_points.c
    query = (
        select(
            layers.c.id,
            layers.c.name,
            points.k,
            points.threshold,
            points.tp + points.fn,
            points.fp + points.tn,
        )
        .join(operating_points, points.layer_id == layers.c.id)
        .where(
            layers.c.network_id == scope.network_id,
            points.dataset_id == scope.dataset_id,
            points.metric == metric,
            points.rule == rule,
            points.how_chosen == "tuning",
            points.partition == "tuning",
        )
        .order_by(layers.c.position)
    )
    return [TunedLayer(*row[:4], TunedOn(*row[4:])) for row in connection.execute(query)]


def tuned_scores(connection: Connection, scope: Scope) -> list[TunedScore]:
    """Detectors without neighbors, by id, at the thresholds chosen on all tuning cases."""
    query = _evaluated(scope, detectors.c.kind).where(detectors.c.kind != "neighbors")
    return [
        TunedScore(row.name, row.kind, row.threshold, TunedOn(row.adversarial, row.clean))
        for row in connection.execute(query.order_by(detectors.c.id))
    ]


def _evaluated(scope: Scope, *columns: ColumnElement[Any]) -> AnySelect:
    """SELECT of the detectors that were evaluated at thresholds chosen on all tuning cases."""
    rows = evaluations.c
    return (
        select(
            detectors.c.name,
            rows.threshold,
            (rows.tp + rows.fn).label("adversarial"),
            (rows.fp + rows.tn).label("clean"),
            *columns,
        )
        .join(evaluations, rows.detector_id == detectors.c.id)
        .where(
            scope.of(detectors),
            rows.case_set == "all",
            rows.how_chosen == "tuning",
            rows.partition == "tuning",
        )
    )


def _tuned_on(connection: Connection) -> dict[Scope, TunedOn]:
    """The fewest tuning cases of each kind that a detector was tuned on, by network and data set."""
    points = operating_points.c
    fewest = func.min(points.tp + points.fn), func.min(points.fp + points.tn)
    pair = layers.c.network_id, points.dataset_id
    query = (
        select(*pair, *fewest)
        .join(operating_points, points.layer_id == layers.c.id)
        .where(points.how_chosen == "tuning", points.partition == "tuning")
        .group_by(*pair)
    )
    return {Scope(*row[:2]): TunedOn(*row[2:]) for row in connection.execute(query)}
