"""The network and the data set that an address chooses: `network=` and `dataset=`, the ids of both."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from db.read.network_titles import network_title
from db.read.refusal import QueryError
from db.schema import datasets, network_datasets, networks
from db.scope import Scope

NAMES = ("network", "dataset")  # in addresses


class NetworkOption(NamedTuple):
    """A network on a data set that can be chosen."""

    id: int
    dataset_id: int
    name: str
    dataset: str
    test_accuracy: float | None = None  # share of the test split, [0, 1]; None: not measured

    @property
    def scope(self) -> Scope:
        """Both ids."""
        return Scope(self.id, self.dataset_id)

    @property
    def title(self) -> str:
        """The title, from `network_title`."""
        return network_title(self.name, self.dataset, self.id)


def network_options(connection: Connection) -> tuple[NetworkOption, ...]:
    """Every network on each of its data sets, in the order of the ids."""
    pairs = network_datasets.c
    query = (
        select(pairs.network_id, pairs.dataset_id, networks.c.name, datasets.c.name, pairs.test_accuracy)
        .join(networks, networks.c.id == pairs.network_id)
        .join(datasets, datasets.c.id == pairs.dataset_id)
        .order_by(pairs.network_id, pairs.dataset_id)
    )
    return tuple(NetworkOption(*row) for row in connection.execute(query))


def choose(
    options: Sequence[NetworkOption], default: Scope | None, network: str | None, dataset: str | None
) -> Scope | None:
    """The option with these ids as texts; of several the first, and without any text the default one.

    None: there is nothing to choose from. Raises `QueryError` for ids that no option has.
    """
    fitting = list(options)
    for name, text, place in (("network", network, 0), ("data set", dataset, 1)):
        if text is None:
            continue
        allowed = tuple(dict.fromkeys(str(option.scope[place]) for option in fitting))
        if text not in allowed:
            raise QueryError(f"The address asks for {name} '{text}', which does not exist", allowed)
        fitting = [option for option in fitting if str(option.scope[place]) == text]
    if network is None and dataset is None:
        return default
    return fitting[0].scope


def scope_fields(scope: Scope | None, default: Scope | None) -> list[tuple[str, object]]:
    """The fields of an address that choose a scope; none for the default one."""
    return [] if scope is None or scope == default else list(zip(NAMES, scope, strict=True))
