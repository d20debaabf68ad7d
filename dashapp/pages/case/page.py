"""The case view, `/case/<id>`: part A above, part B on the right, part C in the middle (paper, section 4.3).

`draw_case` draws the whole page; `event.py` updates it when the address, the theme or the sliders change.
"""

from collections.abc import Mapping
from typing import Any

from dash import Dash, dcc, html
from sqlalchemy import Engine

import db.read
from dashapp import ids
from dashapp.draw.html_parts import scope_attributes
from dashapp.pages.case import channels, charts, controls, maps, neighbors, notes, pair, twin, what_if
from dashapp.pages.case.decisions import decisions_part
from dashapp.pages.case.detectors import detectors_part
from dashapp.pages.case.event import PARTS, register_event
from dashapp.pages.case.head import head_part
from dashapp.pages.case.network import network_part
from dashapp.pages.case.overview import input_part, output_part
from dashapp.pages.case.parts import fill, keys_of
from dashapp.pages.case.scene import Scene
from dashapp.router import Visit

PATH = "/case/<case_id>"
TITLE = "Case"
FOLLOWS_ADDRESS = True


def title(engine: Engine, numbers: Mapping[str, int]) -> str:
    """The case's number and its file name. Raises LookupError if there is no such case."""
    case_id = numbers["case_id"]
    if not db.read.case_exists(engine, case_id):
        raise LookupError(f"there is no case {case_id}")
    name = db.read.case_file_name(engine, case_id)
    return f"Case {case_id}" + (f", {name}" if name else "")


def layout(app: Dash, engine: Engine, visit: Visit) -> html.Div:
    """The page of a case.

    Raises:
        LookupError: there is no such case.
    """
    scene = Scene(app, engine, visit.numbers["case_id"], visit.search, visit.theme)
    return html.Div(
        [
            dcc.Store(id=ids.CASE_ID, data=scene.case.case_id),
            dcc.Store(id=ids.CASE_SHOWN, data=keys_of(PARTS, scene)),
            dcc.Store(id=ids.CASE_DONE),
            dcc.Store(id=ids.WHAT_IF_LIVE),
            html.Div(draw_case(scene, writable=visit.writable), id=ids.CASE_PAGE, className="case-page"),
        ],
        **scope_attributes(scene.case.scope),
    )


def draw_case(scene: Scene, *, writable: bool) -> list[Any]:
    """Draw everything that is redrawn for another metric or rule, filled."""
    case, view = scene.case, scene.view
    page = html.Div(
        [
            head_part(scene),
            html.Div(id=ids.CASE_NOTICE),
            notes.notes_part(scene.engine, case.case_id, writable=writable),
            html.Div(
                className="card case-overview",
                children=[
                    input_part(case, maps.switch(scene.maps), [maps.pictures_part()]),
                    network_part(
                        case,
                        {decision.layer: decision.alarm for decision in scene.decisions},
                        db.read.case_activations(scene.engine, case.case_id),
                        view.layer,
                        scene.maps.layer,
                    ),
                    output_part(case),
                ],
            ),
            channels.channels_part(),
            html.Div(
                className="case-body",
                children=[
                    html.Div(
                        [
                            decisions_part(
                                case, scene.decisions, view.layer, metric=view.metric, rule=view.rule
                            ),
                            detectors_part(case, db.read.score_decisions(scene.engine, case.case_id)),
                        ],
                        className="case-side",
                    ),
                    html.Div(
                        className="case-insight",
                        children=[
                            controls.toolbar_part(scene.state),
                            charts.charts_part(case),
                            what_if.what_if_part(),
                            neighbors.neighbors_part(),
                            pair.pair_part(),
                            twin.twin_part(),
                        ],
                    ),
                ],
            ),
        ]
    )
    fill(page, PARTS, scene)
    return list(page.children)


def validation_layout() -> html.Div:
    """All ids of the page, so that Dash can validate callbacks; without data."""
    stores = (ids.CASE_ID, ids.CASE_SHOWN, ids.CASE_DONE, ids.WHAT_IF_LIVE)
    return html.Div(
        [
            *(dcc.Store(id=one) for one in stores),
            html.Div(id=ids.CASE_NOTICE),
            html.P(id=ids.CASE_VERDICT),
            html.Div(id=ids.CASE_PAGE),
            charts.charts_part(None),
            what_if.what_if_part(),
            neighbors.neighbors_part(),
            pair.pair_part(),
            twin.twin_part(),
            html.Button(id=ids.case_layer("network", "")),
            dcc.Link(id=ids.case_link("list"), href=""),
            maps.pictures_part(),
            html.Button(id=ids.case_map("")),
            channels.channels_part(),
            html.Button(id=ids.case_channels("")),
            notes.validation_layout(),
        ]
    )


def register(app: Dash, engine: Engine, writer: Engine | None = None) -> None:
    """Connect the page: clicks write the address; the address and the theme determine what is shown."""
    notes.register(app, engine, writer)
    register_event(app, engine, lambda scene: draw_case(scene, writable=writer is not None))
