"""The table of the networks' page: one row for each network and data set, and below each its detectors."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from dash import Dash

from dashapp import ids
from dashapp.draw.html_parts import Element, element, link
from dashapp.pages.detectors.table import bar_style
from dashapp.words import decisions
from db.read import BestDetector, Measure, NetworkResult, NetworksQuery
from db.read.chosen_scope import scope_fields
from db.read.query_string import write_search

AUC_START = 0.4  # where the bars of an AUC begin: below chance
SWEEP, EVOLUTION = "corner-sweep", "differential-evolution"
NONE = "–"


class Column(NamedTuple):
    """A column: its sort name, title, hint, width in pixels, and whether large values come first."""

    sort: str
    title: str
    hint: str
    width: int
    descending: bool = False


COLUMNS = (
    Column("network", "Network", "Its name, parameters and multiply-adds of a pass", 152),
    Column("dataset", "Data set", "Its name, and the size of its images", 130),
    Column("accuracy", "Accuracy", "On the test images", 108, descending=True),
    Column("sweep", "Falls to sweep", "Images that one pixel in one of the colors fools", 112),
    Column("evolution", "Falls to evolution", "Images that fall to differential evolution", 126),
    Column("positions", "Positions", "Vulnerable positions of a swept image: mean share", 78),
    Column("neighbors", "AUC, layers", "Of the best layer", 106, descending=True),
    Column("repair", "AUC, repair", "Of the repair sweep", 106, descending=True),
    Column("baseline", "AUC, baseline", "Of the best baseline", 106, descending=True),
    Column("recovered", "Recovered", "True classes that the best detector names", 114, descending=True),
    Column("rate", "Evals/s", "Candidates evaluated per second, of attacks and sweeps", 60, descending=True),
    Column("run", "Last run", "When the last run ended, in UTC", 84, descending=True),
)


def table(results: Sequence[NetworkResult], query: NetworksQuery, app: Dash) -> Element:
    """The rows under headers that sort."""
    head = [_header(column, query, app.get_relative_path("/networks")) for column in COLUMNS]
    rows = [row for result in results for row in _rows(result, query, app)]
    return element(
        "div",
        element(
            "table",
            [
                element("caption", "Networks on their data sets", className="visually-hidden"),
                element("thead", element("tr", head)),
                element("tbody", rows),
            ],
            className="table network-table",
        ),
        className="card network-table-card",
    )


def scope_search(result: NetworkResult, *fields: tuple[str, object]) -> str:
    """The query string for pages about a row's network and data set."""
    return write_search([*scope_fields(result.scope, None), *fields])


def _header(column: Column, query: NetworksQuery, home: str) -> Element:
    current = query.sort == column.sort
    order = ("descending" if query.descending else "ascending") if current else None
    arrow = {"ascending": "↑", "descending": "↓", None: ""}[order]
    descending = not query.descending if current else column.descending
    return element(
        "th",
        link(
            [column.title, element("span", arrow, className="sort-arrow")],
            id=ids.network_link("sort", column.sort),
            href=home + query.but(sort=column.sort, descending=descending).search(),
            className="sort" + " sort-on" * current,
            title=column.hint,
        ),
        scope="col",
        style={"width": f"{column.width}px"},
        className=f"n-{column.sort}",
        **({"aria-sort": order} if order else {}),
    )


def _rows(result: NetworkResult, query: NetworksQuery, app: Dash) -> list[Element]:
    chosen = result.scope == query.scope
    current: dict[str, Any] = {"aria-current": "true"} if chosen else {}
    cells = [
        _name(result, app),
        _dataset(result),
        _share(result.accuracy, _cases(result, app), _of(result.test_images, "image"), "its file says so"),
        _share(result.swept, _cases(result, app, SWEEP), _of(result.swept_images, "image")),
        _share(result.evolved, _cases(result, app, EVOLUTION), _evolved(result)),
        _positions(result, app),
        *(_auc(getattr(result, kind), result, app) for kind in ("neighbors", "repair", "baseline")),
        _recovered(result, app),
        element("td", NONE if result.rate is None else f"{result.rate:,.0f}", className="n-rate"),
        _time(result),
    ]
    rows = [element("tr", cells, className="network-on" if chosen else "", **current)]
    more = _detectors(result, app)
    look = "network-more" + " network-on" * chosen
    return [*rows, element("tr", element("td", more, colSpan=len(COLUMNS)), className=look)]


def _name(result: NetworkResult, app: Dash) -> Element:
    name = link(
        result.network,
        href=app.get_relative_path("/") + scope_search(result),
        className="network-name ellipsis",
        title=f"{result.network} #{result.scope.network_id}: its cases",
    )
    size = _in_short(result.parameters) + " parameters" if result.parameters else ""
    work = f"{result.multiply_adds:,} multiply-adds a pass" if result.multiply_adds else ""
    words = f"#{result.scope.network_id}" + (f" · {size}" if size else "")
    sub = element("span", words, className="sub muted ellipsis", title=work)
    return element("th", [name, sub], scope="row", className="n-network")


def _dataset(result: NetworkResult) -> Element:
    size = "" if result.height is None else f"{result.height} × {result.width}"
    classes = "" if result.classes is None else f"{result.classes:,} classes"
    sub = " · ".join(one for one in (size, classes) if one)
    name = element("span", result.dataset, className="ellipsis network-dataset", title=result.dataset)
    return element("td", [name, element("span", sub, className="sub muted")])


def _cases(result: NetworkResult, app: Dash, method: str | None = None) -> str:
    """The address of a row's cases; those of attacks by a method, where there are any."""
    fields: list[tuple[str, object]] = [("partition", "all")]
    if method in result.methods:
        fields.append(("method", method))
    home: str = app.get_relative_path("/")
    return home + scope_search(result, *fields)


def _share(measure: Measure | None, href: str, note: str, without: str = "") -> Element:
    if measure is None:
        return _nothing()
    parts = [_value(decisions.percent(measure.value), href), *_interval(measure, 0.0)]
    small = note if measure.low is not None else without
    return element("td", [*parts, element("span", small, className="sub muted")])


def _positions(result: NetworkResult, app: Dash) -> Element:
    if result.positions is None or result.position_share is None:
        return _nothing()
    text = decisions.percent(result.position_share)
    sub = element("span", f"mean {result.positions:,.1f}", className="sub muted")
    return element("td", [_value(text, _cases(result, app)), sub])


def _auc(best: BestDetector | None, result: NetworkResult, app: Dash) -> Element:
    if best is None:
        return _nothing()
    parts = [
        _value(f"{best.measure.value:.3f}", _detector(result, best.detector, app)),
        *_interval(best.measure, AUC_START, chance=True),
        _small(best.detector),
    ]
    return element("td", parts)


def _recovered(result: NetworkResult, app: Dash) -> Element:
    best = result.recovered
    if best is None:
        return _nothing()
    text = decisions.percent(best.measure.value)
    parts = [_value(text, _detector(result, best.detector, app)), *_interval(best.measure, 0.0)]
    return element("td", [*parts, _small(best.detector)])


def _detector(result: NetworkResult, detector: str, app: Dash) -> str:
    """The address of a detector's charts; any metric and rule, as the best one may have another."""
    fields = [(name, "any") for name in ("metric", "rule", "reference")]
    plain = any(one.detector == detector for one in result.detectors)
    search = scope_search(result, *([] if plain else fields), ("detector", detector))
    home: str = app.get_relative_path("/detectors")
    return home + search


def _time(result: NetworkResult) -> Element:
    if result.last_run_at is None:
        return _nothing()
    day, _, time = result.last_run_at.partition("T")
    return element("td", [day, element("span", time.removesuffix("Z"), className="sub muted")])


def _detectors(result: NetworkResult, app: Dash) -> Element:
    """The detectors of a row, folded; or the command that fills the row."""
    if not result.detectors:
        command = f"xpixels study --network {result.network} --dataset {result.dataset}"
        lack = "Neither attacked nor evaluated yet" if result.is_empty else "No detector evaluated yet"
        text = [f"{lack}: run ", element("code", command), " and reload."]
        return element("p", text, className="muted small")
    listed = [
        element(
            "li",
            [
                link(one.layer or one.detector.replace("-", " "), href=_detector(result, one.detector, app)),
                element("span", NONE if one.auc is None else f"{one.auc.value:.3f}"),
                element("span", _ends(one.auc), className="muted"),
                element("span", _named(one.recovered), className="muted"),
            ],
        )
        for one in result.detectors
    ]
    count = len(result.detectors)
    words = f"{count} detector{'s' * (count != 1)}"
    title = "The usual metric and rule of each layer, the repair sweep and the baselines"
    note = "AUC with its interval, and the share of true classes named"
    return element(
        "details",
        [
            element("summary", words, className="muted small", title=title),
            element("p", f"{title}: {note}.", className="muted small"),
            element("ul", listed, className="network-detectors small"),
        ],
    )


def _value(text: str, href: str) -> Element:
    return link(text, href=href, className="n-value")


def _interval(measure: Measure, start: float, *, chance: bool = False) -> list[Element]:
    if measure.low is None or measure.high is None:
        return []
    return [
        element("span", decisions.interval(measure.low, measure.high), className="d-interval muted"),
        element("span", className="d-bar", style=bar_style(measure, start, chance=chance)),
    ]


def _ends(measure: Measure | None) -> str:
    if measure is None or measure.low is None or measure.high is None:
        return ""
    return decisions.interval(measure.low, measure.high)


def _named(measure: Measure | None) -> str:
    return "" if measure is None else f"{decisions.percent(measure.value)} named"


def _small(text: str) -> Element:
    return element("span", text.replace("-", " "), className="sub muted ellipsis", title=text)


def _nothing() -> Element:
    return element("td", NONE, className="muted")


def _of(count: int, what: str) -> str:
    return f"of {count:,} {what}{'s' * (count != 1)}"


def _evolved(result: NetworkResult) -> str:
    budget = "" if result.evolved_budget is None else f", {_in_short(result.evolved_budget)} queries"
    return f"of {result.evolved_images:,}{budget}"


def _in_short(number: int) -> str:
    """A count with three digits: 1.25 M, 103 k, 940."""
    for size, sign in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.3g} {sign}" if number < 999.5 * size else f"{number / size:,.0f} {sign}"
    return str(number)
