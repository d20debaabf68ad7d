"""What depends on the sliders: this case, the validation cases by outcome, those that flip."""

from typing import Any

from dash import Dash, dcc, html

import db.read
from dashapp.decide import votes
from dashapp.pages.case.address import other_case_search
from dashapp.pages.case.decisions import explain_decision
from dashapp.pages.case.overview import small_image
from dashapp.pages.case.scene import Scene
from dashapp.words import decisions
from dashapp.words import what_if as said
from db.vocabulary import OUTCOMES

FOLLOWED = 3000  # most validation cases whose flips are read while a slider moves: about 0.2 s


def marks(lowest: int, highest: int, tuned: int) -> dict[str, Any]:
    """Marks of a slider: its ends and the tuned point, which replaces an end that would overlap it."""
    near = max(1, (highest - lowest) // 5)
    labels: dict[int, Any] = {
        end: decisions.signed(end) for end in (lowest, highest) if abs(end - tuned) > near
    }
    if lowest <= tuned <= highest:
        text = f"▲ tuned {decisions.signed(tuned)}"
        shift = "-8px" if tuned - lowest <= near / 2 else "calc(-100% + 8px)"
        middle = near / 2 < tuned - lowest and near / 2 < highest - tuned
        labels[tuned] = text if middle else {"label": text, "style": {"transform": f"translateX({shift})"}}
    return {str(at): labels[at] for at in sorted(labels)}


def case_part(case: db.read.CaseDetail, decision: votes.Decided, rule: str) -> list[Any]:
    """This case's alarm, its reason, the recovered class and the outcome."""
    parts = [html.H3("This case", className="muted small"), *explain_decision(case, decision, rule)]
    return [html.Div(parts, className="what-if-decision " + ("is-alarm" if decision.alarm else "is-clear"))]


def outcomes_part(other: db.read.WhatIf | None, threshold: int) -> list[Any]:
    """The validation cases by outcome, with the change from the tuned point."""
    head = html.H3(
        "All validation cases",
        className="muted small",
        title="the cases that k and the threshold were not chosen on",
    )
    now = None if other is None else next((row for row in other.at_k if row.threshold == threshold), None)
    if other is None or now is None:
        return [head, html.P("There are no validation cases with neighbors yet.", className="muted")]

    def count(point: db.read.Outcomes, outcome: str) -> int:
        return int(getattr(point, outcome.lower()))

    def accuracy(point: db.read.Outcomes) -> float:
        return (point.tp + point.tn) / max(1, point.tp + point.fp + point.tn + point.fn)

    rows = [
        html.Tr(
            [
                html.Th(
                    [
                        html.Span(
                            "✓" if OUTCOMES[outcome].right else "✗",
                            className="outcome-mark",
                            **{"aria-hidden": "true"},
                        ),
                        decisions.outcome_name(outcome),
                        html.Span(f" {outcome}", className="muted"),
                    ],
                    scope="row",
                    title=said.OUTCOME_NOTES[outcome],
                ),
                html.Td(f"{count(now, outcome):,}"),
                _change(count(now, outcome), count(other.tuned, outcome), up=OUTCOMES[outcome].right),
            ]
        )
        for outcome in decisions.ATTACKED_FIRST
    ]
    points = round(1000 * accuracy(now)), round(1000 * accuracy(other.tuned))
    difference = (
        "same" if points[0] == points[1] else f"{(points[0] - points[1]) / 10:+.1f}".replace("-", "−")
    )
    rows.append(
        html.Tr(
            [
                html.Th("right decisions", scope="row", title="accuracy: detected or correctly quiet"),
                html.Td(decisions.percent(accuracy(now))),
                html.Td(difference, className=_better(points[0], points[1], up=True)),
            ],
            className="what-if-sum",
        )
    )
    columns = html.Tr(
        [html.Th("outcome", scope="col"), html.Th("now", scope="col"), html.Th("change", scope="col")]
    )
    return [head, html.Table([html.Thead(columns, className="muted"), html.Tbody(rows)])]


def _change(now: int, before: int, *, up: bool) -> html.Td:
    return html.Td(
        said.change(now, before), className=_better(now, before, up=up), title=f"tuned: {before:,}"
    )


def _better(now: int, before: int, *, up: bool) -> str:
    if now == before:
        return "is-same"
    return "is-better" if (now > before) == up else "is-worse"


def flips_part(scene: Scene) -> list[Any]:
    """The validation cases that flip, as small pictures that link to them.

    With very many cases they are not read until the slider is released.
    """
    state, view = scene.point, scene.view
    if state.tuned is None or state.k is None or state.threshold is None:
        return []
    if not state.moved:
        return [html.P(said.at_tuned_sentence(*state.tuned), className="muted")]
    if scene.moving:
        cases = 0 if scene.outcomes is None else sum(scene.outcomes.tuned[2:])
        if cases > FOLLOWED:
            return [html.P(said.many_sentence(cases), className="muted")]
    flips = db.read.flips(
        scene.engine,
        scene.case.scope,
        state.layer_id,
        state.k,
        state.threshold,
        metric=view.metric,
        rule=view.rule,
    )
    text = said.flips_sentence(flips.now_alarm, flips.no_longer, len(flips.shown))
    links = [html.Li(_flip(scene.app, scene.case, one, scene.search)) for one in flips.shown]
    return [html.P(text, className="what-if-flipped"), html.Ul(links, className="flip-list")]


def _flip(app: Dash, case: db.read.CaseDetail, one: db.read.Flip, search: str) -> dcc.Link:
    names = case.class_names
    what = "attacked" if one.kind == "adversarial" else "clean"
    turned = "now alarms" if one.alarms else "no longer alarms"
    here = " is-here" if one.case_id == case.case_id else ""
    return dcc.Link(
        [
            small_image(app, one.image, case.original, 36),
            html.Span(
                [
                    html.Strong(f"{'▲' if one.alarms else '▽'} {one.case_id}"),
                    html.Span(what, className="muted"),
                ]
            ),
        ],
        href=app.get_relative_path(f"/case/{one.case_id}") + other_case_search(search),
        className=f"flip row {'is-alarm' if one.alarms else 'is-clear'}{here}",
        title=f"Case {one.case_id} {turned}: {what}, predicted {names[one.predicted_class]}, "
        f"truly {names[one.true_class]}",
    )
