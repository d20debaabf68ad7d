"""The networks, `/networks`: every network on each of its data sets, and how attacks transfer between them.

Every control is a link to a new address, as on the case list; `assets/cases/cases.js` writes what is typed
into the field there. No callback: the page is drawn as a whole.
"""

from dash import Dash, html
from dash.development.base_component import Component
from sqlalchemy import Engine

import db.read
from dashapp import ids
from dashapp.draw.html_parts import Element, drawn, element, link, notice, scope_attributes
from dashapp.pages import not_found
from dashapp.pages.cases.head import sql
from dashapp.pages.networks import table, transfers
from dashapp.router import Visit
from db.read import NetworkResult, NetworksQuery

PATH = "/networks"
TITLE = "Networks"
STATEMENT = """SELECT *
FROM network_results
ORDER BY swept_fallen / NULLIF(CAST(swept_images AS DOUBLE PRECISION), 0) NULLS LAST, network_id, dataset_id
"""
READING = (
    (
        "Falls to sweep",
        "Images that the network gets right and one pixel makes it get wrong, when every position is tried "
        "in every color of a set.",
    ),
    (
        "Falls to evolution",
        "The same by differential evolution on one pixel, towards any wrong class, with the number of "
        "queries that stands below; a larger budget finds more. A dash: nothing fair to count, as attacks "
        "after those of another kind leave out the images that fell (--all-test attacks every image).",
    ),
    (
        "Positions",
        "The share of vulnerable positions, where one pixel fools the network: mean of the swept images.",
    ),
    (
        "AUC",
        "How well a detector tells attacked images from clean ones, on the validation cases: of layers and "
        "of baselines the best one, which is a little too good.",
    ),
    ("Recovered", "The share of attacked images whose true class the best detector names."),
    ("Small numbers", "95 % intervals: of shares of images by Wilson, of detectors from resampled cases."),
)


def layout(app: Dash, engine: Engine, visit: Visit) -> Component:
    """The page for the visit's query string."""
    home = app.get_relative_path(PATH)
    with engine.connect() as connection:
        try:
            query = db.read.networks_query(connection, visit.search)
        except db.read.QueryError as error:
            return not_found.refused(error.problem, error.allowed, "Show all networks", home)
        results = db.read.read_network_results(connection, query)
        every = results if not query.find else db.read.read_network_results(connection, NetworksQuery())
        matrix = db.read.read_transfers(connection)
    if not every:
        return _empty_database()
    body = [table.table(results, query, app)] if results else [_no_match(query, home, len(every))]
    return html.Div(
        drawn(
            [
                _head(results, every, query, app),
                *body,
                sql(STATEMENT),
                *transfers.matrices(every, matrix, app),
                _reading(),
            ],
            className="networks",
        ),
        **scope_attributes(query.scope),
    )


def register(app: Dash, engine: Engine, _writer: Engine | None = None) -> None:
    """There is nothing to connect."""


def _head(
    results: list[NetworkResult], every: list[NetworkResult], query: NetworksQuery, app: Dash
) -> Element:
    count = f"{len(every):,}" if len(results) == len(every) else f"{len(results):,} of {len(every):,}"
    rows = "network on a data set" if len(every) == 1 else "networks on data sets"
    note = "Each number leads to its cases or detectors."
    exports = [
        element(
            "a",
            name,
            href=app.get_relative_path(f"/export/networks.{form}") + query.search(),
            className="button",
            download=f"networks.{form}",
        )
        for form, name in (("csv", "CSV"), ("json", "JSON"))
    ]
    return element(
        "div",
        [
            element("h1", TITLE),
            element("span", f"{count} {rows}", className="muted"),
            element("div", [_find(query), *exports], className="row at-end"),
            element("p", note, className="muted small list-note"),
        ],
        className="list-head",
    )


def _find(query: NetworksQuery) -> Element:
    field = element(
        "input",
        **{
            "id": ids.NETWORKS_FIND,
            "class": "field",
            "type": "search",
            "autocomplete": "off",
            "value": query.find,
            "placeholder": "Words of names …",
            "data-find": "",
        },
    )
    label = element("span", "Find networks and data sets by name", className="visually-hidden")
    return element("label", [label, field], className="network-find")


def _reading() -> Element:
    entries = [
        element("div", [element("dt", term), element("dd", text, className="muted")])
        for term, text in READING
    ]
    return element(
        "section",
        [element("h2", "How to read this"), element("dl", entries)],
        className="card detector-chart detector-reading",
    )


def _no_match(query: NetworksQuery, home: str, count: int) -> Element:
    return element(
        "div",
        [
            element("h2", f"No network or data set is called “{query.find}”"),
            element("p", f"There are {count:,} of them.", className="muted"),
            link("Show all networks", href=home + query.but(find="").search(), className="button"),
        ],
        className="nothing card",
    )


def _empty_database() -> Component:
    return notice(
        "No networks yet",
        html.P(
            [
                "This database holds no result of a network. Run ",
                html.Code("xpixels study --network N --dataset D"),
                " for all of them (",
                html.Code("xpixels network list"),
                " and ",
                html.Code("xpixels data list"),
                " tell the names), or ",
                html.Code("xpixels demo"),
                " for a first batch; then reload this page.",
            ]
        ),
    )
