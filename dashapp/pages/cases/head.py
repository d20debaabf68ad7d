"""Above the case list: the chosen filters, the tools, and the outcomes of the chosen detector."""

from dash import Dash, dcc, html
from dash.development.base_component import Component

import db.read
from dashapp import ids
from dashapp.draw.html_parts import Element, drawn, element
from dashapp.words.decisions import ATTACKED_FIRST, OUTCOME_NAMES, alarm_rule_text, percent
from db.facet_register import FACETS
from db.vocabulary import DETECTORS, METRIC, OUTCOMES, RULE

BY_NAME = {facet.name: facet for facet in FACETS}

POPULATION = "clean: correctly classified images; adversarial: successful attacks"
GROUP = {outcome.name: "attacked" if outcome.attacked else "clean" for outcome in OUTCOMES.values()}
TITLE = {
    "validation": "Validation cases",
    "tuning": "Tuning cases",
    "checked": "Checked images",
    "all": "All cases",
}
DETECTOR_HINTS = {detector.name: detector.hint for detector in DETECTORS.values()}


def head(
    query: db.read.CaseQuery, options: db.read.CaseOptions, listed: db.read.CaseList, home: str
) -> Component:
    """Title, number of cases, and the chosen filters, each with a link that removes it."""
    chips = []
    for name, values in query.filters.items():
        facet = BY_NAME[name]
        title = facet.title.lower() + f" in {query.detector}" * (name == "outcome")
        for value in values:
            chips.append(
                _chip(title, options.label(facet, value), home + query.toggled(name, value).search())
            )
    for name, bounds in query.ranges.items():
        off = query.within(name, None).search()
        chips.append(_chip(BY_NAME[name].title.lower(), _between(bounds), home + off))
    if query.find:
        chips.append(_chip("find", query.find, home + query.but(find="").search()))
    reset = (
        dcc.Link("Reset", href=home + query.unfiltered().search(), className="reset small")
        if query.is_filtered
        else None
    )
    return html.Div(
        [
            html.H1(TITLE[query.partition]),
            html.Span(f"{listed.total:,} of {listed.stored:,} cases", className="muted list-count"),
            html.Div([*chips, reset], className="row wrap at-end"),
            html.P(POPULATION, className="muted small list-note"),
        ],
        className="list-head",
    )


def tools(app: Dash, query: db.read.CaseQuery, saved: Component) -> Component:
    """Find, table or gallery, a random case, saved views, export."""
    home, search = app.get_relative_path("/"), query.but(page=1).search()
    switch = [
        html.Li(
            dcc.Link(
                view.capitalize(),
                id=ids.list_link("view", view),
                href=home + query.but(view=view, page=query.page).search(),
                className="segment" + " segment-on" * (view == query.view),
            ),
            **({"aria-current": "true"} if view == query.view else {}),
        )
        for view in ("table", "gallery")
    ]
    exports = [
        html.Li(
            html.A(
                name,
                href=app.get_relative_path(f"/export/cases.{form}") + search,
                className="saved-view ellipsis",
                download=f"cases.{form}",
            )
        )
        for form, name in (("csv", "CSV"), ("parquet", "Parquet"))
    ]
    return html.Div(
        [
            drawn(_find(query), className="find"),
            drawn(html.Ul(switch, className="segments")),
            html.Button("Random case", id=ids.LIST_RANDOM, className="button", type="button"),
            saved,
            drawn(_exports(exports)),
        ],
        className="list-tools row wrap",
    )


def _exports(exports: list[Component]) -> Component:
    return html.Details(
        [
            html.Summary("Export", className="button"),
            html.Div(
                [html.P("The filtered list, with notes", className="muted small"), html.Ul(exports)],
                className="menu card",
            ),
        ],
        className="menu-of",
    )


def _find(query: db.read.CaseQuery) -> Element:
    field = element(
        "input",
        **{
            "id": ids.LIST_FIND,
            "class": "field",
            "type": "search",
            "autocomplete": "off",
            "value": query.find,
            "placeholder": "Case 12, 15-20, or words of notes and files …",
            "data-find": "",
        },
    )
    label = html.Span("Find case numbers, or words of notes and names of files", className="visually-hidden")
    return element("label", [label, field])


def outcomes(
    query: db.read.CaseQuery, options: db.read.CaseOptions, listed: db.read.CaseList, home: str
) -> Component:
    """The chosen detector, and the outcomes of its decisions: each outcome is a filter."""
    counts = listed.facets["outcome"]
    decision = next((row.decision for row in listed.rows if row.decision is not None), None)
    detectors = [
        html.Li(
            dcc.Link(
                detector,
                id=ids.list_link("detector", detector),
                href=home + _of_detector(query, detector).search(),
                className="segment segment-on" if detector == query.detector else "segment",
                title=DETECTOR_HINTS.get(detector, ""),
            ),
            **({"aria-current": "true"} if detector == query.detector else {}),
        )
        for detector in options.detectors
    ]
    if query.detector in DETECTOR_HINTS:
        how = DETECTOR_HINTS[query.detector]
    else:
        threshold = None if decision is None else int(decision.threshold)
        how = alarm_rule_text(METRIC, RULE, decision and decision.k, threshold)
    if listed.rows and decision is None:
        text = (
            f"No decisions of {query.detector} about these cases yet ({METRIC} distances, rule {RULE}): "
            f"run “xpixels tune”, or “xpixels ingest --metric {METRIC}” where it is not stored; then reload."
        )
        shown: Component = html.P(text, className="untuned muted")
    else:
        shown = html.Ul(
            [_outcome(outcome, counts, query, home) for outcome in ATTACKED_FIRST], className="tiles"
        )
    return html.Div(
        className="outcomes card",
        children=[
            html.Div(
                [
                    html.H2("Outcome of the detector", className="muted small"),
                    html.Ul(detectors, className="segments"),
                    html.P(how, className="muted layer-rule"),
                ],
                className="layer-choice",
            ),
            shown,
        ],
    )


def sql(statement: str) -> Component:
    """The query behind the list, to copy, change and run."""
    return html.Details(
        [
            html.Summary("Show SQL", className="muted small"),
            html.Div(
                [
                    html.Pre(
                        html.Code(statement), tabIndex=0, **{"aria-label": "The query behind this list"}
                    ),
                    html.Button("Copy", className="button sql-copy", type="button", **{"data-copy": "code"}),
                ],
                className="sql-text",
            ),
        ],
        className="sql list-sql",
    )


def _of_detector(query: db.read.CaseQuery, detector: str) -> db.read.CaseQuery:
    """The list of another detector, without ranges of scores, which are specific to a detector."""
    for name in query.ranges:
        query = query.within(name, None) if BY_NAME[name].of_detector else query
    return query.but(detector=detector)


def _chip(title: str, value: str, href: str) -> Component:
    off = html.Span("×", className="chip-off muted", **{"aria-hidden": "true"})
    return dcc.Link(
        [html.Span(f"{title} ", className="muted"), value, off],
        href=href,
        className="chip row small",
        title=f"Remove the filter {title} {value}",
    )


def _between(bounds: db.read.Range) -> str:
    low, high = bounds.ends
    if not high:
        return f"from {low}"
    return f"{low} to {high}" if low else f"up to {high}"


def _outcome(outcome: str, counts: dict[str, int], query: db.read.CaseQuery, home: str) -> Component:
    number = counts[outcome]
    group = sum(counts[other] for other in OUTCOMES if GROUP[other] == GROUP[outcome])
    selected = outcome in query.filters.get("outcome", ())
    share = number / group if group else 0
    return html.Li(
        dcc.Link(
            id=ids.list_link("outcome", outcome),
            href=home + query.toggled("outcome", outcome).search(),
            className=f"tile outcome-{outcome}" + " tile-on" * selected,
            title="Remove this filter" if selected else f"Show: {OUTCOME_NAMES[outcome]}",
            children=[
                html.Span(className=f"mark mark-{outcome}"),
                html.Span(OUTCOME_NAMES[outcome], className="tile-name"),
                html.Span(f"{number:,}", className="tile-count"),
                html.Span(
                    f"{percent(share)} of {group:,} {GROUP[outcome]}"
                    if group
                    else f"no {GROUP[outcome]} case",
                    className="tile-share muted small",
                ),
                html.Span(className="tile-bar", style={"--share": f"{share:.4f}"}),
            ],
        ),
        **({"aria-current": "true"} if selected else {}),
    )
