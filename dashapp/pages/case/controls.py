"""What the reader chooses in part C: metric and rule, and how the neighbors are shown.

The buttons say in `data-field` and `data-value` what they write into the address (assets/case/insight.js).
"""

from collections.abc import Sequence

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html
from dash.exceptions import PreventUpdate
from sqlalchemy import Engine

import db.read
from dashapp import ids
from dashapp.pages.case.address import PANELS
from dashapp.pages.case.state import CaseState, case_state
from dashapp.words import decisions
from dashapp.words import what_if as said

PANEL_NAMES = {"both": "Both", "graph": "Graph", "list": "List"}
PANEL_NOTES = {
    "both": "the graph and the ranked list side by side",
    "graph": "the graph alone",
    "list": "the ranked list alone",
}


def toolbar_part(metric: str, rule: str) -> html.Div:
    """The place of the switches; the page is drawn anew for another `metric` or `rule`."""
    return html.Div(
        [
            html.Div(id=ids.CASE_TOOLBAR, className="insight-toolbar"),
            dcc.Store(id=ids.CASE_DRAWN, data=f"{metric}/{rule}"),
            dcc.Store(id=ids.CASE_REDRAWN),
        ]
    )


def register(app: Dash, engine: Engine) -> None:
    """Keep the switches of metric and rule in step with the address."""

    app.clientside_callback(
        ClientsideFunction("caseChoice", "redrawn"),
        Output(ids.CASE_REDRAWN, "data"),
        Input(ids.CASE_TOOLBAR, "children"),
        prevent_initial_call=True,
    )

    @app.callback(
        Output(ids.CASE_TOOLBAR, "children"), Input(ids.LOCATION, "search"), State(ids.CASE_ID, "data")
    )
    def switches(search: str | None, case_id: int | None) -> list:
        if case_id is None:  # the page is being left
            raise PreventUpdate
        return toolbar(case_state(engine, db.read.case_detail(engine, case_id), search or ""))


def toolbar(state: CaseState) -> list:
    """The switches of metric and rule; a choice of one is words."""
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
                    className="insight-help-text",
                ),
            ],
            className="insight-help",
        ),
    ]


def panel_switch(state: CaseState, case: db.read.CaseDetail) -> list:
    """How the neighbors are shown; the graph as a picture; the view of both images."""
    view = state.view
    name = f"case-{case.case_id}-{view.layer}-{view.metric}.png"
    twin = html.Button(
        "Twin view",
        className="button twin-toggle",
        type="button",
        hidden=case.attack is None,
        title="The neighbors of the image before the attack beside these",
        **{
            "aria-pressed": decisions.aria(view.twin),
            "data-field": "twin",
            "data-value": "" if view.twin else "1",
        },
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
        control = html.Strong(chosen, title=notes.get(chosen))
    else:
        control = segmented(label, field, known, chosen, names, notes)
    return html.Div([html.Span(label, className="muted"), control], className="insight-switch")


def segmented(
    label: str,
    field: str,
    known: Sequence[str],
    chosen: str,
    names: dict[str, str],
    notes: dict[str, str],
) -> html.Div:
    """Buttons of which one is pressed; the first of `known` is the default, which the address leaves out."""
    return html.Div(
        [
            html.Button(
                names[one],
                key=one,
                type="button",
                title=notes.get(one),
                **{
                    "aria-pressed": decisions.aria(one == chosen),
                    "data-field": field,
                    "data-value": "" if one == known[0] else one,
                },
            )
            for one in known
        ],
        className="range-switch",
        role="group",
        **{"aria-label": label},
    )
