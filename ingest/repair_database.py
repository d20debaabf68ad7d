"""The command `xpixels db check`; with `--repair` it also repairs the faults, as far as possible."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from uuid import uuid4

from sqlalchemy import Engine, insert, select

from db import facets, migrate
from db.commands import upkeep, upkeep_command
from db.commands.consent import UsageError, require_consent
from db.engine import snapshot, writing
from db.opening import opened
from db.read.network_titles import scopes
from db.schema import database_identity, now
from db.soundness import orphans, schema_faults
from ingest.workers.lease import Turn

TUNE = "run `xpixels tune`"  # a check's advice where a tuning does not fit


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options: whether to repair, and whether to ask first."""
    help = "delete rows that refer to missing rows, and all that refer to those; compute lists and tunings "
    help += "again; restore views and indexes"
    parser.add_argument("--repair", action="store_true", help=help)
    parser.add_argument("--yes", action="store_true", help="with --repair: do not ask for confirmation")


def stopped(options: argparse.Namespace) -> str:
    """The message after the command was stopped."""
    if options.repair:
        return "what it has said is done; the same command does the rest"
    return "it only reads: nothing was changed"


def run(options: argparse.Namespace) -> int:
    """Check; or print what a repair does, ask, and repair. Returns the exit status.

    Raises UsageError, ValueError for faults that cannot be repaired, and the errors of
    `migrate.require_current`.
    """
    if not options.repair:
        if options.yes:
            raise UsageError("--yes is for --repair: give both, or none")
        return upkeep_command.check(options)
    with opened(options.database, read_only=True) as reader:
        problems = upkeep.check(reader)
        print("\n".join(problems) or f"{migrate.name(reader)}: sound", flush=True)
        if not problems:
            return 0
        require_repairable(reader)
        with snapshot(reader) as connection:
            going = orphans.rows_that_go(connection)
    print(
        f"a repair deletes {_counted(going) or 'no row'}; it restores views and indexes, and makes lists anew"
    )
    require_consent("repair it? (`xpixels db backup FILE` makes a copy first)", given=options.yes)
    with opened(options.database) as database:
        with Turn(database) as turn:
            turn.take()
            repair(database)
            problems = upkeep.check(database)
            if any(TUNE in line for line in problems):
                retune(database)
                problems = upkeep.check(database)
        print("\n".join(problems) or f"{migrate.name(database)}: sound")
    return 1 if problems else 0


def require_repairable(engine: Engine) -> None:
    """Raise ValueError if only a backup helps: damaged pages, or missing tables or columns."""
    with engine.connect() as connection:
        damage = upkeep.damage(connection)
    lost = [str(fault) for fault in schema_faults.find_faults(engine) if fault.hides_rows]
    if damage or lost:
        raise ValueError(f"this cannot be repaired: {(damage + lost)[0]}; restore a backup")


def repair(engine: Engine) -> None:
    """Repair references, lists, views and indexes, and print what changed."""
    with writing(engine) as connection:
        gone, emptied = orphans.delete_orphans(connection)
        if connection.scalar(select(database_identity.c.id)) is None:
            identity = {"id": 1, "uuid": str(uuid4()), "created_at": now()}
            connection.execute(insert(database_identity), identity)
        for scope in scopes(connection):
            facets.refresh(connection, scope)
    print(f"deleted {_counted(gone) or 'no row'}")
    if emptied:
        print(f"references emptied in {_counted(emptied)}")
    restored, _ = migrate.restore(engine)
    for fault in restored:
        print(f"restored {fault.kind} {fault.name}")


def retune(engine: Engine) -> None:
    """Retune every network on each of its data sets."""
    from ingest.retune import retune_network

    with engine.connect() as connection:
        known = scopes(connection)
    for scope in known:
        retune_network(engine, scope)


def _counted(rows: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} of {name}" for name, number in sorted(rows.items()))
