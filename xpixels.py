"""The command line: it parses, delegates, and turns what went wrong into one clear line.

Exit status: 0 done, 1 failed, 2 wrong usage; of `check` also 3, an alarm.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

__version__ = "0.6.0"

TRACEBACK = "XPIXELS_TRACEBACK"  # set it to see where an error came from
PACKAGES = ("db", "model", "ingest", "dashapp")  # beside this file, whatever else has such a name

# What is true of a command that is stopped, or finds no room on a disk.
GOES_ON = "what was written is kept, and the same command goes on from there"
NOTHING_WRITTEN = "nothing was written"
ONLY_READS = "it only reads: nothing was changed"


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line, without the password of an address."""

    def __init__(self, *arguments, **options) -> None:
        """Say of numbers what was expected."""
        super().__init__(*arguments, **options)
        self.register("type", int, _whole_number)
        self.register("type", float, _number)

    def error(self, message: str) -> NoReturn:
        """End with status 2."""
        from db.address import hide_passwords

        line = " ".join(hide_passwords(message).split())
        self.exit(2, f"{self.prog}: {line}; see `{self.prog} --help`\n")


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


def run() -> NoReturn:
    """The program `xpixels`: `main` with streams that bear everything, in a process of its own."""
    # Child processes find what this one found: neither their folder nor PYTHONPATH puts something before it.
    os.environ["PYTHONSAFEPATH"] = "1"
    os.environ.pop("PYTHONPATH", None)
    line = _foreign_package()
    if line is not None:
        sys.exit(_failed(line))
    from model.terminal import prepare_streams

    prepare_streams()
    # Their complaints, with tracebacks, come beside the error that is told in one line.
    for library in ("sqlalchemy", "psycopg"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    threading.excepthook = lambda error: _failed(_told(error.exc_value, argparse.Namespace()))
    sys.exit(main())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives its exit status."""
    options = argparse.Namespace(stopped=NOTHING_WRITTEN)
    try:
        options = parser().parse_args(arguments)
        if getattr(options, "database", "") is None and not hasattr(options, "database_may_lack"):
            from db.address import default

            options.database = default()
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stopped job leaves as Ctrl-C does
        status = options.run(options) or 0
        sys.stdout.flush()  # now, as a full disk is told in one line here, and not when Python ends
        return status
    except KeyboardInterrupt:
        return _failed(f"stopped; {_truth(options)}")
    except BrokenPipeError:  # the reader of our output, `head` say, has seen enough
        _drop_output()
        return 0
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        return _failed(_told(error, options))


def parser() -> Parser:
    """Every command with its options."""
    root = Parser(
        prog="xpixels",
        description="One-pixel attacks on a network and a nearest-neighbor defense, explained case by case.",
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


def _command(
    commands,
    name: str,
    run: Callable[[argparse.Namespace], int | None],
    help: str,
    *,
    stopped: str | Callable[[argparse.Namespace], str],
) -> Parser:
    """A command. stopped: what is true when it is stopped, perhaps depending on its options."""
    command = commands.add_parser(name, help=help, description=help)
    command.set_defaults(run=run, stopped=stopped)
    return command


def _with_database(command: Parser) -> None:
    command.add_argument(
        "--database",
        metavar="URL",
        help="path or URL of the database (default: $XPIXELS_DATABASE_URL, which no list of processes shows, "
        "else xpixels.db)",
    )


def _with_address(command: Parser) -> None:
    from dashapp.options import add_options

    add_options(command)


def _demo(commands) -> None:
    help = "ingest a small batch of the bundled sample, then serve it"
    command = _command(commands, "demo", _run_demo, help, stopped=GOES_ON)
    _with_database(command)
    _with_address(command)
    command.add_argument("--no-serve", action="store_true", help="only make the database")


def _run_demo(options: argparse.Namespace) -> None:
    from dashapp.__main__ import listen
    from dashapp.doors import read_password, require_password
    from dashapp.options import as_arguments
    from db.address import ENVIRONMENT
    from ingest.__main__ import run
    from ingest.demo import DEMO, explain

    if not options.no_serve:
        # A port in use, or a password that is missing, is told now, not after minutes.
        with listen(options.host, options.port) as listening:
            require_password(listening, options.host, read_password(options.password_file))
    print(explain(DEMO), flush=True)
    run(options.database, DEMO)
    if not options.no_serve:
        # A process of its own serves: it never loads JAX, and gives back what the attacks used.
        sys.stdout.flush()
        command = [*_own_command(), "serve", *as_arguments(options)]
        os.execve(sys.executable, command, os.environ | {ENVIRONMENT: str(options.database)})


def _own_command() -> list[str]:
    """What starts this program in a process of its own, whatever lies in the current folder."""
    start = "import sys; sys.path.append({!r}); import xpixels; xpixels.run()"
    return [sys.executable, "-P", "-c", start.format(str(Path(__file__).resolve().parent))]


def _data(commands) -> None:
    command = commands.add_parser("data", help="fetch data sets")
    parts = command.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)
    help = "fetch and verify a data set into your cache folder"
    fetch = _command(
        parts, "fetch", _run_fetch, help, stopped="nothing was kept: the same command begins anew"
    )
    fetch.add_argument("name", choices=["cifar10"], help="the data set")
    fetch.add_argument(
        "--from", dest="source", type=Path, metavar="PATH", help="an archive or folder you have"
    )


def _run_fetch(options: argparse.Namespace) -> None:
    from model.fetch import fetch

    print(f"cifar10 is in {fetch(from_path=options.source)}")


def _training(commands) -> None:
    from model.train_command import add_options, train

    help = "train the network on full CIFAR-10; resumes"
    stopped = "whole epochs are kept, and the same command goes on from there"
    add_options(_command(commands, "train", train, help, stopped=stopped))
    from ingest import evaluate_command as evaluation

    help = "measure a network's accuracy on the test images, and keep what it predicts of each"
    command = _command(commands, "evaluate", evaluation.run_options, help, stopped=evaluation.stopped)
    command.set_defaults(database_may_lack=True)
    evaluation.add_options(command)


def _ingest(commands) -> None:
    from ingest.__main__ import add_options, run_options

    help = "attack, compare and write the next batch of cases; resumes"
    command = _command(commands, "ingest", run_options, help, stopped=GOES_ON)
    _with_database(command)
    add_options(command)
    help = "choose k and threshold anew and decide every case"
    stopped = "each layer and detector is tuned as before or anew: give the same command again"
    command = _command(commands, "tune", _run_tune, help, stopped=stopped)
    _with_database(command)


def _study(commands) -> None:
    from ingest.study import add_options

    help = "the paper's evaluation at its own scale, with baselines, pairs and intervals; resumes"
    command = _command(commands, "study", _run_study, help, stopped=GOES_ON)
    _with_database(command)
    add_options(command)


def _run_study(options: argparse.Namespace) -> None:
    from ingest.study import run_options

    if options.report:
        from dashapp.report import require_folder, write_report
        from db import engine

        require_folder(options.report)  # before an hour's work
    run_options(options)
    if options.report:
        print(
            "\n".join(map(str, write_report(engine.create(options.database, read_only=True), options.report)))
        )


def _run_tune(options: argparse.Namespace) -> None:
    from ingest.__main__ import retune

    retune(options.database)


def _check(commands) -> None:
    from ingest.check import add_options, run_options, stopped

    help = "judge images: prediction, alarms and their reasons"
    command = _command(commands, "check", run_options, help, stopped=stopped)
    _with_database(command)
    add_options(command)


def _serve(commands) -> None:
    command = _command(commands, "serve", _run_serve, "serve the dashboard", stopped="notes are kept")
    _with_database(command)
    _with_address(command)


def _run_serve(options: argparse.Namespace) -> None:
    from dashapp.__main__ import serve
    from dashapp.options import serve_keywords

    with suppress(KeyboardInterrupt):  # the usual way to end it
        serve(options.database, **serve_keywords(options))


def _sql(commands) -> None:
    from db.sql_command import add_export_options, add_sql_options, export, run

    command = _command(commands, "sql", run, "run one SQL statement, read-only", stopped=ONLY_READS)
    _with_database(command)
    add_sql_options(command)
    help = "write a whole table or view as CSV, JSON or Parquet"
    command = _command(commands, "export", export, help, stopped=NOTHING_WRITTEN)
    _with_database(command)
    add_export_options(command)


def _runs(commands) -> None:
    from db.runs_command import add_options, run

    help = "list the runs that wrote the rows, tell one whole, compare two"
    command = _command(commands, "runs", run, help, stopped=ONLY_READS)
    _with_database(command)
    add_options(command)


def _db(commands) -> None:
    from db import upkeep_command as care

    command = commands.add_parser("db", help="look after the database")
    parts = command.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)
    as_it_was = "the database is as it was"
    help = "bring the database to this program's revision, making it if need be"
    _with_database(_command(parts, "upgrade", care.upgrade, help, stopped=as_it_was))
    help = "say whether the file, its references and its counts are sound"
    _with_database(_command(parts, "check", care.check, help, stopped=ONLY_READS))
    part = _command(parts, "info", care.info, "tell revision, networks, counts and sizes", stopped=ONLY_READS)
    _with_database(part)
    part.add_argument("--json", action="store_true", help="one object, sizes in bytes")
    help = "write a compact copy while others go on writing"
    part = _command(parts, "backup", care.backup, help, stopped="no copy was made")
    _with_database(part)
    part.add_argument("target", type=Path, metavar="FILE", help="the copy to write; must not exist")
    help = "copy a whole database, as from SQLite to PostgreSQL or back"
    part = _command(parts, "copy", _run_copy, help, stopped="no row was written, and the source is as it was")
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


def _foreign_package() -> str | None:
    """The line for another program's package that would be taken for one of ours."""
    here = Path(__file__).resolve().parent
    for name in PACKAGES:
        spec = find_spec(name)
        places = (
            [] if spec is None else [Path(place).resolve() for place in spec.submodule_search_locations or ()]
        )
        if here / name not in places:
            where = f"is taken from {places[0]}" if places else "is missing"
            way_out = "start xpixels in another folder, and without PYTHONPATH"
            return f"the package {name} {where}, not from {here / name}: {way_out}"
    return None


def _truth(options: argparse.Namespace) -> str:
    """What is true of a command that ends before it is done."""
    return options.stopped(options) if callable(options.stopped) else options.stopped


def _told(error: BaseException, options: argparse.Namespace) -> str:
    try:
        from db.address import shown
        from db.faults import describe, no_room
    except ImportError:  # what they need is not installed
        return f"{error}: install explainable-pixels again, as its README says"
    database = getattr(options, "database", None)
    line = describe(error, "the database" if database is None else shown(database))
    return f"{line}; make room: {_truth(options)}" if no_room(error) else line


def _failed(line: str) -> int:
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        _drop_output()
    with suppress(OSError):
        print(f"xpixels: {line}", file=sys.stderr)
    return 1


def _drop_output() -> None:
    """Let what is left in standard output go nowhere: it could not be written, and is not tried again."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


if __name__ == "__main__":
    run()
