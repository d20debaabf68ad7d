"""Responses other than pages: images, redirects, status 404 for unknown addresses."""

from collections.abc import Sequence
from typing import cast

import flask
from dash import Dash
from sqlalchemy import Engine
from werkzeug.wrappers import Response

import db.read
from dashapp.http.headers import keep_for_ever
from dashapp.router import Page, leads_somewhere


def register_routes(app: Dash, engine: Engine, pages: Sequence[Page]) -> None:
    """Add images by content hash, the redirect to the base path, and status 404 for unknown addresses."""
    server: flask.Flask = app.server
    prefix = app.config.routes_pathname_prefix

    @server.get(f"{prefix}images/<sha256>.png")
    def image(sha256: str) -> flask.Response:
        png = db.read.image_png(engine, sha256)
        if png is None:
            return flask.Response("No image has this hash.\n", status=404, mimetype="text/plain")
        response = flask.Response(png, mimetype="image/png")
        response.set_etag(sha256)
        keep_for_ever(response)
        return cast(flask.Response, response.make_conditional(flask.request))

    if prefix != "/":

        @server.get(prefix.rstrip("/"))
        def with_slash() -> Response:
            # Relative, so that it works under any host name and scheme that a proxy uses.
            query = flask.request.query_string.decode("ascii", "replace")
            return flask.redirect(prefix + (f"?{query}" if query else ""), code=308)

    @server.after_request
    def set_not_found(response: flask.Response) -> flask.Response:
        # Dash sends the same document for every path and chooses the page in the browser.
        rule = flask.request.url_rule
        if rule is not None and rule.rule == f"{prefix}<path:path>" and response.status_code == 200:
            pathname = app.config.requests_pathname_prefix + flask.request.path.removeprefix(prefix)
            if not leads_somewhere(app, engine, pages, pathname):
                response.status_code = 404
        return response
