"""The commands `xpixels sql` and `xpixels export`: the content of a database, in the chosen form."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from db import migrate
from db.commands import output, sql
from db.commands.reading import only_reading
from db.forms import FORMS, declared_columns
from db.read.whole_table import find_table, read_whole

STANDARD_INPUT = "-"
REQUIRED = "the following arguments are required: STATEMENT, or -f FILE, or a statement on standard input"


def add_sql_options(command: argparse.ArgumentParser) -> None:
    """Add the options that `run` reads, except the database."""
    command.add_argument(
        "statement",
        nargs="?",
        metavar="STATEMENT",
        help='for example "select * from case_overview limit 5"; - or none: from standard input',
    )
    command.add_argument(
        "-f", "--file", metavar="FILE", help="a file with the statement, in UTF-8; -: standard input"
    )
    _add_limit(command)
    output.add_options(command)
    command.add_argument(
        "--timeout",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="stop a statement that takes longer (default: %(default)g)",
    )


def add_export_options(command: argparse.ArgumentParser) -> None:
    """Add the options that `export` reads, except the database."""
    command.add_argument("name", metavar="NAME", help="a table or view, such as case_overview")
    _add_limit(command)
    output.add_options(command)


def run(options: argparse.Namespace) -> None:
    """Write the answer to one statement. Raises what `sql.run` and `output.write` raise."""
    form, statement = output.chosen_form(options), _statement(options)
    with migrate.open_current(options.database) as database:
        answer = sql.run(database, statement, limit=options.limit, seconds=options.timeout)
    if form is not None:
        output.write(answer.pieces(form), options)
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        print(sql.as_table(answer, width=width), flush=True)
    if answer.cut:
        print(f"more rows than --limit {options.limit}", file=sys.stderr)


def export(options: argparse.Namespace) -> None:
    """Write a whole table or view. Raises LookupError for an unknown name, and what `output.write` raises."""
    table = find_table(options.name)
    if options.limit is not None and options.limit < 1:
        raise ValueError(f"The row limit is {options.limit}: expected 1 or more.")
    form = output.chosen_form(options) or "csv"
    with (
        migrate.open_current(options.database) as database,
        database.connect() as connection,
        connection.begin(),
        only_reading(connection),
    ):
        rows = read_whole(connection, table, options.limit)
        output.write(FORMS[form].pieces(declared_columns(table), rows), options)


def _add_limit(command: argparse.ArgumentParser) -> None:
    command.add_argument("--limit", type=int, metavar="N", help="largest number of rows (default: all)")


def _statement(options: argparse.Namespace) -> str:
    """The statement; ends the program if there is none, or if it was given in two ways.

    Raises OSError for a file that cannot be read, ValueError for one that is no UTF-8.
    """
    statement, file = options.statement, options.file
    if statement is not None and file is not None:
        options.usage_error("argument -f/--file: not beside a STATEMENT; leave one of them out")
    if statement is not None and statement != STANDARD_INPUT:
        # Bytes that the locale has no characters for: a statement is UTF-8 there, too.
        is_text = not any("\udc80" <= sign <= "\udcff" for sign in statement)
        return statement if is_text else _decoded(os.fsencode(statement), "the statement")
    if file is not None and file != STANDARD_INPUT:
        try:
            return _decoded(Path(file).expanduser().read_bytes(), file)
        except OSError as error:
            raise type(error)(f"{file} cannot be read: {error.strerror}.") from None
    is_asked_for = STANDARD_INPUT in (statement, file)
    content = _standard_input(is_asked_for)
    if not (is_asked_for or content.strip()):
        options.usage_error(REQUIRED)
    return _decoded(content, "standard input")


def _standard_input(is_asked_for: bool) -> bytes:
    """All of standard input; empty if it is closed, or if a person would have to type it unasked."""
    if sys.stdin is None or (sys.stdin.isatty() and not is_asked_for):
        return b""
    try:
        return sys.stdin.buffer.read()
    except OSError:  # as a folder, `< /tmp`
        return b""


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name} is no UTF-8 at byte {error.start:,}: expected a statement in UTF-8."
        ) from None
