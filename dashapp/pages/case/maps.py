"""The images of the case view, and the map over them: how vulnerable each position is, or its repair."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from dash import ALL, Dash, Output, html
from dash.development.base_component import Component
from sqlalchemy import Engine

import db.read
from dashapp import ids, theme
from dashapp.draw import map_pictures
from dashapp.draw.image_size import whole_factor
from dashapp.draw.map_cells import Cells, map_cells
from dashapp.pages.case.address import chooses
from dashapp.pages.case.map_register import MAPS, PLAIN
from dashapp.pages.case.maps_address import MapsView
from dashapp.pages.case.overview import image_address
from dashapp.pages.case.parts import Part
from dashapp.pages.case.scene import Scene
from dashapp.words import decisions as words
from dashapp.words import maps
from dashapp.words.detectors import margin
from dashapp.words.glossary import Entry, explained

ABOUT = {"--scale": 144, "--scale-wide": 176}  # pixels of a side, in narrow and in wide windows
LARGE = 48  # pixels of a side; an attacked pixel of a larger image is shown enlarged, too
LENSES = 3  # pixels of an attack that are shown enlarged


def switch(view: MapsView) -> html.Div:
    """The buttons that choose the map over the images."""
    return html.Div(
        [
            html.Button(
                one.title,
                id=ids.case_map(one.name),
                type="button",
                title=one.note,
                **chooses("map", "" if one.name == PLAIN else one.name),
                **{"aria-pressed": words.aria(one.name == view.over)},
            )
            for one in MAPS.values()
        ],
        className="range-switch map-switch",
        role="group",
        **{"aria-label": "Map over the images"},
    )


def pictures_part() -> html.Div:
    """The container of the images and of the map over them."""
    return html.Div(id=ids.CASE_PICTURES)


def pictures(app: Dash, engine: Engine, case: db.read.CaseDetail, view: MapsView) -> list[Any]:
    """The image that the network saw, beside the original if it was attacked; then the map's legend."""
    over, original, scale, legend = _maps(engine, case, view)
    address = image_address(app, case.image.sha256)
    true = case.true_name
    if case.attack is None:
        caption, alt = ("as given", "The image") if true is None else ("unchanged", f"The image, {true}")
        if case.sample_name:
            caption, alt = f"{case.sample_name}, {caption}", f"{alt} {case.sample_name}"
        shown: list[Component] = [_picture(case, address, caption, alt, (), over, scale)]
    else:
        rings = [(pixel.row, pixel.column) for pixel in case.attack.pixels]
        before, alt = image_address(app, case.original.sha256), f"The original image, {true}"
        shown = [
            _picture(case, before, "original", alt, rings, original, scale),
            html.Span("→", className="image-arrow muted", **{"aria-hidden": "true"}),
            _picture(case, address, "attacked", "The attacked image", rings, over, scale, held=before),
        ]
    if "map" in view.complaints:
        legend = [html.P(view.complaints["map"], className="notice-line", role="status")]
    said = [html.Div(legend, className="map-said")] if legend else []
    return [html.Div(shown, className="case-images", style=_size(case.image)), *said]


def _size(image: db.read.CaseImage) -> dict[str, Any]:
    """Small images by whole factors, one for narrow and one for wide windows; large ones as they are."""
    factors = {name: whole_factor(image.height, image.width, about) for name, about in ABOUT.items()}
    return {"--columns": image.width, "--rows": image.height, **factors}


def _maps(
    engine: Engine, case: db.read.CaseDetail, view: MapsView
) -> tuple[db.read.PixelMap | None, db.read.PixelMap | None, map_pictures.Scale | None, list[Any]]:
    """The maps over the image and over the original, the scale of both, and the legend."""
    chosen = MAPS[view.over]
    if chosen.read is None:
        return None, None, None, []
    content = chosen.read(engine, case)
    if content is None:
        return None, None, None, [html.P(maps.missing_sentence(chosen.what), className="notice-line")]
    over, original, sentences = content
    stored = [one for one in (over, original) if one is not None]
    scale = map_pictures.margin_scale(np.concatenate([one.margins.ravel() for one in stored]))
    joined = map_cells(stored[0]).joined
    if joined > 1:
        sentences = [*sentences, maps.joined_sentence(joined)]
    return over, original, scale, _legend(scale, sentences)


def _legend(scale: map_pictures.Scale, sentences: Sequence[str]) -> list[Any]:
    """Color bar and text; `sentences`: what the map means, then what it shows for this image."""
    meaning, *said = sentences
    zero = 100 * (min(max(0.0, scale.low), scale.high) - scale.low) / max(scale.high - scale.low, 1e-6)
    marks = [(0.0, margin(scale.low)), (100.0, margin(scale.high))]
    if 12 < zero < 82:
        marks.insert(1, (zero, "0"))
    return [
        html.Div(
            [
                html.Div(className="map-bar", style={"--zero": f"{zero:.1f}%"}),
                html.Div(
                    [html.Span(text, style={"left": f"{place:.1f}%"}) for place, text in marks],
                    className="map-ticks",
                ),
            ],
            className="map-legend",
            **{"data-low": f"{scale.low:.3f}", "data-high": f"{scale.high:.3f}"},
        ),
        html.Div(
            [
                html.P(maps.POINT, className="map-readout small", **{"data-rest": maps.POINT}),
                explained(Entry("This map", meaning)),
            ],
            className="map-point",
        ),
        *(html.P(sentence, className="muted small map-words") for sentence in said),
    ]


def _picture(
    case: db.read.CaseDetail,
    address: str,
    caption: str,
    alt: str,
    rings: Sequence[tuple[int, int]],
    over: db.read.PixelMap | None,
    scale: map_pictures.Scale | None,
    held: str | None = None,
) -> html.Figure:
    """An image without smoothing.

    rings: (row, column) of pixels to mark. over, scale: the map over it, and its range of values.
    held: address of the image that replaces it while a key, or the mouse on it, is held.
    """
    image = case.image
    lenses = [_lens(address, image, place) for place in rings[:LENSES]] if max(image[1:3]) > LARGE else []
    marks = [
        html.Span(
            className="pixel-ring",
            style={
                "left": f"{100 * (column + 0.5) / image.width:.3f}%",
                "top": f"{100 * (row + 0.5) / image.height:.3f}%",
            },
        )
        for row, column in rings
    ]
    if caption != "original":
        marks.append(html.Span(className="suspect", hidden=True))  # the repair sweep's pixel, on demand
    layers = [html.Img(src=address, alt=alt, className="pixels")]
    if held is not None:
        layers.append(html.Img(src=held, alt="", className="pixels held-original"))
    extras = {}
    if over is not None:
        cells = map_cells(over)
        picture = map_pictures.margin_picture(cells.margins, scale)
        rows, columns = (length * cells.side for length in cells.margins.shape)
        size = {
            "width": f"{100 * columns / image.width:.4f}%",
            "height": f"{100 * rows / image.height:.4f}%",
        }
        drawn = html.Img(src=picture, alt="", className="pixels", style=size)
        layers.append(html.Div(drawn, className="map-over"))
        marks.append(html.Span(className="map-cell", hidden=True))
        extras = {
            "tabIndex": 0,
            "data-map": _values(case, cells),
            "aria-label": f"{alt}: arrow keys tell the numbers of a position",
            "role": "application",
        }
    name = "case-image-frame" + " has-map" * (over is not None) + " can-hold" * (held is not None)
    words = [html.Span(caption, className="caption-now")]
    if held is not None:
        words.append(html.Span("original, while held", className="caption-held"))
    return html.Figure(
        [
            html.Div([*layers, *marks], className=name, **extras),
            html.Div(lenses, className="lenses row wrap") if lenses else None,
            html.Figcaption(words, className="muted small"),
        ],
        className="case-image",
    )


def _lens(address: str, image: db.read.CaseImage, place: tuple[int, int]) -> html.Div:
    """The attacked pixel of a large image with those around it, enlarged."""
    row, column = place
    style = {
        "backgroundImage": f"url({address})",
        "--columns": image.width,
        "--row": row,
        "--column": column,
    }
    said = f"Around row {row}, column {column}, enlarged"
    return html.Div(className="lens", style=style, title=said, role="img", **{"aria-label": said})


def _values(case: db.read.CaseDetail, over: Cells) -> str:
    """What the browser shows for each square: margins in hundredths, classes, colors, row by row.

    A margin is null where nothing was tried.
    """
    height, width = over.margins.shape
    tried = np.isfinite(over.margins).ravel().tolist()
    hundredths = np.round(100 * np.nan_to_num(over.margins, neginf=0)).astype(int).ravel().tolist()
    there = np.unique(over.classes).tolist()
    values = {
        "height": height,
        "width": width,
        "side": over.side,
        "imageHeight": case.image.height,
        "imageWidth": case.image.width,
        "gray": case.image.gray,
        "margins": [one if known else None for one, known in zip(hundredths, tried, strict=True)],
        "classes": over.classes.ravel().tolist(),
        "names": {index: case.class_names[index] for index in there},
        "marks": {index: theme.class_color(index) for index in there},
    }
    if over.joined > 1:
        values |= {"rows": over.rows.ravel().tolist(), "columns": over.columns.ravel().tolist()}
    if over.colors is not None:
        palette, indices = np.unique(over.colors.reshape(-1, 3), axis=0, return_inverse=True)
        values |= {"palette": palette.tolist(), "colors": indices.ravel().tolist()}
    return json.dumps(values, separators=(",", ":"))


def _draw_pictures(scene: Scene) -> dict[str, Any]:
    buttons = scene.listed["pressed_maps"]
    return {
        "pictures": pictures(scene.app, scene.engine, scene.case, scene.maps),
        "pressed_maps": [words.aria(button["over"] == scene.maps.over) for button in buttons],
    }


PARTS = (
    Part(
        "pictures",
        {
            "pictures": Output(ids.CASE_PICTURES, "children"),
            "pressed_maps": Output(ids.case_map(ALL), "aria-pressed"),
        },
        lambda scene: [scene.maps.over, scene.maps.complaints.get("map")],
        _draw_pictures,
    ),
)
