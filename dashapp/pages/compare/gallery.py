"""Images with the vulnerability maps of both networks."""

from typing import Any

from dash import Dash

from dashapp import ids
from dashapp.draw.html_parts import Element, element, link
from dashapp.draw.map_pictures import Scale, margin_picture
from dashapp.pages.compare.counts import IMAGES, name
from db.read import PAGE_IMAGES, SHOWN, ComparedImage, CompareQuery, SidePicture
from db.read.chosen_scope import scope_fields
from db.read.query_string import write_search


def gallery(
    query: CompareQuery, images: list[ComparedImage], total: int, swept: bool, app: Dash
) -> list[Element]:
    """The images that the query shows, with what they are chosen by; nothing where none was swept."""
    if not swept:
        return []
    home = app.get_relative_path("/compare")
    words = {
        "differ": "one of them",
        "both": "both",
        "first": query.first.name,
        "second": query.second.name,
        "neither": "neither",
        "all": "any or none",
    }
    if query.first.name == query.second.name:
        words |= {"first": f"#{query.first.id}", "second": f"#{query.second.id}"}
    choices = [
        element(
            "li",
            link(
                words[show],
                id=ids.network_link("images", show),
                href=home + query.but(show=show).search() + IMAGES,
                className="segment" + " segment-on" * (show == query.show),
            ),
            **({"aria-current": "true"} if show == query.show else {}),
        )
        for show in SHOWN
    ]
    head = element(
        "div",
        [
            element("h2", "Images where one pixel fools"),
            element("ul", choices, className="segments compare-segments"),
            element("span", f"{total:,} image{'s' * (total != 1)}", className="muted small"),
            _pager(query, total, home),
        ],
        className="list-head compare-gallery-head",
        id=IMAGES.removeprefix("#"),
    )
    if not images:
        return [head, element("p", "No image.", className="nothing card muted")]
    cards = [_card(image, query, app) for image in images]
    legend = element(
        "p",
        [
            "Orange: positions where one pixel fools the network, darker where the lead of a wrong class is "
            "larger. Blue: those nearest to it. Both maps of an image have one scale. A map leads to the "
            "network's case of the image, where it has one.",
        ],
        className="muted small",
    )
    return [head, element("ul", cards, className="compare-images"), legend]


def _pager(query: CompareQuery, total: int, home: str) -> Element:
    pages = -(-total // PAGE_IMAGES)
    if pages < 2:
        return element("span", "")

    def step(text: str, page: int) -> Element:
        if not 1 <= page <= pages:
            return element("span", text, className="page muted")
        return link(
            text,
            id=ids.network_link("page", text),
            href=home + query.but(page=page).search() + IMAGES,
            className="page",
        )

    here = element("span", f"{query.page} of {pages}", className="muted")
    parts = [step("Previous", query.page - 1), here, step("Next", query.page + 1)]
    return element("nav", parts, className="row small at-end", **{"aria-label": "Pages of images"})


def _card(image: ComparedImage, query: CompareQuery, app: Dash) -> Element:
    picture = element(
        "img",
        src=app.get_relative_path(f"/images/{image.sha256}.png"),
        alt=f"Test image {image.position}, {image.true_class}",
        className="pixels compare-picture",
        width=image.width,
        height=image.height,
    )
    known = [side.margins for side in (image.first, image.second)]
    scale = Scale(min(float(one.min()) for one in known), max(float(one.max()) for one in known))
    sides = [_side(image, query, which, scale, app) for which in ("first", "second")]
    caption = [
        element("span", image.true_class, className="ellipsis compare-class", title=image.true_class),
        element("span", f"test image {image.position}", className="muted small"),
    ]
    original = element("div", [picture, element("span", caption, className="compare-caption")])
    return element("li", [original, *sides], className="card compare-image")


def _side(image: ComparedImage, query: CompareQuery, which: str, scale: Scale, app: Dash) -> Element:
    side: SidePicture = getattr(image, which)
    network = getattr(query, which)
    fooled = f"{side.positions:,} position{'s' * (side.positions != 1)}" if side.positions else "safe"
    layers = element(
        "span",
        [
            element(
                "img",
                src=app.get_relative_path(f"/images/{image.sha256}.png"),
                alt="",
                className="pixels compare-picture compare-dim",
                width=image.width,
                height=image.height,
            ),
            element(
                "img",
                src=margin_picture(side.margins, scale),
                alt=f"{network.name}: {fooled}",
                className="pixels compare-map",
            ),
        ],
        className="compare-layers",
    )
    text: list[Any] = [
        element("span", name(query, which), className="ellipsis", title=network.name),
        element("span", fooled, className="small " + ("compare-fooled" if side.positions else "muted")),
    ]
    if side.case_id is None:
        return element("div", [layers, element("span", text, className="compare-caption")])
    href = app.get_relative_path(f"/case/{side.case_id}") + write_search(
        [*scope_fields(network.scope, None), ("map", "vulnerability")]
    )
    text.append(element("span", f"case {side.case_id}", className="small compare-case"))
    return link([layers, element("span", text, className="compare-caption")], href=href)
