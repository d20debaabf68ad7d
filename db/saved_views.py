"""Lists that people want to come back to: kept under a name, as the query string of their address."""

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
    """All of them, in the order of their names."""
    views = schema.saved_views.c
    with engine.connect() as connection:
        query = select(views.id, views.name, views.search)
        found = [SavedView(*row) for row in connection.execute(query)]
    return tuple(sorted(found, key=lambda view: view.name))  # alike on every database


def save_view(connection: Connection, name: str, search: str) -> None:
    """Keep a list under a name; a view that has the name already gives way.

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
    """Forget a view; one that is gone already is no mistake."""
    connection.execute(delete(schema.saved_views).where(schema.saved_views.c.id == view_id))
