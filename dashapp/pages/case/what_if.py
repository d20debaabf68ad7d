"""Sliders for k and threshold: this case's alarm at once, and what that does to all validation cases."""

from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.exceptions import PreventUpdate
from sqlalchemy import Engine

import db.read
from dashapp import ids
from dashapp.draw import figures, what_if_figures
from dashapp.pages.case.insight import class_counts
from dashapp.pages.case.state import UNTUNED_SHOWN, CaseState, case_state, decided
from dashapp.pages.case.what_if_parts import case_part, flips_part, marks, outcomes_part
from dashapp.words import decisions
from dashapp.words import what_if as said
from db.vocabulary import K_MAX


def what_if_part() -> html.Section:
    """The sliders and what follows them; the page's callbacks fill it."""
    return html.Section(
        id=ids.WHAT_IF,
        className="card what-if",
        hidden=True,
        children=[
            html.Div(
                className="part-head",
                children=[
                    html.H2("What if k or the threshold were others?"),
                    html.Button(
                        "Back to tuned",
                        id=ids.WHAT_IF_RESET,
                        className="button what-if-reset",
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
                            html.H3("ROC of the layer at this k", title=said.ROC_NOTE),
                            dcc.Graph(id=ids.WHAT_IF_ROC, config=figures.CONFIG, className="what-if-roc"),
                            html.P(
                                [
                                    html.Span("◇ tuned", className="what-if-key"),
                                    html.Span("● now", className="what-if-key is-now"),
                                ],
                                className="muted",
                            ),
                        ],
                        className="what-if-curve",
                    ),
                ],
            ),
            html.Div(id=ids.WHAT_IF_FLIPS, className="what-if-flips"),
            dcc.Store(id=ids.WHAT_IF_SHOWN),
            dcc.Store(id=ids.WHAT_IF_LIVE),
            dcc.Store(id=ids.WHAT_IF_DONE),
        ],
        **{"aria-label": "What if k or the threshold were others"},
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


def register(app: Dash, engine: Engine) -> None:
    """Connect the sliders: while one moves the page follows, when it is let go the address does."""
    app.clientside_callback(
        ClientsideFunction("whatIf", "moved"),
        Output(ids.WHAT_IF_DONE, "data"),
        Input(ids.WHAT_IF_K, "drag_value"),
        Input(ids.WHAT_IF_THRESHOLD, "drag_value"),
        State(ids.WHAT_IF_SHOWN, "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("whatIf", "answered"),
        Output(ids.WHAT_IF_DONE, "data", allow_duplicate=True),
        Input(ids.WHAT_IF_SHOWN, "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("whatIf", "released"),
        Output(ids.LOCATION, "search", allow_duplicate=True),
        Input(ids.WHAT_IF_K, "value"),
        Input(ids.WHAT_IF_THRESHOLD, "value"),
        Input(ids.WHAT_IF_RESET, "n_clicks"),
        State(ids.WHAT_IF_SHOWN, "data"),
        State(ids.LOCATION, "search"),
        prevent_initial_call=True,
    )

    @app.callback(
        output={
            "hidden": Output(ids.WHAT_IF, "hidden"),
            "counts": Output(ids.CASE_COUNTS, "figure"),
            "counts_text": Output(ids.CASE_COUNTS_TEXT, "children"),
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
            "shown": Output(ids.WHAT_IF_SHOWN, "data"),
        },
        inputs={
            "live": Input(ids.WHAT_IF_LIVE, "data"),
            "search": Input(ids.LOCATION, "search"),
            "theme": Input(ids.THEME, "data"),
        },
        state={
            "case_id": State(ids.CASE_ID, "data"),
            "shown": State(ids.WHAT_IF_SHOWN, "data"),
            "sliders": {
                "k": State(ids.WHAT_IF_K, "value"),
                "threshold": State(ids.WHAT_IF_THRESHOLD, "value"),
            },
        },
    )
    def preview(
        live: dict | None,
        search: str | None,
        theme: str | None,
        case_id: int,
        shown: dict | None,
        sliders: dict[str, int | None],
    ) -> dict[str, Any]:
        if case_id is None:  # the page is being left
            raise PreventUpdate
        case = db.read.case_detail(engine, case_id)
        moving = ctx.triggered_id == ids.WHAT_IF_LIVE
        state = _state(engine, case, search, live, moving=moving)
        found = previewed(engine, case, state, theme or "light", shown, moving=moving)
        # A slider that is there already may have been moved on since: it is not set back.
        return found | {name: no_update for name, value in sliders.items() if found[name] == value}

    @app.callback(
        Output(ids.WHAT_IF_FLIPS, "children"),
        Input(ids.WHAT_IF_LIVE, "data"),
        Input(ids.LOCATION, "search"),
        State(ids.CASE_ID, "data"),
    )
    def flip(live: dict | None, search: str | None, case_id: int) -> list:
        if case_id is None:
            raise PreventUpdate
        case = db.read.case_detail(engine, case_id)
        moving = ctx.triggered_id == ids.WHAT_IF_LIVE
        state = _state(engine, case, search, live, moving=moving)
        return flips_part(app, engine, case, state, search or "", moving=moving)


def _state(
    engine: Engine, case: db.read.CaseDetail, search: str | None, live: dict | None, *, moving: bool
) -> CaseState:
    """What the address says, or the sliders while they are moved."""
    state = case_state(engine, case, search or "")
    if moving and live and state.tuned is not None:
        return state.at(int(live["k"]), int(live["threshold"]))
    return state


def previewed(
    engine: Engine,
    case: db.read.CaseDetail,
    state: CaseState,
    theme: str,
    shown: dict | None,
    *,
    moving: bool,
) -> dict[str, Any]:
    """Everything that follows k and threshold, by the names in `register`.

    Args:
        shown: what is shown already, None at first.
        moving: a slider is being moved; then the sliders are left alone.
    """
    view = state.view
    now = {
        "at": f"{case.case_id}/{view.layer}/{view.metric}/{view.rule}/{theme}",
        "k": state.k,
        "threshold": state.threshold,
        "tuned": state.tuned and list(state.tuned),
        "settled": not moving,  # the address says so too
    }
    if now == shown:
        raise PreventUpdate
    neighbors = db.read.case_neighbors(engine, case.case_id, view.layer, metric=view.metric)
    decision = decided(case, state, neighbors)
    counted = neighbors[: UNTUNED_SHOWN if decision is None else decision.k]
    kept = "case outcomes roc reset k k_max k_marks threshold threshold_max threshold_marks"
    result: dict[str, Any] = dict.fromkeys(kept.split(), no_update)
    result |= {
        "shown": now,
        "hidden": decision is None,
        "counts": figures.neighbor_bars(
            class_counts(counted, len(case.class_names)),
            class_names=case.class_names,
            predicted=case.predicted_class,
            true=case.true_class,
            theme=theme,
            k=len(counted),
            threshold=None if decision is None else decision.threshold,
            rule=view.rule,
        ),
        "counts_text": decisions.counts_text(
            layer=view.layer, metric=view.metric, rule=view.rule, tuned=decision is not None
        ),
    }
    if decision is None or state.tuned is None:
        return result
    other = db.read.what_if_outcomes(
        engine, state.layer_id, state.tuned, decision.k, metric=view.metric, rule=view.rule
    )
    result |= {
        "case": case_part(case, decision, view.rule),
        "outcomes": outcomes_part(other, decision.threshold),
        "reset": not state.moved,
    }
    if other is not None:
        tuned = other.tuned
        result["roc"] = what_if_figures.roc(
            [row[1:] for row in other.at_k],
            k=decision.k,
            threshold=decision.threshold,
            tuned=tuned[1:],
            tuned_k=tuned.k,
            theme=theme,
        )
    if not moving:
        most = min(K_MAX, len(neighbors))
        result |= {
            "k": decision.k,
            "k_max": most,
            "k_marks": marks(1, most, state.tuned.k),
            "threshold": decision.threshold,
            "threshold_max": decision.k,
            "threshold_marks": marks(-1, decision.k, state.tuned.threshold),
        }
    return result
