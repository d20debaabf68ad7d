"""The pages for an address that leads nowhere, and for one whose page could not be drawn."""

from dash import Dash, dcc, html

from dashapp.draw.html_parts import notice


def layout(app: Dash, path: str, reason: str) -> html.Div:
    """A notice with the requested `path`, the reason why there is nothing, and a link to the list."""
    return notice(
        "Nothing here",
        html.P([html.Code(path), " ", reason]),
        dcc.Link("Validation cases", href=app.get_relative_path("/"), className="button"),
    )


def refused(problem: str, allowed: str, label: str, way_out: str) -> html.Div:
    """A notice with what is wrong with an address, what is expected, and a link to a page that works."""
    return notice(
        "This address cannot be shown",
        html.P(f"{problem}."),
        html.P(f"Expected: {allowed}.", className="muted"),
        dcc.Link(label, href=way_out, className="button"),
    )


def broken(app: Dash, error: Exception) -> html.Div:
    """A notice that a page failed, with the first line of the error; the server's log has the rest."""
    return notice(
        "This page could not be drawn",
        html.P(html.Code(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")),
        html.P("The log of the server has the details. Reload to try again.", className="muted"),
        dcc.Link("Validation cases", href=app.get_relative_path("/"), className="button"),
    )
