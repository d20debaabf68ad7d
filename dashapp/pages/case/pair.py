"""The pair view: the case's activations in a layer beside those of one neighbor (`pair=` in the address)."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from dash import Dash, Output, dcc, html
from sqlalchemy import Engine

import db.read
from dashapp import ids
from dashapp.decide import pairs
from dashapp.draw import activation_maps, figures, pair_figures
from dashapp.pages.case.address import ORDERS, chooses
from dashapp.pages.case.controls import segmented
from dashapp.pages.case.overview import class_name, small_image
from dashapp.pages.case.parts import Part
from dashapp.pages.case.scene import Scene
from dashapp.pages.case.state import CaseState
from dashapp.words import decisions
from dashapp.words import pairs as pair_words
from dashapp.words.what_if import METRIC_NOTES
from db.scope import Scope
from db.vocabulary import COMPOSITIONS, METRICS

STATISTICS = "pair-statistics"  # name of the Flask extension that caches statistics of reference sets
LISTED = 8  # units with the largest differences, named one by one
READ_UNASKED = 40_000_000  # most reference values that are read for only one row of the table
CHART = {**figures.CONFIG, "doubleClick": "reset"}

Mean = Callable[[Scope, int, int], pairs.Statistics]  # scope, layer id, reference samples -> statistics


class Pair(NamedTuple):
    """Two activation vectors and what is needed to compare them."""

    mine: np.ndarray  # (D,)
    theirs: np.ndarray  # (D,)
    mean: np.ndarray | None  # (D,) of the reference set; None: not read
    names: list[str]  # (D,)


def pair_part() -> html.Section:
    """The container of the pair, still empty."""
    return html.Section(
        id=ids.PAIR,
        className="card pair",
        hidden=True,
        tabIndex=-1,
        children=[
            html.Div(id=ids.PAIR_BODY),
        ],
        **{"aria-label": "This case beside one neighbor"},
    )


def register(app: Dash, engine: Engine) -> None:
    """Register a function that reads a layer's statistics over the reference set once and caches them."""

    @lru_cache(maxsize=16)
    def statistics(scope: Scope, layer_id: int, _references: int) -> pairs.Statistics:
        return pairs.statistics(db.read.reference_blocks(engine, scope, layer_id))

    app.server.extensions[STATISTICS] = statistics


def _key(scene: Scene) -> str | None:
    view = scene.view
    if view.pair is None:
        return None
    return f"{view.pair}/{view.layer}/{view.metric}/{view.order}/{scene.theme}"


def _draw_pair(scene: Scene) -> dict[str, Any]:
    if scene.view.pair is None:
        return {"hidden": True, "body": []}
    statistics = scene.app.server.extensions[STATISTICS]
    content = body(scene.app, scene.engine, scene.case, scene.state, scene.theme, statistics)
    return {"hidden": False, "body": content}


PARTS = (
    Part(
        "pair",
        {"hidden": Output(ids.PAIR, "hidden"), "body": Output(ids.PAIR_BODY, "children")},
        _key,
        _draw_pair,
    ),
)


def body(
    app: Dash, engine: Engine, case: db.read.CaseDetail, state: CaseState, theme: str, statistics: Mean
) -> list[Any]:
    """Everything about the pair in the address."""
    view = state.view
    sample = db.read.pair_sample(engine, case.scope, view.pair)
    if sample is None:
        return [_head([html.H2("No such pair")]), _line(pair_words.unknown_pair_sentence(view.pair))]
    places = db.read.pair_places(engine, case.case_id, sample.reference_sample_id, state.layer_id)
    here = next((place for place in places if place.metric == view.metric), None)
    title = pair_words.title(
        case.case_id, sample.position, case.class_names[sample.label], here and here.rank, view.layer
    )
    order = segmented("Units sorted", "order", ORDERS, view.order, pair_words.ORDERS, pair_words.ORDER_NOTES)
    head = _head([html.H2(title), order])
    pair = _pair(engine, case, state, sample.reference_sample_id, statistics)
    if pair is None:
        return [head, _line(pair_words.no_activations_sentence(view.layer))]
    added = pairs.contributions(pair.mine, pair.theirs, view.metric, pair.mean)
    largest = pairs.largest_first(added)
    shares = pairs.carried(added)
    count = min(LISTED, len(added)) if len(added) > 40 else min(3, len(added))
    quantity = METRICS[view.metric].summand
    said = pair_words.carried_sentence(
        count, len(shares), float(shares[count - 1]), pair_words.half(shares), quantity, view.metric
    )
    by_difference = view.order == "difference"
    chart = pair_figures.overlay(
        pair.mine,
        pair.theirs,
        order=largest if by_difference else np.arange(len(added)),
        top=largest[:count].tolist(),
        names=pair.names,
        theirs_name=f"training image {sample.position:,}",
        by_difference=by_difference,
        theme=theme,
    )
    curve = pair_figures.carried_curve(shares, count=count, quantity=quantity, theme=theme)
    return [
        head,
        html.Div(
            [
                _picture(app, case.image.sha256, f"case {case.case_id}", case, case.predicted_class),
                html.Span("⇄", className="muted", **{"aria-hidden": "true"}),
                _picture(app, sample.image, f"training image {sample.position:,}", case, sample.label),
                html.P(said, className="pair-said"),
            ],
            className="pair-top row wrap",
        ),
        html.Div(
            [
                dcc.Graph(figure=chart, config=CHART, className="pair-chart"),
                dcc.Graph(figure=curve, config=figures.CONFIG, className="pair-chart"),
            ],
            className="pair-charts",
        ),
        html.P(pair_words.ZOOM_NOTE, className="muted small"),
        html.Div(
            [_units(pair, added, largest), _metrics(pair, places, view.metric)], className="pair-tables small"
        ),
    ]


def _pair(
    engine: Engine, case: db.read.CaseDetail, state: CaseState, sample_id: int, statistics: Mean
) -> Pair | None:
    """Both vectors as the pipeline compares them; None if they are not stored."""
    parts = db.read.pair_parts(engine, case.case_id, sample_id, state.layer_id)
    if not parts:
        return None
    references = db.read.reference_count(engine, case.scope)
    composition = COMPOSITIONS.get(state.view.layer)
    scaled = composition is not None and composition.scaled
    mine = [activation_maps.decode(part.case.data, part.case.encoding, part.case.shape) for part in parts]
    theirs = [activation_maps.decode(part.reference.data, "raw", part.reference.shape) for part in parts]
    width = sum(vector.size for vector in mine)
    wanted = scaled or state.view.metric == "centered-cosine" or width * references <= READ_UNASKED
    facts = [statistics(case.scope, part.layer_id, references) for part in parts] if wanted else []
    scales = [fact.length for fact in facts] if scaled else [1.0] * len(parts)

    def joined(vectors: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate([vector.ravel() / scale for vector, scale in zip(vectors, scales, strict=True)])

    names = [
        f"{part.layer} {unit:,}" if len(parts) > 1 else f"unit {unit:,}"
        for part, vector in zip(parts, mine, strict=True)
        for unit in range(vector.size)
    ]
    if len(names) == len(case.class_names) and len(parts) == 1:  # the units are the classes
        names = list(case.class_names)
    return Pair(joined(mine), joined(theirs), joined([f.mean for f in facts]) if facts else None, names)


def _units(pair: Pair, added: np.ndarray, largest: np.ndarray) -> html.Div:
    """The units that add most, with both values."""
    total = float(added.sum())
    rows = [
        html.Tr(
            [
                html.Th(pair.names[unit], scope="row"),
                html.Td(_value(pair.mine[unit])),
                html.Td(_value(pair.theirs[unit])),
                html.Td(_value(pair.mine[unit] - pair.theirs[unit], sign=True)),
                html.Td(decisions.percent(float(added[unit]) / total) if total > 0 else "0"),
            ]
        )
        for unit in largest[:LISTED]
    ]
    return html.Div(
        [
            html.H3(f"The {len(rows)} units that add most", className="muted small"),
            _table(("unit", "this case", "neighbor", "difference", "adds"), rows),
        ]
    )


def _metrics(pair: Pair, places: Sequence[db.read.PairPlace], metric: str) -> html.Div:
    """The pair's distance and rank under every metric."""
    by_metric = {place.metric: place for place in places}
    rows = []
    for name in METRICS:
        place = by_metric.get(name)
        known = name != "centered-cosine" or pair.mean is not None
        if known:
            value = decisions.distance(pairs.distance(pair.mine, pair.theirs, name, pair.mean))
        else:
            value = "–" if place is None or place.distance is None else decisions.distance(place.distance)
        rows.append(
            html.Tr(
                [
                    html.Th(name, scope="row", title=METRIC_NOTES[name]),
                    html.Td(value, title=None if known else pair_words.UNREAD_NOTE),
                    html.Td(pair_words.rank_text(place is not None, place and place.rank)),
                ],
                className="is-chosen" if name == metric else "",
                **({"aria-current": "true"} if name == metric else {}),
            )
        )
    return html.Div(
        [
            html.H3("The same pair under every metric", className="muted small"),
            _table(("metric", "distance", "rank here"), rows),
            html.P(pair_words.METRICS_NOTE, className="muted"),
        ]
    )


def _table(columns: Sequence[str], rows: list[html.Tr]) -> html.Table:
    head = html.Tr([html.Th(column, scope="col") for column in columns])
    return html.Table([html.Thead(head, className="muted"), html.Tbody(rows)], className="pair-table")


def _head(children: list[Any]) -> html.Div:
    close = html.Button(
        "Close ✕",
        type="button",
        className="button pair-close",
        title="Close (Escape)",
        **chooses("pair", ""),
    )
    return html.Div([*children, close], className="part-head part-head-middle pair-head")


def _picture(app: Dash, sha256: str, text: str, case: db.read.CaseDetail, label: int) -> html.Figure:
    return html.Figure(
        [
            small_image(app, sha256, case.original, 64),
            html.Figcaption(
                [html.Strong(text), class_name(case.class_names[label], label)], className="small"
            ),
        ],
        className="pair-image row",
    )


def _line(text: str) -> html.P:
    return html.P(text, className="notice-line", role="status")


def _value(value: float, *, sign: bool = False) -> str:
    return f"{value:{'+' if sign else ''}.3f}".replace("-", "−")
