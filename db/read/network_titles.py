"""Titles of what results belong to: networks with their data sets, as two networks may have the same name."""

from sqlalchemy import Connection, select

from db.schema import datasets, network_datasets, networks
from db.scope import Scope


def network_title(name: str, dataset: str, network_id: int) -> str:
    """A network on a data set in a few words, as lines and pages show it."""
    return f"{name} on {dataset} #{network_id}"


def network_titles(connection: Connection) -> dict[Scope, str]:
    """The title of every network on each of its data sets, in the order of the ids."""
    pairs = network_datasets.c
    query = (
        select(pairs.network_id, pairs.dataset_id, networks.c.name, datasets.c.name)
        .join(networks, networks.c.id == pairs.network_id)
        .join(datasets, datasets.c.id == pairs.dataset_id)
        .order_by(pairs.network_id, pairs.dataset_id)
    )
    return {
        Scope(network_id, dataset_id): network_title(name, dataset, network_id)
        for network_id, dataset_id, name, dataset in connection.execute(query)
    }


def scopes(connection: Connection) -> list[Scope]:
    """Every network with each of its data sets, in the order of the ids."""
    pairs = network_datasets.c
    query = select(pairs.network_id, pairs.dataset_id).order_by(pairs.network_id, pairs.dataset_id)
    return [Scope(*row) for row in connection.execute(query)]
