"""Alembic's environment: db.migrate passes a connection; a whole upgrade is one transaction.

Migrations change tables only: views are dropped before, and created again after the last revision.

SQLite alters tables by rebuilding them. With foreign keys on, dropping the old table would delete every
row that cascades from it: they are off meanwhile, and checked before the transaction is committed.
"""

from alembic import context

from db import schema, schema_objects
from db.engine import lock_upgrades

connection = context.config.attributes["connection"]
sqlite = connection.dialect.name == "sqlite"


def foreign_keys(state: str) -> None:
    # Sent to the driver: SQLAlchemy would begin a transaction, inside which the pragma does nothing.
    if sqlite:
        connection.connection.dbapi_connection.execute(f"PRAGMA foreign_keys = {state}")


def check_foreign_keys() -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all() if sqlite else []
    if broken:
        raise ValueError(f"The migration leaves {len(broken)} rows that refer to nothing ({broken[0][0]}).")


context.configure(
    connection=connection,
    target_metadata=schema.metadata,
    transactional_ddl=True,
    render_as_batch=sqlite,
)
foreign_keys("OFF")
try:
    with context.begin_transaction():
        lock_upgrades(connection)
        others = schema_objects.drop_views(connection)
        context.run_migrations()
        if set(context.get_context().get_current_heads()) == set(context.script.get_heads()):
            schema_objects.create_views(connection, others)
        check_foreign_keys()
finally:
    foreign_keys("ON")
