"""The commands `xpixels db upgrade`, `check`, `info` and `backup`."""

from __future__ import annotations

import argparse
import sys

from db import migrate, orphans, upkeep
from db.opening import opened


def upgrade(options: argparse.Namespace) -> None:
    """Bring a database to this program's revision, and restore views and indexes."""
    with opened(options.database) as database:
        before, after, restored, left = migrate.upgrade_and_restore(database)
        done = f"{migrate.name(database)}: {before or 'empty'} -> {after}"
        print(done if before != after else f"revision {after} already")
        for fault in restored:
            print(f"restored {fault.kind} {fault.name}")
        for fault in left:
            print(fault)
        if stale := upkeep.stale_thresholds(database):
            print(f"{stale:,} {upkeep.STALE_THRESHOLDS}")


def check(options: argparse.Namespace) -> int:
    """Print what is wrong, a line each; the exit status."""
    with opened(options.database, read_only=True) as database:
        problems = upkeep.check(database)
        print("\n".join(problems) or f"{migrate.name(database)}: sound")
    if any(orphans.REFER_TO_NOTHING in line for line in problems):
        print("`xpixels db check --repair` deletes rows that refer to nothing", file=sys.stderr)
    return 1 if problems else 0


def info(options: argparse.Namespace) -> None:
    """Print what is in a database, and how much room it takes."""
    with opened(options.database, read_only=True) as database:
        told = upkeep.info(database)
    print(told.as_json() if options.json else told)


def backup(options: argparse.Namespace) -> None:
    """Write a copy, and print its path."""
    with opened(options.database, read_only=True) as database:
        print(upkeep.backup(database, options.target))
