"""Two networks side by side, `/compare?network=A&dataset=D&other=B`: where they agree on the same images.

As on the networks' page, every control is a link to a new address, and the page is drawn as a whole.
"""

from dash import Dash, html
from dash.development.base_component import Component
from sqlalchemy import Engine

import db.read
from dashapp.draw.html_parts import Element, drawn, element, link, notice, scope_attributes
from dashapp.pages import not_found
from dashapp.pages.compare import counts, gallery
from dashapp.router import Visit
from db.read import CompareQuery

PATH = "/compare"
TITLE = "Compare"


def layout(app: Dash, engine: Engine, visit: Visit) -> Component:
    """The page for the visit's query string."""
    home = app.get_relative_path(PATH)
    with engine.connect() as connection:
        try:
            query = db.read.compare_query(connection, visit.search)
            if query is None:
                return _no_pair(app)
            swept = db.read.read_swept_pairs(connection, *query.scopes)
            chosen = db.read.chosen_pairs(swept, query.show)
            images = db.read.read_images(connection, query, chosen)
        except db.read.QueryError as error:
            return not_found.refused(error.problem, error.allowed, "Compare two networks", home)
        parts = [
            _head(query, home),
            element(
                "div",
                [
                    counts.answers(query, db.read.read_right_answers(connection, *query.scopes)),
                    counts.sweeps(query, db.read.count_fallen(swept), home),
                    counts.transfers(query, db.read.read_transfers(connection, query.scopes)),
                    counts.attacks(
                        db.read.read_same_attacks(connection, *query.scopes),
                        db.read.read_agreement(connection, swept),
                    ),
                ],
                className="compare-cards",
            ),
        ]
    parts += gallery.gallery(query, images, len(chosen), bool(swept), app)
    return html.Div(drawn(parts, className="compare"), **scope_attributes(query.first.scope))


def register(app: Dash, engine: Engine, _writer: Engine | None = None) -> None:
    """There is nothing to connect."""


def _head(query: CompareQuery, home: str) -> Element:
    """Title, the two networks, and the others that each could be compared with."""
    same = [one for one in query.options if one.dataset_id == query.first.dataset_id]
    datasets = {one.dataset_id: one for one in reversed(query.options)}
    menus = []
    if len(datasets) > 1:
        menus.append(
            _menu(
                "Data set",
                [
                    (one.dataset, home + f"?dataset={id_}", id_ == query.first.dataset_id)
                    for id_, one in sorted(datasets.items())
                ],
            )
        )
    if len(same) > 2:
        firsts = [one for one in same if one != query.second]
        seconds = [one for one in same if one != query.first]
        menus += [
            _menu(
                "First",
                [
                    (f"{one.name} #{one.id}", home + query.but(first=one).search(), one == query.first)
                    for one in firsts
                ],
            ),
            _menu(
                "Second",
                [
                    (f"{one.name} #{one.id}", home + query.but(second=one).search(), one == query.second)
                    for one in seconds
                ],
            ),
        ]
    swap = query.but(first=query.second, second=query.first)
    return element(
        "div",
        [
            element(
                "h1",
                [
                    *counts.name(query, "first"),
                    element("span", " beside ", className="muted"),
                    *counts.name(query, "second"),
                    element("span", f" on {query.first.dataset}", className="muted"),
                ],
            ),
            link("Swap", href=home + swap.search(), className="button at-end"),
            *([element("div", menus, className="row wrap compare-menus")] if menus else []),
        ],
        className="list-head",
    )


def _menu(title: str, options: list[tuple[str, str, bool]]) -> Element:
    """Links side by side, the chosen one marked."""
    listed = [
        element(
            "li",
            link(text, href=href, className="segment" + " segment-on" * chosen),
            **({"aria-current": "true"} if chosen else {}),
        )
        for text, href, chosen in options
    ]
    return element(
        "div",
        [
            element("span", title, className="muted small"),
            element("ul", listed, className="segments compare-segments"),
        ],
        className="row",
    )


def _no_pair(app: Dash) -> Component:
    return notice(
        "Nothing to compare yet",
        html.P(
            [
                "Two networks stand side by side where both have met the same data set. Run ",
                html.Code("xpixels study --network N --dataset D"),
                " for a second network on a data set that is here, then reload this page.",
            ]
        ),
        html.A("Show all networks", href=app.get_relative_path("/networks"), className="button"),
    )
