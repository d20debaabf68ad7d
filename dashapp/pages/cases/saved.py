"""Saved views of the case list: links under names, and the form that adds one."""

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
    """The menu: opens on a click, holds the views and the form."""
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
    """The saved views, each with the button that forgets it; `complaint`: why the last change failed."""
    home = app.get_relative_path("/")
    found = [
        html.Li(
            [
                dcc.Link(view.name, href=home + view.search, className="saved-view"),
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
    shown = (
        html.Ul(found)
        if found
        else html.P("No saved views. Name the current filters to save them.", className="muted")
    )
    return [shown] if complaint is None else [shown, html.P(complaint, className="notice-line", role="alert")]


def changed(
    app: Dash, engine: Engine, writer: Engine, name: str, search: str, forgotten: int | None
) -> list[Component]:
    """Keep the list of `search` under a name, or forget a view; the views as they are then."""
    try:
        query, _ = db.read.case_query(engine, search)  # what is kept is a list, whatever a request says
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
        return html.P(READ_ONLY, className="muted")
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
