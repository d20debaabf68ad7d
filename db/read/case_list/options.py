"""What the database holds of each filter of the case list, for one network."""

from typing import Any, NamedTuple, cast

from sqlalchemy import Column, Connection, select

from db import schema, vocabulary
from db.annotations import VERDICT, VERDICTS
from db.read.network_titles import network_title
from db.read.refusal import QueryError

SCORED = ("repair", "confidence", "logit-margin")  # detectors without neighbors, as lists show them


class NetworkOption(NamedTuple):
    """A network that can be chosen."""

    id: int
    name: str
    dataset: str

    @property
    def title(self) -> str:
        """As `network_title` says."""
        return network_title(self.name, self.dataset, self.id)


class LayerOption(NamedTuple):
    """A compared layer, in the order of the network."""

    id: int
    name: str


class CaseOptions(NamedTuple):
    """What can be chosen."""

    network_id: int | None  # chosen; None: the database has no network yet
    default_network: int | None  # when none is asked for: the one of the newest case
    networks: tuple[NetworkOption, ...]
    layers: tuple[LayerOption, ...]
    detectors: tuple[str, ...]  # the layers, then those without neighbors that have decided
    class_names: dict[int, str]  # class -> name, in class order
    methods: tuple[str, ...]  # attack methods
    batches: dict[int, str]  # id -> name, of the batches that have cases
    seeds: tuple[int, ...]  # of these batches
    pixels: tuple[int, ...]  # how many pixels attacks changed
    alarms: tuple[str, ...]  # combinations of alarming layers
    verdicts: tuple[str, ...]  # that people can give, or have given

    @property
    def default_detector(self) -> str:
        """The one shown when none is asked for: the last layer."""
        return self.layers[-1].name if self.layers else ""

    def values(self) -> dict[str, tuple[str, ...]]:
        """What each filter can be, but for tags."""
        names = tuple(self.class_names.values())
        first = tuple(layer.name for layer in self.layers if layer.name != "composed")
        return {
            "kind": vocabulary.CASE_KINDS,
            "outcome": vocabulary.OUTCOMES,
            "alarms": self.alarms,
            "divergence": (*first, "none"),
            "true": names,
            "predicted": names,
            "target": names,
            "recovered": names,
            "method": self.methods,
            "goal": ("untargeted", "targeted"),
            "batch": tuple(map(str, self.batches)),
            "seed": tuple(map(str, self.seeds)),
            "pixels": tuple(map(str, self.pixels)),
            "verdict": self.verdicts,
            "note": ("yes",),
        }


def case_options(connection: Connection, network: str | None) -> CaseOptions:
    """What can be chosen for the network whose id is the text `network` (None: the newest).

    Raises `QueryError` for a network that does not exist.
    """
    names = schema.networks
    known = select(names.c.id, names.c.name, schema.datasets.c.name).join(schema.datasets)
    networks = tuple(NetworkOption(*row) for row in connection.execute(known.order_by(names.c.id)))
    ids = tuple(str(option.id) for option in networks)
    if network is not None and network not in ids:
        raise QueryError(f"The address asks for network '{network}', which does not exist", ids)
    if not networks:
        return CaseOptions(None, None, (), (), (), {}, (), {}, (), (), (), ())
    default = default_network(connection)
    network_id = cast(int, default) if network is None else int(network)  # there are some: one is the newest
    layers = _layers(connection, network_id)
    facets, cells = schema.case_facets.c, schema.facet_cells.c
    return CaseOptions(
        network_id,
        default,
        networks,
        layers,
        (*(layer.name for layer in layers), *_scored(connection, network_id)),
        _class_names(connection, network_id),
        _distinct(connection, network_id, facets.method),
        _batches(connection, network_id),
        _in_cells(connection, network_id, cells.seed),
        _in_cells(connection, network_id, cells.pixel_count),
        _distinct(connection, network_id, facets.alarms),
        _verdicts(connection),
    )


def default_network(connection: Connection) -> int | None:
    """The network of the newest case, else the newest network; None: there is none."""
    of_case = select(schema.cases.c.network_id).order_by(schema.cases.c.id.desc()).limit(1)
    newest = select(schema.networks.c.id).order_by(schema.networks.c.id.desc()).limit(1)
    return connection.scalar(of_case) or connection.scalar(newest)


def _layers(connection: Connection, network_id: int) -> tuple[LayerOption, ...]:
    layers = schema.layers.c
    query = select(layers.id, layers.name).where(layers.network_id == network_id, layers.compared)
    return tuple(LayerOption(*row) for row in connection.execute(query.order_by(layers.position)))


def _scored(connection: Connection, network_id: int) -> list[str]:
    decided = schema.detector_decisions.c
    return [
        name
        for name in SCORED
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


def _verdicts(connection: Connection) -> tuple[str, ...]:
    notes = schema.annotations.c
    given = select(notes.body).where(notes.kind == VERDICT).distinct().order_by(notes.body)
    return tuple(dict.fromkeys((*VERDICTS, *connection.scalars(given))))


def _batches(connection: Connection, network_id: int) -> dict[int, str]:
    batches = schema.batches.c
    ids = _in_cells(connection, network_id, schema.facet_cells.c.batch_id)
    query = select(batches.id, batches.name).where(batches.id.in_(ids)).order_by(batches.id)
    return dict(map(tuple, connection.execute(query)))


def _in_cells(connection: Connection, network_id: int, column: Column[Any]) -> tuple[int, ...]:
    """The values of a counted column, where the cells, which are few, have it."""
    query = select(column).where(schema.facet_cells.c.network_id == network_id, column.is_not(None))
    return tuple(connection.scalars(query.distinct().order_by(column)))


def _distinct(connection: Connection, network_id: int, column: Column[Any]) -> tuple[str, ...]:
    """The values of a counted column, by steps from one to the next: it has far more rows than values."""
    facets, found = schema.case_facets.c, set[str]()
    for partition in vocabulary.CASE_PARTITIONS:
        value: str | None = ""
        while value is not None:
            smallest = select(column).where(
                facets.network_id == network_id, facets.partition == partition, column > value
            )
            value = connection.scalar(smallest.order_by(column).limit(1))
            if value is not None:
                found.add(value)
    return tuple(sorted(found))
