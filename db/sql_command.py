"""The commands `xpixels sql` and `xpixels export`: read-only answers in three forms."""

from __future__ import annotations

import argparse
import shutil
import sys

from db import engine, migrate, sql
from db.schema import metadata, views


def run(options: argparse.Namespace) -> None:
    """Print the answer to one statement."""
    answer = _answer(options, options.statement, options.timeout)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    sys.stdout.write(_formatted(answer, options.form, width))
    if answer.cut:
        print(f"more rows than --limit {options.limit}", file=sys.stderr)


def export(options: argparse.Namespace) -> None:
    """Write a whole table or view. Raises LookupError for an unknown name."""
    known = sorted([*metadata.tables, *views.tables])
    if options.name not in known:
        raise LookupError(f"no table or view {options.name}: expected one of {', '.join(known)}")
    text = _formatted(_answer(options, f'SELECT * FROM "{options.name}"'), options.form or "csv", None)
    if options.output:
        options.output.write_text(text)
    else:
        sys.stdout.write(text)


def _answer(options: argparse.Namespace, statement: str, seconds: float | None = None) -> sql.Answer:
    database = engine.create(options.database, read_only=True)
    migrate.require_current(database)
    return sql.run(database, statement, limit=options.limit, seconds=seconds)


def _formatted(answer: sql.Answer, form: str | None, width: int | None) -> str:
    if form == "csv":
        return sql.as_csv(answer)
    if form == "json":
        return sql.as_json(answer)
    return sql.as_table(answer, width=width) + "\n"
