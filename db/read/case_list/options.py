"""The values that the database has for each filter of the case list, for one network."""

from collections.abc import Iterable
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, select

from db import schema
from db.facet_register import FACETS, PARTITION
from db.facet_type import Facet, Kind
from db.facet_values import COMPOSED
from db.read.network_titles import network_title
from db.read.refusal import QueryError
from db.vocabulary import CASE_PARTITIONS, DETECTORS

YES_NO = ("yes", "no")


class NetworkOption(NamedTuple):
    """A network that can be chosen."""

    id: int
    name: str
    dataset: str

    @property
    def title(self) -> str:
        """The network's title, from `network_title`."""
        return network_title(self.name, self.dataset, self.id)


class LayerOption(NamedTuple):
    """A compared layer, in the order of the network."""

    id: int
    name: str
    kind: str


class CaseOptions(NamedTuple):
    """The values that can be chosen."""

    network_id: int | None  # chosen; None: the database has no network yet
    default_network: int | None  # without a choice: the network of the newest case
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


def case_options(connection: Connection, network: str | None) -> CaseOptions:
    """The options for the network whose id is the text `network` (None: the default one).

    Raises `QueryError` for a network that does not exist.
    """
    names = schema.networks
    known = select(names.c.id, names.c.name, schema.datasets.c.name).join(schema.datasets)
    networks = tuple(NetworkOption(*row) for row in connection.execute(known.order_by(names.c.id)))
    ids = tuple(str(option.id) for option in networks)
    if network is not None and network not in ids:
        raise QueryError(f"The address asks for network '{network}', which does not exist", ids)
    if not networks:
        return CaseOptions(None, None, (), (), (), {}, _choices(connection, None, (), {}))
    default = default_network(connection)
    network_id = cast(int, default) if network is None else int(network)  # there are some, so one is default
    layers = _layers(connection, network_id)
    class_names = _class_names(connection, network_id)
    return CaseOptions(
        network_id,
        default,
        networks,
        layers,
        (*(layer.name for layer in layers), *_scored(connection, network_id)),
        class_names,
        _choices(connection, network_id, layers, class_names),
    )


def default_network(connection: Connection) -> int | None:
    """The network of the newest case, else the newest network; None: there is none."""
    of_case = select(schema.cases.c.network_id).order_by(schema.cases.c.id.desc()).limit(1)
    newest = select(schema.networks.c.id).order_by(schema.networks.c.id.desc()).limit(1)
    return connection.scalar(of_case) or connection.scalar(newest)


def _layers(connection: Connection, network_id: int) -> tuple[LayerOption, ...]:
    layers = schema.layers.c
    query = select(layers.id, layers.name, layers.kind).where(
        layers.network_id == network_id, layers.compared
    )
    return tuple(LayerOption(*row) for row in connection.execute(query.order_by(layers.position)))


def _scored(connection: Connection, network_id: int) -> list[str]:
    decided = schema.detector_decisions.c
    return [
        name
        for name in DETECTORS
        if connection.scalar(
            select(decided.case_id).where(decided.network_id == network_id, decided.detector == name).limit(1)
        )
        is not None
    ]


def _class_names(connection: Connection, network_id: int) -> dict[int, str]:
    names = schema.classes
    query = (
        select(names.c["class"], names.c.name)
        .join(schema.networks, schema.networks.c.dataset_id == names.c.dataset_id)
        .where(schema.networks.c.id == network_id)
    )
    return dict(map(tuple, connection.execute(query.order_by(names.c["class"]))))


def _choices(
    connection: Connection,
    network_id: int | None,
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
            values = map(str, _stored(connection, network_id, facet))
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


def _stored(connection: Connection, network_id: int | None, facet: Facet) -> list[Any]:
    """The values that cases have."""
    if facet.kind is not Kind.NUMBER and facet.value is not None:
        return _step_through(connection, network_id, facet)
    if facet.counted:
        table = schema.facet_cells  # few rows
    else:
        table = schema.detector_decisions if facet.of_detector else schema.case_facets
    column = table.c[facet.column]
    query = select(column).where(table.c.network_id == network_id, column.is_not(None))
    return list(connection.scalars(query.distinct().order_by(column)))


def _step_through(connection: Connection, network_id: int | None, facet: Facet) -> list[str]:
    """The values of an indexed text column, by steps from one to the next: few values in very many rows."""
    facets, found = schema.case_facets.c, set[str]()
    column = facets[facet.column]
    for partition in CASE_PARTITIONS:
        value: str | None = ""
        while value is not None:
            smallest = select(column).where(
                facets.network_id == network_id, facets.partition == partition, column > value
            )
            value = connection.scalar(smallest.order_by(column).limit(1))
            if value is not None:
                found.add(value)
    return sorted(found)
