"""Part C of the case view (paper, 4.3: bottom row): the neighbors as a graph and as a list."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import dash_cytoscape as cyto
from dash import ALL, ClientsideFunction, Dash, Input, Output, dcc, html

import db.read
from dashapp import ids
from dashapp.decide.shown_classes import ALL_SHOWN, ROWS
from dashapp.draw import graph_elements
from dashapp.pages.case.address import chooses
from dashapp.pages.case.overview import class_name, image_address, small_image
from dashapp.pages.case.parts import Part
from dashapp.pages.case.scene import Scene
from dashapp.words import decisions
from dashapp.words.glossary import about

HELP = (
    ("point at an image", "enlarge"),
    ("click an edge", "compare activations"),
    ("wheel", "zoom"),
    ("drag", "move around"),
    ("pull an image", "uncover"),
)


def neighbors_part() -> html.Section:
    """Heading, graph, legend and list of the neighbors, still empty."""
    return html.Section(
        className="card neighbors",
        children=[
            dcc.Store(id=ids.CASE_GRAPH_VERSION),
            dcc.Store(id=ids.CASE_GRAPH_PLACED),
            html.Div(
                className="part-head part-head-middle wrap",
                children=[
                    html.H2(id=ids.CASE_LAYER_TITLE),
                    about("neighbors"),
                    html.Div(
                        [
                            html.Button(
                                id=ids.case_range(shown),
                                type="button",
                                **chooses("neighbors", "" if shown == "first" else shown),
                                **{"aria-pressed": "false"},
                            )
                            for shown in ("first", "all")
                        ],
                        className="range-switch",
                        role="group",
                        **{"aria-label": "Neighbors shown"},
                    ),
                    html.Div(id=ids.CASE_PANEL, className="panel-switch row"),
                    html.Button(
                        "Fit",
                        id=ids.CASE_FIT,
                        className="button",
                        type="button",
                        title="Fit the whole graph into view",
                    ),
                ],
            ),
            html.Div(
                id=ids.CASE_NEIGHBORS,
                className="neighbors-body",
                children=[
                    html.Div(
                        className="graph-frame",
                        role="group",
                        children=[
                            cyto.Cytoscape(
                                id=ids.CASE_GRAPH,
                                elements=[],
                                layout={"name": "preset", "fit": False},
                                stylesheet=[],
                                autoRefreshLayout=False,
                                autounselectify=True,
                                boxSelectionEnabled=False,
                                style={"width": "100%", "height": "100%"},
                            ),
                            html.Dl(
                                [html.Div([html.Dt(what), html.Dd(does)]) for what, does in HELP],
                                className="graph-help",
                            ),
                            html.Div(className="graph-card card floating small", hidden=True),
                        ],
                        **{"aria-label": "Neighbors as a graph; the list beside it shows the same"},
                    ),
                    html.Div(
                        [
                            html.P(id=ids.CASE_LIST_HEAD, className="muted small"),
                            html.Ol(
                                id=ids.CASE_LIST,
                                className="neighbor-list",
                                tabIndex=0,
                                **{"aria-label": "Neighbors, nearest first: arrow keys, Enter compares"},
                            ),
                        ],
                        className="neighbor-side",
                    ),
                ],
            ),
            html.Div(
                [
                    html.Ul(id=ids.CASE_LEGEND, className="class-legend"),
                    html.P(id=ids.CASE_GRAPH_TEXT, className="muted"),
                ],
                className="graph-foot small",
            ),
        ],
    )


def range_text(shown: str, counted: int, stored: int) -> str:
    """Label of a button of the range switch: how many neighbors it shows."""
    return f"All {stored}" if shown == "all" else f"First {counted}"


def neighbor_key(neighbor: db.read.CaseNeighbor) -> str:
    """Id of a neighbor's node and list row: the same in every layer."""
    return f"n{neighbor.reference_sample_id}"


def graph(
    app: Dash,
    case: db.read.CaseDetail,
    neighbors: Sequence[db.read.CaseNeighbor],
    *,
    k: int | None,
    metric: str,
    layer: str,
) -> list[dict[str, Any]]:
    """Elements of the neighbor graph."""
    if not neighbors:
        return []
    return graph_elements.graph_elements(
        [
            graph_elements.GraphNeighbor(
                neighbor_key(neighbor),
                neighbor.rank,
                neighbor.label,
                neighbor.distance,
                image_address(app, neighbor.image),
            )
            for neighbor in neighbors
        ],
        case_image=image_address(app, case.image.sha256),
        case_text=f"predicted {case.class_names[case.predicted_class]}",
        predicted=case.predicted_class,
        k=k,
        class_names=case.class_names,
        number=decisions.distance,
        place=f"{metric}, {layer}",
    )


def ranked_list(
    app: Dash, case: db.read.CaseDetail, neighbors: Sequence[db.read.CaseNeighbor], *, k: int | None
) -> list[html.Li]:
    """The same neighbors in a plain list, nearest first; a line separates those that were not counted."""
    rows = [
        html.Li(
            className="neighbor-row" + (" is-beyond" if k is not None and neighbor.rank > k else ""),
            title=f"training image {neighbor.position:,}",
            children=[
                html.Span(str(neighbor.rank), className="neighbor-rank muted small"),
                small_image(app, neighbor.image, case.original, 32),
                class_name(case.class_names[neighbor.label], neighbor.label),
                html.Span(decisions.distance(neighbor.distance), className="neighbor-distance small"),
                html.Button(
                    "⇄",
                    type="button",
                    className="neighbor-compare",
                    tabIndex=-1,
                    title="Compare both activations",
                    **chooses("pair", str(neighbor.reference_sample_id)),
                    **{"aria-label": f"Compare activations with the neighbor of rank {neighbor.rank}"},
                ),
            ],
            **{"data-node": neighbor_key(neighbor)},
        )
        for neighbor in neighbors
    ]
    if k is not None and k < len(rows):
        rows.insert(k, html.Li(decisions.beyond_text(k), className="neighbor-rule muted small"))
    return rows


def legend(case: db.read.CaseDetail, neighbors: Sequence[db.read.CaseNeighbor]) -> list[html.Li]:
    """How many neighbors are shown, then their classes, most frequent first; of many the top ones."""
    counts = Counter(neighbor.label for neighbor in neighbors)
    shown = html.Li(decisions.shown_text(len(neighbors)), className="muted")
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    most = len(ordered) if len(ordered) <= ALL_SHOWN else ROWS
    rest = [case.class_names[label] for label, _ in ordered[most:]]
    items = [
        html.Li([class_name(case.class_names[label], label), html.Span(str(count), className="muted")])
        for label, count in ordered[:most]
    ]
    if rest:
        items.append(html.Li(f"and {len(rest)} more classes", className="muted", title=", ".join(rest)))
    return [shown, *items]


def _draw_range(scene: Scene) -> dict[str, Any]:
    shown = [one["range"] for one in scene.listed["pressed_ranges"]]
    counted, stored = len(scene.counted_neighbors), len(scene.neighbors)
    return {
        "pressed_ranges": [decisions.aria((one == "all") == scene.view.show_all) for one in shown],
        "range_texts": [range_text(one, counted, stored) for one in shown],
    }


def _key(scene: Scene) -> str:
    view = scene.view
    return f"{scene.case.case_id}/{view.layer}/{view.metric}/{view.show_all}/{scene.state.k}"


def _draw_neighbors(scene: Scene) -> dict[str, Any]:
    app, case, view, k = scene.app, scene.case, scene.view, scene.state.k
    neighbors = scene.shown_neighbors
    text = decisions.NO_NEIGHBORS
    if neighbors:
        text = decisions.scale_sentence(
            metric=view.metric,
            layer=view.layer,
            nearest=neighbors[0].distance,
            farthest=neighbors[-1].distance,
        )
    return {
        "title": decisions.neighbors_title(view.layer, len(neighbors)),
        "no_neighbors": not neighbors,
        "elements": graph(app, case, neighbors, k=k, metric=view.metric, layer=view.layer),
        "version": _key(scene),
        "graph_text": text,
        "legend": legend(case, neighbors),
        "list": ranked_list(app, case, neighbors, k=k),
        "list_head": f"rank · label · distance ({view.metric})",
    }


PARTS = (
    Part(
        "ranges",
        {
            "pressed_ranges": Output(ids.case_range(ALL), "aria-pressed"),
            "range_texts": Output(ids.case_range(ALL), "children"),
        },
        _key,
        _draw_range,
    ),
    Part(
        "neighbors",
        {
            "title": Output(ids.CASE_LAYER_TITLE, "children"),
            "no_neighbors": Output(ids.CASE_NEIGHBORS, "hidden"),
            "elements": Output(ids.CASE_GRAPH, "elements"),
            "version": Output(ids.CASE_GRAPH_VERSION, "data"),
            "graph_text": Output(ids.CASE_GRAPH_TEXT, "children"),
            "legend": Output(ids.CASE_LEGEND, "children"),
            "list": Output(ids.CASE_LIST, "children"),
            "list_head": Output(ids.CASE_LIST_HEAD, "children"),
        },
        _key,
        _draw_neighbors,
    ),
    Part(
        "graph_colors",
        {"stylesheet": Output(ids.CASE_GRAPH, "stylesheet")},
        lambda scene: scene.theme,
        lambda scene: {"stylesheet": graph_elements.graph_stylesheet(scene.theme)},
    ),
)


def register(app: Dash) -> None:
    """Place the graph in the browser when its elements have arrived, and fit it on a click on the button."""
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
