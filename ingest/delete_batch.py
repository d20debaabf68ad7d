"""The command `xpixels runs delete`: delete a batch with all dependent rows, and retune its network."""

import argparse

from sqlalchemy import Connection, func, select

from db import deletion, deletion_plan, migrate
from db.bulk import among
from db.commands import upkeep
from db.commands.consent import UsageError, require_consent
from db.engine import snapshot, writing
from db.opening import opened
from db.read.batch_list import ListedBatch, find_batch
from db.schema import annotations, attacks, runs
from ingest.workers.lease import Turn

STOPPED = "nothing is deleted until that is said; then `xpixels tune` does the rest"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options: which batch to delete, and whether to ask first."""
    parser.add_argument("id", type=int, nargs="?", metavar="ID", help="any run of the batch")
    parser.add_argument("--batch", metavar="NAME", help="the batch by its name, in place of a run")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(options: argparse.Namespace) -> None:
    """Print what will be deleted, ask, delete, and retune the network.

    Raises UsageError, LookupError for an unknown batch or run, and the errors of `require_current`.
    """
    if (options.id is None) == (options.batch is None):
        raise UsageError("give a run of the batch or --batch NAME, one of them")
    with opened(options.database, read_only=True) as reader:
        migrate.require_current(reader)
        with snapshot(reader) as connection:
            batch = find_batch(connection, run_id=options.id, name=options.batch)
            print("\n".join(tell(connection, batch)), flush=True)
    require_consent("delete it? (`xpixels db backup FILE` makes a copy first)", given=options.yes)
    from ingest.retune import retune_network  # JAX is loaded only when it is needed

    with opened(options.database) as database:
        with Turn(database) as turn:
            turn.take()
            with writing(database) as connection:
                gone = deletion.delete_batch(connection, batch.id)
            print(f"deleted {sum(gone.values()):,} rows", flush=True)
            tuned = retune_network(database, batch.scope)
        print("tuned anew" if tuned else "nothing is left to tune by: what was tuned is deleted, too")
        if (message := upkeep.compact(database)) is not None:
            print(message)


def tell(connection: Connection, batch: ListedBatch) -> list[str]:
    """Lines that list what is deleted with a batch."""
    ids = deletion_plan.rows_of_batch(connection, batch.id)
    rows = deletion.count_rows(connection, ids)
    room = deletion.room_of(connection, rows)
    size = "" if room is None else f", about {room / 1e6:,.1f} MB"
    lines = [
        f"{batch}, runs {', '.join(map(str, batch.runs)) or 'none'}",
        f"  {rows.get('cases', 0):,} cases, {rows.get('attacks', 0):,} attacks; "
        f"{sum(rows.values()):,} rows in all{size}",
        f"  {_count_annotations(connection, ids['cases'])}",
    ]
    of_batch = select(func.count()).join_from(attacks, runs).where(runs.c.batch_id == batch.id)
    going = among(connection, attacks.c.id, ids["attacks"])
    if staying := connection.scalar(of_batch.where(~going)):
        lines.append(f"  {staying:,} of its attacks stay, as cases, maps or attacks that stay rest on them")
    return lines


def _count_annotations(connection: Connection, case_ids: list[int]) -> str:
    """A line with the counts of people's annotations of the cases, which cannot be restored."""
    kind = annotations.c.kind
    query = select(kind, func.count()).where(among(connection, annotations.c.case_id, case_ids))
    rows = connection.execute(query.group_by(kind).order_by(kind))
    counts = [f"{number:,} {name}{'s' * (number > 1)}" for name, number in rows]
    return f"what people wrote about them: {', '.join(counts) or 'nothing'}"
