"""The table of the case list: one row per case, headers that sort, and the links to the other pages."""

from dash import Dash

import db.read
from dashapp import ids
from dashapp.draw.html_parts import Element, element, link
from dashapp.draw.image_size import fitted
from dashapp.theme import class_color
from dashapp.words.decisions import OUTCOME_NAMES, color_text, percent

COLUMNS = (  # sort name (None: cannot be sorted by), title, class of the column, its width in pixels
    ("case", "Case", "c-id", 62),
    (None, "Image", "c-image", 70),
    (None, "Before", "c-image", 70),
    ("kind", "Kind", "c-kind", 90),
    ("true", "True class", "c-class", 118),
    ("predicted", "Predicted", "c-class", 118),
    ("confidence", "Confidence", "c-confidence", 100),
    ("alarms", "Alarms", "c-alarms", 78),
    ("outcome", "Outcome", "c-outcome", 120),
    ("unexpected", "Score", "c-score", 68),
    ("queries", "Queries", "c-queries", 84),
    ("pixel", "Attacked pixel", "c-pixel", 118),
)
THUMBNAIL = 64  # pixels of a side
PER_MARK, MARKS_ROOM = 17, 10  # pixels of a mark with its gap, and beside all of them
SORTING = "Click: sort by this first. Shift-click: add as next sort key"
DESCENDING_FIRST = ("confidence", "alarms", "unexpected", "queries")


def table(
    rows: tuple[db.read.ListedCase, ...], query: db.read.CaseQuery, options: db.read.CaseOptions, app: Dash
) -> Element:
    """The rows under their headers."""
    home = app.get_relative_path("/")
    layers = ", ".join(layer.name for layer in options.layers)
    hints = {
        "alarms": f"One cell a layer: {layers}. Sorts by the number of alarms",
        "outcome": f"How the decision of {query.detector} turned out",
        "unexpected": f"Score of {query.detector}; of a layer the unexpected neighbors among the first k",
        "queries": "Candidates that the attack asked the network about",
        "pixel": "Row and column from the top left (0, 0), color before and after",
    }
    alarms = max(78, PER_MARK * len(options.layers) + MARKS_ROOM)
    columns = [(*column[:3], alarms) if column[0] == "alarms" else column for column in COLUMNS]
    head = [_header(column, hints.get(column[0] or ""), query, home) for column in columns]
    return element(
        "div",
        element(
            "table",
            [
                element("caption", "Cases; each row leads to its case", className="visually-hidden"),
                element("thead", element("tr", head)),
                element("tbody", [_row(row, query, options, app) for row in rows]),
            ],
            className="table case-table",
        ),
        className="card table-card",
    )


def foot(query: db.read.CaseQuery, listed: db.read.CaseList, home: str) -> Element:
    """The row numbers, links to the other pages, and the legend of the marks."""
    first = (query.page - 1) * db.read.PAGE_SIZE + 1
    last = first + len(listed.rows) - 1
    around = {1, listed.pages, *range(query.page - 2, query.page + 3)}
    numbers, before = [], 0
    for page in sorted(page for page in around if 1 <= page <= listed.pages):
        if page > before + 1:
            numbers.append(element("span", "…", className="muted"))
        numbers.append(_page_link(str(page), page, query, listed.pages, home, current=page == query.page))
        before = page
    marks = [
        element(
            "span",
            [element("span", className=f"mark mark-{outcome}"), OUTCOME_NAMES[outcome]],
            className="sign-and-text",
        )
        for outcome in OUTCOME_NAMES
    ]
    pager = [
        _page_link("Previous", query.page - 1, query, listed.pages, home),
        *numbers,
        _page_link("Next", query.page + 1, query, listed.pages, home),
    ]
    return element(
        "div",
        [
            element("span", f"{first:,}–{last:,} of {listed.total:,}", className="muted"),
            element(
                "nav", pager if listed.pages > 1 else [], className="pager row", **{"aria-label": "Pages"}
            ),
            element("div", marks, className="legend muted"),
        ],
        className="list-foot small",
    )


def _header(
    column: tuple[str | None, str, str, int], hint: str | None, query: db.read.CaseQuery, home: str
) -> Element:
    sort, title, name, width = column
    look = {"className": name, "style": {"width": f"{width}px"}}
    if sort is None:
        return element("th", title, scope="col", **look)
    place = next((place for place, key in enumerate(query.order) if key.name == sort), None)
    order = None if place is None else ("ascending", "descending")[query.order[place].descending]
    arrow = {"ascending": "↑", "descending": "↓", None: ""}[order]
    down = sort in DESCENDING_FIRST
    rank = str(place + 1) if place is not None and len(query.order) > 1 else ""
    return element(
        "th",
        link(
            [title, element("span", arrow + rank, className="sort-arrow")],
            id=ids.list_link("sort", sort),
            href=home + query.sorted_by(sort, descending_first=down).search(),
            className="sort" + " sort-on" * (place is not None),
            title=f"{hint}. {SORTING}" if hint else SORTING,
        ),
        scope="col",
        **look,
        **{"data-shift": home + query.then_sorted_by(sort, descending_first=down).search()},
        **({"aria-sort": order} if place == 0 else {}),
    )


def _page_link(
    text: str, page: int, query: db.read.CaseQuery, pages: int, home: str, *, current: bool = False
) -> Element:
    if current:
        return element("span", text, className="page page-on", **{"aria-current": "page"})
    if not 1 <= page <= pages:
        return element("span", text, className="page muted")
    href = home + query.but(page=page).search()
    return link(text, id=ids.list_link("page", text), href=href, className="page")


def _row(
    row: db.read.ListedCase, query: db.read.CaseQuery, options: db.read.CaseOptions, app: Dash
) -> Element:
    # Few components and one link per row: a page of them is quick to draw and to tab through.
    href = app.get_relative_path(f"/case/{row.id}") + query.search()
    adversarial = row.kind == "adversarial"
    before = image(row.original, row, app, "before the attack") if adversarial else None
    partition = element("span", row.partition, className="muted sub") if query.partition == "all" else None
    name = row.sample_name and element(
        "span", row.sample_name, className="muted sub ellipsis", title=row.sample_name
    )
    wrong = row.true_class is not None and row.predicted_class != row.true_class
    confidence = {"--share": f"{row.confidence:.4f}"}
    return element(
        "tr",
        [
            element(
                "th",
                link(str(row.id), href=href, className="row-link"),
                scope="row",
                className="c-id",
            ),
            element("td", marked_image(row, app), className="c-image"),
            element("td", before, className="c-image"),
            element("td", [row.kind, partition, name], className="c-kind"),
            element("td", "not known", className="c-class class-dot ellipsis muted")
            if row.true_class is None
            else _class(row.true_class, options),
            _class(row.predicted_class, options, wrong=wrong),
            element("td", percent(row.confidence), className="c-confidence", style=confidence),
            element("td", marks(row, query, options), className="c-alarms"),
            _outcome(row),
            element("td", _score(row.decision), className="c-score muted"),
            element("td", "" if row.queries is None else f"{row.queries:,}", className="c-queries muted"),
            element("td", _pixel(row), className="c-pixel"),
        ],
    )


def written(row: db.read.ListedCase) -> Element | None:
    """The annotations of a case as small signs: verdict, tags, a note."""
    if not (row.verdict or row.tags or row.note):
        return None
    signs = [element("span", tag, className="tag ellipsis") for tag in row.tags]
    if row.verdict:
        signs.insert(0, element("span", row.verdict, className="tag ellipsis tag-verdict", title="Verdict"))
    if row.note:
        signs.append(
            element(
                "span",
                "✎",
                className="tag ellipsis",
                title="Has a note",
                role="img",
                **{"aria-label": "note"},
            )
        )
    return element("span", signs, className="written")


def marks(row: db.read.ListedCase, query: db.read.CaseQuery, options: db.read.CaseOptions) -> list[Element]:
    """One cell per layer, in the order of the network."""
    return [_mark(layer.name, row, chosen=layer.name == query.detector) for layer in options.layers]


def image(sha256: str, row: db.read.ListedCase, app: Dash, what: str, box: int = THUMBNAIL) -> Element:
    """An image of a case in a square of `box` pixels."""
    shown = fitted(row.height, row.width, box)
    return element(
        "img",
        src=app.get_relative_path(f"/images/{sha256}.png"),
        alt=f"Case {row.id} {what}",
        className=f"{shown.class_name} thumbnail",
        width=shown.width,
        height=shown.height,
    )


def marked_image(row: db.read.ListedCase, app: Dash, box: int = THUMBNAIL) -> Element:
    """The image that the network saw, with a ring around the first attacked pixel."""
    seen = image(row.image, row, app, "as the network saw it", box)
    if row.pixel is None:
        return seen
    place = {
        "--pixel": f"{fitted(row.height, row.width, box).width / row.width:.1f}px",
        "left": f"{100 * (row.pixel.column + 0.5) / row.width:.2f}%",
        "top": f"{100 * (row.pixel.row + 0.5) / row.height:.2f}%",
    }
    return element("div", [seen, element("span", className="ring", style=place)], className="thumb")


def _class(number: int, options: db.read.CaseOptions, *, wrong: bool = False) -> Element:
    return element(
        "td",
        options.class_names.get(number, str(number)),
        className="c-class class-dot ellipsis" + " c-wrong" * wrong,
        style={"--class-color": class_color(number)},
    )


def _mark(layer: str, row: db.read.ListedCase, *, chosen: bool) -> Element:
    """A layer's decision as a small cell: colored by alarm, with a dot if wrong, as text on hover."""
    decision = row.decisions.get(layer)
    if decision is None:
        outcome, words = "none", f"{layer}: not decided"
    else:
        counted = f"{decision.score} of {decision.k} unexpected, threshold {decision.threshold}"
        outcome = decision.outcome or ("TP" if decision.alarm else "TN")  # the marks without a dot
        words = f"{layer}: {outcome_name(decision)} ({counted})"
    return element(
        "span",
        className=f"mark mark-{outcome}" + " mark-shown" * chosen,
        title=words,
        role="img",
        **{"aria-label": words},
    )


def _outcome(row: db.read.ListedCase) -> Element:
    """The outcome of the detector's decision, and below it the annotations."""
    wrong = row.decision is not None and row.decision.outcome in ("FP", "FN")
    name = element("span", outcome_name(row.decision), className="c-wrong" if wrong else "")
    return element("td", [name, written(row)], className="c-outcome muted")


def outcome_name(decision: db.read.ListedDecision | None) -> str:
    """The outcome of a decision; the decision itself if the outcome is not known."""
    if decision is None:
        return "not decided"
    if decision.outcome is None:
        return "alarm" if decision.alarm else "quiet"
    return OUTCOME_NAMES[decision.outcome]


def _score(decision: db.read.ListedDecision | None) -> str:
    if decision is None:
        return ""
    return f"{decision.score:.3g}" if decision.k is None else f"{decision.score:.0f} of {decision.k}"


def _pixel(row: db.read.ListedCase) -> list[Element] | None:
    if row.pixel is None:
        return None
    more = element("span", f"and {row.pixel_count - 1} more", className="muted sub")
    return [
        element("span", f"{row.pixel.row}, {row.pixel.column}", className="place"),
        _swatch(row.pixel.original, "before", gray=row.gray),
        _swatch(row.pixel.color, "after", gray=row.gray),
        *([more] if row.pixel_count > 1 else []),
    ]


def _swatch(color: tuple[int, int, int], when: str, *, gray: bool) -> Element:
    text = color_text(color, gray=gray)
    return element(
        "span",
        className=f"swatch swatch-{when}",
        style={"background": f"rgb({', '.join(map(str, color))})"},
        title=f"{when}: {text}",
        role="img",
        **{"aria-label": f"{when} {text}"},
    )
