"""The commands `xpixels db upgrade`, `check`, `info` and `backup`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from db import migrate
from db.commands import output, upkeep
from db.opening import opened
from db.soundness import orphans
from db.soundness.contradictions import STALE_THRESHOLDS


def add_info_options(command: argparse.ArgumentParser) -> None:
    """Add the options that `info` reads, except the database."""
    command.add_argument("--json", action="store_true", help="one object, sizes in bytes")


def add_backup_options(command: argparse.ArgumentParser) -> None:
    """Add the options that `backup` reads, except the database."""
    command.add_argument("target", type=Path, metavar="FILE", help="the copy to write; must not exist")


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
            print(f"{stale:,} {STALE_THRESHOLDS}")


def check(options: argparse.Namespace) -> int:
    """Print what is wrong, a line each; returns the exit status."""
    with opened(options.database, read_only=True) as database:
        problems = upkeep.check(database)
        print("\n".join(problems) or f"{migrate.name(database)}: sound")
    if any(orphans.REFER_TO_NOTHING in line for line in problems):
        print("`xpixels db check --repair` deletes rows that refer to nothing", file=sys.stderr)
    return 1 if problems else 0


def info(options: argparse.Namespace) -> None:
    """Print what is in a database, and how much room it takes."""
    with migrate.open_current(options.database) as database:
        content = upkeep.info(database)
    if options.json:
        output.to_standard_output([content.as_json()])
    else:
        print(content)


def backup(options: argparse.Namespace) -> None:
    """Write a copy, and print its path."""
    with opened(options.database, read_only=True) as database:
        print(upkeep.backup(database, options.target))
