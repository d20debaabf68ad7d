"""All maps of a conv layer that the reader opens in the case view, or how the attack changed them."""

import math
from typing import Any

import numpy as np
from dash import ALL, Output, html
from sqlalchemy import Engine

import db.read
from dashapp import ids
from dashapp.draw import activation_maps, map_pictures
from dashapp.pages.case.address import chooses
from dashapp.pages.case.maps_address import ORIGINAL, MapsView
from dashapp.pages.case.parts import Part
from dashapp.pages.case.scene import Scene
from dashapp.words import decisions, maps

FULL = 0.995  # share of the values, by size, below the last color of the scale


def channels_part() -> html.Div:
    """The container of the panel, empty while no layer is open."""
    return html.Div(id=ids.CASE_CHANNELS)


def channels(engine: Engine, case: db.read.CaseDetail, view: MapsView) -> list[Any]:
    """The panel's content; a line if the address asks for something that it cannot show."""
    lines = [view.complaints[name] for name in ("activations", "difference") if name in view.complaints]
    notices = [html.P(line, className="notice-line", role="status") for line in lines]
    if view.layer is None:
        return notices
    stored = db.read.case_activations(engine, case.case_id, [view.layer])
    values = _decoded(stored[0]) if stored else None
    problem = None if stored else maps.NO_ACTIVATIONS
    difference = view.difference and case.attack is not None
    if difference and values is not None:
        before = db.read.original_activation(engine, case.case_id, view.layer)
        if before is None:
            values, problem = None, maps.NO_ORIGINAL
        else:
            values = values - _decoded(before)
    body = [html.P(problem, className="notice-line")] if values is None else _grid(values, difference)
    count = next(layer.shape[-1] for layer in case.layers if layer.name == view.layer)
    head = html.Div(
        [
            html.H2(maps.channels_title(view.layer, count)),
            html.Span(maps.CHANGED if difference else maps.BRIGHTEST, className="muted small"),
            _switch(case, difference),
            html.Button(
                "Close",
                className="button",
                type="button",
                **chooses("activations", ""),
            ),
        ],
        className="part-head part-head-middle wrap channels-head",
    )
    panel = html.Section(
        [head, *body], className="card case-channels", **{"aria-label": f"Maps of {view.layer}"}
    )
    return [*notices, panel]


def _switch(case: db.read.CaseDetail, difference: bool) -> html.Button:
    attacked = case.attack is not None
    return html.Button(
        "Difference to the original",
        className="button toggle",
        type="button",
        disabled=not attacked,
        title="" if attacked else maps.NOT_ATTACKED,
        **chooses("difference", "" if difference else ORIGINAL),
        **{"aria-pressed": decisions.aria(difference)},
    )


def _grid(values: np.ndarray, difference: bool) -> list[Any]:
    """Maps (H, W, C) side by side, and their color bar."""
    means = values.mean((0, 1))
    order = np.argsort(-np.abs(values).mean((0, 1)) if difference else -means, kind="stable")
    # A few values are far above all others; they share the last color, so that the others stay distinct.
    largest = float(np.quantile(np.abs(values), FULL)) or float(np.abs(values).max())
    draw = map_pictures.difference_picture if difference else map_pictures.activation_picture
    cells = [
        html.Figure(
            [
                html.Img(src=draw(values[:, :, channel], largest), alt="", className="pixels"),
                html.Figcaption([html.B(str(channel)), f" {_number(means[channel])}"], className="muted"),
            ],
            className="channel",
            title=f"channel {channel}: mean {means[channel]:.4g}",
        )
        for channel in order.tolist()
    ]
    most = f"≥ {_number(largest)}"
    ticks = (f"≤ −{_number(largest)}", "0", most) if difference else ("0", most)
    bar = html.Div(
        [html.Span(className="channels-colors"), *(html.Span(tick) for tick in ticks)],
        className="channels-bar" + " is-difference" * difference,
    )
    return [bar, html.Div(cells, className="channels", style={"--side": values.shape[1]})]


def _number(value: float) -> str:
    """Two significant digits, without an exponent."""
    if abs(value) < 5e-4:
        return "0"
    digits = max(0, 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}".replace("-", "−")


def _decoded(stored: db.read.CaseActivation) -> np.ndarray:
    return activation_maps.decode(stored.data, stored.encoding, stored.shape)


def _draw_channels(scene: Scene) -> dict[str, Any]:
    buttons = scene.listed["expanded_layers"]
    return {
        "channels": channels(scene.engine, scene.case, scene.maps),
        "expanded_layers": [decisions.aria(one["layer"] == scene.maps.layer) for one in buttons],
    }


PARTS = (
    Part(
        "channels",
        {
            "channels": Output(ids.CASE_CHANNELS, "children"),
            "expanded_layers": Output(ids.case_channels(ALL), "aria-expanded"),
        },
        lambda scene: [
            scene.maps.layer,
            scene.maps.difference,
            *(scene.maps.complaints.get(name) for name in ("activations", "difference")),
        ],
        _draw_channels,
    ),
)
