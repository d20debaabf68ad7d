"""The gallery of the case list: large images side by side, to look through many cases at once."""

from typing import Any

from dash import Dash

import db.read
from dashapp.draw.html_parts import Element, element, link
from dashapp.pages.case.overview import class_name
from dashapp.pages.cases import table
from dashapp.words.decisions import percent

LARGE = 96  # pixels of an image's side


def gallery(
    rows: tuple[db.read.ListedCase, ...], query: db.read.CaseQuery, options: db.read.CaseOptions, app: Dash
) -> Element:
    """One tile per case: the image that the network saw (and its original if attacked), classes, alarms."""
    return element("ul", [_tile(row, query, options, app) for row in rows], className="gallery")


def _tile(
    row: db.read.ListedCase, query: db.read.CaseQuery, options: db.read.CaseOptions, app: Dash
) -> Element:
    names = options.class_names
    classes: list[Any] = [class_name(names[row.predicted_class], row.predicted_class)]
    if row.true_class is not None and row.true_class != row.predicted_class:
        true = class_name(names[row.true_class], row.true_class)
        classes = [true, element("span", "→", className="muted"), *classes]
    images = [table.marked_image(row, app, LARGE)]
    if row.kind == "adversarial":
        images.insert(0, table.image(row.original, row, app, "before the attack", LARGE))
    return element(
        "li",
        [
            element("div", images, className="gallery-images"),
            element(
                "div",
                [
                    link(
                        f"#{row.id}",
                        href=app.get_relative_path(f"/case/{row.id}") + query.search(),
                        className="row-link",
                        title=f"Case {row.id}, {row.kind}"
                        + (f", {row.sample_name}" if row.sample_name else ""),
                    ),
                    element("span", table.marks(row, query, options), className="gallery-marks at-end"),
                ],
                className="row",
            ),
            element("div", classes, className="row"),
            element(
                "div",
                [
                    element("span", percent(row.confidence)),
                    element("span", table.outcome_name(row.decision), className="at-end"),
                ],
                className="row muted small",
            ),
            table.written(row),
        ],
        className="gallery-tile card",
    )
