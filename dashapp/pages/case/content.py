"""What the case view shows for an address and a theme: all that depends on the chosen layer."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from dash import Dash, html, no_update
from sqlalchemy import Engine

import db.read
from dashapp import theme
from dashapp.draw import figures, graph_elements
from dashapp.pages.case.address import list_search, other_case_search
from dashapp.pages.case.controls import panel_switch
from dashapp.pages.case.insight import graph, legend, range_text, ranked_list
from dashapp.pages.case.state import UNTUNED_SHOWN, case_state
from dashapp.pages.case.twin import original_softmax
from dashapp.words import decisions as words


def place_in_list(
    engine: Engine, search: str, names: list[str], case: db.read.CaseDetail
) -> tuple[db.read.CasePlace, list[str]]:
    """The case's place in the list, and a complaint when the address's filters are not understood.

    An address that names no partition means the case's own: a typed case number leads to either.
    """
    filters, complaints = list_search(search), []
    try:
        place = db.read.neighbor_cases(engine, filters, case.case_id)
    except db.read.QueryError as error:
        filters, complaints = "", [words.unknown_filter_sentence(str(error))]
        place = db.read.neighbor_cases(engine, filters, case.case_id)
    fields = parse_qsl(filters.removeprefix("?"), keep_blank_values=True)
    if place.position is None and "partition" not in dict(fields):
        own = "?" + urlencode([*fields, ("partition", case.partition)])
        place = db.read.neighbor_cases(engine, own, case.case_id)
    return place, complaints


def notice(lines: Sequence[str]) -> list[html.P]:
    """Lines about an address that is not understood."""
    return [html.P(line, className="notice-line", role="status") for line in lines]


def shown(
    app: Dash,
    engine: Engine,
    case_id: int,
    search: str,
    theme: theme.Theme,
    version: str | None,
    links: list[str],
    ask: dict[str, list],
    *,
    layer_only: bool,
) -> dict[str, Any]:
    """Everything on the page that depends on the address or the theme, by the names in `register`.

    Args:
        app, engine: the app and its database.
        case_id: the case.
        search: query string of the address.
        theme: 'light' or 'dark'.
        version: what the graph shows already, None at first.
        links: addresses of the page's links, in the order of `ask["links"]`.
        ask: the outputs by name; lists where there is one for each button or link.
        layer_only: whether only the address has changed.
    """
    case = db.read.case_detail(engine, case_id)
    names = [layer.name for layer in case.compared_layers]
    state = case_state(engine, case, search)
    view, metric = state.view, state.view.metric
    decisions = db.read.case_decisions(engine, case_id, metric=metric, rule=view.rule)
    decision = next((decision for decision in decisions if decision.layer == view.layer), None)
    stored = db.read.case_neighbors(engine, case_id, view.layer, metric=metric)
    counted = stored[: state.k or UNTUNED_SHOWN]
    neighbors = stored if view.show_all else counted
    marks = {
        "class_names": case.class_names,
        "predicted": case.predicted_class,
        "true": case.true_class,
        "theme": theme,
    }
    true_probability = 0.0 if case.true_class is None else case.scores[case.true_class].probability
    now_shown = f"{case_id}/{view.layer}/{metric}/{len(neighbors)}/{state.k}"
    same = version == now_shown
    here = {"list": list_search(search)}
    other = other_case_search(search)
    return {
        "pressed_layers": [words.aria(one["id"]["layer"] == view.layer) for one in ask["pressed_layers"]],
        "pressed_ranges": [
            words.aria((one["id"]["range"] == "all") == view.show_all) for one in ask["pressed_ranges"]
        ],
        "range_texts": [
            range_text(one["id"]["range"], len(counted), len(stored)) for one in ask["range_texts"]
        ],
        "links": [
            href.split("?")[0] + here.get(one["id"]["to"], other)
            for href, one in zip(links, ask["links"], strict=True)
        ],
        "notice": notice([*view.complaints, *place_in_list(engine, search, names, case)[1]]),
        "softmax": no_update
        if layer_only
        else figures.softmax_bars(
            [score.probability for score in case.scores],
            original=original_softmax(engine, case),
            **marks,
        ),
        "softmax_text": words.softmax_text(
            predicted=case.class_names[case.predicted_class],
            true=case.true_name,
            true_probability=true_probability,
            rank=1 + sum(score.probability > true_probability for score in case.scores),
        ),
        "title": words.neighbors_title(view.layer, len(neighbors)),
        "no_neighbors": not neighbors,
        "elements": no_update
        if same
        else graph(app, case, neighbors, k=state.k, metric=metric, layer=view.layer),
        "stylesheet": graph_elements.graph_stylesheet(theme),
        "graph_text": words.scale_sentence(
            metric=metric,
            layer=view.layer,
            nearest=neighbors[0].distance,
            farthest=neighbors[-1].distance,
        )
        if neighbors
        else words.NO_NEIGHBORS,
        "version": no_update if same else now_shown,
        "legend": no_update if same else legend(case, neighbors),
        "list_head": f"rank · label · distance ({metric})",
        "verdict": words.verdict_text(
            [(one.layer, one.alarm) for one in decisions], view.layer, decision and decision.outcome
        ),
        "panel": f"neighbors-body shows-{view.panel}",
        "panel_switch": panel_switch(state, case),
        "list": no_update if same else ranked_list(app, case, neighbors, k=state.k),
    }
