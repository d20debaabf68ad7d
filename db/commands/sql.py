"""Run one statement that reads, and write its answer, also as a table for people: for `xpixels sql`.

engine = db.engine.create("xpixels.db", read_only=True)
print(as_table(run(engine, "SELECT kind, count(*) FROM cases GROUP BY kind")))
"""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from db import schema
from db.commands.both_databases import way_out
from db.commands.reading import is_interrupted, only_reading
from db.forms import FORMS, Column

CELL = 64  # the most characters of a text that a table shows


class StatementError(ValueError):
    """The statement was refused; the message is one line in the database's own words."""


@dataclass(frozen=True)
class Answer:
    """The result of a statement."""

    columns: list[str]
    rows: list[tuple[Any, ...]]  # int, float, str, bytes or None
    cut: bool  # there are more rows than the limit let through

    def pieces(self, form: str) -> Iterator[bytes]:
        """The answer in one of `db.forms.FORMS`. Raises what that form raises."""
        return FORMS[form].pieces([Column(name) for name in self.columns], [self.rows])


def run(engine: Engine, statement: str, *, limit: int | None = None, seconds: float | None = None) -> Answer:
    """The answer to one statement, which cannot write.

    Args:
        engine: of `engine.create(..., read_only=True)`.
        statement: one SELECT, WITH, VALUES, EXPLAIN or a PRAGMA that describes tables.
        limit: the most rows to fetch, all when None.
        seconds: the longest that it may take, for ever when None.

    Raises:
        StatementError: not such a statement, the database found a mistake in it, or it took too long.
        ValueError: the limit is below 1, or the seconds are not above 0.
        KeyboardInterrupt: stopped by the user.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"The row limit is {limit}: expected 1 or more.")
    if seconds is not None and not seconds > 0:
        raise ValueError(f"The time limit is {seconds:g} seconds: expected more than 0.")
    statement = statement.strip("\ufeff \r\n\t;")
    if not statement:
        raise StatementError('No statement: write one, as "SELECT * FROM case_overview LIMIT 5".')
    with engine.connect() as connection, connection.begin(), only_reading(connection, seconds) as is_over:
        try:
            # Without parameters: a % stands for itself, also where a driver would fill in values.
            result = connection.execution_options(no_parameters=True).exec_driver_sql(statement)
            if not result.returns_rows:
                raise StatementError("The statement gives no rows: write a SELECT.")
            rows = [tuple(row) for row in (result if limit is None else islice(result, limit + 1))]
        except DBAPIError as error:
            if is_over(error):
                raise StatementError(
                    f"Stopped after {seconds:g} seconds: --timeout SECONDS gives a statement more."
                ) from None
            if is_interrupted(error):
                raise
            raise _refusal(error, statement) from None
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
    """The answer as CSV (see `db.forms.text`)."""
    return b"".join(answer.pieces("csv")).decode()


def as_json(answer: Answer) -> str:
    """The answer as JSON. Raises ValueError for what JSON cannot express."""
    return b"".join(answer.pieces("json")).decode()


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


def _refusal(error: DBAPIError, statement: str) -> StatementError:
    """The error for a refused statement, with what works on both databases if that is known."""
    said = " ".join(str(error.orig).split())
    if "number of bindings" in said or "there is no parameter" in said:
        return StatementError("The statement has a parameter (?, :name, $1): write its value instead.")
    refused = said == "not authorized" or said.startswith("access to")
    if refused or said.endswith("in a read-only transaction"):
        return StatementError("Only a statement that reads is possible here: SELECT, WITH, VALUES, EXPLAIN.")
    unknown = re.search(r'^(?:no such table: (?:main\.)?|relation ")([^" ]+)', said)
    if unknown:
        near = difflib.get_close_matches(unknown[1], (*schema.metadata.tables, *schema.views.tables), n=3)
        return StatementError(
            f"There is no table or view {unknown[1]}; "
            + (
                f"near it: {', '.join(near)}"
                if near
                else "docs/sql.md lists the views, `xpixels db info` the tables"
            )
        )
    if said.startswith("Could not decode to UTF-8"):
        column = re.search("column '(.*?)'", said)
        return StatementError(
            f"The column {column[1] if column else ''} has a text that is no UTF-8: write CAST(... AS BLOB)."
        )
    if "multiple commands" in said:  # PostgreSQL's message when it prepares a statement
        return StatementError("You can only execute one statement at a time.")
    # PostgreSQL's own hints come after its first line.
    first = getattr(getattr(error.orig, "diag", None), "message_primary", None) or said
    works = way_out(first, statement)
    return StatementError(f"{first}; works on both databases: {works}" if works else said)
