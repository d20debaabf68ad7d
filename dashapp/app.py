"""The app: `create_app` puts the shell, the router, the image route and the pages together.

Nothing is global: every callback and route is registered on the app being created, so several apps,
over several databases, can run in one process.
"""

import re
from collections.abc import Collection

from dash import Dash, html
from sqlalchemy import Engine

from dashapp.http import exports
from dashapp.http.callback_bodies import add_body_check
from dashapp.http.compression import add_compression
from dashapp.http.errors import add_refusals
from dashapp.http.headers import add_headers
from dashapp.http.password import add_doors
from dashapp.http.routes import register_routes
from dashapp.http.snapshot import Moments, Writer
from dashapp.http.unavailable import DATABASE, add_database_check
from dashapp.pages import case, cases, compare, detectors, networks
from dashapp.shell import APP_NAME, register_shell, shell

# The pages in menu order, the home page first; dashapp/router.py lists what each must export. The router, the
# menu, titles, callbacks and the status of a first response are derived from this tuple.
PAGES = (cases, detectors, networks, compare, case)

# theme.js is loaded in <head>, before the first paint; Dash would load it after the body.
INDEX = """<!DOCTYPE html>
<html lang="en">
  <head>
    {{%metas%}}
    <title>{{%title%}}</title>
    <link rel="icon" type="image/svg+xml" href="{icon}">
    <meta name="{header}" content="{database}">
    <script src="{theme}"></script>
    {{%css%}}
  </head>
  <body>
    {{%app_entry%}}
    <footer>{{%config%}}{{%scripts%}}{{%renderer%}}</footer>
  </body>
</html>"""

BASE_PATH = re.compile(r"/?([\w~-][\w.~-]*/)*([\w~-][\w.~-]*)?", re.ASCII)


def create_app(
    engine: Engine,
    *,
    writer: Engine | None = None,
    base_path: str = "/",
    proxy_strips: bool = False,
    password: str | None = None,
    hosts: Collection[str] = (),
) -> Dash:
    """Make the dashboard over the database behind `engine`. The WSGI application is the attribute `server`.

    Args:
        engine: for everything that the pages read.
        writer: for writing annotations and saved views; without one the pages show them read-only.
        base_path: path that the browser sees the pages under, '/' or '/name/'.
        proxy_strips: a proxy removes the base path before it forwards a request, so requests arrive
            without it; links, images and scripts still include it.
        password: required on every address but the health check; None: no password.
        hosts: names to accept besides IP addresses and localhost; '.example.org' for it and all below it.

    Raises:
        ValueError: the base path is not a valid path.
    """
    public_prefix = base_prefix(base_path)
    app = Dash(
        "dashapp",
        title=APP_NAME,
        update_title=None,
        requests_pathname_prefix=public_prefix,
        routes_pathname_prefix="/" if proxy_strips else public_prefix,
        use_pages=False,
        pages_folder="",
        assets_ignore=r"^theme\.js$",
        serve_locally=True,
        compress=False,
    )
    moments = Moments(engine, app.server)
    notes_writer = writer and Writer(writer, moments)
    add_doors(app, password, hosts)
    add_compression(app)
    app.index_string = INDEX.format(
        icon=app.get_asset_url("mark.svg"),
        theme=app.get_asset_url("theme.js"),
        header=DATABASE,
        database=moments.database.token(),
    )
    # All ids of all pages, so that Dash can validate the callbacks although it shows one page at a time; it
    # declares the attribute as None.
    pages = PAGES
    of_pages = [page.validation_layout() for page in pages if hasattr(page, "validation_layout")]
    app.validation_layout = html.Div([shell(app, moments, pages), *of_pages])  # type: ignore[assignment]
    app.layout = lambda: shell(app, moments, pages)
    register_shell(app, moments, pages, writable=writer is not None)
    for page in pages:
        page.register(app, moments, notes_writer)
    exports.register(app, moments)
    register_routes(app, moments, pages)
    add_body_check(app)
    add_database_check(app, moments)
    add_refusals(app)
    add_headers(app)
    return app


def base_prefix(base_path: str) -> str:
    """Normalize a base path to '/' or '/name/'. Raises ValueError if it is not a valid path."""
    if not BASE_PATH.fullmatch(base_path):
        raise ValueError(
            f"Base path '{base_path}' is no path; expected letters, digits, '-', '_', '.' and '~' between "
            "slashes, as in --base-path /pixels/."
        )
    return f"/{base_path.strip('/')}/".replace("//", "/")
