"""Saved views of the case list: named links, and the form that adds one."""

from dash import Dash, dcc, html
from dash.development.base_component import Component
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

import db.engine
import db.read
import db.saved_views
from dashapp import ids
from db.availability import unavailable

READ_ONLY = "This dashboard cannot write to its database, so no view can be saved."


def saved(app: Dash, engine: Engine, *, writable: bool) -> Component:
    """The menu with the views and the form; a click opens it."""
    return html.Details(
        [
            html.Summary("Saved views", className="button"),
            html.Div(
                [
                    html.Div(views(app, engine), id=ids.LIST_SAVED, **{"aria-live": "polite"}),
                    _form(writable=writable),
                ],
                className="menu card",
            ),
        ],
        className="menu-of saved-views",
    )


def views(app: Dash, engine: Engine, complaint: str | None = None) -> list[Component]:
    """The saved views, each with a button that deletes it; `complaint`: why the last change failed."""
    home = app.get_relative_path("/")
    items = [
        html.Li(
            [
                dcc.Link(view.name, href=home + view.search, className="saved-view ellipsis"),
                html.Button(
                    "×",
                    id=ids.saved_view(view.id),
                    className="saved-off",
                    type="button",
                    title=f"Forget “{view.name}”",
                    **{"aria-label": f"Forget {view.name}"},
                ),
            ]
        )
        for view in db.saved_views.saved_views(engine)
    ]
    menu = (
        html.Ul(items)
        if items
        else html.P("No saved views. Name the current filters to save them.", className="muted small")
    )
    return (
        [menu]
        if complaint is None
        else [menu, html.P(complaint, className="notice-line small", role="alert")]
    )


def changed(
    app: Dash, engine: Engine, writer: Engine, name: str, search: str, forgotten: int | None
) -> list[Component]:
    """Save the list of `search` under a name, or delete a view; return the views after that."""
    try:
        query, _ = db.read.case_query(engine, search)  # only a valid list is saved, whatever a request has
        with db.engine.writing(writer) as connection:
            if forgotten is None:
                db.saved_views.save_view(connection, name, query.but(page=1).search())
            else:
                db.saved_views.delete_view(connection, forgotten)
    except ValueError as error:
        return views(app, engine, str(error))
    except DBAPIError as error:
        if unavailable(error, ""):
            raise
        return views(app, engine, f"Nothing was changed: {error.orig}.")
    return views(app, engine)


def _form(*, writable: bool) -> Component:
    if not writable:
        return html.P(READ_ONLY, className="muted small")
    return html.Div(
        [
            html.Label("Name of a new view", htmlFor=ids.LIST_SAVE_NAME, className="visually-hidden"),
            dcc.Input(
                id=ids.LIST_SAVE_NAME,
                type="text",
                placeholder="Name for this list …",
                maxLength=db.saved_views.LONGEST_NAME,
                className="field",
            ),
            html.Button("Save", id=ids.LIST_SAVE, className="button", type="button"),
        ],
        className="saved-form",
    )
