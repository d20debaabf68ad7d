"""The frame around every page: the header, the menu, and the components that callbacks fill."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from sqlalchemy import Engine

from dashapp import ids
from dashapp.http.snapshot import Moments
from dashapp.http.unavailable import reason
from dashapp.keys import keys_button
from dashapp.pages import not_found
from dashapp.router import NUMBER, Page, Visit, draw_page, find_place
from dashapp.scope_menu import scope_menu
from db.read import header as read_header

APP_NAME = "Explainable Pixels"


def shell(app: Dash, engine: Engine, pages: Sequence[Page]) -> html.Div:
    """The header and the empty container of the page; counts are read again at each load."""
    return html.Div(
        children=[
            dcc.Location(id=ids.LOCATION, refresh="callback-nav"),
            dcc.Store(id=ids.ROUTE),
            dcc.Store(id=ids.FOLLOWED_PATH),
            dcc.Store(id=ids.PAGE_TITLE),
            dcc.Store(id=ids.TITLE_DONE),
            dcc.Store(id=ids.THEME),
            html.A("Skip to the content", href=f"#{ids.PAGE}", className="skip-link"),
            html.Header(
                className="app-header row",
                children=[
                    dcc.Link(
                        [
                            html.Img(src=app.get_asset_url("mark.svg"), alt="", className="app-mark"),
                            html.Span(APP_NAME),
                        ],
                        href=app.get_relative_path("/"),
                        className="app-name row",
                    ),
                    html.Nav(menu(app, pages), id=ids.NAV, className="app-nav", **{"aria-label": "Main"}),
                    html.Div(
                        scope_menu(read_header(engine), app.get_relative_path("/")),
                        id=ids.FACTS,
                        className="app-facts small",
                    ),
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


def menu(app: Dash, pages: Sequence[Page], pathname: str | None = None, search: str = "") -> list[html.Span]:
    """Links to the pages, marking the one at `pathname`; a path with a number marks the first page.

    search: query string that all links have: the chosen network and data set.
    """
    listed = [page for page in pages if not NUMBER.search(page.PATH)]
    here = _page_in_menu(app, pages, pathname)
    return [
        html.Span(
            dcc.Link(
                page.TITLE,
                href=app.get_relative_path(page.PATH) + search,
                id=ids.nav_link(page.PATH),
                className="app-nav-link",
            ),
            **({"aria-current": "page"} if page is here else {}),
        )
        for page in listed
    ]


def _page_in_menu(app: Dash, pages: Sequence[Page], pathname: str | None) -> Page | None:
    """The page of the menu that a path belongs to; a path with a number belongs to the first one."""
    place = None if pathname is None else find_place(app, pages, pathname)
    return None if place is None else pages[0] if place.numbers else place.page


def register_shell(app: Dash, engine: Moments, pages: Sequence[Page], *, writable: bool) -> None:
    """Connect the router, the page's title, the field for a case's number and the theme toggle."""

    def answer_failure(error: Exception) -> tuple[Any, ...]:
        if reason(error, engine):
            raise error
        app.server.logger.error("A page could not be drawn", exc_info=error)
        return not_found.broken(app, error), f"Error · {APP_NAME}", None, no_update, no_update

    # The browser requests a page unless the current one follows its address itself: within a case, a click on
    # a layer is one request, to the case's own callback.
    app.clientside_callback(
        ClientsideFunction("shell", "route"),
        Output(ids.ROUTE, "data"),
        Input(ids.LOCATION, "pathname"),
        Input(ids.LOCATION, "search"),
        State(ids.FOLLOWED_PATH, "data"),
        State(ids.ROUTE, "data"),
    )

    @app.callback(
        Output(ids.PAGE, "children"),
        Output(ids.PAGE_TITLE, "data"),
        Output(ids.FOLLOWED_PATH, "data"),
        Output(ids.FACTS, "children"),
        Output(ids.NAV, "children"),
        Input(ids.ROUTE, "data"),
        on_error=answer_failure,
    )
    def route(address: dict[str, str]) -> tuple[Any, ...]:
        pathname = address["pathname"]
        visit = Visit(address["search"], theme=address["theme"], writable=writable)
        page = draw_page(app, engine, pages, pathname, visit)
        header = read_header(engine, page.scope, address["search"])
        here = _page_in_menu(app, pages, pathname) or pages[0]
        facts = scope_menu(header, app.get_relative_path(here.PATH))
        followed = pathname if page.follows_address else None
        links = menu(app, pages, pathname, header.search)
        return page.body, f"{page.title} · {APP_NAME}", followed, facts, links

    @app.callback(
        Output(ids.LOCATION, "pathname"),
        Input(ids.GO_TO_CASE, "n_submit"),
        State(ids.GO_TO_CASE, "value"),
        prevent_initial_call=True,
    )
    def go_to_case(_submits: int, typed: str | None) -> Any:
        number = (typed or "").strip().lstrip("#")
        return app.get_relative_path(f"/case/{quote(number, safe='')}") if number else no_update

    app.clientside_callback(
        ClientsideFunction("shell", "shown"), Output(ids.TITLE_DONE, "data"), Input(ids.PAGE_TITLE, "data")
    )
    app.clientside_callback(
        ClientsideFunction("theme", "toggle"), Output(ids.THEME, "data"), Input(ids.THEME_TOGGLE, "n_clicks")
    )
