"""Read queries of the case view: a case with its layers and scores, its decisions, one layer's neighbors."""

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, Table, select

from db import schema
from db.query_types import AnyRow, AnySelect
from db.read.gray_images import color_type, is_gray
from db.read.one_case.rows import (
    CaseActivation,
    CaseAttack,
    CaseBatch,
    CaseDecision,
    CaseDetail,
    CaseImage,
    CaseLayer,
    CaseNeighbor,
    CasePixel,
    CaseScore,
)
from db.scope import Scope
from db.shown_layers import shown_layers
from db.vocabulary import METRIC, RULE


def case_detail(engine: Engine, case_id: int) -> CaseDetail:
    """Read one case.

    Raises:
        LookupError: there is no such case.
    """
    with engine.connect() as connection:
        row = connection.execute(_case_statement(case_id)).one_or_none()
        if row is None:
            raise LookupError(f"case {case_id} is not in this database")
        return CaseDetail(
            case_id=row.id,
            network_id=row.network_id,
            dataset_id=row.dataset_id,
            network=row.network,
            dataset=row.dataset,
            class_names=_class_names(connection, row.classes_id),
            kind=row.kind,
            partition=row.partition,
            split=row.split,
            position=row.position,
            sample_name=row.sample_name,
            true_class=row.true_class,
            predicted_class=row.predicted_class,
            confidence=row.confidence,
            image=CaseImage(row.sha256, row.height, row.width, is_gray(row.color_type)),
            original=CaseImage(
                row.original_sha256, row.original_height, row.original_width, is_gray(row.color_type)
            ),
            attack=None if row.attack_id is None else _attack(connection, row),
            batch=None if row.batch_id is None else CaseBatch(row.batch_id, row.batch, row.seed),
            scores=_scores(connection, case_id),
            layers=_layers(connection, Scope(row.network_id, row.dataset_id)),
        )


def case_decisions(
    engine: Engine, case_id: int, *, metric: str = METRIC, rule: str = RULE
) -> tuple[CaseDecision, ...]:
    """Read the decision in each compared layer, in network order; empty before tuning."""
    decisions, layers = schema.decisions.c, schema.layers.c
    statement: AnySelect = (
        select(
            layers.name,
            decisions.metric,
            decisions.rule,
            decisions.k,
            decisions.threshold,
            decisions.unexpected_count,
            decisions.alarm,
            decisions.majority_class,
            decisions.recovered_class,
            decisions.outcome,
        )
        .join(schema.layers, layers.id == decisions.layer_id)
        .where(decisions.case_id == case_id, decisions.metric == metric, decisions.rule == rule)
        .order_by(layers.position)
    )
    with engine.connect() as connection:
        return tuple(CaseDecision(*row) for row in connection.execute(statement))


def case_neighbors(
    engine: Engine, case_id: int, layer: str, *, metric: str = METRIC, first: int | None = None
) -> tuple[CaseNeighbor, ...]:
    """Read the neighbors of a case in a layer with their labels and images, nearest first.

    `first` limits their number; None: all that are stored (50).
    """
    neighbors, layers = schema.neighbors, schema.layers.c
    named = select(layers.id).where(layers.name == layer)
    statement = neighbors_statement(neighbors, case_id, metric).where(neighbors.c.layer_id.in_(named))
    if first is not None:
        statement = statement.where(neighbors.c.rank <= first)
    with engine.connect() as connection:
        return tuple(CaseNeighbor(*row) for row in connection.execute(statement))


def neighbors_statement(table: Table, case_id: int, metric: str) -> AnySelect:
    """SELECT of the fields of `CaseNeighbor` by rank, in every layer.

    table: `neighbors`, of a case's image, or `original_neighbors`, of its original.
    """
    neighbors, samples = table.c, schema.samples.c
    return (
        select(
            neighbors.rank,
            neighbors.distance,
            neighbors.reference_sample_id,
            samples.label,
            samples.position,
            schema.images.c.sha256,
        )
        .join(schema.reference_samples, schema.reference_samples.c.id == neighbors.reference_sample_id)
        .join(schema.samples, samples.id == schema.reference_samples.c.sample_id)
        .join(schema.images, schema.images.c.id == samples.image_id)
        .where(neighbors.case_id == case_id, neighbors.metric == metric)
        .order_by(neighbors.rank)
    )


def case_activations(
    engine: Engine, case_id: int, layers: Sequence[str] | None = None
) -> tuple[CaseActivation, ...]:
    """Read the stored activations of a case in network order, of all layers or of the named ones."""
    activations = schema.case_activations.c
    statement = (
        select(schema.layers.c.name, activations.shape, activations.encoding, activations.data)
        .join(schema.layers, schema.layers.c.id == activations.layer_id)
        .where(activations.case_id == case_id)
        .order_by(schema.layers.c.position)
    )
    if layers is not None:
        statement = statement.where(schema.layers.c.name.in_(layers))
    with engine.connect() as connection:
        return tuple(
            CaseActivation(row.name, tuple(row.shape), row.encoding, row.data)
            for row in connection.execute(statement)
        )


def _case_statement(case_id: int) -> AnySelect:
    cases, attacks = schema.cases, schema.attacks
    facets, batches = schema.case_facets, schema.batches
    originals = schema.images.alias("originals")
    return (
        select(
            cases,
            schema.networks.c.name.label("network"),
            schema.samples.c.dataset_id.label("classes_id"),  # a kept case's sample has classes of its own
            schema.datasets.c.name.label("dataset"),
            schema.samples.c.split,
            schema.samples.c.position,
            schema.samples.c.name.label("sample_name"),
            schema.images.c.sha256,
            schema.images.c.height,
            schema.images.c.width,
            color_type(schema.images).label("color_type"),
            originals.c.sha256.label("original_sha256"),
            originals.c.height.label("original_height"),
            originals.c.width.label("original_width"),
            attacks.c.method,
            attacks.c.target_class,
            attacks.c.queries,
            attacks.c.generations,
            attacks.c.seconds,
            batches.c.id.label("batch_id"),
            batches.c.name.label("batch"),
            batches.c.seed,
        )
        .join(schema.networks, schema.networks.c.id == cases.c.network_id)
        .join(schema.samples, schema.samples.c.id == cases.c.sample_id)
        .join(schema.datasets, schema.datasets.c.id == cases.c.dataset_id)
        .join(schema.images, schema.images.c.id == cases.c.image_id)
        .join(originals, originals.c.id == schema.samples.c.image_id)
        .outerjoin(attacks, attacks.c.id == cases.c.attack_id)
        .outerjoin(facets, facets.c.case_id == cases.c.id)
        .outerjoin(batches, batches.c.id == facets.c.batch_id)
        .where(cases.c.id == case_id)
    )


def _attack(connection: Connection, row: AnyRow) -> CaseAttack:
    pixels = schema.attack_pixels.c
    found = connection.execute(
        select(schema.attack_pixels).where(pixels.attack_id == row.attack_id).order_by(pixels.pixel)
    )
    return CaseAttack(
        method=row.method,
        target_class=row.target_class,
        queries=row.queries,
        generations=row.generations,
        seconds=row.seconds,
        pixels=tuple(
            CasePixel(
                p.row,
                p.column,
                (p.red, p.green, p.blue),
                (p.original_red, p.original_green, p.original_blue),
            )
            for p in found
        ),
    )


def _class_names(connection: Connection, dataset_id: int) -> tuple[str, ...]:
    names = schema.classes.c
    statement = select(names.name).where(names.dataset_id == dataset_id).order_by(names["class"])
    return tuple(connection.scalars(statement))


def _scores(connection: Connection, case_id: int) -> tuple[CaseScore, ...]:
    scores = schema.class_scores.c
    statement = (
        select(scores["class"], scores.logit, scores.probability)
        .where(scores.case_id == case_id)
        .order_by(scores["class"])
    )
    return tuple(CaseScore(*row) for row in connection.execute(statement))


def _layers(connection: Connection, scope: Scope) -> tuple[CaseLayer, ...]:
    layers = schema.layers.c
    statement = (
        select(
            *(layers.id, layers.name, layers.kind, layers.position),
            *(layers.shape, shown_layers(scope.dataset_id).label("compared"), layers.title, layers.note),
        )
        .where(layers.network_id == scope.network_id)
        .order_by(layers.position)
    )
    return tuple(
        CaseLayer(
            row.id,
            row.name,
            row.kind,
            row.position,
            tuple(row.shape),
            bool(row.compared),
            row.title,
            row.note,
        )
        for row in connection.execute(statement)
    )
