"""Part C of the case view (paper, 4.3: bottom row): charts first, then the neighbors as graph and list."""

from collections import Counter
from collections.abc import Sequence

import dash_cytoscape as cyto
from dash import Dash, dcc, html

import db.read
from dashapp import ids
from dashapp.draw import figures, graph_elements
from dashapp.pages.case.overview import class_name, image_address
from dashapp.words import decisions
from dashapp.words.glossary import about

HELP = (
    ("point at an image", "enlarge"),
    ("click an edge", "compare activations"),
    ("wheel", "zoom"),
    ("drag", "move around"),
    ("pull an image", "uncover"),
)


def charts_part() -> html.Div:
    """The two bar charts; the page's callback fills them."""

    def chart(title: str, explained: str, figure_id: str, text_id: str) -> html.Section:
        return html.Section(
            className="card chart",
            children=[
                html.Div(
                    [html.H2(title), about(explained), html.Span(id=text_id, className="muted")],
                    className="part-head",
                ),
                dcc.Graph(id=figure_id, config=figures.CONFIG, className=f"chart-figure {figure_id}"),
            ],
        )

    return html.Div(
        className="charts",
        children=[
            chart("Softmax output", "softmax", ids.CASE_SOFTMAX, ids.CASE_SOFTMAX_TEXT),
            chart("Neighbors distribution", "unexpected", ids.CASE_COUNTS, ids.CASE_COUNTS_TEXT),
        ],
    )


def neighbors_part() -> html.Section:
    """Heading, graph, legend and list of the neighbors; the page's callback fills them."""
    return html.Section(
        className="card neighbors",
        children=[
            html.Div(
                className="part-head neighbors-head",
                children=[
                    html.H2(id=ids.CASE_LAYER_TITLE),
                    about("neighbors"),
                    html.Div(
                        [
                            html.Button(id=ids.case_range(shown), type="button", **{"aria-pressed": "false"})
                            for shown in ("first", "all")
                        ],
                        className="range-switch",
                        role="group",
                        **{"aria-label": "Neighbors shown"},
                    ),
                    html.Div(id=ids.CASE_PANEL, className="panel-switch"),
                    html.Button(
                        "Fit",
                        id=ids.CASE_FIT,
                        className="button",
                        type="button",
                        title="The whole graph into view",
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
                            html.Div(className="graph-card", hidden=True),
                        ],
                        **{"aria-label": "Neighbors as a graph; the list beside it says the same"},
                    ),
                    html.Div(
                        [
                            html.P(id=ids.CASE_LIST_HEAD, className="neighbor-columns muted"),
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
                className="graph-foot",
            ),
        ],
    )


def range_text(shown: str, counted: int, stored: int) -> str:
    """Words of such a button: how many neighbors it shows."""
    return f"All {stored}" if shown == "all" else f"First {counted}"


def class_counts(neighbors: Sequence[db.read.CaseNeighbor], classes: int) -> list[int]:
    """(classes,) how many of the neighbors have each label."""
    counts = Counter(neighbor.label for neighbor in neighbors)
    return [counts[label] for label in range(classes)]


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
) -> list[dict]:
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
    """The same neighbors in a plain list, nearest first; a rule parts those that were not counted."""
    rows = [
        html.Li(
            className="neighbor-row" + (" is-beyond" if k is not None and neighbor.rank > k else ""),
            title=f"training image {neighbor.position:,}",
            children=[
                html.Span(str(neighbor.rank), className="neighbor-rank"),
                html.Img(
                    src=image_address(app, neighbor.image), alt="", className="pixels", width=32, height=32
                ),
                class_name(case.class_names[neighbor.label], neighbor.label),
                html.Span(decisions.distance(neighbor.distance), className="neighbor-distance"),
                html.Button(
                    "⇄",
                    type="button",
                    className="neighbor-compare",
                    tabIndex=-1,
                    title="Compare both activations",
                    **{
                        "aria-label": f"Compare activations with the neighbor of rank {neighbor.rank}",
                        "data-field": "pair",
                        "data-value": str(neighbor.reference_sample_id),
                    },
                ),
            ],
            **{"data-node": neighbor_key(neighbor)},
        )
        for neighbor in neighbors
    ]
    if k is not None and k < len(rows):
        rows.insert(k, html.Li(decisions.beyond_text(k), className="neighbor-rule"))
    return rows


def legend(case: db.read.CaseDetail, neighbors: Sequence[db.read.CaseNeighbor]) -> list[html.Li]:
    """Classes among the shown neighbors, most frequent first, after how many are shown."""
    counts = Counter(neighbor.label for neighbor in neighbors)
    shown = html.Li(decisions.shown_text(len(neighbors)), className="muted")
    return [shown] + [
        html.Li([class_name(case.class_names[label], label), html.Span(str(count), className="muted")])
        for label, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
