"""The page for an address that leads nowhere."""

from dash import Dash, dcc, html


def layout(app: Dash, path: str, reason: str) -> html.Div:
    """Say which `path` was asked for and why there is nothing, and offer the way back to the list."""
    return html.Div(
        className="notice card",
        children=[
            html.H1("Nothing here"),
            html.P([html.Code(path), " ", reason]),
            dcc.Link("All cases", href=app.get_relative_path("/"), className="button"),
        ],
    )
