"""The app: `create_app` puts the shell, the router, the image route and the pages together.

Nothing is global: every callback and route is registered on the app that is being made, so several
apps, over several databases, live in one process.
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
from dashapp.pages import case, cases, detectors
from dashapp.shell import APP_NAME, register_shell, shell

# The pages, in the order of the menu; what each has to export is in dashapp/router.py. The first is the home
# page. Router, menu, titles, callbacks and the status of a first answer derive from it.
PAGES = (cases, detectors, case)

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
        engine: pages read through it.
        writer: what people write (annotations, saved views) goes through it; without one the pages show it
            and offer no way to change it.
        base_path: path that the browser sees the pages under, '/' or '/name/'.
        proxy_strips: a proxy takes the base path off before it passes a request on, so requests come in
            without it; links, images and scripts still go out with it.
        password: asked on every address but the health check; None: nobody is asked.
        hosts: names that it answers to beside addresses and localhost, '.example.org' for all below that.

    Raises:
        ValueError: the base path is no path.
    """
    outside = base_prefix(base_path)
    app = Dash(
        "dashapp",
        title=APP_NAME,
        update_title=None,
        requests_pathname_prefix=outside,
        routes_pathname_prefix="/" if proxy_strips else outside,
        use_pages=False,
        pages_folder="",
        assets_ignore=r"^theme\.js$",
        serve_locally=True,
        compress=False,
    )
    moments = engine = Moments(engine, app.server)
    writer = writer and Writer(writer, moments)
    add_doors(app, password, hosts)
    add_compression(app)
    app.index_string = INDEX.format(
        icon=app.get_asset_url("mark.svg"),
        theme=app.get_asset_url("theme.js"),
        header=DATABASE,
        database=moments.database.token(),
    )
    # Every id of every page, so that Dash can check the callbacks though one page shows at a time.
    pages = PAGES
    of_pages = [page.validation_layout() for page in pages if hasattr(page, "validation_layout")]
    app.validation_layout = html.Div([shell(app, engine, pages), *of_pages])
    app.layout = lambda: shell(app, engine, pages)
    register_shell(app, engine, pages, writable=writer is not None)
    for page in pages:
        page.register(app, engine, writer)
    exports.register(app, engine)
    register_routes(app, engine, pages)
    add_body_check(app)
    add_database_check(app, moments)
    add_refusals(app)
    add_headers(app)
    return app


def base_prefix(base_path: str) -> str:
    """A base path with its slashes, '/' or '/name/'. Raises ValueError when it is no path."""
    if not BASE_PATH.fullmatch(base_path):
        raise ValueError(
            f"Base path '{base_path}' is no path; expected letters, digits, '-', '_', '.' and '~' between "
            "slashes, as in --base-path /pixels/."
        )
    return f"/{base_path.strip('/')}/".replace("//", "/")
