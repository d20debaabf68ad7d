"""Parts of the detectors' page around table and charts: head, filters, first divergence, how to read it."""

from collections.abc import Sequence

from dash import dcc, html
from dash.development.base_component import Component

import db.read
from dashapp import ids
from dashapp.draw.html_parts import Element, drawn, element, notice
from dashapp.words.decisions import percent
from dashapp.words.glossary import GLOSSARY, about
from db.read import DetectorRow, Divergence, EvidenceOptions, EvidenceQuery, Question

FILTERS = {  # name in the address -> title
    "set": "Attacks",
    "partition": "Cases",
    "metric": "Metric",
    "rule": "Rule",
    "reference": "Reference set",
}
HINTS = {
    "targeted": "Attacks at a class that was drawn for them",
    "untargeted": "Attacks that any wrong class satisfies",
    "total": "All neighbors that are not of the predicted class count",
    "max-class": "Only the most frequent other class counts",
    "distinct": "Without training images that are near-duplicates of others or neighbors of far too many",
}
READING = ("auc", "paired", "baseline", "fpr", "eer", "recovered", "located", "interval")  # of the glossary
MANY_CLASSES = 12  # of more classes, those attacked most have a row
EXPLAINED = ("metric", "rule", "reference")  # filters that the glossary explains


def head(query: EvidenceQuery, rows: Sequence[DetectorRow], chosen: DetectorRow | None) -> Component:
    """Title, the cases behind the numbers, and a note if the filters exclude the address's detector."""
    said = [html.H1("Detectors")]
    if rows:
        one = rows[0]
        counted = f"{one.tp + one.fn:,} attacked and {one.fp + one.tn:,} clean {query.partition} images"
        said.append(html.Span(counted, className="muted"))
    note = "k and threshold are chosen on the tuning cases, and judged on the validation cases."
    if query.partition == "tuning":
        note = "These are the cases that k and threshold were chosen on: these results are too optimistic."
    said.append(html.P(note, className="muted small list-note"))
    if query.detector is not None and chosen is not None and chosen.detector != query.detector:
        missing = f"The filters leave out {query.detector}; the charts show {chosen.detector}."
        said.append(html.P(missing, className="small list-note", role="status"))
    return html.Div(said, className="list-head")


def filters(query: EvidenceQuery, options: EvidenceOptions, home: str) -> Component:
    """A row of values per filter with more than one value."""
    groups = []
    for name, values in options.values.items():
        if len(values) < 2:
            continue
        anything = (db.read.ANY,) if name in ("metric", "rule", "reference") else ()
        links = [
            _segment(
                name,
                value,
                home + query.narrowed(options, name, value).search(),
                getattr(query, name) == value,
            )
            for value in (*anything, *values)
        ]
        groups.append(_group(name, links))
    return html.Div(groups, className="card detector-filters", **{"aria-label": "Filters"})


def table_foot(query: EvidenceQuery) -> Component:
    """The legend of the table's marks, and its query."""
    return html.Div(
        [
            sql(db.read.summary_question(query)),
            html.Span(
                [html.Span("0.000", className="d-sample"), "best of its column"],
                className="sign-and-text muted",
            ),
            html.Span(
                [html.Span(className="d-bar d-bar-sample"), "95 % interval and chance"],
                className="sign-and-text muted",
            ),
        ],
        className="detector-table-foot small",
    )


def chart(title: str, note: str, figure: Component, question: Question | None) -> Component:
    """A card with a figure and the query behind it."""
    return html.Section(
        [
            html.Div(
                [html.H2(title), html.P(note, className="muted small")],
                className="detector-chart-head",
            ),
            figure,
            sql(question) if question else None,
        ],
        className="card detector-chart",
    )


def sql(question: Question) -> Component:
    """The query that was run, collapsed; one click into it selects all of it."""
    text = question.sql()
    return html.Details(
        [
            html.Summary("SQL", className="muted small"),
            html.Div(
                [
                    html.Pre(html.Code(text), tabIndex=0, **{"aria-label": "The query behind this"}),
                    dcc.Clipboard(content=text, title="Copy the query", className="sql-copy"),
                ],
                className="sql-text",
            ),
        ],
        className="sql",
    )


def divergence(found: Sequence[Divergence], question: Question) -> Component:
    """Shares of attacked images by the first layer where the neighbors' top class is not the true one."""
    how = (
        f"{question.values['metric']} · {question.values['rule']} · all {question.values['partition']} cases"
    )
    if not found:
        text = "No decisions under this metric and rule yet: run “xpixels tune” and reload."
        body: Component = html.P(text, className="muted")
    else:
        body = _heat(found)
    return html.Section(
        [
            html.Div(
                [
                    html.Div(
                        [html.H2("Where neighbors first leave the true class"), about("divergence")],
                        className="detector-title",
                    ),
                    html.P(
                        f"Attacked images by the first layer where the most frequent class among the first k "
                        f"neighbors is another ({how}).",
                        className="muted small",
                    ),
                ],
                className="detector-chart-head",
            ),
            body,
            sql(question),
        ],
        className="card detector-chart",
    )


def divergence_shares(
    found: Sequence[Divergence],
) -> tuple[list[str], dict[str, list[float]], dict[str, int]]:
    """The layers in order, ('none' last); class -> shares in them, 'all' first; class -> attacked images."""
    layers = list(dict.fromkeys(one.layer for one in found if one.layer is not None))
    classes = list(dict.fromkeys(one.true_class for one in found))
    counts = {name: [0] * (len(layers) + 1) for name in ("all", *classes)}
    for one in found:
        place = len(layers) if one.layer is None else layers.index(one.layer)
        for name in ("all", one.true_class):
            counts[name][place] += one.cases
    totals = {name: sum(numbers) for name, numbers in counts.items()}
    shares = {name: [n / totals[name] for n in numbers] for name, numbers in counts.items()}
    return [*layers, "none"], shares, totals


def _heat(found: Sequence[Divergence]) -> Component:
    """The shares as a table; of many classes those attacked most, and a field that finds the others."""
    layers, shares, totals = divergence_shares(found)
    names, many = list(shares), len(shares) > MANY_CLASSES + 1
    if many:
        names.sort(key=lambda name: (name != "all", -totals[name]))
    head = element(
        "tr",
        [
            element("th", "True class", scope="col"),
            element("th", "Attacked", scope="col", className="heat-count"),
            *(element("th", layer, scope="col", className="heat-cell") for layer in layers),
        ],
    )
    rows = []
    for place, name in enumerate(names):
        cells = [
            element("td", percent(share), className="heat-cell", style={"--share": f"{share:.3f}"})
            for share in shares[name]
        ]
        top = place <= MANY_CLASSES
        rows.append(
            element(
                "tr",
                [
                    element("th", name, scope="row", className="ellipsis", title=name),
                    element("td", f"{totals[name]:,}", className="heat-count muted"),
                    *cells,
                ],
                className="heat-all" if name == "all" else "",
                hidden=not top,
                **({"data-top": ""} if top else {}),
            )
        )
    table = element(
        "table", [element("thead", head), element("tbody", rows, **{"data-narrowed": ""})], className="heat"
    )
    return drawn([_class_search(len(names) - 1) if many else None, table])


def _class_search(number: int) -> Element:
    return element(
        "input",
        **{
            "type": "search",
            "className": "field heat-find",
            "autocomplete": "off",
            "placeholder": f"Find one of {number:,} classes …",
            "aria-label": "Find a class by its name",
            "data-narrows": "",
        },
    )


def reading() -> Component:
    """How to read the page, in short."""
    return html.Section(
        [
            html.H2("How to read this"),
            html.Dl(
                [
                    html.Div([html.Dt(entry.term), html.Dd(entry.text, className="muted")])
                    for entry in (GLOSSARY[key] for key in READING)
                ]
            ),
        ],
        className="card detector-chart detector-reading",
    )


def no_match(home: str) -> Component:
    """The notice that no detector matches the filters."""
    return html.Div(
        [
            html.H2("No detector was evaluated on these cases under these filters"),
            dcc.Link("Reset the filters", href=home, className="button"),
        ],
        className="nothing card",
    )


def not_evaluated(options: EvidenceOptions) -> Component:
    """The notice that nothing was evaluated yet, with the commands that do it."""
    chosen = next((one for one in options.networks if one.scope == options.scope), None)
    where = "This database" if chosen is None else f"{chosen.name} on {chosen.dataset}"
    return notice(
        "No evaluation yet",
        html.P(
            [
                f"{where} has no evaluated detector. Run ",
                html.Code("xpixels ingest"),
                " for a batch of cases, or ",
                html.Code("xpixels study"),
                " for the whole study; then reload this page.",
            ]
        ),
    )


def _group(name: str, links: list[Component]) -> Component:
    return html.Div(
        [
            html.Div(
                [html.H2(FILTERS[name], className="muted small"), about(name) if name in EXPLAINED else None],
                className="detector-filter-head",
            ),
            html.Ul(links, className="segments"),
        ],
        className=f"detector-filter filter-{name}",
    )


def _segment(name: str, value: str, href: str, current: bool) -> Component:
    return html.Li(
        dcc.Link(
            value,
            id=ids.detector_link(name, value),
            href=href,
            className="segment" + " segment-on" * current,
            title=HINTS.get(value, ""),
        ),
        **({"aria-current": "true"} if current else {}),
    )
