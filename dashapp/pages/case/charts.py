"""Part C of the case view, first half: the softmax output and the distribution of the neighbors' labels.

Of many classes the charts show some; a field finds any other by its name and adds it to both.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from dash import Output, dcc, html

import db.read
from dashapp import ids
from dashapp.decide.shown_classes import ALL_SHOWN
from dashapp.draw import figures
from dashapp.draw.html_parts import drawn, element
from dashapp.pages.case.address import MOST_FOUND, chooses
from dashapp.pages.case.overview import class_name
from dashapp.pages.case.parts import Part
from dashapp.pages.case.scene import Scene
from dashapp.pages.case.state import UNTUNED_SHOWN
from dashapp.pages.case.twin import original_softmax
from dashapp.words import decisions
from dashapp.words.glossary import about

LIST = "class-names"  # id of the datalist


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
            _finder(case.class_names if case is not None else ()),
            chart("Softmax output", "softmax", ids.CASE_SOFTMAX, ids.CASE_SOFTMAX_TEXT, softmax),
            chart("Neighbors distribution", "unexpected", ids.CASE_COUNTS, ids.CASE_COUNTS_TEXT),
        ],
    )


def _finder(names: Sequence[str]) -> html.Div:
    """The field that finds a class, and those that were found; hidden where every class is shown."""
    options = [element("option", value=name, **{"data-class": c}) for c, name in enumerate(names)]
    few = len(names) <= ALL_SHOWN
    field = element(
        "input",
        **{
            "type": "search",
            "className": "field",
            "autocomplete": "off",
            "list": LIST,
            "placeholder": f"Add one of {len(names):,} classes to the charts …",
            "aria-label": "Add a class to the charts, by its name",
            "data-adds": "classes",
            "data-most": MOST_FOUND,
        },
    )
    inside = [] if few else [drawn([field, element("datalist", options, id=LIST)], className="class-field")]
    return html.Div(
        [*inside, html.Div(id=ids.CASE_CLASSES, className="row wrap")],
        className="class-finder row wrap",
        hidden=few,
    )


def _draw_found(scene: Scene) -> dict[str, Any]:
    """A button for each class that was added, which removes it."""
    names, found = scene.case.class_names, scene.view.classes
    return {
        "found": [
            html.Button(
                [class_name(names[c], c), html.Span("×", className="muted", **{"aria-hidden": "true"})],
                className="button",
                type="button",
                title=f"Remove {names[c]} from the charts",
                **chooses("classes", ",".join(str(other) for other in found if other != c)),
            )
            for c in found
        ]
    }


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
        classes=scene.chart_classes,
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
            classes=scene.chart_classes,
        ),
        "counts_text": decisions.counts_text(
            layer=view.layer, metric=view.metric, rule=view.rule, tuned=decision is not None
        ),
    }


PARTS = (
    Part(
        "softmax",
        {"softmax": Output(ids.CASE_SOFTMAX, "figure")},
        lambda scene: [scene.theme, scene.chart_classes],
        _draw_softmax,
    ),
    Part(
        "found",
        {"found": Output(ids.CASE_CLASSES, "children")},
        lambda scene: list(scene.view.classes),
        _draw_found,
    ),
    Part(
        "counts",
        {
            "counts": Output(ids.CASE_COUNTS, "figure"),
            "counts_text": Output(ids.CASE_COUNTS_TEXT, "children"),
        },
        lambda scene: [
            *(scene.view.layer, scene.point.k, scene.point.threshold, scene.theme),
            scene.chart_classes,
        ],
        _draw_counts,
    ),
)
