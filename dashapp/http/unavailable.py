"""Responses when the database cannot be used (one line, status 503) or is not the page's database (409).

The health check responds with 503, too. `assets/connection.js` shows the line on the page and retries until
the database can be used again.
"""

from html import escape

import flask
from dash import Dash
from sqlalchemy.exc import SQLAlchemyError

from dashapp.http.errors import line
from dashapp.http.snapshot import Moments
from db.availability import Unavailable, unavailable

HEALTH = "healthz"  # the address, below the base path
DATABASE = "X-Xpixels-Database"  # header: identifies the database of a page or of a health check
UNKEPT = {"Cache-Control": "no-store"}
SOON = UNKEPT | {"Retry-After": "4"}  # seconds
NEEDS_NONE = ("_dash-component-suites/", "_dash-dependencies", "_favicon.ico")
OTHER = "This page shows another database than the server has now. Nothing was changed: reload the page."

STYLES = ("base.css", "components.css", "shell.css")  # the style sheets of DOCUMENT

# The response to a request for a page while the database cannot be used.
DOCUMENT = """<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>{title}</title>
    <link rel="icon" type="image/svg+xml" href="{icon}">
    {styles}
    <script src="{theme}"></script>
  </head>
  <body>
    <main class="app-main">
      <div class="notice card" role="alert" data-unavailable="{base}">
        <h1>The database cannot be shown</h1>
        <p>{line}</p>
        <p class="muted">This page looks every few seconds whether it can be shown again.</p>
      </div>
    </main>
    <script src="{script}"></script>
  </body>
</html>
"""


def reason(error: BaseException, moments: Moments) -> Unavailable | None:
    """The message for an error that means that the database cannot be used; None for any other error."""
    return unavailable(error, moments.database.name)


def add_database_check(app: Dash, moments: Moments) -> None:
    """Check the database before every request that needs it; respond with one line if it cannot be used.

    Call it after other request handlers are added: requests that those refuse need no database.
    """
    server, prefix = app.server, app.config.routes_pathname_prefix
    token = moments.database.token()
    unchecked = (f"{prefix}{HEALTH}", *(prefix + path for path in NEEDS_NONE))
    unchecked += (f"{prefix}{app.config.assets_url_path.strip('/')}/",)

    @server.get(f"{prefix}{HEALTH}")
    def health() -> flask.Response:
        moments.database.check()
        return flask.Response("OK", mimetype="text/plain", headers={DATABASE: token, **UNKEPT})

    @server.before_request
    def check_database() -> flask.Response | None:
        if flask.request.path.startswith(unchecked) or flask.request.routing_exception is not None:
            return None
        page_token = flask.request.headers.get(DATABASE)
        if page_token is not None and page_token != token:
            return line(OTHER, 409)
        with moments.connect():
            return None

    @server.errorhandler(SQLAlchemyError)
    @server.errorhandler(Unavailable)
    def report_unavailable(error: Exception) -> flask.Response:
        fault = reason(error, moments)
        if fault is None:
            raise error
        moments.end()
        asks_health = flask.request.path == unchecked[0]
        if not asks_health:  # browsers request it every few seconds
            server.logger.warning("%s: %s", moments.database.full_name, fault)
        wants_page = "text/html" in flask.request.headers.get("Accept", "")
        if wants_page and flask.request.method in ("GET", "HEAD") and not asks_health:
            return flask.Response(_document(app, str(fault)), status=503, mimetype="text/html", headers=SOON)
        return line(str(fault), 503, SOON)


def _document(app: Dash, text: str) -> str:
    address = app.get_asset_url
    return DOCUMENT.format(
        title=app.title,
        line=escape(text),
        base=escape(app.config.requests_pathname_prefix),
        icon=address("mark.svg"),
        styles="\n    ".join(f'<link rel="stylesheet" href="{address(name)}">' for name in STYLES),
        theme=address("theme.js"),
        script=address("connection.js"),
    )
