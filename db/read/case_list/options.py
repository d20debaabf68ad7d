"""The values that the database has for each filter of the case list, for a network on a data set."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from db import schema
from db.facet_register import FACETS, PARTITION
from db.facet_type import Facet, Kind
from db.facet_values import COMPOSED
from db.read.chosen_scope import NetworkOption, choose, network_options
from db.scope import Scope
from db.shown_layers import shown_layers
from db.vocabulary import CASE_PARTITIONS, DETECTORS

YES_NO = ("yes", "no")


class LayerOption(NamedTuple):
    """A compared layer, in the order of the network."""

    id: int
    name: str
    kind: str


class CaseOptions(NamedTuple):
    """The values that can be chosen."""

    scope: Scope | None  # chosen; None: the database has no network with a data set yet
    default: Scope | None  # without a choice: that of the newest case
    networks: tuple[NetworkOption, ...]
    layers: tuple[LayerOption, ...]
    detectors: tuple[str, ...]  # the layers, then those without neighbors that have decisions
    class_names: dict[int, str]  # class -> name, in class order
    choices: dict[str, dict[str, str]]  # filter -> value in addresses -> its label

    @property
    def default_detector(self) -> str:
        """The detector without a choice: the last layer."""
        return self.layers[-1].name if self.layers else ""

    def values(self) -> dict[str, tuple[str, ...]]:
        """The values of each filter, except tags."""
        return {name: tuple(choices) for name, choices in self.choices.items() if choices}

    def label(self, facet: Facet, value: str) -> str:
        """The label of a filter's value."""
        return self.choices.get(facet.name, {}).get(value) or facet.label(value)


def case_options(connection: Connection, network: str | None, dataset: str | None) -> CaseOptions:
    """The options for the network and the data set with these texts as ids (None: not chosen).

    Raises `QueryError` for one that does not exist, or for a data set that the network has not met.
    """
    networks, default = network_options(connection), default_scope(connection)
    scope = choose(networks, default, network, dataset)
    if scope is None:
        return CaseOptions(None, None, (), (), (), {}, _choices(connection, None, (), {}))
    layers = _layers(connection, scope)
    class_names = _class_names(connection, scope)
    return CaseOptions(
        scope,
        default,
        networks,
        layers,
        (*(layer.name for layer in layers), *_scored(connection, scope)),
        class_names,
        _choices(connection, scope, layers, class_names),
    )


def default_scope(connection: Connection) -> Scope | None:
    """Network and data set of the newest case, else the newest that met; None: there are none."""
    cases, pairs = schema.cases.c, schema.network_datasets.c
    of_case = select(cases.network_id, cases.dataset_id).order_by(cases.id.desc())
    newest = select(pairs.network_id, pairs.dataset_id)
    newest = newest.order_by(pairs.network_id.desc(), pairs.dataset_id.desc())
    found = connection.execute(of_case.limit(1)).first() or connection.execute(newest.limit(1)).first()
    return None if found is None else Scope(*found)


def _layers(connection: Connection, scope: Scope) -> tuple[LayerOption, ...]:
    layers = schema.layers.c
    query = select(layers.id, layers.name, layers.kind).where(
        layers.network_id == scope.network_id, shown_layers(scope.dataset_id)
    )
    return tuple(LayerOption(*row) for row in connection.execute(query.order_by(layers.position)))


def _scored(connection: Connection, scope: Scope) -> list[str]:
    decided = schema.detector_decisions.c
    return [
        name
        for name in DETECTORS
        if connection.scalar(
            select(decided.case_id)
            .where(scope.of(schema.detector_decisions), decided.detector == name)
            .limit(1)
        )
        is not None
    ]


def _class_names(connection: Connection, scope: Scope) -> dict[int, str]:
    names = schema.classes.c
    query = select(names["class"], names.name).where(names.dataset_id == scope.dataset_id)
    return dict(map(tuple, connection.execute(query.order_by(names["class"]))))


def _choices(
    connection: Connection,
    scope: Scope | None,
    layers: tuple[LayerOption, ...],
    class_names: dict[int, str],
) -> dict[str, dict[str, str]]:
    """Filter -> its values -> their labels."""
    choices = {}
    for facet in FACETS:
        if not facet.is_choice or facet is PARTITION:
            continue
        if facet.kind is Kind.CLASS:
            values: Iterable[str] = class_names.values()
        elif facet.kind is Kind.LAYER:
            values = (*(layer.name for layer in layers if layer.kind != COMPOSED), "none")
        elif facet.kind is Kind.YES_NO:
            values = YES_NO
        elif facet.kind is Kind.ANNOTATION:
            values = () if facet.any_value else (*(facet.choices or ()), *_written(connection, facet))
        elif facet.choices is not None:
            values = facet.choices
        else:
            values = map(str, _stored(connection, scope, facet) if scope else ())
        labels = _labels(connection, facet)
        choices[facet.name] = {value: labels.get(value) or facet.label(value) for value in values}
    return choices


def _labels(connection: Connection, facet: Facet) -> dict[str, str]:
    """Value -> its label, if the database has names for the values."""
    if facet.labels is None:
        return {}
    return {str(value): label for value, label in connection.execute(facet.labels)}


def _written(connection: Connection, facet: Facet) -> Iterable[str]:
    notes = schema.annotations.c
    return connection.scalars(
        select(notes.body).where(notes.kind == facet.name).distinct().order_by(notes.body)
    )


def _stored(connection: Connection, scope: Scope, facet: Facet) -> list[Any]:
    """The values that cases have."""
    if facet.kind is not Kind.NUMBER and facet.value is not None:
        return _step_through(connection, scope, facet)
    if facet.counted:
        table = schema.facet_cells  # few rows
    else:
        table = schema.detector_decisions if facet.of_detector else schema.case_facets
    column = table.c[facet.column]
    query = select(column).where(scope.of(table), column.is_not(None))
    return list(connection.scalars(query.distinct().order_by(column)))


def _step_through(connection: Connection, scope: Scope, facet: Facet) -> list[str]:
    """The values of an indexed text column, by steps from one to the next: few values in very many rows."""
    facets, found = schema.case_facets.c, set[str]()
    column = facets[facet.column]
    for partition in CASE_PARTITIONS:
        value: str | None = ""
        while value is not None:
            smallest = select(column).where(
                scope.of(schema.case_facets), facets.partition == partition, column > value
            )
            value = connection.scalar(smallest.order_by(column).limit(1))
            if value is not None:
                found.add(value)
    return sorted(found)
