"""Delete cases or whole batches with all rows that depend on them, and nothing else.

`db.deletion_plan` finds these rows first, so that they can be reported before the deletion.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import (
    Connection,
    delete,
    func,
    select,
    update,
)

from db import facets
from db.commands import sizes
from db.deletion_plan import Ids, goes, owners, rows_of_batch, rows_of_cases, scope_of_batch
from db.schema import (
    cases,
    decisions,
    detector_decisions,
    detectors,
    layers,
    metadata,
    operating_points,
    runs,
    tuning_points,
)
from db.scope import Scope, judged_on


def count_rows(connection: Connection, ids: Ids) -> dict[str, int]:
    """How many rows will be deleted, parts included, by table; tables without any are left out."""
    rows = {}
    for table in metadata.sorted_tables:
        if table.name in ids or any(owner in ids for _, owner in owners(table)):
            going = goes(connection, table, ids)
            rows[table.name] = connection.scalar(select(func.count()).select_from(table).where(going))
    return {name: count for name, count in rows.items() if count}


def room_of(connection: Connection, rows: Mapping[str, int]) -> int | None:
    """About how many bytes these numbers of rows take, with indexes; None: SQLite cannot report sizes."""
    known = sizes.table_sizes(connection)
    if known is None:
        return None
    whole = {
        name: connection.execute(select(func.count()).select_from(metadata.tables[name])).scalar_one()
        for name in rows
    }
    return round(sum(known[name] * count / whole[name] for name, count in rows.items() if whole[name]))


def delete_cases(connection: Connection, case_ids: Sequence[int]) -> dict[str, int]:
    """Delete cases and all that depends on them, in the caller's transaction; returns row counts by table.

    Lists stay correct. If cases of a tuning are deleted, it has to be made again with `xpixels tune`.
    """
    ids = rows_of_cases(connection, case_ids)
    gone = count_rows(connection, ids)
    listed = select(cases.c.network_id, cases.c.dataset_id, cases.c.partition)
    changed = connection.execute(listed.where(goes(connection, cases, ids)).distinct()).all()
    _delete(connection, ids)
    for network_id, dataset_id, partition in changed:
        facets.refresh(connection, Scope(network_id, dataset_id), partition)
    return gone


def delete_batch(connection: Connection, batch_id: int) -> dict[str, int]:
    """Delete a batch and all that depends on it, in the caller's transaction; returns row counts by table.

    A run of the batch that wrote a remaining row stays, without a batch. Otherwise like `delete_cases`.
    Raises LookupError where there is no such batch.
    """
    ids = rows_of_batch(connection, batch_id)
    gone = count_rows(connection, ids)
    scope = scope_of_batch(connection, batch_id)
    _delete(connection, {name: keys for name, keys in ids.items() if name != "batches"})
    connection.execute(update(runs).where(runs.c.batch_id == batch_id).values(batch_id=None))
    facets.refresh(connection, scope)
    _delete(connection, {"batches": ids["batches"]})
    return gone


def delete_tuning(connection: Connection, scope: Scope) -> dict[str, int]:
    """Delete a network's tuning on a data set and its detectors' decisions: no cases are left to tune by.

    Returns row counts by table.
    """
    of_layers = select(layers.c.id).where(layers.c.network_id == scope.network_id)
    gone = {}
    for table in (tuning_points, operating_points, decisions):
        mine = table.c.layer_id.in_(of_layers), judged_on(table, scope)
        gone[table.name] = connection.execute(delete(table).where(*mine)).rowcount
    for table in (detectors, detector_decisions):
        gone[table.name] = connection.execute(delete(table).where(scope.of(table))).rowcount
    if any(gone.values()):
        facets.refresh(connection, scope)
    return {name: count for name, count in gone.items() if count}


def _delete(connection: Connection, ids: Ids) -> None:
    for table in reversed(metadata.sorted_tables):
        if ids.get(table.name):
            connection.execute(delete(table).where(goes(connection, table, {table.name: ids[table.name]})))
