"""Update `case_facets` and `detector_decisions`, derived tables, in the transaction of their source tables.

`add_cases` adds the rows of new cases; after decisions change, `refresh` rewrites the rows of a network
on a data set.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    delete,
    func,
    insert,
    literal,
    select,
    union,
)

from db.facet_register import FACETS
from db.facet_values import listed_decisions
from db.query_types import AnySelect
from db.schema import (
    attack_pixels,
    attacks,
    batches,
    case_facets,
    cases,
    decisions,
    detector_decisions,
    facet_cells,
    layers,
    runs,
)
from db.scope import Scope, same_scope
from db.shown_layers import shown_layers

Row = dict[str, Any]


def add_cases(connection: Connection, scope: Scope) -> None:
    """Write the rows of cases that have none yet."""
    known = select(case_facets.c.case_id).where(scope.of(case_facets))
    lacking = select(cases.c.id).where(scope.of(cases), cases.c.id.not_in(known))
    new = list(connection.scalars(lacking))
    _insert(connection, facet_rows().where(cases.c.id.in_(new)))
    for detector in _detectors(connection, scope):
        _add_cells(connection, scope, detector, case_facets.c.case_id.in_(new))


def refresh(connection: Connection, scope: Scope, partition: str | None = None) -> None:
    """Rewrite the rows of a network on a data set, or of one partition of it, after decisions changed."""

    def among(table: Table) -> ColumnElement[bool]:
        mine = scope.of(table)
        return mine if partition is None else and_(mine, table.c.partition == partition)

    connection.execute(delete(case_facets).where(among(case_facets)))
    _insert(connection, facet_rows().where(among(cases)))
    of_layers = select(layers.c.name).where(layers.c.network_id == scope.network_id)
    detector = detector_decisions.c.detector
    connection.execute(delete(detector_decisions).where(among(detector_decisions), detector.in_(of_layers)))
    chosen = (
        select(
            cases.c.network_id,
            cases.c.dataset_id,
            layers.c.name.label("detector"),
            cases.c.partition,
            cases.c.id.label("case_id"),
            decisions.c.unexpected_count.label("score"),
            decisions.c.threshold,
            decisions.c.alarm,
            decisions.c.outcome,
            decisions.c.recovered_class,
        )
        .join(layers, layers.c.id == decisions.c.layer_id)
        .join(cases, cases.c.id == decisions.c.case_id)
        .where(layers.c.network_id == scope.network_id, among(cases), listed_decisions())
        # in the order of the key: each page of the table is written once
        .order_by(layers.c.name, cases.c.partition, cases.c.id)
    )
    connection.execute(insert(detector_decisions).from_select(list(chosen.selected_columns.keys()), chosen))
    connection.execute(delete(facet_cells).where(among(facet_cells)))
    for name in _detectors(connection, scope):
        _add_cells(connection, scope, name, among(case_facets))


def replace_detector(connection: Connection, scope: Scope, detector: str, rows: Sequence[Row]) -> None:
    """Replace the decisions of a detector without neighbors.

    rows: the new decisions, without network, data set and `detector`.
    """
    for table in (detector_decisions, facet_cells):
        connection.execute(delete(table).where(scope.of(table), table.c.detector == detector))
    if rows:
        key = {**scope._asdict(), "detector": detector}
        connection.execute(insert(detector_decisions), [key | row for row in rows])
    _add_cells(connection, scope, detector)


def _detectors(connection: Connection, scope: Scope) -> list[str]:
    """The layers that are shown, and the other detectors that have decisions."""
    shown = shown_layers(scope.dataset_id)
    compared = select(layers.c.name).where(layers.c.network_id == scope.network_id, shown)
    decided = select(detector_decisions.c.detector).where(scope.of(detector_decisions))
    return list(connection.scalars(union(compared, decided)))


def _add_cells(connection: Connection, scope: Scope, detector: str, *which: ColumnElement[bool]) -> None:
    """Count cases by every counted facet; a case without a decision of the detector counts, too."""
    facets, decided = case_facets.c, detector_decisions.c
    of_case = and_(
        same_scope(detector_decisions, case_facets),
        decided.detector == detector,
        decided.partition == facets.partition,
        decided.case_id == facets.case_id,
    )
    counted_by = [facet for facet in FACETS if facet.counted]
    alike = [
        facets.network_id,
        facets.dataset_id,
        *(facets[facet.column] for facet in counted_by if not facet.of_detector),
        *(decided[facet.column] for facet in counted_by if facet.of_detector),
    ]
    counted = (
        select(*alike, literal(detector).label("detector"), func.count().label("cases"))
        .select_from(case_facets.outerjoin(detector_decisions, of_case))
        .where(scope.of(case_facets), *which)
        .group_by(*alike)
    )
    connection.execute(insert(facet_cells).from_select(list(counted.selected_columns.keys()), counted))


def _insert(connection: Connection, chosen: AnySelect) -> None:
    connection.execute(insert(case_facets).from_select(list(chosen.selected_columns.keys()), chosen))


def facet_rows() -> AnySelect:
    """SELECT of the rows that `case_facets` should have, from the tables that it is derived from."""
    columns = {name: value for facet in FACETS for name, value in facet.columns.items()}
    return (
        select(
            cases.c.id.label("case_id"),
            cases.c.network_id,
            cases.c.dataset_id,
            *(value.label(name) for name, value in columns.items()),
        )
        .select_from(cases)
        .join(runs, runs.c.id == cases.c.run_id)
        .outerjoin(batches, batches.c.id == runs.c.batch_id)
        .outerjoin(attacks, attacks.c.id == cases.c.attack_id)
        .outerjoin(
            attack_pixels, and_(attack_pixels.c.attack_id == cases.c.attack_id, attack_pixels.c.pixel == 0)
        )
    )
