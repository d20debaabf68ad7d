"""The case view, `/case/<id>`: part A above, part B on the right, part C in the middle (paper, section 4.3).

`layout` draws what stays the same for a case; the callback `show` follows the address and the theme and
fills what depends on the chosen layer.
"""

from dash import ALL, ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html
from dash.exceptions import PreventUpdate
from sqlalchemy import Engine

import db.read
from dashapp import ids
from dashapp.pages.case import channels, controls, notes, pair, twin, what_if
from dashapp.pages.case import maps as case_maps
from dashapp.pages.case.address import list_search, other_case_search
from dashapp.pages.case.content import notice, place_in_list, shown
from dashapp.pages.case.decisions import decisions_part
from dashapp.pages.case.detectors import detectors_part
from dashapp.pages.case.insight import charts_part, neighbors_part
from dashapp.pages.case.overview import input_part, network_part, output_part
from dashapp.pages.case.state import case_state
from dashapp.router import Visit
from dashapp.words import decisions as words

PATH = "/case/<case_id>"
TITLE = "Case"
FOLLOWS_ADDRESS = True


def title(engine: Engine, numbers: dict[str, int]) -> str:
    """The case's number and the file that it came from. Raises LookupError when there is no such case."""
    case_id = numbers["case_id"]
    if not db.read.case_exists(engine, case_id):
        raise LookupError(f"there is no case {case_id}")
    name = db.read.case_file_name(engine, case_id)
    return f"Case {case_id}" + (f", {name}" if name else "")


def layout(app: Dash, engine: Engine, visit: Visit) -> html.Div:
    """The page of a case.

    Raises:
        LookupError: there is no such case.
    """
    return draw_case(engine, visit.numbers["case_id"], visit.search, app, writable=visit.writable)


def draw_case(engine: Engine, case_id: int, search: str, app: Dash, *, writable: bool = False) -> html.Div:
    """Everything on the page, for the query string `search`."""
    case = db.read.case_detail(engine, case_id)
    names = [layer.name for layer in case.compared_layers]
    view, maps = case_state(engine, case, search).view, case_maps.case_view_of(case, search)
    metric, rule = view.metric, view.rule
    decisions = db.read.case_decisions(engine, case_id, metric=metric, rule=rule)
    place, complaint = place_in_list(engine, search, names, case)
    networks = db.read.case_query(engine, "")[1].networks
    network = next(option.title for option in networks if option.id == case.network_id)
    return html.Div(
        id=ids.CASE_PAGE,
        className="case-page",
        **{"data-network": case.network_id},
        children=[
            dcc.Store(id=ids.CASE_ID, data=case_id),
            dcc.Store(id=ids.CASE_GRAPH_VERSION),
            dcc.Store(id=ids.CASE_GRAPH_PLACED),
            _head(app, case, place, search, names, network if len(networks) > 1 else None),
            html.Div(notice([*view.complaints, *complaint]), id=ids.CASE_NOTICE),
            notes.notes_part(engine, case_id, writable=writable),
            html.Div(
                className="card case-overview",
                children=[
                    input_part(
                        case, case_maps.switch(maps), case_maps.pictures_part(app, engine, case, search)
                    ),
                    network_part(
                        case,
                        {decision.layer: decision.alarm for decision in decisions},
                        db.read.case_activations(engine, case_id),
                        view.layer,
                        maps.layer,
                    ),
                    output_part(case),
                ],
            ),
            *channels.channels_part(engine, case, search),
            html.Div(
                className="case-body",
                children=[
                    html.Div(
                        [
                            decisions_part(case, decisions, view.layer, metric=metric, rule=rule),
                            detectors_part(case, db.read.score_decisions(engine, case_id)),
                        ],
                        className="case-side",
                    ),
                    html.Div(
                        className="case-insight",
                        children=[
                            controls.toolbar_part(metric, rule),
                            charts_part(),
                            what_if.what_if_part(),
                            neighbors_part(),
                            pair.pair_part(),
                            twin.twin_part(),
                        ],
                    ),
                ],
            ),
        ],
    )


def drawn_for(engine: Engine, case_id: int, search: str) -> str:
    """The metric and rule that an address asks for, as CASE_DRAWN has them."""
    view = case_state(engine, db.read.case_detail(engine, case_id), search).view
    return f"{view.metric}/{view.rule}"


def _head(
    app: Dash,
    case: db.read.CaseDetail,
    place: db.read.CasePlace,
    search: str,
    names: list[str],
    network: str | None,
) -> html.Header:
    """Where the reader is: the way back, the case, its neighbors in the list.

    `network`: which one it is, where the database has several.
    """
    attacked = case.attack is not None
    summary = words.summary_sentence(
        attacked=attacked,
        pixels=len(case.attack.pixels) if case.attack else 0,
        predicted=case.class_names[case.predicted_class],
        true=case.true_name,
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
                        href=app.get_relative_path("/") + list_search(search),
                        className="button",
                    ),
                    html.H1(f"Case {case.case_id}"),
                    html.Span(case.kind, className=f"badge badge-{case.kind}"),
                    html.Span(f"{case.partition} set", className="badge"),
                    html.Span(case.sample_name, className="badge badge-file", title=case.sample_name)
                    if case.sample_name
                    else html.Span(f"{case.split} image {case.position:,}", className="badge"),
                    html.Span(network, className="badge") if network else None,
                    _batch(app, case),
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
            html.P(id=ids.CASE_VERDICT, className="case-verdict", **{"aria-live": "polite"}),
        ],
    )


def _batch(app: Dash, case: db.read.CaseDetail) -> dcc.Link | None:
    """The batch that the case came from, which leads to all of its cases."""
    if case.batch is None:
        return None
    others = db.read.CaseQuery("all", network=case.network_id).only("batch", str(case.batch.batch_id))
    return dcc.Link(
        f"batch {case.batch.name}",
        href=app.get_relative_path("/") + others.search(),
        className="badge badge-link",
        title=f"Batch {case.batch.name}, seed {case.batch.seed}: all its cases",
    )


def _step(app: Dash, to: str, text: str, case_id: int | None, search: str) -> dcc.Link | html.Span:
    if case_id is None:
        return html.Span(text, className="button is-disabled", **{"aria-disabled": "true"})
    href = app.get_relative_path(f"/case/{case_id}") + other_case_search(search)
    return dcc.Link(text, id=ids.case_link(to), href=href, className="button")


def validation_layout() -> html.Div:
    """Every id of the page, for Dash to check callbacks by; holds no data."""
    return html.Div(
        [
            *(dcc.Store(id=one) for one in (ids.CASE_ID, ids.CASE_GRAPH_VERSION, ids.CASE_GRAPH_PLACED)),
            html.Div(id=ids.CASE_NOTICE),
            html.P(id=ids.CASE_VERDICT),
            html.Div(id=ids.CASE_PAGE),
            controls.toolbar_part("", ""),
            charts_part(),
            what_if.what_if_part(),
            neighbors_part(),
            pair.pair_part(),
            twin.twin_part(),
            html.Button(id=ids.case_layer("network", "")),
            dcc.Link(id=ids.case_link("list"), href=""),
            *(part.validation_layout() for part in (notes, case_maps, channels)),
        ]
    )


def register(app: Dash, engine: Engine, writer: Engine | None = None) -> None:
    """Connect the page: clicks write the address, the address and the theme decide what is shown."""
    for part in (controls, what_if, pair, twin):
        part.register(app, engine)
    for part in (notes, case_maps, channels):
        part.register(app, engine, writer)
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
        Output(ids.CASE_PAGE, "children"),
        Input(ids.LOCATION, "search"),
        State(ids.LOCATION, "pathname"),
        State(ids.SHOWN_PATH, "data"),
        State(ids.CASE_ID, "data"),
        State(ids.CASE_DRAWN, "data"),
        prevent_initial_call=True,
    )
    def redraw(search: str | None, path: str, shown_path: str, case_id: int | None, drawn: str) -> list:
        """Another metric or rule: every decision of the page is another."""
        if case_id is None or path != shown_path or drawn_for(engine, case_id, search or "") == drawn:
            raise PreventUpdate
        return draw_case(engine, case_id, search or "", app, writable=writer is not None).children

    @app.callback(
        output={
            "pressed_layers": Output(layer_buttons, "aria-pressed"),
            "pressed_ranges": Output(range_buttons, "aria-pressed"),
            "range_texts": Output(range_buttons, "children"),
            "links": Output(ids.case_link(ALL), "href"),
            "notice": Output(ids.CASE_NOTICE, "children"),
            "softmax": Output(ids.CASE_SOFTMAX, "figure"),
            "softmax_text": Output(ids.CASE_SOFTMAX_TEXT, "children"),
            "title": Output(ids.CASE_LAYER_TITLE, "children"),
            "no_neighbors": Output(ids.CASE_NEIGHBORS, "hidden"),
            "elements": Output(ids.CASE_GRAPH, "elements"),
            "stylesheet": Output(ids.CASE_GRAPH, "stylesheet"),
            "graph_text": Output(ids.CASE_GRAPH_TEXT, "children"),
            "version": Output(ids.CASE_GRAPH_VERSION, "data"),
            "legend": Output(ids.CASE_LEGEND, "children"),
            "list": Output(ids.CASE_LIST, "children"),
            "list_head": Output(ids.CASE_LIST_HEAD, "children"),
            "verdict": Output(ids.CASE_VERDICT, "children"),
            "panel": Output(ids.CASE_NEIGHBORS, "className"),
            "panel_switch": Output(ids.CASE_PANEL, "children"),
        },
        inputs={"search": Input(ids.LOCATION, "search"), "theme": Input(ids.THEME, "data")},
        state={
            "case_id": State(ids.CASE_ID, "data"),
            "version": State(ids.CASE_GRAPH_VERSION, "data"),
            "links": State(ids.case_link(ALL), "href"),
            "drawn": State(ids.CASE_DRAWN, "data"),
        },
    )
    def show(
        search: str | None, theme: str | None, case_id: int, version: str | None, links: list, drawn: str
    ) -> dict:
        # The page is being left, or drawn anew.
        if case_id is None or drawn_for(engine, case_id, search or "") != drawn:
            raise PreventUpdate
        layer_only = version is not None and ctx.triggered_id == ids.LOCATION
        ask = ctx.outputs_grouping
        return shown(
            app, engine, case_id, search or "", theme or "light", version, links, ask, layer_only=layer_only
        )
