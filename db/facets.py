"""Keeping `case_facets` and `detector_decisions` true: both follow from other tables, within one transaction.

New cases get their row with `add_cases`; where decisions change, `refresh` makes the rows of a network anew.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    case,
    delete,
    func,
    insert,
    literal,
    select,
    union,
)

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
from db.vocabulary import METRIC, RULE

Row = dict[str, Any]


def add_cases(connection: Connection, network_id: int) -> None:
    """Write the rows of cases that have none yet."""
    known = select(case_facets.c.case_id).where(case_facets.c.network_id == network_id)
    lacking = select(cases.c.id).where(cases.c.network_id == network_id, cases.c.id.not_in(known))
    new = list(connection.scalars(lacking))
    _insert(connection, _facets(network_id).where(cases.c.id.in_(new)))
    for detector in _detectors(connection, network_id):
        _add_cells(connection, network_id, detector, case_facets.c.case_id.in_(new))


def refresh(connection: Connection, network_id: int, partition: str | None = None) -> None:
    """Write the rows of a network, or of one partition of it, anew: what the layers decide has changed."""

    def among(table: Table) -> ColumnElement[bool]:
        mine = table.c.network_id == network_id
        return mine if partition is None else and_(mine, table.c.partition == partition)

    connection.execute(delete(case_facets).where(among(case_facets)))
    _insert(connection, _facets(network_id).where(among(cases)))
    of_layers = select(layers.c.name).where(layers.c.network_id == network_id)
    detector = detector_decisions.c.detector
    connection.execute(delete(detector_decisions).where(among(detector_decisions), detector.in_(of_layers)))
    chosen = (
        select(
            cases.c.network_id,
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
        .where(layers.c.network_id == network_id, among(cases), _listed())
        # in the order of the key: each page of the table is written once
        .order_by(layers.c.name, cases.c.partition, cases.c.id)
    )
    connection.execute(insert(detector_decisions).from_select(list(chosen.selected_columns.keys()), chosen))
    connection.execute(delete(facet_cells).where(among(facet_cells)))
    for name in _detectors(connection, network_id):
        _add_cells(connection, network_id, name, among(case_facets))


def replace_detector(connection: Connection, network_id: int, detector: str, rows: Sequence[Row]) -> None:
    """Put new decisions of a detector without neighbors in the place of the old ones.

    rows: without `network_id` and `detector`.
    """
    table = detector_decisions
    connection.execute(delete(table).where(table.c.network_id == network_id, table.c.detector == detector))
    if rows:
        key = {"network_id": network_id, "detector": detector}
        connection.execute(insert(table), [key | row for row in rows])
    cells = facet_cells.c
    connection.execute(delete(facet_cells).where(cells.network_id == network_id, cells.detector == detector))
    _add_cells(connection, network_id, detector)


def _detectors(connection: Connection, network_id: int) -> list[str]:
    """The compared layers, and the other detectors that have decided."""
    compared = select(layers.c.name).where(layers.c.network_id == network_id, layers.c.compared)
    decided = select(detector_decisions.c.detector).where(detector_decisions.c.network_id == network_id)
    return list(connection.scalars(union(compared, decided)))


def _add_cells(connection: Connection, network_id: int, detector: str, *which: ColumnElement[bool]) -> None:
    """Count cases by all that lists count them by; a case that the detector has not decided counts too."""
    facets, decided = case_facets.c, detector_decisions.c
    of_case = and_(
        decided.network_id == facets.network_id,
        decided.detector == detector,
        decided.partition == facets.partition,
        decided.case_id == facets.case_id,
    )
    alike = [
        *(facets[column.name] for column in facet_cells.c if column.name in facets),
        decided.outcome,
        decided.recovered_class,
    ]
    counted = (
        select(*alike, literal(detector).label("detector"), func.count().label("cases"))
        .select_from(case_facets.outerjoin(detector_decisions, of_case))
        .where(facets.network_id == network_id, *which)
        .group_by(*alike)
    )
    connection.execute(insert(facet_cells).from_select(list(counted.selected_columns.keys()), counted))


def _insert(connection: Connection, chosen: AnySelect) -> None:
    connection.execute(insert(case_facets).from_select(list(chosen.selected_columns.keys()), chosen))


def _listed() -> ColumnElement[bool]:
    return and_(decisions.c.metric == METRIC, decisions.c.rule == RULE)


def _facets(network_id: int) -> AnySelect:
    """The rows of a network's cases, from the tables that they follow from."""
    decided = (
        select(func.sum(case((decisions.c.alarm, 1), else_=0)))
        .where(decisions.c.case_id == cases.c.id, _listed())
        .correlate(cases)
        .scalar_subquery()
    )
    of_case = (
        select(layers.c.name, layers.c.position)
        .join(decisions, decisions.c.layer_id == layers.c.id)
        .where(decisions.c.case_id == cases.c.id, _listed())
        .order_by(layers.c.position)
        .correlate(cases)
    )
    alarming = of_case.where(decisions.c.alarm).subquery()
    names = select(func.aggregate_strings(alarming.c.name, "+")).correlate(cases).scalar_subquery()
    left = of_case.with_only_columns(layers.c.name).where(
        layers.c.kind != "composed", decisions.c.majority_class != cases.c.true_class
    )
    goal = case((attacks.c.target_class.is_(None), literal("untargeted")), else_=literal("targeted"))
    return (
        select(
            cases.c.id.label("case_id"),
            cases.c.network_id,
            cases.c.partition,
            cases.c.kind,
            attacks.c.method,
            case((attacks.c.id.is_not(None), goal)).label("goal"),
            attacks.c.target_class,
            cases.c.true_class,
            cases.c.predicted_class,
            cases.c.confidence,
            attacks.c.queries,
            attack_pixels.c.row,
            attack_pixels.c.column,
            case((decided.is_not(None), func.coalesce(names, "none"))).label("alarms"),
            decided.label("alarm_count"),
            case(
                (
                    and_(decided.is_not(None), cases.c.true_class.is_not(None)),
                    func.coalesce(left.limit(1).scalar_subquery(), "none"),
                )
            ).label("divergence"),
            runs.c.batch_id,
            batches.c.seed,
            attacks.c.pixel_count,
        )
        .select_from(cases)
        .join(runs, runs.c.id == cases.c.run_id)
        .outerjoin(batches, batches.c.id == runs.c.batch_id)
        .outerjoin(attacks, attacks.c.id == cases.c.attack_id)
        .outerjoin(
            attack_pixels, and_(attack_pixels.c.attack_id == cases.c.attack_id, attack_pixels.c.pixel == 0)
        )
        .where(cases.c.network_id == network_id)
    )
