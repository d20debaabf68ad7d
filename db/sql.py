"""One statement that reads, and its answer as a table, CSV or JSON: what `xpixels sql` does.

engine = db.engine.create("xpixels.db", read_only=True)
print(as_table(run(engine, "SELECT kind, count(*) FROM cases GROUP BY kind")))
"""

import base64
import csv
import io
import json
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from db.engine import only_reading

CELL = 64  # the most characters of a text that a table shows


class StatementError(ValueError):
    """The statement was refused; the text is one line, the database's own words."""


@dataclass(frozen=True)
class Answer:
    """What a statement gave."""

    columns: list[str]
    rows: list[tuple[Any, ...]]  # int, float, str, bytes or None on SQLite
    cut: bool  # there are more rows than the limit let through


def run(engine: Engine, statement: str, *, limit: int | None = None, seconds: float | None = None) -> Answer:
    """The answer to one statement; nothing can be written by it.

    Args:
        engine: of `engine.create(..., read_only=True)`.
        statement: one SELECT, WITH, VALUES, EXPLAIN or a PRAGMA that describes tables.
        limit: the most rows to fetch, all when None.
        seconds: the longest that it may take, for ever when None.

    Raises:
        StatementError: it is no such statement, the database found a mistake in it, or it took too long.
        ValueError: the limit is below 1, or the seconds are not above 0.
        KeyboardInterrupt: stopped by the user.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"The row limit is {limit}: expected 1 or more.")
    if seconds is not None and not seconds > 0:
        raise ValueError(f"The time limit is {seconds:g} seconds: expected more than 0.")
    if not statement.strip(" \n\t;"):
        raise StatementError('No statement: write one, as "SELECT * FROM case_overview LIMIT 5".')
    with engine.connect() as connection, connection.begin(), only_reading(connection, seconds) as is_over:
        try:
            # Without parameters: a % stands for itself, also where a driver would fill in values.
            result = connection.execution_options(no_parameters=True).exec_driver_sql(statement)
            if not result.returns_rows:
                raise StatementError("The statement gives no rows: write a SELECT.")
            rows = [tuple(row) for row in (result if limit is None else islice(result, limit + 1))]
        except DBAPIError as error:
            raise _told(error, seconds if is_over() else None) from None
        return Answer(list(result.keys()), rows[:limit], limit is not None and len(rows) > limit)


def as_table(answer: Answer, *, width: int | None = None) -> str:
    """Aligned columns for people: long texts cut, NULL and BLOBs named; numbers to six digits.

    Args:
        width: characters a line; an answer that is wider is shown a line a value instead.
    """
    cells = [[_cell(value) for value in row] for row in answer.rows]
    wide = [max([len(name), *(len(row[i]) for row in cells)]) for i, name in enumerate(answer.columns)]
    if width is not None and sum(wide) + 2 * (len(wide) - 1) > width:
        return _upright(answer.columns, cells)
    numeric = [
        any(row[i] is not None for row in answer.rows)
        and all(isinstance(row[i], int | float | None) for row in answer.rows)
        for i in range(len(wide))
    ]
    lines = [answer.columns, ["-" * size for size in wide], *cells]
    return "\n".join(
        "  ".join(
            text.rjust(size) if right else text.ljust(size)
            for text, size, right in zip(line, wide, numeric, strict=True)
        ).rstrip()
        for line in lines
    )


def as_csv(answer: Answer) -> str:
    """RFC 4180 with a header and bare line feeds; floats exact, NULL empty, BLOBs in base64."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(answer.columns)
    writer.writerows([_base64(v) if isinstance(v, bytes) else v for v in row] for row in answer.rows)
    return out.getvalue()


def as_json(answer: Answer) -> str:
    """A list of objects, one a line; floats exact, NULL is null, a BLOB is {"$base64": true, "encoded": ...}.

    Raises:
        ValueError: two columns have the same name, or a number is infinite: JSON cannot say either.
    """
    for name in answer.columns:
        if answer.columns.count(name) > 1:
            raise ValueError(f"Two columns are called {name}: tell them apart with AS to get JSON.")
    lines = []
    for row in answer.rows:
        record = dict(zip(answer.columns, map(_jsonable, row), strict=True))
        try:
            lines.append(json.dumps(record, ensure_ascii=False, allow_nan=False))
        except ValueError:
            raise ValueError(f"JSON has no infinite numbers: row {len(lines) + 1} has one.") from None
    return "[" + ",\n ".join(lines) + "]\n"


def _cell(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"<blob {len(value)} bytes>"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = " ".join(str(value).splitlines())
    return text if len(text) <= CELL else text[: CELL - 1] + "…"


def _upright(columns: list[str], cells: list[list[str]]) -> str:
    size = max(map(len, columns))
    records = [
        "\n".join(f"{name.ljust(size)}  {text}" for name, text in zip(columns, row, strict=True))
        for row in cells
    ]
    return "\n\n".join(records)


def _jsonable(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"$base64": True, "encoded": _base64(value)}
    return value if isinstance(value, int | float | str | None) else str(value)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _told(error: DBAPIError, seconds: float | None) -> BaseException:
    """What went wrong; `seconds`: the time that was over, if it was."""
    said = " ".join(str(error.orig).split())
    if said == "interrupted" and seconds is not None:
        return StatementError(f"Stopped after {seconds:g} seconds: --timeout SECONDS gives a statement more.")
    if said == "interrupted":
        return KeyboardInterrupt()
    if "number of bindings" in said or "there is no parameter" in said:
        return StatementError("The statement has a parameter (?, :name, $1): write its value instead.")
    refused = said == "not authorized" or said.startswith("access to")
    if refused or said.endswith("in a read-only transaction"):
        return StatementError("Only a statement that reads is possible here: SELECT, WITH, VALUES, EXPLAIN.")
    return StatementError(said)
