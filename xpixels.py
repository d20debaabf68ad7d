"""The command line: parse arguments, run the command, and report an error in one clear line.

Exit status: 0 done, 1 failed, 2 wrong usage; `check` also ends with 3 on an alarm.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path

TYPE_CHECKING = False  # as in `typing`; slow imports come later, where a Ctrl-C is reported in one line
if TYPE_CHECKING:  # `run` first checks that these are our own packages
    import argparse
    from collections.abc import Sequence
    from types import SimpleNamespace
    from typing import NoReturn

    from db.commands.parser import Commands, Describe, Parser, Run

__version__ = "0.6.0"

TRACEBACK = "XPIXELS_TRACEBACK"  # set it to see where an error came from
PACKAGES = (
    "db",
    "model",
    "ingest",
    "dashapp",
    "text_table",
    "whole_file",
)  # these have to lie beside this file; other packages may have the same names

# The state after a command was stopped or the disk was full.
GOES_ON = "what was written is kept, and the same command goes on from there"
NOTHING_WRITTEN = "nothing was written"
ONLY_READS = "it only reads: nothing was changed"


def run() -> NoReturn:
    """The program `xpixels`: run `main` in its own process, with streams that can show every character."""
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # SIGTERM ends a job as Ctrl-C does
        _prepare()
        status = main()
    except KeyboardInterrupt:
        status = _failed(f"stopped; {NOTHING_WRITTEN}")
    finally:  # a signal that arrives while Python exits must not change the status
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    sys.exit(status)


def _prepare() -> None:
    import logging
    import threading
    from types import SimpleNamespace

    # Child processes import the same packages: neither their folder nor PYTHONPATH may shadow them.
    os.environ["PYTHONSAFEPATH"] = "1"
    os.environ.pop("PYTHONPATH", None)
    line = _foreign_package()
    if line is not None:
        sys.exit(_failed(line))
    from model.terminal import prepare_streams

    prepare_streams()
    # These libraries would log tracebacks in addition to our error in one line.
    for library in ("sqlalchemy", "psycopg"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    threading.excepthook = lambda error: _failed(
        _told(error.exc_value or error.exc_type(), SimpleNamespace())
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    from types import SimpleNamespace

    options: argparse.Namespace | SimpleNamespace = SimpleNamespace(stopped=NOTHING_WRITTEN)
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # also if `run` did not call this
        options = parser().parse_args(arguments)
        if getattr(options, "database", "") is None and not hasattr(options, "database_may_lack"):
            from db.address import default

            options.database = default()
        from model.terminal import outlasting

        # The reader of our output, such as `head`, may close it: commands that only read end, others go on.
        with nullcontext() if options.stopped is ONLY_READS else outlasting():
            status: int = options.run(options) or 0
            sys.stdout.flush()  # here a full disk is reported in one line, when Python exits it is not
        return status
    except KeyboardInterrupt:
        return _failed(f"stopped; {_describe_stop(options)}")
    except BrokenPipeError:
        _drop_output()
        return 0
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        return _failed(_told(error, options), status=getattr(error, "exit_status", 1))


def parser() -> Parser:
    """Every command with its options."""
    from db.commands.parser import Commands, Parser

    root = Parser(
        prog="xpixels",
        description="One-pixel attacks on a network and a nearest-neighbor defense, explained case by case.",
    )
    root.add_argument("--version", action="version", version=f"xpixels {__version__}")
    commands = Commands(root)
    help = "ingest a small batch, of the bundled sample or of your own data, then serve it"
    commands.add("demo", _demo, help, stopped=GOES_ON)
    _add_data(commands.add_group("data", "fetch data sets, and add your own"))
    _add_network(commands.add_group("network", "add, list, show, remove and export networks"))
    help = "train the network on full CIFAR-10; resumes"
    stopped = "whole epochs are kept, and the same command goes on from there"
    commands.add("train", _train, help, stopped=stopped, database=False)
    help = "measure a network's accuracy on the test images, and store its prediction for each"
    commands.add("evaluate", _evaluate, help, stopped=NOTHING_WRITTEN, database=False)
    help = "attack, compare and write the next batch of cases; resumes"
    commands.add("ingest", _ingest, help, stopped=GOES_ON)
    help = "choose k and threshold again and decide every case"
    stopped = "each layer and detector is tuned as before or anew: give the same command again"
    commands.add("tune", _tune, help, stopped=stopped)
    help = "the paper's evaluation at its own scale, with baselines, pairs and intervals; resumes"
    commands.add("study", _study, help, stopped=GOES_ON)
    help = "judge images: prediction, alarms and their reasons"
    commands.add("check", _check, help, stopped=NOTHING_WRITTEN)
    commands.add("serve", _serve, "serve the dashboard", stopped="notes are kept")
    commands.add("sql", _sql, "run one SQL statement, read-only", stopped=ONLY_READS)
    help = "write a whole table or view as CSV, JSON or Parquet"
    commands.add("export", _export, help, stopped=ONLY_READS)
    help = "list the runs that wrote the rows, show one in full, compare two"
    commands.add("runs", _runs, help, stopped=ONLY_READS)
    _add_db(commands.add_group("db", "maintain the database"))
    return root


def _add_db(group: Commands) -> None:
    help = "upgrade the database to this program's revision, or create it"
    group.add("upgrade", _upgrade, help, stopped="the database is as it was")
    help = "check the file, its references and its counts"
    group.add("check", _check_database, help, stopped=NOTHING_WRITTEN)
    group.add("info", _info, "show revision, networks, counts and sizes", stopped=ONLY_READS)
    help = "write a compact copy, also while others write"
    group.add("backup", _backup, help, stopped="no copy was made")
    help = "copy a whole database, for example from SQLite to PostgreSQL or back"
    stopped = "no row was written, and the source is as it was"
    group.add("copy", _copy, help, stopped=stopped, database=False)


def _add_data(group: Commands) -> None:
    described = partial(_describe, "model.data.data_command")
    help = "fetch and verify a data set into your cache folder"
    stopped = "nothing was kept: the same command begins anew"
    group.add("fetch", _fetch, help, stopped=stopped, database=False)
    help = "add a data set of your own: a folder of pictures, npz, IDX, CIFAR-100, Parquet"
    group.add("add", described("run_add", "add_options"), help, stopped=stopped, database=False)
    help = "list the data sets, built-in ones and your own"
    group.add("list", described("run_list"), help, stopped=ONLY_READS, database=False)
    help = "show a data set: size, classes, digests, how it was made"
    group.add("show", described("run_show", "add_name_option"), help, stopped=ONLY_READS, database=False)
    help, stopped = "remove a data set that was added from your cache folder", "it is there, or gone"
    group.add("remove", described("run_remove", "add_name_option"), help, stopped=stopped, database=False)


def _add_network(group: Commands) -> None:
    described = partial(_describe, "model.network.commands")
    help, stopped = "add a network of your own from a file: Keras, ONNX, or ours", "it is there, or not"
    group.add("add", described("run_add", "add_options"), help, stopped=stopped, database=False)
    help = "list the networks, the bundled one and your own"
    group.add("list", described("run_list"), help, stopped=ONLY_READS, database=False)
    help = "show a network: layers, what is compared, how it is attacked, where it came from"
    group.add("show", described("run_show", "add_show_argument"), help, stopped=ONLY_READS, database=False)
    help, stopped = "remove a network that was added from your cache folder", "it is there, or gone"
    group.add("remove", described("run_remove", "add_name_argument"), help, stopped=stopped, database=False)
    help, stopped = "write a network to a safetensors file that describes itself", NOTHING_WRITTEN
    group.add("export", described("run_export", "add_export_options"), help, stopped=stopped, database=False)


# Each of these is called only when its command is given: the others' imports would take long.


def _describe(module: str, run: str, add_options: str | None = None) -> Describe:
    """A command that is a function of a module, with options that another of its functions adds."""

    def describe(command: Parser) -> Run:
        from importlib import import_module

        functions = import_module(module)
        if add_options is not None:
            getattr(functions, add_options)(command)
        does: Run = getattr(functions, run)
        return does

    return describe


def _demo(command: Parser) -> Run:
    from dashapp.options import add_options
    from ingest.demo import DEMO
    from model.data.registry import add_dataset_option
    from model.network.chosen import add_network_option

    add_network_option(command, weights=False)
    add_dataset_option(command, DEMO.dataset)
    add_options(command)
    command.add_argument("--no-serve", action="store_true", help="only make the database")
    return _run_demo


def _run_demo(options: argparse.Namespace) -> None:
    from dataclasses import replace

    from dashapp.http.password import read_password, require_password
    from dashapp.options import as_arguments
    from dashapp.server import listen
    from db.address import ENVIRONMENT
    from ingest.command import run
    from ingest.demo import DEMO, NAME, explain

    if not options.no_serve:
        # Report a port in use or a missing password now, not after minutes.
        with listen(options.host, options.port) as listening:
            require_password(listening, options.host, read_password(options.password_file))
    batch = replace(DEMO, dataset=options.dataset)
    print(explain(batch), flush=True)
    run(options.database, batch, weights=options.network, usual_name=NAME)
    if not options.no_serve:
        # The server replaces this process: it never loads JAX, and what the attacks used is freed.
        sys.stdout.flush()
        command = [*_own_command(), "serve", *as_arguments(options)]
        os.execve(sys.executable, command, os.environ | {ENVIRONMENT: str(options.database)})


def _own_command() -> list[str]:
    """The command that starts this program in a new process, whatever the current folder contains."""
    start = "import sys; sys.path.append({!r}); import xpixels; xpixels.run()"
    return [sys.executable, "-P", "-c", start.format(str(Path(__file__).resolve().parent))]


def _fetch(command: Parser) -> Run:
    from model.data.registry import DATASETS

    fetchable = [name for name, source in DATASETS.items() if source.fetch]
    command.add_argument("name", choices=fetchable, help="the data set")
    command.add_argument("--from", dest="source", metavar="PATH", help="an archive or folder on this machine")
    return _run_fetch


def _run_fetch(options: argparse.Namespace) -> None:
    from db.address import hide_passwords
    from model.data.registry import DATASETS

    if options.source is not None and hide_passwords(options.source) != options.source:
        raise ValueError(f"--from {options.source}: expected an archive or a folder of this machine")
    source = DATASETS[options.name]
    assert source.fetch is not None  # the choices are only data sets that can be fetched
    print(f"{source.name} is in {source.fetch(from_path=options.source)}")


def _train(command: Parser) -> Run:
    from model.network.train_command import add_options, train

    add_options(command)
    return train


def _evaluate(command: Parser) -> Run:
    from ingest.evaluate import add_options, run_options, stopped

    command.set_defaults(database_may_lack=True, stopped=stopped)
    add_options(command)
    return run_options


def _ingest(command: Parser) -> Run:
    from ingest.command import add_options, run_options

    add_options(command)
    return run_options


def _tune(command: Parser) -> Run:
    from ingest.command import add_tune_options, tune

    add_tune_options(command)
    return tune


def _study(command: Parser) -> Run:
    from ingest.study import add_options

    add_options(command)
    return _run_study


def _run_study(options: argparse.Namespace) -> None:
    from dashapp.report.document import require_folder, write_report
    from db.opening import opened
    from ingest.study import run_options

    if options.report:
        require_folder(options.report)  # before an hour's work
    scope = run_options(options).scope
    if options.report:
        with opened(options.database, read_only=True) as database:
            print("\n".join(map(str, write_report(database, options.report, scope))))


def _check(command: Parser) -> Run:
    from ingest.check.command import add_options, run_options, stopped

    command.set_defaults(stopped=stopped)
    add_options(command)
    return run_options


def _serve(command: Parser) -> Run:
    from dashapp.options import add_options

    add_options(command)
    return _run_serve


def _run_serve(options: argparse.Namespace) -> None:
    from dashapp.options import serve_keywords
    from dashapp.server import serve

    with suppress(KeyboardInterrupt):  # the usual way to end it
        serve(options.database, **serve_keywords(options))


def _sql(command: Parser) -> Run:
    from db.commands.sql_command import add_sql_options, run

    add_sql_options(command)
    return run


def _export(command: Parser) -> Run:
    from db.commands.sql_command import add_export_options, export

    add_export_options(command)
    return export


def _runs(command: Parser) -> Run:
    from db.commands import runs
    from ingest import delete_batch

    runs.add_options(command)
    help = "list the batches and what each added"
    part = command.add_part("batches", runs.run_batches, help, stopped=ONLY_READS)
    runs.add_batches_options(part)
    help = "delete a batch with all that depends on it, such as cases and attacks; shows the counts first"
    part = command.add_part("delete", delete_batch.run, help, stopped=delete_batch.STOPPED)
    delete_batch.add_options(part)
    return runs.run


def _upgrade(_command: Parser) -> Run:
    from db.commands.upkeep_command import upgrade

    return upgrade


def _check_database(command: Parser) -> Run:
    from ingest.repair_database import add_options, run, stopped

    command.set_defaults(stopped=stopped)
    add_options(command)
    return run


def _info(command: Parser) -> Run:
    from db.commands.upkeep_command import add_info_options, info

    add_info_options(command)
    return info


def _backup(command: Parser) -> Run:
    from db.commands.upkeep_command import add_backup_options, backup

    add_backup_options(command)
    return backup


def _copy(command: Parser) -> Run:
    command.add_argument(
        "source", metavar="SOURCE", help="path or URL of the database to read; it is not changed"
    )
    command.add_argument(
        "target", metavar="TARGET", help="path or URL of the database to write: new, or without rows"
    )
    return _run_copy


def _run_copy(options: argparse.Namespace) -> None:
    from db.commands import transfer
    from model.progress import progress

    print(transfer.between(options.source, options.target, progress))


def _foreign_package() -> str | None:
    """The error line if another program's package would be imported instead of ours; else None."""
    from importlib.util import find_spec

    here = Path(__file__).resolve().parent
    for name in PACKAGES:
        spec = find_spec(name)
        paths: Sequence[str | None] = [] if spec is None else spec.submodule_search_locations or [spec.origin]
        places = [Path(place).resolve() for place in paths if place is not None]
        if not {here / name, here / f"{name}.py"} & set(places):
            where = f"is taken from {places[0]}" if places else "is missing"
            way_out = "start xpixels in another folder, and without PYTHONPATH"
            return f"the package {name} {where}, not from {here / name}: {way_out}"
    return None


def _describe_stop(options: argparse.Namespace | SimpleNamespace) -> str:
    """The state that a command leaves when it ends early."""
    return str(options.stopped(options) if callable(options.stopped) else options.stopped)


def _told(error: BaseException, options: argparse.Namespace | SimpleNamespace) -> str:
    try:
        from db.address import shown
        from db.faults import describe, no_room
    except ImportError:  # their dependencies are not installed
        return f"{error}: install explainable-pixels again, as its README says"
    database = getattr(options, "database", None)
    line = describe(error, "the database" if database is None else shown(database))
    return f"{line}; make room: {_describe_stop(options)}" if no_room(error) else line


def _failed(line: str, *, status: int = 1) -> int:
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        _drop_output()
    with suppress(OSError):
        print(f"xpixels: {line}", file=sys.stderr)
    return status


def _drop_output() -> None:
    """Discard the rest of standard output: it could not be written, and is not tried again."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


if __name__ == "__main__":
    run()
