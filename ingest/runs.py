"""Stages as runs: what `db.write.run` records, with the version of this program."""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib.metadata import PackageNotFoundError, version

from sqlalchemy import Engine

from db import write


def stage(
    engine: Engine,
    name: str,
    network_id: int,
    parameters: dict,
    *,
    seed: int | None = None,
    batch_id: int | None = None,
) -> AbstractContextManager[int]:
    """A run of a stage around its work; gives the run's id and records how it ended."""
    return write.run(
        engine,
        name,
        network_id=network_id,
        parameters=parameters,
        seed=seed,
        batch_id=batch_id,
        code_version=code_version(),
    )


def code_version() -> str:
    """The version of the installed program, or `source` for a checkout that is not installed."""
    try:
        return version("explainable-pixels")
    except PackageNotFoundError:
        return "source"
