"""The detectors, `/detectors`: how well each does, beside baselines that need no neighbors at all.

Every control is a link to a new address, as on the case list. `layout` draws everything but the figures;
the callback draws these, as they need the theme.
"""

from collections.abc import Sequence
from typing import Any

from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate
from sqlalchemy import Engine

import db.read
from dashapp import ids
from dashapp.decide.evidence_points import paper_k
from dashapp.draw import evidence_figures, figures
from dashapp.draw.evidence_figures import Curve
from dashapp.draw.html_parts import scope_attributes
from dashapp.pages import not_found
from dashapp.pages.detectors import parts
from dashapp.pages.detectors.table import table
from dashapp.router import Visit
from db.read import DetectorRow, EvidenceQuery

PATH = "/detectors"
TITLE = "Detectors"


def layout(app: Dash, engine: Engine, visit: Visit) -> Component:
    """The page for the visit's query string."""
    search = visit.search
    home = app.get_relative_path(PATH)
    try:
        query, options = db.read.evidence_query(engine, search)
    except db.read.QueryError as error:
        return not_found.refused(error.problem, error.allowed, "Show the detectors", home)
    if not options.detectors:
        return html.Div(parts.not_evaluated(options), **scope_attributes(query.scope))
    rows = db.read.evidence_summary(engine, query)
    chosen = chosen_row(rows, query)
    return html.Div(
        className="detectors",
        children=[
            dcc.Store(id=ids.DETECTORS_SEARCH, data=search),
            parts.head(query, rows, chosen),
            parts.filters(query, options, home),
            *(_evidence(query, rows, chosen, home) if chosen else [parts.no_match(home)]),
            html.Div(
                [
                    parts.divergence(
                        db.read.evidence_divergence(engine, query), db.read.divergence_question(query)
                    ),
                    parts.reading(),
                ],
                className="detector-foot halves",
            ),
        ],
        **scope_attributes(query.scope),
    )


def validation_layout() -> html.Div:
    """All ids of the page, so that Dash can validate callbacks; without data."""
    return html.Div([dcc.Store(id=ids.DETECTORS_SEARCH), *_charts(None, (), None)])


def register(app: Dash, engine: Engine, _writer: Engine | None = None) -> None:
    """Connect the charts: they depend on the address and the theme."""

    @app.callback(
        Output(ids.DETECTORS_ROC, "figure"),
        Output(ids.DETECTORS_THRESHOLDS, "figure"),
        Output(ids.DETECTORS_K, "figure"),
        Input(ids.DETECTORS_SEARCH, "data"),
        Input(ids.THEME, "data"),
    )
    def draw(search: str | None, theme: str | None) -> tuple[Any, ...]:
        if search is None:  # the page is being left
            raise PreventUpdate
        return drawn(engine, search, theme or "light")


def drawn(engine: Engine, search: str, theme: str) -> tuple[Any, ...]:
    """The three figures of an address that `layout` has accepted."""
    query, _ = db.read.evidence_query(engine, search)
    rows = db.read.evidence_summary(engine, query)
    chosen = chosen_row(rows, query)
    if chosen is None:  # the database was changed since the page was drawn
        raise PreventUpdate
    compared = compared_rows(rows, chosen)
    points = db.read.evidence_curves(engine, query, compared)
    by_k = db.read.evidence_by_k(engine, query, chosen.detector) if chosen.layer else []
    paper = paper_k(chosen, db.read.paper_ks(engine, query.scope))
    return (
        evidence_figures.roc(
            [Curve(row, points[row.detector], row is chosen) for row in compared],
            theme=theme,
            by_layer=db.read.ANY not in (query.metric, query.rule, query.reference),
        ),
        evidence_figures.threshold_rates(points[chosen.detector], chosen, theme=theme),
        evidence_figures.accuracy_by_k(by_k, chosen=chosen.k, paper=paper, theme=theme),
    )


def chosen_row(rows: Sequence[DetectorRow], query: EvidenceQuery) -> DetectorRow | None:
    """The chosen detector: the address's, or else the k-NN detector with the largest AUC."""
    asked = next((row for row in rows if row.detector == query.detector), None)
    return asked or max(rows, key=lambda row: (row.kind == "neighbors", auc(row)), default=None)


def compared_rows(rows: Sequence[DetectorRow], chosen: DetectorRow) -> list[DetectorRow]:
    """The curves to draw, the largest AUC first: one per layer, the chosen detector or the best."""
    best: dict[str, DetectorRow] = {}
    for row in sorted(rows, key=lambda row: (row is chosen, auc(row)), reverse=True):
        best.setdefault(row.layer or row.detector, row)
    return sorted(best.values(), key=auc, reverse=True)


def auc(row: DetectorRow) -> float:
    """The AUC to sort by; unknown ones last."""
    return row.auc.value if row.auc else -1.0


def _evidence(
    query: EvidenceQuery, rows: Sequence[DetectorRow], chosen: DetectorRow, home: str
) -> list[Component]:
    return [
        html.Div(
            [
                table(rows, query, chosen, home),
                parts.table_foot(query),
            ]
        ),
        html.Div(_charts(query, rows, chosen), className="detector-charts halves"),
    ]


def _charts(
    query: EvidenceQuery | None, rows: Sequence[DetectorRow], chosen: DetectorRow | None
) -> list[Component]:
    """The three cards of the charts; without a detector their ids alone."""

    def graph(figure_id: str, *, hidden: bool = False) -> Component:
        style = {"display": "none"} if hidden else None
        classes = f"detector-figure {figure_id}"
        return dcc.Graph(id=figure_id, config=figures.CONFIG, className=classes, style=style)

    if query is None or chosen is None:
        return [graph(one) for one in (ids.DETECTORS_ROC, ids.DETECTORS_THRESHOLDS, ids.DETECTORS_K)]
    compared = compared_rows(rows, chosen)
    roc = "One curve a layer: its best, or the chosen one. Dot: chosen threshold."
    if db.read.ANY not in (query.metric, query.rule, query.reference):
        roc = "Dot: chosen threshold. Dashed: the baselines. The diagonal: chance."
    return [
        parts.chart("ROC curves", roc, graph(ids.DETECTORS_ROC), db.read.curves_question(query, compared)),
        parts.chart(
            f"{chosen.detector}: what the threshold does",
            f"On the {query.partition} cases. More alarms to the left, fewer to the right.",
            graph(ids.DETECTORS_THRESHOLDS),
            db.read.curves_question(query, [chosen]),
        ),
        parts.chart(
            f"{chosen.detector}: what k does",
            "Each k at its threshold of the equal error rate on the tuning cases."
            if chosen.layer
            else "It counts no neighbors: there is no k.",
            graph(ids.DETECTORS_K, hidden=chosen.layer is None),
            db.read.k_question(query, chosen.detector) if chosen.layer else None,
        ),
    ]
