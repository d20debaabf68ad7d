"""The commands `xpixels db upgrade`, `check`, `info` and `backup`."""

from __future__ import annotations

import argparse

from db import engine, migrate, output, upkeep


def upgrade(options: argparse.Namespace) -> None:
    """Bring a database to this program's revision."""
    database = engine.create(options.database)
    before, after = migrate.upgrade(database)
    done = f"{migrate.name(database)}: {before or 'empty'} -> {after}"
    print(done if before != after else f"revision {after} already")
    if stale := upkeep.stale_thresholds(database):
        print(f"{stale:,} {upkeep.STALE_THRESHOLDS}")


def check(options: argparse.Namespace) -> int:
    """Print what is wrong, a line each; the exit status."""
    database = engine.create(options.database, read_only=True)  # perhaps so damaged that it tells no revision
    problems = upkeep.check(database)
    database.dispose()
    print("\n".join(problems) or f"{migrate.name(database)}: sound")
    return 1 if problems else 0


def info(options: argparse.Namespace) -> None:
    """Print what is in a database, and how much room it takes."""
    with migrate.open_current(options.database) as database:
        told = upkeep.info(database)
    if options.json:
        output.to_standard_output([told.as_json()])
    else:
        print(told)


def backup(options: argparse.Namespace) -> None:
    """Write a copy, and print its path."""
    print(upkeep.backup(engine.create(options.database, read_only=True), options.target))
