"""The case list: outcomes and filters with their counts, a table that sorts, pages; all of it in the address.

Every control is a link to the list's next address, so the page has no callback of its own: reload, back,
forward, a new tab and a shared address all show the same.
"""

from urllib.parse import quote

from dash import Dash, dcc, html
from dash.development.base_component import Component
from sqlalchemy import Engine

import db.read
from dashapp import ids
from dashapp.pages import cases_table, not_found
from dashapp.theme import class_color
from dashapp.words import OUTCOME_NAMES, alarm_rule_text, percent
from db.facets import METRIC, RULE

OUTCOMES = ("TP", "FN", "TN", "FP")  # attacked cases first, then clean ones
POPULATION = "clean: correctly classified images; adversarial: successful attacks"
GROUP = {"TP": "attacked", "FN": "attacked", "TN": "clean", "FP": "clean"}


def layout(engine: Engine, search: str, app: Dash) -> Component:
    """The page for the query string `search` ('?...' or '')."""
    home = app.get_relative_path("/")
    try:
        query, options = db.read.case_query(engine, search)
    except db.read.QueryError as error:
        return _refused(error, home)
    try:
        listed = db.read.list_cases(engine, query, options)
    except db.read.QueryError as error:  # a page after the last
        return _refused(error, home + _unfiltered(query))
    if not listed.stored and len(options.networks) < 2:
        return _empty_database()
    return html.Div(
        className="cases",
        children=[
            html.Aside(
                _facets(query, options, listed, home), className="facets", **{"aria-label": "Filters"}
            ),
            html.Section(
                className="list",
                children=[
                    _head(query, listed, home),
                    _outcomes(query, options, listed, home),
                    *(
                        [
                            cases_table.table(listed.rows, query, options, app),
                            cases_table.foot(query, listed, home),
                        ]
                        if listed.rows
                        else [_no_match(query, listed, home)]
                    ),
                ],
            ),
        ],
    )


def register(app: Dash, engine: Engine, _writer: Engine | None = None) -> None:
    """Connect nothing: the router shows this page for every address of the list."""


def _head(query: db.read.CaseQuery, listed: db.read.CaseList, home: str) -> Component:
    """Title, number of cases, and what is filtered, each with the way to take it off."""
    what = {"validation": "Validation cases", "tuning": "Tuning cases", "all": "All cases"}[query.partition]
    filters = {
        "kind": query.kind,
        f"outcome in {query.layer}": query.outcome and OUTCOME_NAMES[query.outcome],
        "true": query.true,
        "predicted": query.predicted,
        "method": query.method,
    }
    chips = [
        dcc.Link(
            [html.Span(f"{name} ", className="muted"), value, html.Span("×", className="chip-off")],
            href=home + query.but(**{name.split()[0]: None}).search(),
            className="chip",
            title=f"Take off the filter {name} {value}",
        )
        for name, value in filters.items()
        if value
    ]
    reset = (
        dcc.Link("Reset", href=home + _unfiltered(query), className="reset") if query.is_filtered else None
    )
    return html.Div(
        [
            html.H1(what),
            html.Span(f"{listed.total:,} of {listed.stored:,} cases", className="muted list-count"),
            html.Div([*chips, reset], className="chips"),
            html.P(POPULATION, className="muted list-note"),
        ],
        className="list-head",
    )


def _unfiltered(query: db.read.CaseQuery) -> str:
    """The query string without filters: the same network, layer and order."""
    none = dict.fromkeys(("kind", "outcome", "true", "predicted", "method"))
    return query.but(partition="validation", **none).search()


def _outcomes(
    query: db.read.CaseQuery, options: db.read.CaseOptions, listed: db.read.CaseList, home: str
) -> Component:
    """The layer that is looked at, and how its decisions turned out: each outcome is a filter."""
    counts = listed.facets["outcome"]
    if listed.rows and not any(query.layer in row.decisions for row in listed.rows):
        text = f"No decisions of {query.layer} about these cases yet: run “xpixels tune” and reload."
        return html.P(text, className="card untuned muted")
    layers = [
        html.Li(
            dcc.Link(
                layer.name,
                id=ids.list_link("layer", layer.name),
                href=home + query.but(layer=layer.name).search(),
                className="segment segment-on" if layer.name == query.layer else "segment",
            )
        )
        for layer in options.layers
    ]
    decision = next((row.decisions[query.layer] for row in listed.rows if query.layer in row.decisions), None)
    how = alarm_rule_text(METRIC, RULE, decision and decision.k, decision and decision.threshold)
    tiles = [_outcome(outcome, counts, query, home) for outcome in OUTCOMES]
    return html.Div(
        className="outcomes card",
        children=[
            html.Div(
                [
                    html.H2("Outcome in layer"),
                    html.Ul(layers, className="segments"),
                    html.P(how, className="muted layer-rule"),
                ],
                className="layer-choice",
            ),
            html.Ul(tiles, className="tiles"),
        ],
    )


def _outcome(outcome: str, counts: dict[str, int], query: db.read.CaseQuery, home: str) -> Component:
    number = counts[outcome]
    group = sum(counts[other] for other in OUTCOMES if GROUP[other] == GROUP[outcome])
    selected = query.outcome == outcome
    share = number / group if group else 0
    return html.Li(
        dcc.Link(
            id=ids.list_link("outcome", outcome),
            href=home + query.but(outcome=None if selected else outcome).search(),
            className=f"tile outcome-{outcome}" + " tile-on" * selected,
            title="Show all outcomes" if selected else f"Show only: {OUTCOME_NAMES[outcome]}",
            children=[
                html.Span(className=f"mark mark-{outcome}"),
                html.Span(OUTCOME_NAMES[outcome], className="tile-name"),
                html.Span(f"{number:,}", className="tile-count"),
                html.Span(
                    f"{percent(share)} of {group:,} {GROUP[outcome]}"
                    if group
                    else f"no {GROUP[outcome]} case",
                    className="tile-share muted",
                ),
                html.Span(className="tile-bar", style={"--share": f"{share:.4f}"}),
            ],
        )
    )


def _facets(
    query: db.read.CaseQuery, options: db.read.CaseOptions, listed: db.read.CaseList, home: str
) -> list[Component]:
    facets = listed.facets
    partitions = facets["partition"] | {"all": sum(facets["partition"].values())}
    shown = [_facet("Partition", "partition", partitions, query, home, names={"all": "both"})]
    if len(options.networks) > 1:
        networks = {str(network.id): None for network in options.networks}
        names = {str(network.id): f"{network.name} #{network.id}" for network in options.networks}
        shown.append(_facet("Network", "network", networks, query, home, names=names))
    shown.append(_facet("Kind", "kind", facets["kind"], query, home))
    if len(options.methods) > 1:
        shown.append(_facet("Attack", "method", facets["method"], query, home))
    colors = {name: class_color(number) for number, name in options.class_names.items()}
    shown.append(_facet("True class", "true", facets["true"], query, home, colors=colors))
    shown.append(_facet("Predicted class", "predicted", facets["predicted"], query, home, colors=colors))
    return shown


def _facet(
    title: str,
    field: str,
    counts: dict[str, int | None],
    query: db.read.CaseQuery,
    home: str,
    *,
    names: dict[str, str] | None = None,
    colors: dict[str, str] | None = None,
) -> Component:
    """One filter: its values with their counts, in a fixed order; the chosen one takes itself off."""
    chosen = str(getattr(query, field))
    most = max((number or 0 for number in counts.values()), default=0)
    always_one = field in ("partition", "network")
    options = []
    for value, number in counts.items():
        selected = value == chosen
        label = html.Span(
            (names or {}).get(value, value),
            className="class-name" if colors else "facet-name",
            style={"--class-color": colors[value]} if colors else None,
        )
        count = html.Span("" if number is None else f"{number:,}", className="facet-count")
        bar = html.Span(
            className="facet-bar", style={"--share": f"{(number or 0) / most if most else 0:.4f}"}
        )
        if number == 0 and not selected:
            options.append(html.Li(html.Span([bar, label, count], className="facet-option facet-none")))
            continue
        changed = value if always_one or not selected else None
        if field == "network":
            href = f"{home}?network={quote(value)}"  # classes, layers and methods are each network's own
        else:
            href = home + query.but(**{field: changed}).search()
        options.append(
            html.Li(
                dcc.Link(
                    [bar, label, count],
                    id=ids.list_link(field, value),
                    href=href,
                    className="facet-option" + " facet-on" * selected,
                    title="Take off this filter" if selected and not always_one else "",
                ),
                **({"aria-current": "true"} if selected else {}),
            )
        )
    return html.Section([html.H2(title), html.Ul(options)], className=f"facet facet-{field}")


def _no_match(query: db.read.CaseQuery, listed: db.read.CaseList, home: str) -> Component:
    return html.Div(
        className="nothing card",
        children=[
            html.H2("No case matches these filters"),
            html.P(f"The network has {listed.stored:,} cases.", className="muted"),
            dcc.Link("Reset the filters", href=home + _unfiltered(query), className="button"),
        ],
    )


def _refused(error: db.read.QueryError, way_out: str) -> Component:
    allowed = _named(error.allowed)
    return not_found.refused(error.problem, allowed, "Show all validation cases", way_out)


def _named(allowed: str) -> str:
    """The allowed values, outcomes with their plain names."""
    if allowed != ", ".join(("TP", "FP", "TN", "FN")):
        return allowed
    return ", ".join(f"{outcome} ({OUTCOME_NAMES[outcome]})" for outcome in allowed.split(", "))


def _empty_database() -> Component:
    return html.Div(
        className="notice card",
        children=[
            html.H1("No cases yet"),
            html.P(
                [
                    "This database holds no case. Run ",
                    html.Code("xpixels demo"),
                    " for a first batch from the bundled sample, or ",
                    html.Code("xpixels ingest"),
                    " for one of your own; then reload this page.",
                ]
            ),
        ],
    )
