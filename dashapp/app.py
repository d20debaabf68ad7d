"""The app: `create_app` puts the shell, the router, the image route and the pages together.

Nothing is global: every callback and route is registered on the app that is being made, so several
apps, over several databases, live in one process.
"""

import re
from collections.abc import Collection
from typing import NamedTuple
from urllib.parse import quote

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component
from sqlalchemy import Engine

import db.read
from dashapp import ids
from dashapp.http import exports
from dashapp.http.callback_bodies import add_body_check
from dashapp.http.compression import add_compression
from dashapp.http.errors import add_refusals
from dashapp.http.headers import add_headers
from dashapp.http.password import add_doors
from dashapp.http.routes import case_id, is_detectors, register_routes
from dashapp.http.snapshot import Moments, Writer
from dashapp.http.unavailable import DATABASE, add_database_check, reason
from dashapp.keys import keys_button
from dashapp.pages import not_found
from dashapp.pages.case import page as case
from dashapp.pages.cases import page as cases
from dashapp.pages.detectors import page as detectors
from dashapp.words.decisions import percent

APP_NAME = "Explainable Pixels"

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


class Page(NamedTuple):
    """What the router shows for an address."""

    title: str
    body: Component

    @property
    def network_id(self) -> int | None:
        """The network that the page is about, as its outermost part says; None: none in particular."""
        return getattr(self.body, "data-network", None)


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
    app.validation_layout = html.Div(
        [
            shell(app, engine),
            cases.validation_layout(),
            case.validation_layout(),
            detectors.validation_layout(),
        ]
    )
    app.layout = lambda: shell(app, engine)
    register_shell(app, engine, writable=writer is not None)
    for page in (cases, case, detectors):
        page.register(app, engine, writer)
    exports.register(app, engine)
    register_routes(app, engine)
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


def shell(app: Dash, engine: Engine) -> html.Div:
    """Header and the place of the page; counts are read anew at each load."""
    return html.Div(
        children=[
            dcc.Location(id=ids.LOCATION, refresh="callback-nav"),
            dcc.Store(id=ids.SHOWN_PATH),
            dcc.Store(id=ids.PAGE_TITLE),
            dcc.Store(id=ids.TITLE_DONE),
            dcc.Store(id=ids.THEME),
            html.A("Skip to the content", href=f"#{ids.PAGE}", className="skip-link"),
            html.Header(
                className="app-header",
                children=[
                    dcc.Link(
                        [html.Img(src=app.get_asset_url("mark.svg"), alt="", className="app-mark"), APP_NAME],
                        href=app.get_relative_path("/"),
                        className="app-name",
                    ),
                    html.Nav(nav(app), id=ids.NAV, className="app-nav", **{"aria-label": "Main"}),
                    html.Dl(network_facts(engine), id=ids.FACTS, className="app-facts"),
                    html.Label("Go to case number", htmlFor=ids.GO_TO_CASE, className="visually-hidden"),
                    dcc.Input(
                        id=ids.GO_TO_CASE,
                        type="text",
                        placeholder="Go to case …",
                        className="go-to-case",
                    ),
                    keys_button(),
                    html.Button(
                        html.Span("Switch between light and dark", className="visually-hidden"),
                        id=ids.THEME_TOGGLE,
                        className="theme-toggle",
                        title="Switch between light and dark",
                    ),
                ],
            ),
            html.Main(id=ids.PAGE, className="app-main", tabIndex=-1),
        ],
    )


def network_facts(engine: Engine, network_id: int | None = None) -> list[html.Div]:
    """Which network a page is about, on which data set, and how many cases it has."""
    facts = db.read.overview(engine, network_id)
    shown = [("Cases", f"{facts.case_count:,}")]
    if facts.network is not None:
        accuracy = "" if facts.test_accuracy is None else f" · {percent(facts.test_accuracy)} test accuracy"
        shown = [("Network", facts.network + accuracy), ("Dataset", facts.dataset), *shown]
    return [html.Div([html.Dt(name), html.Dd(value)], className="app-fact") for name, value in shown]


def nav(app: Dash, pathname: str | None = None) -> list[html.Span]:
    """Links to the pages, the one at `pathname` marked; a case belongs to the list."""
    path = "" if pathname is None else app.strip_relative_path(pathname) or ""
    here = None if pathname is None else "/" if not path or case_id(app, pathname) else f"/{path}"
    return [
        html.Span(
            dcc.Link(title, href=app.get_relative_path(to), id=ids.nav_link(to), className="app-nav-link"),
            **({"aria-current": "page"} if to == here else {}),
        )
        for to, title in (("/", "Cases"), (detectors.PATH, "Detectors"))
    ]


def register_shell(app: Dash, engine: Moments, *, writable: bool) -> None:
    """Connect the router, the page's title and the theme toggle."""

    def failed(error: Exception) -> tuple:
        if reason(error, engine):
            raise error
        app.server.logger.error("A page could not be drawn", exc_info=error)
        return not_found.broken(app, error), f"Error · {APP_NAME}", no_update, no_update

    @app.callback(
        Output(ids.PAGE, "children"),
        Output(ids.PAGE_TITLE, "data"),
        Output(ids.SHOWN_PATH, "data"),
        Output(ids.FACTS, "children"),
        Input(ids.LOCATION, "pathname"),
        Input(ids.LOCATION, "search"),
        State(ids.SHOWN_PATH, "data"),
        on_error=failed,
    )
    def route(pathname: str, search: str, shown_path: str | None) -> tuple:
        # Within one case the page itself follows what its address says (the layer, ...).
        if pathname == shown_path and case_id(app, pathname) is not None:
            return no_update, no_update, no_update, no_update
        page = page_at(app, engine, pathname, search or "", writable=writable)
        facts = network_facts(engine, page.network_id)
        return page.body, f"{page.title} · {APP_NAME}", pathname, facts

    @app.callback(Output(ids.NAV, "children"), Input(ids.LOCATION, "pathname"))
    def mark_page(pathname: str | None) -> list:
        return nav(app, pathname)

    @app.callback(
        Output(ids.LOCATION, "pathname"),
        Input(ids.GO_TO_CASE, "n_submit"),
        State(ids.GO_TO_CASE, "value"),
        prevent_initial_call=True,
    )
    def go_to_case(_submits: int, typed: str | None) -> str:
        number = (typed or "").strip().lstrip("#")
        return app.get_relative_path(f"/case/{quote(number, safe='')}") if number else no_update

    app.clientside_callback(
        ClientsideFunction("shell", "shown"), Output(ids.TITLE_DONE, "data"), Input(ids.PAGE_TITLE, "data")
    )
    app.clientside_callback(
        ClientsideFunction("theme", "toggle"), Output(ids.THEME, "data"), Input(ids.THEME_TOGGLE, "n_clicks")
    )


def page_at(app: Dash, engine: Engine, pathname: str, search: str, *, writable: bool = False) -> Page:
    """The page at `pathname` (with the base path) and query string `search`."""
    if not app.strip_relative_path(pathname):
        return Page("Cases", cases.layout(engine, search, app, writable=writable))
    if is_detectors(app, pathname):
        return Page("Detectors", detectors.layout(engine, search, app))
    case_number = case_id(app, pathname)
    if case_number is None:
        return Page("Not found", not_found.layout(app, pathname, "is no page of this dashboard."))
    if not db.read.case_exists(engine, case_number):
        reason = f"names case {case_number}, which is not in this database."
        return Page("Not found", not_found.layout(app, pathname, reason))
    body = case.layout(engine, case_number, search, app, writable=writable)
    name = db.read.case_file_name(engine, case_number)
    return Page(f"Case {case_number}" + (f", {name}" if name else ""), body)
