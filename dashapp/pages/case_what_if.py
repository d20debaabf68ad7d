"""Sliders for k and threshold: this case's alarm at once, and what that does to all validation cases."""

from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.exceptions import PreventUpdate
from sqlalchemy import Engine

import db.read
from dashapp import figures, ids, votes, what_if_figures, words
from dashapp import what_if_words as said
from dashapp.pages.case_address import K_MOST
from dashapp.pages.case_insight import class_counts
from dashapp.pages.case_overview import class_name, image_address
from dashapp.pages.case_state import UNTUNED_SHOWN, CaseState, case_state, decided

OUTCOMES = ("TP", "FN", "TN", "FP")
CASE_PATH = "/case/{}"


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
                            _slider("k", "nearest neighbours counted", ids.WHAT_IF_K, said.K_NOTE, 1),
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
                max=K_MOST,
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
        state = _state(engine, case, search, live, moving=ctx.triggered_id == ids.WHAT_IF_LIVE)
        return flips_part(app, engine, case, state, search or "")


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
        "counts_text": words.counts_text(
            layer=view.layer, metric=view.metric, rule=view.rule, tuned=decision is not None
        ),
    }
    if decision is None or state.tuned is None:
        return result
    other = db.read.what_if(
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
        most = min(K_MOST, len(neighbors))
        result |= {
            "k": decision.k,
            "k_max": most,
            "k_marks": marks(1, most, state.tuned.k),
            "threshold": decision.threshold,
            "threshold_max": decision.k,
            "threshold_marks": marks(-1, decision.k, state.tuned.threshold),
        }
    return result


def marks(lowest: int, highest: int, tuned: int) -> dict[str, Any]:
    """Marks of a slider: its ends and the tuned point, which wins where they would overlap."""
    near = max(1, (highest - lowest) // 5)
    ends = {end: words.signed(end) for end in (lowest, highest) if abs(end - tuned) > near}
    if lowest <= tuned <= highest:
        ends[tuned] = f"▲ tuned {words.signed(tuned)}"
    return {str(at): text for at, text in sorted(ends.items())}


def case_part(case: db.read.CaseDetail, decision: votes.Decided, rule: str) -> list:
    """This case's alarm, why, what is recovered and how it turned out."""
    names = case.class_names
    predicted = names[case.predicted_class]
    recovered = decision.recovered_class
    reason = words.reason_sentence(
        rule=rule,
        k=decision.k,
        threshold=decision.threshold,
        count=decision.unexpected_count,
        alarm=decision.alarm,
        predicted=predicted,
    )
    recovery = words.recovery_sentence(
        alarm=decision.alarm,
        k=decision.k,
        majority=None if decision.majority_class is None else names[decision.majority_class],
        recovered=None if recovered is None else names[recovered],
        predicted=predicted,
        true=case.true_name,
    )
    if recovered is None:
        second = html.P(recovery, className="muted")
    else:
        found = class_name(names[recovered], recovered)
        second = html.P(["Recovered class: ", found, html.Span(recovery, className="muted recovery-why")])
    parts = [html.H3("This case"), html.P(reason, className="decision-reason"), second]
    if decision.outcome is not None:
        right = decision.outcome in ("TP", "TN")
        name, truth = words.outcome_sentence(decision.outcome).split(": ")
        parts.append(
            html.P(
                [
                    html.Span("✓" if right else "✗", className="outcome-mark", **{"aria-hidden": "true"}),
                    html.Strong(name),
                    f": {truth}",
                ],
                className=f"outcome {'outcome-right' if right else 'outcome-wrong'}",
            )
        )
    return [html.Div(parts, className="what-if-decision " + ("is-alarm" if decision.alarm else "is-clear"))]


def outcomes_part(other: db.read.WhatIf | None, threshold: int) -> list:
    """The validation cases by outcome, with the change from the tuned point."""
    head = html.H3("All validation cases", title="the cases that k and the threshold were not chosen on")
    now = None if other is None else next((row for row in other.at_k if row.threshold == threshold), None)
    if other is None or now is None:
        return [head, html.P("There are no validation cases with neighbours yet.", className="muted")]

    def count(point: db.read.Outcomes, outcome: str) -> int:
        return getattr(point, outcome.lower())

    def accuracy(point: db.read.Outcomes) -> float:
        return (point.tp + point.tn) / max(1, point.tp + point.fp + point.tn + point.fn)

    rows = [
        html.Tr(
            [
                html.Th(
                    [
                        html.Span(
                            "✓" if outcome in ("TP", "TN") else "✗",
                            className="outcome-mark",
                            **{"aria-hidden": "true"},
                        ),
                        words.outcome_name(outcome),
                        html.Span(f" {outcome}", className="muted"),
                    ],
                    scope="row",
                    title=said.OUTCOME_NOTES[outcome],
                ),
                html.Td(f"{count(now, outcome):,}"),
                _change(count(now, outcome), count(other.tuned, outcome), up=outcome in ("TP", "TN")),
            ]
        )
        for outcome in OUTCOMES
    ]
    points = round(1000 * accuracy(now)), round(1000 * accuracy(other.tuned))
    difference = (
        "same" if points[0] == points[1] else f"{(points[0] - points[1]) / 10:+.1f}".replace("-", "−")
    )
    rows.append(
        html.Tr(
            [
                html.Th("right decisions", scope="row", title="accuracy: detected or correctly quiet"),
                html.Td(words.percent(accuracy(now))),
                html.Td(difference, className=_better(points[0], points[1], up=True)),
            ],
            className="what-if-sum",
        )
    )
    columns = html.Tr(
        [html.Th("outcome", scope="col"), html.Th("now", scope="col"), html.Th("change", scope="col")]
    )
    return [head, html.Table([html.Thead(columns), html.Tbody(rows)])]


def _change(now: int, before: int, *, up: bool) -> html.Td:
    return html.Td(
        said.change(now, before), className=_better(now, before, up=up), title=f"tuned: {before:,}"
    )


def _better(now: int, before: int, *, up: bool) -> str:
    if now == before:
        return "is-same"
    return "is-better" if (now > before) == up else "is-worse"


def flips_part(app: Dash, engine: Engine, case: db.read.CaseDetail, state: CaseState, search: str) -> list:
    """The validation cases that flip, as small pictures that lead to them."""
    if state.tuned is None or state.k is None or state.threshold is None:
        return []
    if not state.moved:
        return [html.P(said.at_tuned_sentence(*state.tuned), className="muted")]
    view = state.view
    found = db.read.flips(
        engine,
        case.network_id,
        state.layer_id,
        state.k,
        state.threshold,
        metric=view.metric,
        rule=view.rule,
    )
    text = said.flips_sentence(found.now_alarm, found.no_longer, len(found.shown))
    return [
        html.P(text, className="what-if-flipped"),
        html.Ul([html.Li(_flip(app, case, one, search)) for one in found.shown], className="flip-list"),
    ]


def _flip(app: Dash, case: db.read.CaseDetail, one: db.read.Flip, search: str) -> dcc.Link:
    names = case.class_names
    what = "attacked" if one.kind == "adversarial" else "clean"
    turned = "now alarms" if one.alarms else "no longer alarms"
    here = " is-here" if one.case_id == case.case_id else ""
    return dcc.Link(
        [
            html.Img(src=image_address(app, one.image), alt="", className="pixels", width=36, height=36),
            html.Span(
                [
                    html.Strong(f"{'▲' if one.alarms else '▽'} {one.case_id}"),
                    html.Span(what, className="muted"),
                ]
            ),
        ],
        href=app.get_relative_path(CASE_PATH.format(one.case_id)) + search,
        className=f"flip {'is-alarm' if one.alarms else 'is-clear'}{here}",
        title=f"Case {one.case_id} {turned}: {what}, predicted {names[one.predicted_class]}, "
        f"truly {names[one.true_class]}",
    )
