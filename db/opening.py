"""Open a database by its URL for a block of code, and close it in any case."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from db import engine


@contextmanager
def opened(
    url: str | os.PathLike[str], *, read_only: bool = False, existing: bool = False
) -> Iterator[Engine]:
    """An engine from `engine.create`, for the block. Raises what `engine.create` raises."""
    database = engine.create(url, read_only=read_only, existing=existing)
    try:
        yield database
    finally:
        database.dispose()
