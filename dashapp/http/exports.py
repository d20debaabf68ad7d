"""The filtered case list as a file: CSV for spreadsheets, or Parquet, in the forms of `db.forms`."""

import flask
from dash import Dash
from sqlalchemy import Engine

import db.read
from db.forms import csv_pieces, parquet_pieces

PARQUET = "application/vnd.apache.parquet"


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
        columns = db.read.exported_columns()
        if form == "csv":
            response = flask.Response(csv_pieces(columns, chunks, for_spreadsheets=True), mimetype="text/csv")
        else:
            response = flask.Response(b"".join(parquet_pieces(columns, chunks)), mimetype=PARQUET)
        response.headers["Content-Disposition"] = f"attachment; filename=cases.{form}"
        response.headers["Cache-Control"] = "no-store"
        return response
