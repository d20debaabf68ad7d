"""What the case list shows, as the query string of an address: filters, sort, page.

Names and values are checked against what the database holds before they come near SQL; a wrong one
raises `QueryError`, which says which value it was and what is allowed.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import Connection, Engine, select

from db import schema

PAGE_SIZE = 50
SORTS = ("case", "kind", "true", "predicted", "confidence", "alarms", "outcome", "pixel")
PARTITIONS = ("validation", "tuning", "checked", "all")  # the first is shown when nothing is asked for


class QueryError(ValueError):
    """A name or value in an address that means nothing here; the text is one line for the reader."""

    def __init__(self, problem: str, allowed: tuple[str, ...] | str):
        """`problem`: what is wrong, without a full stop; `allowed`: what would be right, or words for it."""
        self.problem = problem
        self.allowed = allowed if isinstance(allowed, str) else ", ".join(allowed) or "nothing yet"
        super().__init__(f"{self.problem}; expected: {self.allowed}.")


class NetworkOption(NamedTuple):
    """A network that can be chosen."""

    id: int
    name: str


class LayerOption(NamedTuple):
    """A compared layer, in the order of the network."""

    id: int
    name: str


class CaseOptions(NamedTuple):
    """What the database holds of each filter, for one network."""

    network_id: int | None  # chosen; None: the database has no network yet
    default_network: int | None  # when none is asked for: the one of the newest case
    networks: tuple[NetworkOption, ...]
    layers: tuple[LayerOption, ...]
    class_names: dict[int, str]  # class -> name, in class order
    methods: tuple[str, ...]  # attack methods


@dataclass(frozen=True)
class CaseQuery:
    """Filters, sort and page of the case list; None is 'any'. Made by `case_query`, which checks it."""

    partition: str = "validation"
    kind: str | None = None
    layer: str = ""  # whose outcome is filtered and summed up
    outcome: str | None = None
    true: str | None = None  # a class by its name
    predicted: str | None = None
    method: str | None = None
    network: int | None = None
    sort: str = "case"
    descending: bool = False
    page: int = 1
    default_layer: str = ""  # the one an address leaves out
    default_network: int | None = None

    def search(self) -> str:
        """The query string, '?...' in a fixed order and without what is default, or ''."""
        fields = {
            "network": None if self.network == self.default_network else self.network,
            "partition": None if self.partition == PARTITIONS[0] else self.partition,
            "kind": self.kind,
            "layer": None if self.layer == self.default_layer else self.layer,
            "outcome": self.outcome,
            "true": self.true,
            "predicted": self.predicted,
            "method": self.method,
            "sort": None
            if self.sort == "case" and not self.descending
            else "-" * self.descending + self.sort,
            "page": None if self.page == 1 else self.page,
        }
        text = urlencode({name: value for name, value in fields.items() if value is not None})
        return f"?{text}" if text else ""

    @property
    def sort_value(self) -> str:
        """The sort as an address has it: the name, with '-' before it for descending."""
        return "-" * self.descending + self.sort

    def but(self, **changes) -> "CaseQuery":
        """The same with `changes`, back on the first page unless a page is given."""
        return replace(self, **{"page": 1} | changes)

    @property
    def is_filtered(self) -> bool:
        """Whether something is left out beyond the default partition."""
        chosen = (self.kind, self.outcome, self.true, self.predicted, self.method)
        return self.partition != PARTITIONS[0] or any(value is not None for value in chosen)


NAMES = ("network", "partition", "kind", "layer", "outcome", "true", "predicted", "method", "sort", "page")


def case_query(engine: Engine, search: str, *, others: bool = False) -> tuple[CaseQuery, CaseOptions]:
    """Read a query string ('?kind=clean&...' or '') against what the database holds.

    `others`: names that are not the list's are passed over (the case view has its own) instead of refused.
    Raises `QueryError` for a name, a value or a repetition that means nothing.
    """
    fields: dict[str, str] = {}
    for name, value in parse_qsl(search.removeprefix("?"), keep_blank_values=True):
        if name not in NAMES:
            if others:
                continue
            raise QueryError(f"There is no filter '{name}'", NAMES)
        if name in fields:
            raise QueryError(f"The address has two values of {name}, '{fields[name]}' and '{value}'", "one")
        fields[name] = value
    with engine.connect() as connection:
        options = _options(connection, fields.get("network"))
    one_of = {
        "partition": PARTITIONS,
        "kind": schema.CASE_KINDS,
        "layer": tuple(layer.name for layer in options.layers),
        "outcome": schema.OUTCOMES,
        "true": tuple(options.class_names.values()),
        "predicted": tuple(options.class_names.values()),
        "method": options.methods,
    }
    for name, allowed in one_of.items():
        if name in fields and fields[name] not in allowed:
            raise QueryError(f"The address asks for {name} '{fields[name]}', which does not exist", allowed)
    sort = fields.get("sort", "case")
    if sort.removeprefix("-") not in SORTS:
        raise QueryError(
            f"The address asks for sort '{sort}', which does not exist",
            (*SORTS, "each also with '-' before it, descending"),
        )
    page = fields.get("page", "1")
    if not (page.isascii() and page.isdigit() and int(page[:12]) > 0 and len(page) <= 9):
        raise QueryError(f"The address asks for page '{page}', which does not exist", "a whole number from 1")
    default_layer = options.layers[-1].name if options.layers else ""
    return CaseQuery(
        partition=fields.get("partition", PARTITIONS[0]),
        kind=fields.get("kind"),
        layer=fields.get("layer", default_layer),
        outcome=fields.get("outcome"),
        true=fields.get("true"),
        predicted=fields.get("predicted"),
        method=fields.get("method"),
        network=options.network_id,
        sort=sort.removeprefix("-"),
        descending=sort.startswith("-"),
        page=int(page),
        default_layer=default_layer,
        default_network=options.default_network,
    ), options


def _options(connection: Connection, network: str | None) -> CaseOptions:
    """What can be chosen, for the network whose id is the text `network` (None: the newest)."""
    networks = tuple(
        NetworkOption(*row)
        for row in connection.execute(
            select(schema.networks.c.id, schema.networks.c.name).order_by(schema.networks.c.id)
        )
    )
    ids = tuple(str(option.id) for option in networks)
    if network is not None and network not in ids:
        raise QueryError(f"The address asks for network '{network}', which does not exist", ids)
    if not networks:
        return CaseOptions(None, None, (), (), {}, ())
    newest = connection.scalar(select(schema.cases.c.network_id).order_by(schema.cases.c.id.desc()).limit(1))
    default = networks[-1].id if newest is None else newest
    network_id = default if network is None else int(network)
    layers = schema.layers
    names = schema.classes
    return CaseOptions(
        network_id,
        default,
        networks,
        tuple(
            LayerOption(*row)
            for row in connection.execute(
                select(layers.c.id, layers.c.name)
                .where(layers.c.network_id == network_id, layers.c.compared)
                .order_by(layers.c.position)
            )
        ),
        dict(
            tuple(row)
            for row in connection.execute(
                select(names.c["class"], names.c.name)
                .join(schema.networks, schema.networks.c.dataset_id == names.c.dataset_id)
                .where(schema.networks.c.id == network_id)
                .order_by(names.c["class"])
            )
        ),
        tuple(
            connection.scalars(
                select(schema.attacks.c.method)
                .join(schema.cases, schema.cases.c.attack_id == schema.attacks.c.id)
                .where(schema.cases.c.network_id == network_id)
                .distinct()
                .order_by(schema.attacks.c.method)
            )
        ),
    )
