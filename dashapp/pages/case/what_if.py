"""Sliders for k and threshold: their effect on this case's alarm at once, and on all validation cases."""

from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update

from dashapp import ids
from dashapp.draw import figures, what_if_figures
from dashapp.pages.case.parts import Part
from dashapp.pages.case.scene import Scene
from dashapp.pages.case.what_if_parts import case_part, flips_part, marks, outcomes_part
from dashapp.words import what_if as said
from db.vocabulary import K_MAX


def what_if_part() -> html.Section:
    """The sliders and what depends on them; still empty."""
    return html.Section(
        id=ids.WHAT_IF,
        className="card what-if",
        hidden=True,
        children=[
            html.Div(
                className="part-head",
                children=[
                    html.H2("What if k or the threshold changed?"),
                    html.Button(
                        "Back to tuned",
                        id=ids.WHAT_IF_RESET,
                        className="button at-end",
                        type="button",
                        title="Back to the k and threshold that were chosen on the tuning cases",
                    ),
                ],
            ),
            html.Div(
                className="what-if-body",
                children=[
                    html.Div(
                        className="what-if-sliders",
                        children=[
                            _slider("k", "nearest neighbors counted", ids.WHAT_IF_K, said.K_NOTE, 1),
                            _slider(
                                "threshold",
                                "alarm above",
                                ids.WHAT_IF_THRESHOLD,
                                said.THRESHOLD_NOTE,
                                -1,
                            ),
                            html.Div(id=ids.WHAT_IF_CASE, className="what-if-case"),
                        ],
                    ),
                    html.Div(id=ids.WHAT_IF_COUNTS, className="what-if-counts"),
                    html.Div(
                        [
                            html.H3(
                                "ROC of the layer at this k", className="muted small", title=said.ROC_NOTE
                            ),
                            dcc.Graph(id=ids.WHAT_IF_ROC, config=figures.CONFIG, className="what-if-roc"),
                            html.P(
                                [
                                    html.Span("◇ tuned", className="what-if-key"),
                                    html.Span("● now", className="what-if-key is-now"),
                                ],
                                className="muted small",
                            ),
                        ],
                        className="what-if-curve",
                    ),
                ],
            ),
            html.Div(id=ids.WHAT_IF_FLIPS, className="what-if-flips"),
        ],
        **{"aria-label": "What if k or the threshold changed"},
    )


def _slider(name: str, meaning: str, slider: str, note: str, lowest: int) -> html.Div:
    return html.Div(
        className="what-if-slider",
        title=note,
        children=[
            html.Div([html.Strong(name), html.Span(meaning, className="muted")]),
            dcc.Slider(
                id=slider,
                min=lowest,
                max=K_MAX,
                step=1,
                value=lowest,
                marks={},
                included=True,
                updatemode="mouseup",
                className="what-if-range",
            ),
        ],
    )


def _key(scene: Scene) -> dict[str, Any]:
    """What the sliders show: the browser reads k, threshold, the tuned point and whether they are settled."""
    view, point = scene.view, scene.point
    return {
        "at": f"{view.layer}/{view.metric}/{view.rule}/{scene.theme}",
        "k": point.k,
        "threshold": point.threshold,
        "tuned": point.tuned and list(point.tuned),
        "settled": not scene.moving,  # the address has the same point
    }


def _draw_what_if(scene: Scene) -> dict[str, Any]:
    """Draw everything that depends on k and threshold; while a slider is moved, do not set the sliders."""
    decision, point = scene.decision_here, scene.point
    if decision is None or point.tuned is None:
        return {"hidden": True}
    values: dict[str, Any] = {
        "hidden": False,
        "case": case_part(scene.case, decision, scene.view.rule),
        "outcomes": outcomes_part(scene.outcomes, decision.threshold),
        "reset": not point.moved,
    }
    if scene.outcomes is not None:
        tuned = scene.outcomes.tuned
        values["roc"] = what_if_figures.roc(
            [row[1:] for row in scene.outcomes.at_k],
            k=decision.k,
            threshold=decision.threshold,
            tuned=tuned[1:],
            tuned_k=tuned.k,
            theme=scene.theme,
        )
    if scene.moving:
        return values
    most = min(K_MAX, len(scene.neighbors))
    values |= {
        "k": decision.k,
        "k_max": most,
        "k_marks": marks(1, most, point.tuned.k),
        "threshold": decision.threshold,
        "threshold_max": decision.k,
        "threshold_marks": marks(-1, decision.k, point.tuned.threshold),
    }
    # A slider that is already at its value may have been moved since: it is not set back.
    for name, value in scene.sliders.items():
        if values[name] == value:
            values[name] = no_update
    return values


def _key_of_flips(scene: Scene) -> list[Any]:
    view, point = scene.view, scene.point
    search = scene.search if point.moved else ""  # the links to the cases contain it
    return [view.layer, point.k, point.threshold, scene.moving and point.moved, search]


PARTS = (
    Part(
        "what_if",
        {
            "hidden": Output(ids.WHAT_IF, "hidden"),
            "case": Output(ids.WHAT_IF_CASE, "children"),
            "outcomes": Output(ids.WHAT_IF_COUNTS, "children"),
            "roc": Output(ids.WHAT_IF_ROC, "figure"),
            "reset": Output(ids.WHAT_IF_RESET, "disabled"),
            "k": Output(ids.WHAT_IF_K, "value"),
            "k_max": Output(ids.WHAT_IF_K, "max"),
            "k_marks": Output(ids.WHAT_IF_K, "marks"),
            "threshold": Output(ids.WHAT_IF_THRESHOLD, "value"),
            "threshold_max": Output(ids.WHAT_IF_THRESHOLD, "max"),
            "threshold_marks": Output(ids.WHAT_IF_THRESHOLD, "marks"),
        },
        _key,
        _draw_what_if,
    ),
    Part(
        "flips",
        {"flips": Output(ids.WHAT_IF_FLIPS, "children")},
        _key_of_flips,
        lambda scene: {"flips": flips_part(scene)},
    ),
)


def register(app: Dash) -> None:
    """Connect the sliders: while one moves the page is updated, when it is released the address is."""
    app.clientside_callback(
        ClientsideFunction("whatIf", "moved"),
        Output(ids.CASE_DONE, "data", allow_duplicate=True),
        Input(ids.WHAT_IF_K, "drag_value"),
        Input(ids.WHAT_IF_THRESHOLD, "drag_value"),
        State(ids.CASE_SHOWN, "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("whatIf", "released"),
        Output(ids.LOCATION, "search", allow_duplicate=True),
        Input(ids.WHAT_IF_K, "value"),
        Input(ids.WHAT_IF_THRESHOLD, "value"),
        Input(ids.WHAT_IF_RESET, "n_clicks"),
        State(ids.CASE_SHOWN, "data"),
        State(ids.LOCATION, "search"),
        prevent_initial_call=True,
    )
