"""Find batches by their parameters, register and name new ones, and discard those without a run."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, select

from db.runs import batch_names
from db.schema import batches, now, runs
from db.scope import Scope
from ingest.batch import Batch


def find_batch(
    connection: Connection, scope: Scope, batch: Batch, *, all_test: bool = False, name: str | None = None
) -> int | None:
    """The id of a batch, which gets the name if one is given; None: it is not in the database.

    all_test: it attacks every test image, and makes no cases.
    Raises ValueError if another batch of the network and data set has the name, also for a batch that is not
    written yet.
    """
    known = select(batches.c.id, batches.c.parameters).where(scope.of(batches))
    wanted = _describe(batch, all_test)
    same = (id_ for id_, parameters in connection.execute(known).all() if parameters == wanted)
    batch_id = next(same, None)
    if name is not None:
        batch_names.require_free(connection, scope, name, batch_id)
        if batch_id is not None:
            batch_names.rename(connection, batch_id, name)
    return batch_id


def register_batch(
    connection: Connection,
    scope: Scope,
    batch: Batch,
    *,
    all_test: bool = False,
    name: str | None = None,
    usual_name: str | None = None,
) -> int:
    """The id of a batch, which is written if it is new. Arguments and errors as of `find_batch`.

    usual_name: of a new batch that is given no name, unless another batch has it.
    """
    batch_id = find_batch(connection, scope, batch, all_test=all_test, name=name)
    if batch_id is not None:
        return batch_id
    taken = batch_names.names_of(connection, scope)
    facts = {
        **scope._asdict(),
        "name": name or batch_names.free_name(usual_name or batch.title(all_test=all_test), taken),
        "parameters": _describe(batch, all_test),
        "method": batch.attack,
        "pixel_count": batch.pixels,
        "seed": batch.seed,
        "created_at": now(),
    }
    new_id: int = connection.execute(batches.insert().returning(batches.c.id), facts).scalar_one()
    return new_id


def discard_batch(connection: Connection, batch_id: int) -> None:
    """Delete a batch if it has no run."""
    run = select(runs.c.id).where(runs.c.batch_id == batch_id)
    connection.execute(delete(batches).where(batches.c.id == batch_id, ~run.exists()))


def _describe(batch: Batch, all_test: bool) -> dict[str, Any]:
    return batch.identity() | ({"all_test": True} if all_test else {})
