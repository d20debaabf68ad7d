"""Lists that people want to come back to, saved under a name as the query string of their address."""

from typing import NamedTuple

from sqlalchemy import Connection, Engine, delete, insert, select

from db import schema

LONGEST_NAME = 60  # characters


class SavedView(NamedTuple):
    """A list under a name."""

    id: int
    name: str
    search: str  # query string, '?...' or ''


def saved_views(engine: Engine) -> tuple[SavedView, ...]:
    """All saved views, in the order of their names."""
    views = schema.saved_views.c
    with engine.connect() as connection:
        query = select(views.id, views.name, views.search)
        found = [SavedView(*row) for row in connection.execute(query)]
    return tuple(sorted(found, key=lambda view: view.name))  # the same order on every database


def save_view(connection: Connection, name: str, search: str) -> None:
    """Save a list under a name, in place of a view that has the name already.

    Raises:
        ValueError: the name is empty or too long.
    """
    name = " ".join(name.split())
    if not 0 < len(name) <= LONGEST_NAME:
        raise ValueError(f"The view's name has {len(name)} characters; expected 1 to {LONGEST_NAME}.")
    table = schema.saved_views
    connection.execute(delete(table).where(table.c.name == name))
    connection.execute(insert(table), {"name": name, "search": search, "created_at": schema.now()})


def delete_view(connection: Connection, view_id: int) -> None:
    """Delete a view; no error if it is gone already."""
    connection.execute(delete(schema.saved_views).where(schema.saved_views.c.id == view_id))
