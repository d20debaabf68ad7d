"""The views of a database, which belong to the program and not to a revision.

An upgrade drops all views before the first migration, as SQLite rebuilds tables to change them and allows no
view to refer to one meanwhile. After the last one it makes the current views, then restores other people's.
"""

from sqlalchemy import Connection

from db.schema import views


def drop_views(connection: Connection) -> dict[str, str]:
    """Drop every view; returns the definitions of those that are not this program's, in order."""
    definitions = _definitions(connection)
    if definitions:
        names = [connection.dialect.identifier_preparer.quote(name) for name in definitions]
        if connection.dialect.name == "postgresql":  # at once, as one may refer to another
            connection.exec_driver_sql(f"DROP VIEW {', '.join(names)}")
        else:
            for name in names:
                connection.exec_driver_sql(f"DROP VIEW {name}")
    return {name: definition for name, definition in definitions.items() if name not in views.tables}


def create_views(connection: Connection, others: dict[str, str]) -> None:
    """Make the current views, and then those that `drop_views` returned."""
    views.create_all(connection, checkfirst=False)
    for definition in others.values():
        connection.exec_driver_sql(definition)


def _definitions(connection: Connection) -> dict[str, str]:
    """The statement that makes each view, by its name, in the order in which they were made."""
    if connection.dialect.name == "sqlite":
        query = "SELECT name, sql FROM sqlite_schema WHERE type = 'view' ORDER BY rowid"
        return dict(map(tuple, connection.exec_driver_sql(query)))
    quote = connection.dialect.identifier_preparer.quote
    query = """SELECT pg_class.relname, pg_get_viewdef(pg_class.oid) FROM pg_class
        WHERE pg_class.relkind = 'v' AND pg_class.relnamespace = CAST(current_schema() AS regnamespace)
        ORDER BY pg_class.oid"""
    found = connection.exec_driver_sql(query)
    return {name: f"CREATE VIEW {quote(name)} AS {definition}" for name, definition in found}
