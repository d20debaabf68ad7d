"""The filtered case list as a file: CSV as it is read from the database, or Parquet."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import flask
from dash import Dash
from sqlalchemy import Engine

import db.read

PARQUET = "application/vnd.apache.parquet"
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # how a spreadsheet knows a formula
ARROW = {int: "int64", float: "float64", str: "string", bool: "bool"}  # column types by their names there


def register(app: Dash, engine: Engine) -> None:
    """Add the routes `export/cases.csv` and `export/cases.parquet`; both take the list's query string."""
    prefix = app.config.routes_pathname_prefix

    @app.server.get(f"{prefix}export/cases.<any(csv, parquet):form>")
    def export(form: str) -> flask.Response:
        search = flask.request.query_string.decode("utf-8", "replace")
        try:
            query, options = db.read.case_query(engine, f"?{search}" if search else "")
        except db.read.QueryError as error:
            return flask.Response(f"{error}\n", status=400, mimetype="text/plain")
        chunks = db.read.export_cases(engine, query, options)
        body, kind = (as_csv(chunks), "text/csv") if form == "csv" else (as_parquet(chunks), PARQUET)
        response = flask.Response(body, mimetype=kind)
        response.headers["Content-Disposition"] = f"attachment; filename=cases.{form}"
        response.headers["Cache-Control"] = "no-store"
        return response


def as_csv(chunks: Iterator) -> Iterator[str]:
    """RFC 4180 with a header, some rows at a time; NULL is empty, floats are exact.

    A text that a spreadsheet would run as a formula has an apostrophe before it: anybody may have written it.
    """
    rows: list = [[name for name, _ in db.read.exported_columns()]]
    while rows is not None:
        text = io.StringIO()
        csv.writer(text).writerows([_plain(value) for value in row] for row in rows)
        yield text.getvalue()
        rows = next(chunks, None)


def _plain(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULAS) else value


def as_parquet(chunks: Iterator) -> bytes:
    """A Parquet file with a type for every column."""
    import pyarrow.parquet  # takes longer to load than all pages together, and is seldom asked for

    columns = db.read.exported_columns()
    schema = pyarrow.schema([(name, pyarrow.type_for_alias(ARROW[kind])) for name, kind in columns])
    file = io.BytesIO()
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        for rows in chunks:
            values = zip(*rows, strict=True)
            arrays = [
                pyarrow.array(column, type_) for column, type_ in zip(values, schema.types, strict=True)
            ]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
    return file.getvalue()
