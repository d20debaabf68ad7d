"""Compare a case with one reference sample: both activations, and their distance under each metric."""

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Engine, and_, func, select

from db import schema, vocabulary
from db.read.one_case.rows import CaseActivation
from db.scope import Scope

READ_AT_ONCE = 512  # reference activations


class PairPart(NamedTuple):
    """The activations of both in one single layer."""

    layer_id: int
    layer: str
    case: CaseActivation
    reference: CaseActivation


class PairSample(NamedTuple):
    """The reference sample of a pair."""

    reference_sample_id: int
    label: int
    position: int  # in the training split
    image: str  # sha256


class PairPlace(NamedTuple):
    """The rank of a reference sample among the stored neighbors of a case in a layer."""

    metric: str
    rank: int | None  # None: not among the stored ones
    distance: float | None


def pair_sample(engine: Engine, scope: Scope, reference_sample_id: int) -> PairSample | None:
    """The reference sample of a network on a data set; None if there is none with this id."""
    references, samples = schema.reference_samples.c, schema.samples.c
    statement = (
        select(references.id, samples.label, samples.position, schema.images.c.sha256)
        .join(schema.samples, samples.id == references.sample_id)
        .join(schema.images, schema.images.c.id == samples.image_id)
        .where(references.id == reference_sample_id, scope.of(schema.reference_samples))
    )
    with engine.connect() as connection:
        row = connection.execute(statement).one_or_none()
    return None if row is None else PairSample(*row)


def pair_parts(engine: Engine, case_id: int, reference_sample_id: int, layer_id: int) -> tuple[PairPart, ...]:
    """Both activations in a layer; for a composed one, those of each layer that it joins, in order.

    Layers without stored activations of the reference set (conv layers) are left out.
    """
    layers, mine, theirs = schema.layers.c, schema.case_activations.c, schema.reference_activations.c
    with engine.connect() as connection:
        layer = connection.execute(select(schema.layers).where(layers.id == layer_id)).one()
        statement = (
            select(
                layers.id,
                layers.name,
                mine.shape,
                mine.encoding,
                mine.data,
                theirs.shape.label("their_shape"),
                theirs.data.label("their_data"),
            )
            .join(schema.case_activations, and_(mine.layer_id == layers.id, mine.case_id == case_id))
            .join(
                schema.reference_activations,
                and_(theirs.layer_id == layers.id, theirs.reference_sample_id == reference_sample_id),
            )
            .order_by(layers.position)
        )
        if layer.kind == "composed":
            statement = statement.where(
                layers.network_id == layer.network_id,
                layers.compared,
                layers.kind.in_(vocabulary.SINGLE_KINDS),
            )
        else:
            statement = statement.where(layers.id == layer_id)
        return tuple(
            PairPart(
                row.id,
                row.name,
                CaseActivation(row.name, tuple(row.shape), row.encoding, row.data),
                CaseActivation(row.name, tuple(row.their_shape), "raw", row.their_data),
            )
            for row in connection.execute(statement)
        )


def pair_places(
    engine: Engine, case_id: int, reference_sample_id: int, layer_id: int
) -> tuple[PairPlace, ...]:
    """The sample's rank in a layer, for each metric under which neighbors of the case are stored."""
    neighbors = schema.neighbors.c
    here = (neighbors.case_id == case_id, neighbors.layer_id == layer_id)
    stored = select(neighbors.metric).where(*here, neighbors.rank == 1)
    found = select(neighbors.metric, neighbors.rank, neighbors.distance).where(
        *here, neighbors.reference_sample_id == reference_sample_id
    )
    with engine.connect() as connection:
        places = {row.metric: PairPlace(*row) for row in connection.execute(found)}
        metrics = set(connection.scalars(stored))
    return tuple(
        places.get(metric, PairPlace(metric, None, None))
        for metric in vocabulary.METRICS
        if metric in metrics
    )


def reference_count(engine: Engine, scope: Scope) -> int:
    """How many reference samples a network has on a data set."""
    references = schema.reference_samples
    statement = select(func.count()).select_from(references).where(scope.of(references))
    with engine.connect() as connection:
        return connection.scalar(statement) or 0


def reference_blocks(engine: Engine, scope: Scope, layer_id: int) -> Iterator[list[bytes]]:
    """The stored activations of the whole reference set in a single layer, a block at a time."""
    activations = schema.reference_activations.c
    statement = (
        select(activations.data)
        .join(schema.reference_samples, schema.reference_samples.c.id == activations.reference_sample_id)
        .where(activations.layer_id == layer_id, scope.of(schema.reference_samples))
        .order_by(activations.reference_sample_id)
        .execution_options(yield_per=READ_AT_ONCE)
    )
    with engine.connect() as connection:
        for block in connection.execute(statement).scalars().partitions():
            yield list(block)
