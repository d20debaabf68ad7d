"""The reader's choices in part C: metric and rule, and how the neighbors are shown."""

from collections.abc import Sequence
from typing import Any

from dash import ALL, Output, html
from dash.development.base_component import Component

import db.read
from dashapp import ids
from dashapp.pages.case.address import PANELS, chooses
from dashapp.pages.case.parts import Part
from dashapp.pages.case.scene import Scene
from dashapp.pages.case.state import CaseState
from dashapp.words import decisions
from dashapp.words import what_if as said

PANEL_NAMES = {"both": "Both", "graph": "Graph", "list": "List"}
PANEL_NOTES = {
    "both": "the graph and the ranked list side by side",
    "graph": "the graph alone",
    "list": "the ranked list alone",
}


def toolbar_part(state: CaseState) -> html.Div:
    """The switches of metric and rule; another choice redraws the page."""
    return html.Div(_switches(state), id=ids.CASE_TOOLBAR, className="insight-toolbar row wrap")


def _switches(state: CaseState) -> list[Any]:
    """The switches and their help; a single option is shown as text."""
    view = state.view
    return [
        _switch("Metric", "metric", state.metrics, view.metric, said.METRIC_NOTES),
        _switch("Rule", "rule", state.rules, view.rule, decisions.RULE_NOTES),
        html.Details(
            [
                html.Summary("?", title="What metric and rule mean"),
                html.Div(
                    [
                        html.Dl(
                            [
                                html.Div([html.Dt(name), html.Dd(f"{note}.")])
                                for name, note in (
                                    *((one, said.METRIC_NOTES[one]) for one in state.metrics),
                                    *((one, decisions.RULE_NOTES[one]) for one in state.rules),
                                )
                            ]
                        ),
                        html.P(said.SWITCHES_NOTE, className="muted"),
                    ],
                    className="insight-help-text card floating",
                ),
            ],
            className="insight-help",
        ),
    ]


def panel_switch(state: CaseState, case: db.read.CaseDetail) -> list[Any]:
    """The button of the twin view, the switch of graph and list, and the button that saves the graph."""
    view = state.view
    name = f"case-{case.case_id}-{view.layer}-{view.metric}.png"
    twin = html.Button(
        "Twin view",
        className="button twin-toggle",
        type="button",
        hidden=case.attack is None,
        title="The neighbors of the image before the attack beside these",
        **chooses("twin", "" if view.twin else "1"),
        **{"aria-pressed": decisions.aria(view.twin)},
    )
    return [
        twin,
        segmented("Shown as", "panel", PANELS, view.panel, PANEL_NAMES, PANEL_NOTES),
        html.Button(
            "PNG",
            className="button graph-png",
            type="button",
            hidden=view.panel == "list",
            title=f"Save the graph as a picture: {name}",
            **{"data-name": name},
        ),
    ]


def _switch(label: str, field: str, known: Sequence[str], chosen: str, notes: dict[str, str]) -> html.Div:
    names = {one: one for one in known}
    if len(known) < 2:
        control: Component = html.Strong(chosen, title=notes.get(chosen))
    else:
        control = segmented(label, field, known, chosen, names, notes)
    return html.Div([html.Span(label, className="muted"), control], className="insight-switch row")


def segmented(
    label: str,
    field: str,
    known: Sequence[str],
    chosen: str,
    names: dict[str, str],
    notes: dict[str, str],
) -> html.Div:
    """Buttons, one of them pressed; the first of `known` is the default, which the address leaves out."""
    return html.Div(
        [
            html.Button(
                names[one],
                key=one,
                type="button",
                title=notes.get(one),
                **chooses(field, "" if one == known[0] else one),
                **{"aria-pressed": decisions.aria(one == chosen)},
            )
            for one in known
        ],
        className="range-switch",
        role="group",
        **{"aria-label": label},
    )


def _pressed_layers(scene: Scene) -> dict[str, Any]:
    buttons = scene.listed["pressed_layers"]
    return {"pressed_layers": [decisions.aria(one["layer"] == scene.view.layer) for one in buttons]}


PARTS = (
    Part(
        "layers",
        {"pressed_layers": Output(ids.case_layer(ALL, ALL), "aria-pressed")},
        lambda scene: scene.view.layer,
        _pressed_layers,
    ),
    Part(
        "panel",
        {
            "panel": Output(ids.CASE_NEIGHBORS, "className"),
            "panel_switch": Output(ids.CASE_PANEL, "children"),
        },
        lambda scene: [scene.view.layer, scene.view.panel, scene.view.twin],
        lambda scene: {
            "panel": f"neighbors-body shows-{scene.view.panel}",
            "panel_switch": panel_switch(scene.state, scene.case),
        },
    ),
)
