"""The table of the detectors' page: one row per detector, shares with their intervals, the best marked."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from dash import dcc, html
from dash.development.base_component import Component

from dashapp import ids
from dashapp.words import decisions
from dashapp.words.glossary import about
from db.read import ANY, DetectorRow, EvidenceQuery, Measure
from db.vocabulary import COMPOSITIONS


class Column(NamedTuple):
    """A column: its sort name, title, the glossary's entry, and what makes a value the best one."""

    sort: str
    title: str
    help: str | None  # None: the title is enough
    widths: tuple[int, ...] = ()  # pixels: from a narrow page to a wide one; empty: the remaining width
    best: Callable[..., Any] | None = None  # max or min; None: no value is better than another


COLUMNS = (
    Column("detector", "Detector", None),
    Column("k", "k", "k", (62, 84)),
    Column("threshold", "Threshold", "threshold", (112, 116)),
    Column("auc", "AUC", "auc", (134, 238, 310), max),
    Column("paired", "AUC, paired", "paired", (124, 238, 310), max),
    Column("accuracy", "Accuracy", "accuracy", (124, 238, 310), max),
    Column("eer", "EER", "eer", (79, 84), min),
    Column("tpr", "TPR", "tpr", (79, 84), max),
    Column("fpr", "FPR", "fpr", (79, 84), min),
    Column("recovered", "Recovered", "recovered", (134, 238, 310), max),
    Column("located", "Located", "located", (112, 116), max),
)
WIDTHS = ("--width", "--wide", "--widest")  # their names in the style sheet
MEASURED = {"auc": "auc", "paired": "paired_auc", "accuracy": "accuracy", "recovered": "recovered"}
BETTER_FIRST = {column.sort: column.best is max for column in COLUMNS}  # whether descending comes first
BADGES = {"repair": ("added here", "badge-ours"), "baseline": ("baseline", "badge-baseline")}
ADDED = [one.name for one in COMPOSITIONS.values() if one.added]
LABELS = ("metric", "rule", "reference")
NONE = "–"


def table(
    rows: Sequence[DetectorRow], query: EvidenceQuery, chosen: DetectorRow | None, home: str
) -> Component:
    """The rows under headers that sort; each row leads to its detector's charts."""
    best = {column.sort: best_value(rows, column) for column in COLUMNS}
    starts = {sort: axis_start(rows, name) for sort, name in MEASURED.items()}
    return html.Div(
        html.Table(
            [
                html.Caption("Detectors; each row leads to its charts", className="visually-hidden"),
                html.Thead(html.Tr([_header(column, query, home) for column in COLUMNS])),
                html.Tbody([_row(row, query, row is chosen, best, starts, home) for row in rows]),
            ],
            className="table detector-table",
        ),
        className="card detector-table-card",
    )


def value(row: DetectorRow, sort: str) -> float | str | None:
    """A row's value in a column; for a measure without its interval."""
    found = getattr(row, MEASURED.get(sort, sort))
    return found.value if isinstance(found, Measure) else found


def best_value(rows: Sequence[DetectorRow], column: Column) -> float | None:
    """The best value of a column as it is shown, or None if no value can be best."""
    if column.best is None:
        return None
    shown = [shown_value(row, column.sort) for row in rows if value(row, column.sort) is not None]
    return column.best(shown) if len(set(shown)) > 1 else None


def shown_value(row: DetectorRow, sort: str) -> float:
    """A value rounded as in the table, so that values that look the same are equally good."""
    return round(value(row, sort), 3)


def axis_start(rows: Sequence[DetectorRow], name: str) -> float:
    """Where the bars of a measure begin: 0 for a share, below chance and every interval for the others."""
    if name == "recovered":
        return 0.0
    lows = [found.low for row in rows if (found := getattr(row, name)) and found.low is not None]
    return min([0.4, *(int(10 * low) / 10 for low in lows)])


def _header(column: Column, query: EvidenceQuery, home: str) -> Component:
    current = query.sort == column.sort
    descending = not query.descending if current else BETTER_FIRST[column.sort]
    order = ("descending" if query.descending else "ascending") if current else None
    arrow = {"ascending": "↑", "descending": "↓", None: ""}[order]
    link = dcc.Link(
        [column.title, html.Span(arrow, className="sort-arrow")],
        id=ids.detector_link("sort", column.sort),
        href=home + query.but(sort=column.sort, descending=descending).search(),
        className="sort" + " sort-on" * current,
    )
    return html.Th(
        [link, about(column.help) if column.help else None],
        scope="col",
        className=f"d-{column.sort}",
        style={name: f"{width}px" for name, width in zip(WIDTHS, column.widths, strict=False)},
        **({"aria-sort": order} if order else {}),
    )


def _row(
    row: DetectorRow,
    query: EvidenceQuery,
    is_chosen: bool,
    best: dict[str, float | None],
    starts: dict[str, float],
    home: str,
) -> Component:
    title, labels = names(row, query)
    link = dcc.Link(
        title,
        id=ids.detector_link("detector", row.detector),
        href=home + query.but(detector=row.detector).search(),
        className="row-link",
        title=f"Show the charts of {row.detector}",
    )
    sub = html.Span(labels, className="sub muted") if labels else None
    cells = [html.Th([link, _badge(row), sub], scope="row", className="d-detector")]
    for column in COLUMNS[1:]:
        is_best = best[column.sort] is not None and value(row, column.sort) is not None
        is_best = is_best and shown_value(row, column.sort) == best[column.sort]
        cells.append(_cell(row, column.sort, is_best, starts))
    current = {"aria-current": "true"} if is_chosen else {}
    return html.Tr(cells, className="detector-on" if is_chosen else "", **current)


def names(row: DetectorRow, query: EvidenceQuery) -> tuple[str, str]:
    """A detector's name, and its metric, rule and reference set where the filters allow any."""
    if row.kind != "neighbors":
        return row.detector.replace("-", " "), ""
    left_open = [name for name in LABELS if getattr(query, name) == ANY]
    labels = {"reference": f"{row.reference} references"}
    return row.layer or "", " · ".join(labels.get(name, getattr(row, name)) for name in left_open)


def _badge(row: DetectorRow) -> Component | None:
    text, kind = BADGES.get(row.kind, ("added here", "badge-ours") if row.layer in ADDED else ("", ""))
    return html.Span(text, className=f"badge {kind}") if text else None


def _cell(row: DetectorRow, sort: str, is_best: bool, starts: dict[str, float]) -> Component:
    classes = f"d-{sort}" + " d-best" * is_best
    found = value(row, sort)
    if sort in MEASURED:
        return _measure(getattr(row, MEASURED[sort]), sort, classes, starts[sort])
    if sort == "k":
        text = str(row.k) if row.k else NONE
    elif sort == "threshold":
        text = decisions.threshold(row.threshold)
    else:
        text = NONE if found is None else decisions.percent(found)
    return html.Td(html.Span(text, className="d-value"), className=classes)


def _measure(measure: Measure | None, sort: str, classes: str, start: float) -> Component:
    if measure is None:
        return html.Td(html.Span(NONE, className="d-value"), className=classes)
    text = f"{measure.value:.3f}" if sort in ("auc", "paired") else decisions.percent(measure.value)
    parts = [html.Span(text, className="d-value")]
    if measure.low is not None:
        parts += [
            html.Span(decisions.interval(measure.low, measure.high), className="d-interval muted"),
            html.Span(className="d-bar", style=bar_style(measure, start, chance=sort in ("auc", "paired"))),
        ]
    return html.Td(html.Div(parts, className="d-measure"), className=classes)


def bar_style(measure: Measure, start: float, *, chance: bool) -> dict[str, str]:
    """Positions of interval, value and chance on the bar, as shares of its length."""

    def place(share: float) -> str:
        return f"{min(1.0, max(0.0, (share - start) / (1 - start))):.4f}"

    style = {"--low": place(measure.low), "--high": place(measure.high), "--value": place(measure.value)}
    return style | ({"--chance": place(0.5)} if chance else {})
