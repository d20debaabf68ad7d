"""What is said when the database cannot be used, or is not the one that a page shows: one line, status 503.

The health check says the same. `assets/connection.js` shows the line on the page and asks until all is well.
"""

from html import escape

import flask
from dash import Dash
from sqlalchemy.exc import SQLAlchemyError

from dashapp.http.errors import line
from dashapp.http.snapshot import Moments
from db.availability import Unavailable, unavailable

HEALTH = "healthz"  # the address, below the base path
DATABASE = "X-Xpixels-Database"  # header: which database a page shows, or the health check is of
UNKEPT = {"Cache-Control": "no-store"}
SOON = UNKEPT | {"Retry-After": "4"}  # seconds
NEEDS_NONE = ("_dash-component-suites/", "_dash-dependencies", "_favicon.ico")
OTHER = "This page shows another database than this server has now. Nothing was changed: load the page anew."

STYLES = ("base.css", "components.css", "shell.css")  # what that page is drawn with

# For whoever opens a page while there is no database to show.
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
    """The line about an error that means that the database cannot be used; None of any other error."""
    return unavailable(error, moments.database.name)


def add_database_check(app: Dash, moments: Moments) -> None:
    """Look at the database before every answer that shows it, and say so when it cannot be used.

    Call it after other handlers of requests: what is refused for itself needs no database.
    """
    server, prefix = app.server, app.config.routes_pathname_prefix
    token = moments.database.token()
    unasked = (f"{prefix}{HEALTH}", *(prefix + path for path in NEEDS_NONE))
    unasked += (f"{prefix}{app.config.assets_url_path.strip('/')}/",)

    @server.get(f"{prefix}{HEALTH}")
    def health() -> flask.Response:
        moments.database.check()
        return flask.Response("OK", mimetype="text/plain", headers={DATABASE: token, **UNKEPT})

    @server.before_request
    def look() -> flask.Response | None:
        if flask.request.path.startswith(unasked) or flask.request.routing_exception is not None:
            return None
        shown = flask.request.headers.get(DATABASE)
        if shown is not None and shown != token:
            return line(OTHER, 409)
        with moments.connect():
            return None

    @server.errorhandler(SQLAlchemyError)
    @server.errorhandler(Unavailable)
    def say(error: Exception) -> flask.Response:
        found = reason(error, moments)
        if found is None:
            raise error
        moments.end()
        asks_health = flask.request.path == unasked[0]
        if not asks_health:  # which is asked for every few seconds
            server.logger.warning("%s: %s", moments.database.full_name, found)
        wants_page = "text/html" in flask.request.headers.get("Accept", "")
        if wants_page and flask.request.method in ("GET", "HEAD") and not asks_health:
            return flask.Response(_document(app, str(found)), status=503, mimetype="text/html", headers=SOON)
        return line(str(found), 503, SOON)


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
