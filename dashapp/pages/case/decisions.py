"""Part B of the case view (paper, 4.3: right column): each layer's decision, its reason, what it recovers.

The detectors without neighbors are in `detectors.py`.
"""

from collections.abc import Sequence

from dash import html

import db.read
from dashapp import ids
from dashapp.decide import votes
from dashapp.pages.case.address import chooses
from dashapp.pages.case.overview import alarm_state, class_name
from dashapp.words import decisions as words
from dashapp.words.glossary import about
from db.vocabulary import OUTCOMES


def decisions_part(
    case: db.read.CaseDetail,
    decisions: Sequence[db.read.CaseDecision],
    shown: str,
    *,
    metric: str,
    rule: str,
) -> html.Aside:
    """One card per compared layer; a click chooses it.

    Args:
        case: the case.
        decisions: empty before tuning.
        shown: name of the layer that is chosen.
        metric, rule: what the decisions were made with.
    """
    by_layer = {decision.layer: decision for decision in decisions}
    if decisions:
        intro = []
        foot = [html.P(f"Rule {rule}: {words.RULE_NOTES[rule]}.", className="muted small")]
    else:
        intro, foot = [html.P(words.not_tuned_sentence(metric, rule), className="notice-line")], []
    return html.Aside(
        className="case-decisions",
        children=[
            html.Div(
                className="part-head",
                children=[html.H2("Decisions of the defense"), about("outcome"), _how(metric, rule)],
            ),
            *intro,
            *(
                _decision(case, layer, by_layer.get(layer.name), layer.name == shown)
                for layer in case.compared_layers
            ),
            *foot,
        ],
    )


def _how(metric: str, rule: str) -> html.Span:
    note = words.RULE_NOTES[rule]
    return html.Span(
        f"{metric} · {rule}",
        className="how muted small at-end",
        title=f"{metric} distances; rule {rule}: {note}",
    )


def _decision(
    case: db.read.CaseDetail,
    layer: db.read.CaseLayer,
    decision: db.read.CaseDecision | None,
    chosen: bool,
) -> html.Article:
    state, text = alarm_state(None if decision is None else decision.alarm)
    head = html.Div(
        className="decision-head",
        children=[
            html.H3(
                html.Button(
                    layer.title,
                    id=ids.case_layer("decisions", layer.name),
                    className="decision-choose",
                    type="button",
                    **{"aria-pressed": words.aria(chosen)},
                )
            ),
            html.Span(layer.note, className="muted small decision-note"),
            html.Span(text, className=f"state {state}"),
        ],
    )
    body = [] if decision is None else explain_decision(case, decision, decision.rule)
    return html.Article(
        [head, *body],
        className=f"decision card {state}",
        **chooses("layer", layer.name),
        **{"data-layer": layer.name, "aria-label": layer.title},
    )


def explain_decision(
    case: db.read.CaseDetail, decision: db.read.CaseDecision | votes.Decided, rule: str
) -> list[html.P]:
    """Why a layer alarms or not, what it recovers, and the outcome; as stored, or by the sliders."""
    names = case.class_names
    predicted, recovered = names[case.predicted_class], decision.recovered_class
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
        second = recovered_line(names[recovered], recovered, recovery)
    return [html.P(reason, className="decision-reason"), second, *outcome_line(decision.outcome)]


def recovered_line(name: str, class_id: int, why: str) -> html.P:
    """The class that an alarm recovers, and where it comes from."""
    return html.P(
        ["Recovered class: ", class_name(name, class_id), html.Span(why, className="muted recovery-why")],
        className="decision-recovered",
    )


def outcome_line(outcome: str | None) -> list[html.P]:
    """The outcome by its plain name; nothing if it is not known."""
    if outcome is None:
        return []
    right = OUTCOMES[outcome].right
    name, truth = words.outcome_sentence(outcome).split(": ")
    return [
        html.P(
            [
                html.Span("✓" if right else "✗", className="outcome-mark", **{"aria-hidden": "true"}),
                html.Strong(name),
                f": {truth}",
            ],
            className=f"outcome {'outcome-right' if right else 'outcome-wrong'}",
        )
    ]
