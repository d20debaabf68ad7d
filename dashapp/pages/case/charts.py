"""Part C of the case view, first half: the softmax output and the distribution of the neighbors' labels."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from dash import Output, dcc, html

import db.read
from dashapp import ids
from dashapp.draw import figures
from dashapp.pages.case.parts import Part
from dashapp.pages.case.scene import Scene
from dashapp.pages.case.state import UNTUNED_SHOWN
from dashapp.pages.case.twin import original_softmax
from dashapp.words import decisions
from dashapp.words.glossary import about


def charts_part(case: db.read.CaseDetail | None) -> html.Div:
    """The two bar charts, without their figures; None: the ids alone."""

    def chart(title: str, entry: str, figure_id: str, text_id: str, text: str = "") -> html.Section:
        return html.Section(
            className="card chart",
            children=[
                html.Div(
                    [html.H2(title), about(entry), html.Span(text, id=text_id, className="muted small")],
                    className="part-head",
                ),
                dcc.Graph(id=figure_id, config=figures.CONFIG, className=f"chart-figure {figure_id}"),
            ],
        )

    softmax = "" if case is None else _softmax_text(case)
    return html.Div(
        className="charts halves",
        children=[
            chart("Softmax output", "softmax", ids.CASE_SOFTMAX, ids.CASE_SOFTMAX_TEXT, softmax),
            chart("Neighbors distribution", "unexpected", ids.CASE_COUNTS, ids.CASE_COUNTS_TEXT),
        ],
    )


def class_counts(neighbors: Sequence[db.read.CaseNeighbor], classes: int) -> list[int]:
    """(classes,) how many of the neighbors have each label."""
    counts = Counter(neighbor.label for neighbor in neighbors)
    return [counts[label] for label in range(classes)]


def _softmax_text(case: db.read.CaseDetail) -> str:
    true_probability = next((one.probability for one in case.scores if one.class_id == case.true_class), 0.0)
    return decisions.softmax_text(
        predicted=case.class_names[case.predicted_class],
        true=case.true_name,
        true_probability=true_probability,
        rank=1 + sum(score.probability > true_probability for score in case.scores),
    )


def _draw_softmax(scene: Scene) -> dict[str, Any]:
    case = scene.case
    figure = figures.softmax_bars(
        [score.probability for score in case.scores],
        original=original_softmax(scene.engine, case),
        class_names=case.class_names,
        predicted=case.predicted_class,
        true=case.true_class,
        theme=scene.theme,
    )
    return {"softmax": figure}


def _draw_counts(scene: Scene) -> dict[str, Any]:
    """Draw the labels of the neighbors that the sliders' k counts, and what is counted."""
    case, view, decision = scene.case, scene.view, scene.decision_here
    counted = scene.neighbors[: UNTUNED_SHOWN if decision is None else decision.k]
    return {
        "counts": figures.neighbor_bars(
            class_counts(counted, len(case.class_names)),
            class_names=case.class_names,
            predicted=case.predicted_class,
            true=case.true_class,
            theme=scene.theme,
            k=len(counted),
            threshold=None if decision is None else decision.threshold,
            rule=view.rule,
        ),
        "counts_text": decisions.counts_text(
            layer=view.layer, metric=view.metric, rule=view.rule, tuned=decision is not None
        ),
    }


PARTS = (
    Part(
        "softmax", {"softmax": Output(ids.CASE_SOFTMAX, "figure")}, lambda scene: scene.theme, _draw_softmax
    ),
    Part(
        "counts",
        {
            "counts": Output(ids.CASE_COUNTS, "figure"),
            "counts_text": Output(ids.CASE_COUNTS_TEXT, "children"),
        },
        lambda scene: [scene.view.layer, scene.point.k, scene.point.threshold, scene.theme],
        _draw_counts,
    ),
)
