"""The command `xpixels runs`: a list of runs, one run whole, or two side by side."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

from db import engine, migrate, runs_text, sql
from db.opening import opened
from db.read import batch_list, runs
from db.read.batches import batch_counts
from db.runs_text import Told


def add_options(command: argparse.ArgumentParser) -> None:
    """What `run` reads, but for the database and the form."""
    help = "one run to be told whole, or two to be compared; without, the list, the latest first"
    command.add_argument("ids", type=int, nargs="*", metavar="ID", help=help)
    command.add_argument("--stage", metavar="STAGE", help="list the runs of one stage, as attack or tuning")
    command.add_argument("--batch", metavar="NAME", help="list the runs of one batch")


def run(options: argparse.Namespace) -> None:
    """Print what was asked.

    Raises LookupError for a run, stage or batch that is not there, ValueError for what does not go together.
    """
    if len(options.ids) > 2:
        raise ValueError(f"{len(options.ids)} runs to compare: expected one id, or two")
    if options.ids and (options.stage, options.batch, options.limit) != (None, None, None):
        raise ValueError("--stage and --limit are for the list, as --batch is: leave them out, or the ids")
    with _read(options) as connection:
        if options.ids:
            text = told(connection, options.ids, options.form)
        else:
            which = {"stage": options.stage, "batch": options.batch, "limit": options.limit}
            text = listed(connection, **which, form=options.form, width=_width())
    sys.stdout.write(text)


def run_batches(options: argparse.Namespace) -> None:
    """Print the list of batches."""
    with _read(options) as connection:
        text = listed_batches(connection, limit=options.limit, form=options.form, width=_width())
    sys.stdout.write(text)


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
        batch_list.find_batch(connection, name=batch)  # which says so, and names those there are
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
        return _json(records)
    columns = [*runs.Run._fields, "rows"]
    values = [[_flat(record[name]) for name in columns] for record in records]
    return sql.as_csv(sql.Answer(columns, values, False))


def listed_batches(
    connection: Connection, limit: int | None = None, form: str | None = None, width: int | None = None
) -> str:
    """The batches as json, csv, or a table whose lines have at most `width` characters."""
    found = batch_list.list_batches(connection)[:limit]
    if form is None:
        return runs_text.batch_table(found, width)
    records = [runs_text.batch_record(one) for one in found]
    if form == "json":
        return _json(records)
    columns = list(batch_list.ListedBatch._fields)
    return sql.as_csv(sql.Answer(columns, [[_flat(one[name]) for name in columns] for one in records], False))


def told(connection: Connection, ids: Sequence[int], form: str | None = None) -> str:
    """One run whole, or two side by side."""
    whole = [_tell(connection, id_) for id_ in ids]
    agreement = None
    if len(whole) == 2 and all(one.attacks for one in whole):
        agreement = runs.agreement(connection, *ids)
    if form == "json":
        records = [_record(one) for one in whole]
        if len(records) == 1:
            return _json(records[0])
        return _json({"runs": records, "agreement": agreement and agreement._asdict()})
    parts = runs_text.parts(whole, agreement)
    if form == "csv":
        columns = ["part", "name", "measure", *(f"run {id_}" for id_ in ids)]
        return sql.as_csv(sql.Answer(columns, runs_text.as_rows(parts), False))
    return runs_text.laid_out(parts, whole)


@contextmanager
def _read(options: argparse.Namespace) -> Iterator[Connection]:
    """A connection to the database at one moment."""
    if options.limit is not None and options.limit < 1:
        raise ValueError(f"--limit {options.limit}: expected 1 or more")
    with opened(options.database, read_only=True) as database:
        migrate.require_current(database)
        with engine.snapshot(database) as connection:
            yield connection


def _width() -> int | None:
    """Of a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _tell(connection: Connection, run_id: int) -> Told:
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


def _json(value: Mapping | Sequence) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _flat(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
