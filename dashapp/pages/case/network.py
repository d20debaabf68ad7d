"""In part A of the case view: the network, layer by layer.

Layers that are only viewed may be many: they are grouped by size and scroll sideways. The compared ones,
which can be chosen, stay beside them.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from dash import html
from dash.development.base_component import Component

import db.read
from dashapp import ids
from dashapp.draw import activation_maps
from dashapp.pages.case.address import chooses
from dashapp.pages.case.overview import alarm_state
from dashapp.words import decisions
from db.vocabulary import SINGLE_KINDS

GROUPED = 9  # of more viewed layers, those of a size stand under a line that tells it, and each is one map
MOST = 42  # of the longest side of the largest map, in pixels; PLANE comes on top
PLANE = 11
TALLEST, SHORTEST = 104, 44  # strips, in pixels
MANY_UNITS = 2304  # of the tallest strip

Decoded = Mapping[str, Any]  # layer -> its activations; a layer without any is drawn plainly


def network_part(
    case: db.read.CaseDetail,
    alarms: Mapping[str, bool],
    activations: Sequence[db.read.CaseActivation],
    shown: str,
    opened: str | None = None,
) -> html.Section:
    """The network drawn layer by layer; compared layers can be chosen and have the color of their alarm.

    Args:
        case: the case.
        alarms: layer -> alarm; empty before tuning.
        activations: the stored ones of this case; a layer without any is drawn plainly.
        shown: name of the layer that is chosen.
        opened: name of the conv layer whose maps are open.
    """
    stored = {a.layer: activation_maps.decode(a.data, a.encoding, a.shape) for a in activations}
    viewed = [layer for layer in case.layers if layer.kind == "conv"]
    compared = [layer for layer in case.layers if layer.compared]
    key = [html.Span("alarm", className="key is-alarm"), html.Span("no alarm", className="key is-clear")]
    head = [html.H2("Network")]
    if alarms:
        head.append(html.Span(key, className="network-key muted small at-end"))
    parts = [
        html.Div(_viewed(viewed, stored, opened), className="layers-viewed", tabIndex=-1) if viewed else None,
        html.Div(_compared(compared, stored, alarms, shown), className="layers-compared"),
    ]
    return html.Section(
        className="case-network",
        children=[html.Div(head, className="part-head"), html.Div(parts, className="layers")],
        **{"aria-label": "Network"},
    )


def _viewed(layers: Sequence[db.read.CaseLayer], stored: Decoded, opened: str | None) -> list[Component]:
    """The layers that are viewed only; many are grouped."""
    largest = max(max(layer.shape[:2]) for layer in layers)
    count = activation_maps.MAPS if len(layers) <= GROUPED else 1

    def draw(layer: db.read.CaseLayer) -> html.Button:
        return _viewed_layer(
            layer, _maps(layer, stored.get(layer.name), largest, count), layer.name == opened
        )

    if len(layers) <= GROUPED:
        return [draw(layer) for layer in layers]
    groups: list[Component] = []
    for size, of_size in groupby(layers, key=lambda layer: layer.shape[:2]):
        members = [draw(layer) for layer in of_size]
        said = f"{len(members)} layer{'s' * (len(members) > 1)}, {_times(size)}"
        title = html.Div(html.Span(said), className="layer-size muted small")
        body = html.Div(members, className="layer-members")
        groups.append(html.Div([title, body], className="layer-group", role="group", **{"aria-label": said}))
    return groups


def _viewed_layer(layer: db.read.CaseLayer, drawing: Component, opened: bool) -> html.Button:
    return html.Button(
        [*_inside(layer, drawing), html.Span(f"all {layer.shape[-1]} maps", className="layer-more")],
        id=ids.case_channels(layer.name),
        className=f"layer layer-{layer.kind}",
        type="button",
        title=f"{layer.name}: its strongest maps; a click shows all. The defense does not compare them.",
        **chooses("activations", layer.name),
        **{"aria-expanded": decisions.aria(opened)},
    )


def _compared(
    layers: Sequence[db.read.CaseLayer], stored: Decoded, alarms: Mapping[str, bool], shown: str
) -> list[Component]:
    """The layers that the defense compares."""
    single = [layer for layer in layers if layer.kind in SINGLE_KINDS]
    buttons: list[Component] = []
    for layer in layers:
        if layer.kind in SINGLE_KINDS:
            drawing: Component = _strip(layer, stored.get(layer.name))
        else:
            strips = [_strip(part, stored.get(part.name)) for part in single]
            drawing = html.Span(strips, className="layer-joined")
        state, text = alarm_state(alarms.get(layer.name))
        buttons.append(
            html.Button(
                [*_inside(layer, drawing), html.Span(text, className="layer-state state")],
                id=ids.case_layer("network", layer.name),
                className=f"layer layer-{layer.kind} layer-compared {state}",
                type="button",
                title=layer.title,
                **chooses("layer", layer.name),
                **{"data-layer": layer.name, "aria-pressed": decisions.aria(layer.name == shown)},
            )
        )
    return buttons


def _inside(layer: db.read.CaseLayer, drawing: Component) -> list[Component]:
    return [
        html.Span(drawing, className="layer-drawing"),
        html.Span(layer.name, className="layer-name"),
        html.Span(_times(layer.shape), className="layer-shape muted"),
    ]


def _times(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))


def _maps(layer: db.read.CaseLayer, activations: Any, largest: int, count: int) -> html.Span:
    """A conv layer as a stack of its strongest maps; sides in proportion to those of the other layers."""
    high, wide = (PLANE + MOST * side / largest for side in layer.shape[:2])
    if activations is None:
        planes: list[Component] = [html.Span(className="map") for _ in range(count)]
    else:
        strongest = activation_maps.strongest_maps(activations, count)
        planes = [
            html.Img(
                src=activation_maps.picture(activation_maps.small(values)), alt="", className="map pixels"
            )
            for _, values in reversed(strongest)
        ]
    size = {"--high": f"{high:.0f}px", "--wide": f"{wide:.0f}px", "--planes": count - 1}
    return html.Span(planes, className="maps", style=size)


def _strip(layer: db.read.CaseLayer, activations: Any) -> html.Span | html.Img:
    """A vector as a strip of its values; taller if it has more."""
    units = min(max(layer.shape[-1], 1), MANY_UNITS)
    tall = SHORTEST + (TALLEST - SHORTEST) * math.log(units) / math.log(MANY_UNITS)
    style = {"--tall": f"{tall:.0f}"}
    if activations is None:
        return html.Span(className="strip", style=style)
    picture = activation_maps.picture(activation_maps.strip(activations))
    return html.Img(src=picture, alt="", className="strip pixels", style=style)
