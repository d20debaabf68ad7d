"""Part B of the case view, second half: what the repair sweep and the baselines decide about the case."""

from collections.abc import Sequence
from typing import Any

from dash import html

import db.read
from dashapp.pages.case.decisions import outcome_line, recovered_line
from dashapp.pages.case.overview import alarm_state
from dashapp.words import detectors as words
from db.reasons import ScoreFacts
from db.vocabulary import DETECTORS


def detectors_part(case: db.read.CaseDetail, decisions: Sequence[db.read.ScoreDecision]) -> html.Section:
    """One card per detector, the repair sweep first; `decisions` is empty before an evaluation."""
    places = {name: place for place, name in enumerate(DETECTORS)}
    ordered = sorted(decisions, key=lambda one: places.get(one.detector, len(places)))
    if ordered:
        body = [
            html.P(words.SECTION_NOTE, className="muted small"),
            *(_card(case, decision) for decision in ordered),
        ]
    else:
        body = [html.P(words.NOT_EVALUATED, className="notice-line")]
    return html.Section(
        [html.H2("Other detectors"), *body], className="case-detectors", **{"aria-label": "Other detectors"}
    )


def _card(case: db.read.CaseDetail, decision: db.read.ScoreDecision) -> html.Article:
    state, text = alarm_state(decision.alarm)
    name = words.NAMES.get(decision.detector, decision.detector)
    head = html.Div(
        className="decision-head",
        children=[
            html.H3(name),
            html.Span(words.NOTES.get(decision.detector, ""), className="muted small decision-note"),
            html.Span(text, className=f"state {state}"),
        ],
    )
    place = {}
    if decision.row is not None:
        place = {"data-row": decision.row, "data-column": decision.column}
    return html.Article(
        [head, *_explanation(case, decision)],
        className=f"decision card {state}",
        **{"data-detector": decision.detector, "aria-label": name, **place},
    )


def _explanation(case: db.read.CaseDetail, decision: db.read.ScoreDecision) -> list[Any]:
    if decision.alarm is None:
        return [html.P(words.NO_SWEEP, className="muted")]
    names = case.class_names
    said = [html.P(_reason(decision, names, names[case.predicted_class]), className="decision-reason")]
    if decision.located is not None:
        said.append(html.P(words.located_sentence(decision.located), className="decision-located"))
    if decision.recovered_class is not None:
        recovered = names[decision.recovered_class]
        why = words.recovery_sentence(detector=decision.detector, recovered=recovered, true=case.true_name)
        said.append(recovered_line(recovered, decision.recovered_class, why))
    return [*said, *outcome_line(decision.outcome)]


def _reason(decision: db.read.ScoreDecision, names: Sequence[str], predicted: str) -> str:
    facts = ScoreFacts(
        score=decision.score,
        threshold=decision.threshold,
        predicted=predicted,
        other="" if decision.other is None else names[decision.other],
        row=decision.row,
        column=decision.column,
    )
    return words.reason_sentence(decision.detector, facts, alarm=decision.alarm)
