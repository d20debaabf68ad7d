"""New databases for tests: SQLite files, or on the tests' PostgreSQL server.

Those with every table and no row are copies of one that was migrated once, and go when they are left.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from sqlalchemy import URL, Engine

from db import engine as engines
from db import migrate
from tests.support import postgres_server

NUMBERS = count(1)
TEMPLATE = "template_of_tests"


def migrate_file(path: Path) -> Path:
    """Make the SQLite file that others are copies of."""
    _migrate(str(path))
    return path


def migrate_on(server: URL) -> URL:
    """Make the database on the server that others are copies of; gives the server."""
    _migrate(postgres_server.make(server, TEMPLATE))
    return server


@contextmanager
def file(template: Path, folder: Path) -> Iterator[Engine]:
    """A new SQLite file in the folder."""
    path = folder / f"{next(NUMBERS)}.db"
    shutil.copy(template, path)
    made = engines.create(path)
    yield made
    made.dispose()
    path.unlink(missing_ok=True)


@contextmanager
def on(server: URL) -> Iterator[Engine]:
    """A new database on a server that `migrate_on` has prepared."""
    name = f"test_{next(NUMBERS)}"
    made = engines.create(postgres_server.make(server, name, template=TEMPLATE))
    yield made
    made.dispose()
    postgres_server.drop(server, name)


@contextmanager
def copy(original: Engine, folder: Path) -> Iterator[Engine]:
    """A copy of a database to which nobody is connected."""
    if original.dialect.name == "postgresql":
        name = f"copy_{next(NUMBERS)}"
        made = engines.create(postgres_server.make(original.url, name, template=original.url.database))
        yield made
        made.dispose()
        postgres_server.drop(original.url, name)
    else:
        with file(engines.file(original), folder) as made:
            yield made


def copy_file(source: Path | str, path: Path) -> Path:
    """Write a copy of a SQLite database, which others may read meanwhile; gives its path."""
    made = engines.create(source)
    with made.connect() as connection:
        connection.connection.dbapi_connection.execute("VACUUM INTO ?", (str(path),))
    made.dispose()
    return path


def _migrate(address: str) -> None:
    made = engines.create(address)
    migrate.upgrade(made)
    made.dispose()
