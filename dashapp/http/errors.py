"""Error responses: one line of plain text; the log has the rest."""

from collections.abc import Mapping

import flask
from dash import Dash
from dash.exceptions import DependencyException
from werkzeug.exceptions import HTTPException

import db.read


def line(text: str, status: int, headers: Mapping[str, str] | None = None) -> flask.Response:
    """A response of one line of plain text."""
    return flask.Response(f"{text}\n", status=status, mimetype="text/plain", headers=headers)


def add_refusals(app: Dash) -> None:
    """Respond to every error with one line, without a traceback."""

    @app.server.errorhandler(HTTPException)
    def report_http_error(error: HTTPException) -> flask.Response | HTTPException:
        if error.code is None or error.code < 400:  # a redirect
            return error
        if error.code == 500:
            return line("This could not be answered. The log of the server has the details.", 500)
        headers = {name: value for name, value in error.get_headers() if name != "Content-Type"}
        return line(f"{error.name}.", error.code, headers)

    @app.server.errorhandler(db.read.QueryError)
    def report_bad_query(error: db.read.QueryError) -> flask.Response:
        return line(str(error), 400)

    @app.server.errorhandler(LookupError)
    def report_not_found(error: LookupError) -> flask.Response:
        if type(error) is not LookupError:  # a KeyError is a bug in this program
            raise error
        return line(" ".join(str(error).split()), 404)

    @app.server.errorhandler(DependencyException)
    def report_no_library(_error: DependencyException) -> flask.Response:
        return line("No library has such a file.", 404)
