"""The case list: filters with their counts, outcomes, a table or a gallery, pages; all state in the address.

Every control is a link to a new address, so reload, back, forward, a new tab and a shared address all show
the same. `assets/cases/cases.js` writes typed text into the address.
"""

from typing import Any

from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component
from sqlalchemy import Engine

import db.read
from dashapp import ids
from dashapp.draw.html_parts import Element, drawn, notice, scope_attributes
from dashapp.pages import not_found
from dashapp.pages.cases import facets, gallery, head, saved, table
from dashapp.router import Visit
from dashapp.words.decisions import OUTCOME_NAMES

PATH = "/"
TITLE = "Cases"


def layout(app: Dash, engine: Engine, visit: Visit) -> Component:
    """The page for the visit's query string; where it is writable, views can be saved."""
    search, writable = visit.search, visit.writable
    home = app.get_relative_path("/")
    try:
        query, options = db.read.case_query(engine, search)
    except db.read.QueryError as error:
        return _refused(error, home)
    try:
        listed = db.read.list_cases(engine, query, options)
    except db.read.QueryError as error:  # a page after the last
        return _refused(error, home + query.but(page=1).search())
    if not listed.stored and len(options.networks) < 2:
        return _empty_database()
    shown = gallery.gallery if query.view == "gallery" else table.table
    filters = html.Aside(
        facets.facets(query, options, listed, home), className="facets", **{"aria-label": "Filters"}
    )
    body: list[Component | Element] = [head.outcomes(query, options, listed, home)]
    if listed.rows:
        body += [shown(listed.rows, query, options, app), table.foot(query, listed, home)]
    else:
        body.append(_no_match(query, listed, home))
    body.append(head.sql(db.read.list_sql(engine, query, options)))
    return html.Div(
        className="cases",
        children=[
            drawn(filters),
            html.Section(
                className="list",
                children=[
                    drawn(head.head(query, options, listed, home)),
                    head.tools(app, query, saved.saved(app, engine, writable=writable)),
                    drawn(body, className="list-body"),
                ],
                **{"aria-label": "Cases"},
            ),
        ],
        **{"data-search": query.search(), **scope_attributes(query.scope)},
    )


def validation_layout() -> Component:
    """All ids that callbacks use, so that Dash can validate these; without data."""
    return html.Div(
        [
            html.Button(id=ids.LIST_RANDOM),
            html.Div(id=ids.LIST_SAVED),
            dcc.Input(id=ids.LIST_SAVE_NAME),
            html.Button(id=ids.LIST_SAVE),
            html.Button(id=ids.saved_view(0)),
        ]
    )


def register(app: Dash, engine: Engine, writer: Engine | None = None) -> None:
    """Connect the random case and the saved views."""

    @app.callback(
        Output(ids.LOCATION, "pathname", allow_duplicate=True),
        Input(ids.LIST_RANDOM, "n_clicks"),
        State(ids.LOCATION, "search"),
        prevent_initial_call=True,
    )
    def open_random(clicks: int | None, search: str | None) -> Any:
        case_id = db.read.random_case(engine, search or "") if clicks else None
        return no_update if case_id is None else app.get_relative_path(f"/case/{case_id}")

    @app.callback(
        Output(ids.LIST_SAVED, "children"),
        Input(ids.LIST_SAVE, "n_clicks"),
        Input(ids.LIST_SAVE_NAME, "n_submit"),
        Input(ids.saved_view(ALL), "n_clicks"),
        State(ids.LIST_SAVE_NAME, "value"),
        State(ids.LOCATION, "search"),
        prevent_initial_call=True,
    )
    def change_saved(_clicks: Any, _submits: Any, _removed: Any, name: str | None, search: str | None) -> Any:
        if writer is None or not any(one["value"] for one in ctx.triggered):
            return no_update
        forgotten = ctx.triggered_id["view"] if isinstance(ctx.triggered_id, dict) else None
        return saved.changed(app, engine, writer, name or "", search or "", forgotten)


def _no_match(query: db.read.CaseQuery, listed: db.read.CaseList, home: str) -> Component:
    return html.Div(
        className="nothing card",
        children=[
            html.H2("No case matches these filters"),
            html.P(f"The network has {listed.stored:,} cases on this data set.", className="muted"),
            dcc.Link("Reset the filters", href=home + query.unfiltered().search(), className="button"),
        ],
    )


def _refused(error: db.read.QueryError, way_out: str) -> Component:
    allowed = _named(error.allowed)
    return not_found.refused(error.problem, allowed, "Show all validation cases", way_out)


def _named(allowed: str) -> str:
    """The allowed values, outcomes with their plain names."""
    if allowed != ", ".join(OUTCOME_NAMES):
        return allowed
    return ", ".join(f"{outcome} ({OUTCOME_NAMES[outcome]})" for outcome in allowed.split(", "))


def _empty_database() -> Component:
    return notice(
        "No cases yet",
        html.P(
            [
                "This database holds no case. Run ",
                html.Code("xpixels demo"),
                " for a first batch from the bundled sample, or ",
                html.Code("xpixels ingest"),
                " for one of your own; then reload this page.",
            ]
        ),
    )
