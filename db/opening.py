"""A database for the time of a block: opened by its URL, and closed whatever becomes of the work."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from db import engine


@contextmanager
def opened(
    url: str | os.PathLike[str], *, read_only: bool = False, existing: bool = False
) -> Iterator[Engine]:
    """An engine as `engine.create` gives it, and raises what that raises."""
    database = engine.create(url, read_only=read_only, existing=existing)
    try:
        yield database
    finally:
        database.dispose()
