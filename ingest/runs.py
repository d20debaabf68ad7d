"""Record stages as runs, by `db.write.run`, with the version of this program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from sqlalchemy import Engine

from db import write
from db.runs import fences
from db.scope import Scope


@contextmanager
def stage(
    engine: Engine,
    name: str,
    scope: Scope,
    parameters: dict[str, Any],
    *,
    seed: int | None = None,
    batch_id: int | None = None,
) -> Iterator[int]:
    """Wrap the work of a stage in a run: yields the run's id and records how it ended.

    A command without a lease, such as `xpixels check --keep`, can write only while this run is active.
    """
    run = write.run(
        engine,
        name,
        scope=scope,
        parameters=parameters,
        seed=seed,
        batch_id=batch_id,
        code_version=code_version(),
    )
    with run as run_id, fences.held(engine, run_id):
        yield run_id


def code_version() -> str:
    """The version of the installed program, or `source` for a checkout that is not installed."""
    try:
        return version("explainable-pixels")
    except PackageNotFoundError:
        return "source"
