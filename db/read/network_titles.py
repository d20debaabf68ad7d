"""Titles that identify the networks of a database, as two networks may have the same name."""

from sqlalchemy import Connection, select

from db.schema import datasets, networks


def network_title(name: str, dataset: str, network_id: int) -> str:
    """A network in a few words, as lines and pages show it."""
    return f"{name} on {dataset} #{network_id}"


def network_titles(connection: Connection) -> dict[int, str]:
    """Every network's title by its id, in the order of the ids."""
    query = select(networks.c.name, datasets.c.name, networks.c.id).join(datasets).order_by(networks.c.id)
    return {row[2]: network_title(*row) for row in connection.execute(query)}
