"""The command line: it parses, delegates, and turns what went wrong into one clear line.

Exit status: 0 done, 1 failed, 2 wrong usage; of `check` also 3, an alarm.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from db.command_parser import Parser
from db.command_parser import add_command as _command
from db.command_parser import add_database as _with_database
from db.consent import UsageError

__version__ = "0.5.0"

TRACEBACK = "XPIXELS_TRACEBACK"  # set it to see where an error came from


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives its exit status."""
    options = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stopped job leaves as Ctrl-C does
    try:
        return options.run(options) or 0
    except UsageError as error:
        return _failed(_one_line(error), status=2)
    except KeyboardInterrupt:
        return _failed("stopped; what was written is kept, and the same command goes on from there")
    except BrokenPipeError:  # the reader of our output, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, LookupError, ArithmeticError, OSError, SQLAlchemyError, RuntimeError) as error:
        if os.environ.get(TRACEBACK):
            raise
        return _failed(_one_line(error) + _way_out(error))


def parser() -> Parser:
    """Every command with its options."""
    root = Parser(
        prog="xpixels",
        description="One-pixel attacks on a network and a nearest-neighbour defence, explained case by case.",
    )
    root.add_argument("--version", action="version", version=f"xpixels {__version__}")
    commands = root.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)
    _demo(commands)
    _data(commands)
    _training(commands)
    _ingest(commands)
    _study(commands)
    _check(commands)
    _serve(commands)
    _sql(commands)
    _runs(commands)
    _db(commands)
    return root


def _with_address(command: Parser) -> None:
    from dashapp.options import add_options

    add_options(command)


def _demo(commands) -> None:
    command = _command(
        commands, "demo", _run_demo, "ingest a small batch of the bundled sample, then serve it"
    )
    _with_database(command)
    _with_address(command)
    command.add_argument("--no-serve", action="store_true", help="only make the database")


def _run_demo(options: argparse.Namespace) -> None:
    from dashapp.__main__ import listen
    from dashapp.doors import read_password, require_password
    from dashapp.options import as_arguments
    from ingest.__main__ import run
    from ingest.demo import DEMO, NAME, explain

    if not options.no_serve:
        # A port in use, or a password that is missing, is told now, not after minutes.
        with listen(options.host, options.port) as listening:
            require_password(listening, options.host, read_password(options.password_file))
    print(explain(DEMO), flush=True)
    run(options.database, DEMO, usual_name=NAME)
    if not options.no_serve:
        # A process of its own serves: it never loads JAX, and gives back what the attacks used.
        address = ["--database", options.database, *as_arguments(options)]
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, "-m", "dashapp", *address])


def _data(commands) -> None:
    command = commands.add_parser("data", help="fetch data sets")
    parts = command.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)
    fetch = _command(parts, "fetch", _run_fetch, "fetch and verify a data set into your cache folder")
    fetch.add_argument("name", choices=["cifar10"], help="the data set")
    fetch.add_argument(
        "--from", dest="source", type=Path, metavar="PATH", help="an archive or folder you have"
    )


def _run_fetch(options: argparse.Namespace) -> None:
    from model.fetch import fetch

    print(f"cifar10 is in {fetch(from_path=options.source)}")


def _training(commands) -> None:
    from model.train_command import add_options, evaluate, train

    add_options(_command(commands, "train", train, "train the network on full CIFAR-10; resumes"))
    command = _command(commands, "evaluate", evaluate, "measure a network's accuracy on the test images")
    command.add_argument("--weights", type=Path, metavar="FILE", help="npz (default: the bundled one)")
    command.add_argument("--dataset", default="cifar10", choices=("cifar10", "cifar10-sample"))


def _ingest(commands) -> None:
    from ingest.__main__ import add_options, run_options

    command = _command(
        commands, "ingest", run_options, "attack, compare and write the next batch of cases; resumes"
    )
    _with_database(command)
    add_options(command)
    command = _command(commands, "tune", _run_tune, "choose k and threshold anew and decide every case")
    _with_database(command)


def _study(commands) -> None:
    from ingest.study import add_options

    help = "the paper's evaluation at its own scale, with baselines, pairs and intervals; resumes"
    command = _command(commands, "study", _run_study, help)
    _with_database(command)
    add_options(command)


def _run_study(options: argparse.Namespace) -> None:
    from ingest.study import run_options

    run_options(options)
    if options.report:
        from dashapp.report import write_report
        from db import engine

        print(
            "\n".join(map(str, write_report(engine.create(options.database, read_only=True), options.report)))
        )


def _run_tune(options: argparse.Namespace) -> None:
    from ingest.__main__ import retune

    retune(options.database)


def _check(commands) -> None:
    from ingest.check import add_options, run_options

    command = _command(commands, "check", run_options, "judge images: prediction, alarms and their reasons")
    _with_database(command)
    add_options(command)


def _serve(commands) -> None:
    command = _command(commands, "serve", _run_serve, "serve the dashboard")
    _with_database(command)
    _with_address(command)


def _run_serve(options: argparse.Namespace) -> None:
    from dashapp.__main__ import serve
    from dashapp.options import serve_keywords

    with suppress(KeyboardInterrupt):  # the usual way to end it
        serve(options.database, **serve_keywords(options))


def _sql(commands) -> None:
    from db.sql_command import export, run

    command = _command(commands, "sql", run, "run one SQL statement, read-only")
    _with_database(command)
    command.add_argument("statement", metavar="STATEMENT", help='as "select * from case_overview limit 5"')
    _with_format(command)
    command.add_argument(
        "--timeout",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="stop a statement that takes longer (default: %(default)g)",
    )
    command = _command(commands, "export", export, "write a whole table or view as CSV or JSON")
    _with_database(command)
    command.add_argument("name", metavar="NAME", help="a table or view, as case_overview")
    command.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
    _with_format(command)


def _with_format(command: Parser) -> None:
    command.add_argument("--limit", type=int, metavar="N", help="the most rows (default: all)")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--csv", dest="form", action="store_const", const="csv", help="comma-separated values")
    form.add_argument("--json", dest="form", action="store_const", const="json", help="a list of objects")


def _runs(commands) -> None:
    from db import runs_command
    from ingest import delete_batch

    help = "list the runs that wrote the rows, tell one whole, compare two"
    command = _command(commands, "runs", runs_command.run, help)
    _with_database(command)
    runs_command.add_options(command)
    _with_format(command)
    part = command.add_part("batches", runs_command.run_batches, "list the batches, with what came of each")
    _with_database(part)
    _with_format(part)
    help = "delete a batch with its cases, attacks and all that hangs on them; says first how much that is"
    part = command.add_part("delete", delete_batch.run, help)
    _with_database(part)
    delete_batch.add_options(part)


def _db(commands) -> None:
    from db import upkeep_command as care
    from ingest import repair_database

    command = commands.add_parser("db", help="look after the database")
    parts = command.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)
    for name, run, help in (
        ("upgrade", care.upgrade, "bring the database to this program's revision, making it if need be"),
        ("check", repair_database.run, "say whether the file, its references and its counts are sound"),
        ("info", care.info, "tell revision, networks, counts and sizes"),
        ("backup", care.backup, "write a compact copy while others go on writing"),
    ):
        part = _command(parts, name, run, help)
        _with_database(part)
        if name == "check":
            repair_database.add_options(part)
        if name == "info":
            part.add_argument("--json", action="store_true", help="one object, sizes in bytes")
        if name == "backup":
            part.add_argument("target", type=Path, metavar="FILE", help="the copy to write; must not exist")
    part = _command(parts, "copy", _run_copy, "copy a whole database, as from SQLite to PostgreSQL or back")
    part.add_argument(
        "source", metavar="SOURCE", help="path or URL of the database to read; it stays as it is"
    )
    part.add_argument(
        "target", metavar="TARGET", help="path or URL of the one to write: new, or without rows"
    )


def _run_copy(options: argparse.Namespace) -> None:
    from db import transfer
    from model.progress import progress

    print(transfer.between(options.source, options.target, progress))


def _one_line(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error  # SQLAlchemy wraps what the driver said
    return " ".join(str(cause).split()) or type(cause).__name__


def _way_out(error: BaseException) -> str:
    from db.engine import no_room

    room = "; make room: what was written is kept, and the same command goes on from there"
    return room if no_room(error) else ""


def _failed(line: str, *, status: int = 1) -> int:
    print(f"xpixels: {line}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
