"""The command `xpixels runs`: a list of runs, one run in full, two side by side, or a list of batches."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from db import engine, migrate
from db.commands import output, runs_text
from db.commands.runs_text import Told
from db.forms import Column, csv_pieces, json_document
from db.read import batch_list, runs
from db.read.for_ingest.batches import batch_counts


def add_options(command: argparse.ArgumentParser) -> None:
    """Add the options that `run` reads, except the database."""
    help = "one run to show in full, or two to compare; without ids, all runs, the latest first"
    command.add_argument("ids", type=int, nargs="*", metavar="ID", help=help)
    command.add_argument(
        "--stage", metavar="STAGE", help="list the runs of one stage, such as attack or tuning"
    )
    command.add_argument("--batch", metavar="NAME", help="list the runs of one batch")
    _add_list_options(command)


def add_batches_options(command: argparse.ArgumentParser) -> None:
    """Add the options that `run_batches` reads, except the database."""
    _add_list_options(command)


def run(options: argparse.Namespace) -> None:
    """Print the list of runs, one run, or two side by side.

    Raises LookupError for an unknown run, stage or batch, ValueError for options that do not go together.
    """
    if len(options.ids) > 2:
        raise ValueError(f"{len(options.ids)} runs to compare: expected one id, or two")
    if options.ids and (options.stage, options.batch, options.limit) != (None, None, None):
        raise ValueError("--stage and --limit are for the list, as --batch is: leave them out, or the ids")
    form = _chosen_form(options)
    with migrate.open_current(options.database) as database, engine.snapshot(database) as connection:
        if options.ids:
            text = told(connection, options.ids, form)
        else:
            which = {"stage": options.stage, "batch": options.batch, "limit": options.limit}
            text = listed(connection, **which, form=form, width=_width())
    _write(text, form, options)


def run_batches(options: argparse.Namespace) -> None:
    """Print the list of batches."""
    form = _chosen_form(options)
    with migrate.open_current(options.database) as database, engine.snapshot(database) as connection:
        text = listed_batches(connection, limit=options.limit, form=form, width=_width())
    _write(text, form, options)


def _add_list_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--limit", type=int, metavar="N", help="largest number of lines (default: all)")
    output.add_options(command, ("csv", "json"))


def _chosen_form(options: argparse.Namespace) -> str | None:
    if options.limit is not None and options.limit < 1:
        raise ValueError(f"--limit {options.limit}: expected 1 or more")
    return output.chosen_form(options)


def _write(text: str, form: str | None, options: argparse.Namespace) -> None:
    if form is None:
        print(text, end="", flush=True)
    else:
        output.write([text.encode()], options)


def listed(
    connection: Connection,
    stage: str | None = None,
    limit: int | None = None,
    form: str | None = None,
    width: int | None = None,
    batch: str | None = None,
) -> str:
    """The list as json, csv, or a table whose lines have at most `width` characters."""
    if batch is not None and not batch_list.list_batches(connection, name=batch):
        batch_list.find_batch(connection, name=batch)  # raises, with the names of all batches
    found = runs.list_runs(connection, stage=stage, batch=batch, limit=limit)
    if stage is not None and not found:
        known = ", ".join(runs.stages(connection)) or "none"
        of_batch = "" if batch is None else f" and the batch '{batch}'"
        raise LookupError(f"no run of the stage {stage}{of_batch}: stages that have runs are {known}")
    written = runs.rows_written(connection, [one.id for one in found])
    rows = {id_: sum(counts.values()) for id_, counts in written.items()}
    if form is None:
        return runs_text.table(found, rows, width)
    records = [one._asdict() | {"rows": rows[one.id]} for one in found]
    if form == "json":
        return json_document(records).decode()
    columns = [*runs.Run._fields, "rows"]
    return _csv(columns, [[record[name] for name in columns] for record in records])


def listed_batches(
    connection: Connection, limit: int | None = None, form: str | None = None, width: int | None = None
) -> str:
    """The batches as json, csv, or a table whose lines have at most `width` characters."""
    found = batch_list.list_batches(connection)[:limit]
    if form is None:
        return runs_text.batch_table(found, width)
    records = [runs_text.batch_record(one) for one in found]
    if form == "json":
        return json_document(records).decode()
    columns = list(batch_list.ListedBatch._fields)
    return _csv(columns, [[record[name] for name in columns] for record in records])


def told(connection: Connection, ids: Sequence[int], form: str | None = None) -> str:
    """One run in full, or two side by side."""
    whole = [_read_run(connection, id_) for id_ in ids]
    agreement = None
    if len(whole) == 2 and all(one.attacks for one in whole):
        agreement = runs.agreement(connection, *ids)
    if form == "json":
        records = [_record(one) for one in whole]
        if len(records) == 1:
            return json_document(records[0]).decode()
        return json_document({"runs": records, "agreement": agreement and agreement._asdict()}).decode()
    parts = runs_text.parts(whole, agreement)
    if form == "csv":
        columns = ["part", "name", "measure", *(f"run {id_}" for id_ in ids)]
        return _csv(columns, runs_text.as_rows(parts))
    return runs_text.laid_out(parts, whole)


def _width() -> int | None:
    """The width of the terminal; None: no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _read_run(connection: Connection, run_id: int) -> Told:
    return Told(
        runs.find_run(connection, run_id),
        runs.rows_written(connection, [run_id])[run_id],
        runs.attack_tallies(connection, run_id),
        dict(sorted(batch_counts(connection, [run_id]).items())),
        runs.tuned_points(connection, run_id),
    )


def _record(one: Told) -> dict[str, Any]:
    return one.run._asdict() | {
        "rows": one.rows,
        "attacks": [way._asdict() | tally._asdict() for way, tally in one.attacks.items()],
        "cases": [
            {"partition": partition, "kind": kind, "cases": count}
            for (partition, kind), count in one.cases.items()
        ],
        "tuning": [layer._asdict() | point._asdict() for layer, point in one.tuning.items()],
    }


def _csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    return b"".join(csv_pieces([Column(name) for name in columns], [rows])).decode()
