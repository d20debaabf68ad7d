"""The case view, `/case/<id>`: part A above, part B on the right, part C in the middle (paper, section 4.3).

`layout` draws what stays the same for a case; the callback `show` follows the address and the theme and
fills what depends on the chosen layer.
"""

from typing import Any

from dash import ALL, ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.exceptions import PreventUpdate
from sqlalchemy import Engine

import db.read
from dashapp import elements, figures, ids, theme, words
from dashapp.pages.case_address import case_view, list_search
from dashapp.pages.case_decisions import decisions_part
from dashapp.pages.case_insight import (
    charts_part,
    class_counts,
    graph,
    legend,
    neighbors_part,
    range_text,
    ranked_list,
)
from dashapp.pages.case_overview import input_part, network_part, output_part

METRIC, RULE = "euclidean", "total"
UNTUNED_SHOWN = 12  # neighbours shown at first when no k has been chosen


def layout(engine: Engine, case_id: int, search: str, app: Dash) -> html.Div:
    """The page of a case.

    Raises:
        LookupError: there is no such case.
    """
    case = db.read.case_detail(engine, case_id)
    decisions = db.read.case_decisions(engine, case_id, metric=METRIC, rule=RULE)
    names = [layer.name for layer in case.compared_layers]
    view = case_view(search, names)
    place, complaint = _place(engine, search, names, case_id)
    return html.Div(
        className="case-page",
        children=[
            dcc.Store(id=ids.CASE_ID, data=case_id),
            dcc.Store(id=ids.CASE_GRAPH_VERSION),
            dcc.Store(id=ids.CASE_GRAPH_PLACED),
            _head(app, case, place, search, names),
            html.Div(_complaints([*view.complaints, *complaint]), id=ids.CASE_NOTICE),
            html.Div(
                className="card case-overview",
                children=[
                    input_part(app, case),
                    network_part(
                        case,
                        {decision.layer: decision.alarm for decision in decisions},
                        db.read.case_activations(engine, case_id),
                        view.layer,
                    ),
                    output_part(case),
                ],
            ),
            html.Div(
                className="case-body",
                children=[
                    html.Div(
                        className="case-insight",
                        children=[charts_part(), neighbors_part()],
                    ),
                    decisions_part(case, decisions, view.layer, metric=METRIC, rule=RULE),
                ],
            ),
        ],
    )


def _head(
    app: Dash, case: db.read.CaseDetail, place: db.read.CasePlace, search: str, names: list[str]
) -> html.Header:
    """Where the reader is: the way back, the case, its neighbours in the list."""
    attacked = case.attack is not None
    summary = words.summary_sentence(
        attacked=attacked,
        pixels=len(case.attack.pixels) if case.attack else 0,
        predicted=case.class_names[case.predicted_class],
        true=case.class_names[case.true_class],
        confidence=case.confidence,
    )
    return html.Header(
        className="case-head",
        children=[
            html.Div(
                className="case-head-line",
                children=[
                    dcc.Link(
                        "← Cases",
                        id=ids.case_link("list"),
                        href=app.get_relative_path("/") + list_search(search, names),
                        className="button",
                    ),
                    html.H1(f"Case {case.case_id}"),
                    html.Span(case.kind, className=f"badge badge-{case.kind}"),
                    html.Span(f"{case.partition} set", className="badge"),
                    html.Nav(
                        className="case-steps",
                        children=[
                            html.Span(words.place_text(place.position, place.total), className="muted"),
                            _step(app, "previous", "‹ Previous", place.previous, search),
                            _step(app, "next", "Next ›", place.next, search),
                        ],
                        **{"aria-label": "Cases of the list"},
                    ),
                ],
            ),
            html.P(summary, className="case-summary"),
        ],
    )


def _step(app: Dash, to: str, text: str, case_id: int | None, search: str) -> dcc.Link | html.Span:
    if case_id is None:
        return html.Span(text, className="button is-disabled", **{"aria-disabled": "true"})
    href = app.get_relative_path(f"/case/{case_id}") + search
    return dcc.Link(text, id=ids.case_link(to), href=href, className="button")


def _place(
    engine: Engine, search: str, names: list[str], case_id: int
) -> tuple[db.read.CasePlace, list[str]]:
    """The case's place in the list, and a complaint when the address's filters are not understood."""
    try:
        return db.read.neighbor_cases(engine, list_search(search, names), case_id), []
    except db.read.QueryError as error:
        return db.read.neighbor_cases(engine, "", case_id), [words.unknown_filter_sentence(str(error))]


def _complaints(lines: list[str]) -> list[html.P]:
    return [html.P(line, className="notice-line", role="status") for line in lines]


def validation_layout() -> html.Div:
    """Every id of the page, for Dash to check callbacks by; holds no data."""
    return html.Div(
        [
            *(dcc.Store(id=one) for one in (ids.CASE_ID, ids.CASE_GRAPH_VERSION, ids.CASE_GRAPH_PLACED)),
            html.Div(id=ids.CASE_NOTICE),
            charts_part(),
            neighbors_part(),
            html.Button(id=ids.case_layer("network", "")),
            dcc.Link(id=ids.case_link("list"), href=""),
        ]
    )


def register(app: Dash, engine: Engine) -> None:
    """Connect the page: clicks write the address, the address and the theme decide what is shown."""
    layer_buttons = ids.case_layer(ALL, ALL)
    range_buttons = ids.case_range(ALL)
    app.clientside_callback(
        ClientsideFunction("caseView", "address"),
        Output(ids.LOCATION, "search", allow_duplicate=True),
        Input(layer_buttons, "n_clicks"),
        Input(range_buttons, "n_clicks"),
        State(ids.LOCATION, "search"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("neighborGraph", "place"),
        Output(ids.CASE_GRAPH_PLACED, "data"),
        Input(ids.CASE_GRAPH_VERSION, "data"),
    )
    app.clientside_callback(
        ClientsideFunction("neighborGraph", "fit"),
        Output(ids.CASE_GRAPH_PLACED, "data", allow_duplicate=True),
        Input(ids.CASE_FIT, "n_clicks"),
        prevent_initial_call=True,
    )

    @app.callback(
        output={
            "pressed_layers": Output(layer_buttons, "aria-pressed"),
            "pressed_ranges": Output(range_buttons, "aria-pressed"),
            "range_texts": Output(range_buttons, "children"),
            "links": Output(ids.case_link(ALL), "href"),
            "notice": Output(ids.CASE_NOTICE, "children"),
            "softmax": Output(ids.CASE_SOFTMAX, "figure"),
            "softmax_text": Output(ids.CASE_SOFTMAX_TEXT, "children"),
            "counts": Output(ids.CASE_COUNTS, "figure"),
            "counts_text": Output(ids.CASE_COUNTS_TEXT, "children"),
            "title": Output(ids.CASE_LAYER_TITLE, "children"),
            "elements": Output(ids.CASE_GRAPH, "elements"),
            "stylesheet": Output(ids.CASE_GRAPH, "stylesheet"),
            "graph_text": Output(ids.CASE_GRAPH_TEXT, "children"),
            "version": Output(ids.CASE_GRAPH_VERSION, "data"),
            "legend": Output(ids.CASE_LEGEND, "children"),
            "list": Output(ids.CASE_LIST, "children"),
        },
        inputs={"search": Input(ids.LOCATION, "search"), "theme": Input(ids.THEME, "data")},
        state={
            "case_id": State(ids.CASE_ID, "data"),
            "version": State(ids.CASE_GRAPH_VERSION, "data"),
            "links": State(ids.case_link(ALL), "href"),
        },
    )
    def show(search: str | None, theme: str | None, case_id: int, version: str | None, links: list) -> dict:
        if case_id is None:  # the page is being left
            raise PreventUpdate
        ask = ctx.outputs_grouping
        return _shown(app, engine, case_id, search or "", theme or "light", version, links, ask)


def _shown(
    app: Dash,
    engine: Engine,
    case_id: int,
    search: str,
    theme: theme.Theme,
    version: str | None,
    links: list[str],
    ask: dict[str, list],
) -> dict[str, Any]:
    """Everything on the page that depends on the address or the theme, by the names in `register`."""
    case = db.read.case_detail(engine, case_id)
    names = [layer.name for layer in case.compared_layers]
    view = case_view(search, names)
    decisions = db.read.case_decisions(engine, case_id, metric=METRIC, rule=RULE)
    decision = next((decision for decision in decisions if decision.layer == view.layer), None)
    k = None if decision is None else decision.k
    stored = db.read.case_neighbors(engine, case_id, view.layer, metric=METRIC)
    counted = stored[: k or UNTUNED_SHOWN]
    neighbors = stored if view.show_all else counted
    marks = {
        "class_names": case.class_names,
        "predicted": case.predicted_class,
        "true": case.true_class,
        "theme": theme,
    }
    now_shown = f"{case_id}/{view.layer}/{len(neighbors)}"
    same = version == now_shown
    here = {"list": list_search(search, names)}
    return {
        "pressed_layers": [_pressed(one["id"]["layer"] == view.layer) for one in ask["pressed_layers"]],
        "pressed_ranges": [
            _pressed((one["id"]["range"] == "all") == view.show_all) for one in ask["pressed_ranges"]
        ],
        "range_texts": [
            range_text(one["id"]["range"], len(counted), len(stored)) for one in ask["range_texts"]
        ],
        "links": [
            href.split("?")[0] + here.get(one["id"]["to"], search)
            for href, one in zip(links, ask["links"], strict=True)
        ],
        "notice": _complaints([*view.complaints, *_place(engine, search, names, case_id)[1]]),
        "softmax": figures.softmax_bars([score.probability for score in case.scores], **marks),
        "softmax_text": words.softmax_sentence(
            predicted=case.class_names[case.predicted_class],
            true=case.class_names[case.true_class],
            true_probability=case.scores[case.true_class].probability,
            rank=1 + sum(s.probability > case.scores[case.true_class].probability for s in case.scores),
        ),
        "counts": figures.neighbor_bars(
            class_counts(counted, len(case.class_names)),
            k=len(counted),
            threshold=None if decision is None else decision.threshold,
            rule=RULE,
            **marks,
        ),
        "counts_text": words.counts_sentence(
            layer=view.layer, metric=METRIC, rule=RULE, k=len(counted), tuned=decision is not None
        ),
        "title": words.neighbors_title(view.layer, len(neighbors)),
        "elements": no_update if same else graph(app, case, neighbors, k=k, metric=METRIC, layer=view.layer),
        "stylesheet": elements.graph_stylesheet(theme),
        "graph_text": words.scale_sentence(
            metric=METRIC,
            layer=view.layer,
            nearest=neighbors[0].distance,
            farthest=neighbors[-1].distance,
        )
        if neighbors
        else words.NO_NEIGHBORS,
        "version": no_update if same else now_shown,
        "legend": no_update if same else legend(case, neighbors),
        "list": no_update if same else ranked_list(app, case, neighbors, k=k),
    }


def _pressed(pressed: bool) -> str:
    return str(pressed).lower()
