"""Lists of pages as files, in the forms of `db.forms`: cases as CSV or Parquet, networks as CSV or JSON."""

import flask
from dash import Dash
from sqlalchemy import Engine

import db.read
from db.forms import csv_pieces, json_pieces, parquet_pieces

PARQUET = "application/vnd.apache.parquet"


def register(app: Dash, engine: Engine) -> None:
    """Add the routes `export/cases.csv|parquet` and `export/networks.csv|json`; each takes its page's query
    string.
    """
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
        return _attached(response, f"cases.{form}")

    @app.server.get(f"{prefix}export/networks.<any(csv, json):form>")
    def export_networks(form: str) -> flask.Response:
        search = flask.request.query_string.decode("utf-8", "replace")
        with engine.connect() as connection:
            try:
                query = db.read.networks_query(connection, f"?{search}" if search else "")
            except db.read.QueryError as error:
                return flask.Response(f"{error}\n", status=400, mimetype="text/plain")
            rows = list(db.read.export_network_results(connection, query))
        columns = db.read.exported_network_columns()
        if form == "csv":
            content = csv_pieces(columns, rows, for_spreadsheets=True)
        else:
            content = json_pieces(columns, rows)
        kind = "text/csv" if form == "csv" else "application/json"
        return _attached(flask.Response(b"".join(content), mimetype=kind), f"networks.{form}")


def _attached(response: flask.Response, name: str) -> flask.Response:
    """The response as a file to save."""
    response.headers["Content-Disposition"] = f"attachment; filename={name}"
    response.headers["Cache-Control"] = "no-store"
    return response
