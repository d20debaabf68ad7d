"""The command `xpixels runs delete`: a batch goes with all that hangs on it; its network is tuned anew."""

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
    """Which batch goes, and whether somebody is asked."""
    parser.add_argument("id", type=int, nargs="?", metavar="ID", help="any run of the batch")
    parser.add_argument("--batch", metavar="NAME", help="the batch by its name, in place of a run")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(options: argparse.Namespace) -> None:
    """Say what goes, ask, delete, and tune the network anew.

    Raises UsageError, LookupError for a batch or a run that is not there, and what `require_current` raises.
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
            tuned = retune_network(database, batch.network_id)
        print("tuned anew" if tuned else "nothing is left to tune by: what was tuned is deleted, too")
        if (said := upkeep.compact(database)) is not None:
            print(said)


def tell(connection: Connection, batch: ListedBatch) -> list[str]:
    """What goes with a batch, in lines."""
    ids = deletion_plan.rows_of_batch(connection, batch.id)
    rows = deletion.count_rows(connection, ids)
    room = deletion.room_of(connection, rows)
    size = "" if room is None else f", about {room / 1e6:,.1f} MB"
    lines = [
        f"{batch}, runs {', '.join(map(str, batch.runs)) or 'none'}",
        f"  {rows.get('cases', 0):,} cases, {rows.get('attacks', 0):,} attacks; "
        f"{sum(rows.values()):,} rows in all{size}",
        f"  {_written(connection, ids['cases'])}",
    ]
    of_batch = select(func.count()).join_from(attacks, runs).where(runs.c.batch_id == batch.id)
    going = among(connection, attacks.c.id, ids["attacks"])
    if staying := connection.scalar(of_batch.where(~going)):
        lines.append(f"  {staying:,} of its attacks stay, as cases, maps or attacks that stay rest on them")
    return lines


def _written(connection: Connection, case_ids: list[int]) -> str:
    """What people have written about the cases, which nothing can bring back."""
    kind = annotations.c.kind
    query = select(kind, func.count()).where(among(connection, annotations.c.case_id, case_ids))
    found = connection.execute(query.group_by(kind).order_by(kind))
    counts = [f"{number:,} {name}{'s' * (number > 1)}" for name, number in found]
    return f"what people wrote about them: {', '.join(counts) or 'nothing'}"
