"""Part A of the case view (paper, 4.3: upper row): the input, the network layer by layer, the output."""

from collections.abc import Mapping, Sequence
from typing import Any

from dash import Dash, html
from dash.development.base_component import Component

import db.read
from dashapp import ids, theme
from dashapp.draw import activation_maps
from dashapp.pages.case.address import chooses
from dashapp.words import decisions
from dashapp.words.glossary import about
from db.vocabulary import SINGLE_KINDS


def class_name(name: str, class_id: int) -> html.Span:
    """A class as everywhere in the dashboard: a dot of its color and its name."""
    return html.Span(name, className="class-name", style={"--class-color": theme.class_color(class_id)})


def image_address(app: Dash, sha256: str) -> str:
    """The address of the image with this content hash."""
    return str(app.get_relative_path(f"/images/{sha256}.png"))


def input_part(case: db.read.CaseDetail, switch: Component, pictures: Sequence[Component]) -> html.Section:
    """The image that the network saw, beside the original if it was attacked, and how it was attacked.

    switch, pictures: from `maps.py`: the buttons that choose a map, and the images with it.
    """
    attack, facts = case.attack, []
    if attack is not None:
        target = None if attack.target_class is None else case.class_names[attack.target_class]
        facts = [_pixel(pixel) for pixel in attack.pixels]
        facts.append(
            html.P(
                decisions.attack_text(attack.method, target, attack.queries),
                className="muted small attack-facts",
            )
        )
    return html.Section(
        className="case-input",
        children=[html.Div([html.H2("Input"), switch], className="part-head wrap"), *pictures, *facts],
        **{"aria-label": "Input"},
    )


def _pixel(pixel: db.read.CasePixel) -> html.Div:
    """Where a pixel was changed, and its color before and after, as swatches and numbers."""

    def color(rgb: tuple[int, int, int], when: str) -> html.Span:
        numbers = " ".join(str(value) for value in rgb)
        return html.Span(
            className="sign-and-text",
            title=f"{when}: red {rgb[0]}, green {rgb[1]}, blue {rgb[2]}",
            children=[
                html.Span(className="swatch", style={"background": f"rgb({rgb[0]}, {rgb[1]}, {rgb[2]})"}),
                html.Span(f"{when} (red, green, blue): ", className="visually-hidden"),
                html.Span(f"RGB {numbers}" if when == "before" else numbers, className="small"),
            ],
        )

    return html.Div(
        className="pixel row wrap",
        children=[
            html.Span(decisions.pixel_place(pixel.row, pixel.column), className="pixel-place"),
            html.Span(
                [
                    color(pixel.original, "before"),
                    html.Span("→", className="muted"),
                    color(pixel.color, "after"),
                ],
                className="sign-and-text",
            ),
        ],
    )


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
    parts = [layer for layer in case.compared_layers if layer.kind in SINGLE_KINDS]
    strips = {layer.name: _strip(stored.get(layer.name), layer.kind, layer is parts[-1]) for layer in parts}
    drawn = []
    for layer in case.layers:
        drawing: Component
        if layer.kind == "conv":
            drawing = _maps(layer, stored.get(layer.name))
        elif layer.kind == "composed":
            drawing = html.Span(list(strips.values()), className="layer-joined")
        else:
            drawing = strips[layer.name]
        chosen = layer.name == (shown if layer.compared else opened)
        drawn.append(_layer(layer, drawing, alarms.get(layer.name), chosen))
    return html.Section(
        className="case-network",
        children=[
            html.Div(
                className="part-head",
                children=[
                    html.H2("Network"),
                    html.Span(
                        [
                            html.Span("alarm", className="key is-alarm"),
                            html.Span("no alarm", className="key is-clear"),
                        ],
                        className="network-key muted small at-end",
                    )
                    if alarms
                    else None,
                ],
            ),
            html.Div(drawn, className="layers"),
        ],
        **{"aria-label": "Network"},
    )


def _layer(layer: db.read.CaseLayer, drawing: html.Span, alarm: bool | None, chosen: bool) -> html.Button:
    inside = [
        html.Span(drawing, className="layer-drawing"),
        html.Span(layer.name, className="layer-name"),
        html.Span("×".join(str(size) for size in layer.shape), className="layer-shape muted"),
    ]
    kind = f"layer layer-{layer.kind}"
    if not layer.compared:
        return html.Button(
            [*inside, html.Span(f"all {layer.shape[-1]} maps", className="layer-more")],
            id=ids.case_channels(layer.name),
            className=kind,
            type="button",
            title=f"{layer.name}: its strongest maps; a click shows all. The defense does not compare them.",
            **chooses("activations", layer.name),
            **{"aria-expanded": decisions.aria(chosen)},
        )
    state, text = alarm_state(alarm)
    return html.Button(
        [*inside, html.Span(text, className="layer-state state")],
        id=ids.case_layer("network", layer.name),
        className=f"{kind} layer-compared {state}",
        type="button",
        **chooses("layer", layer.name),
        **{"data-layer": layer.name, "aria-pressed": decisions.aria(chosen)},
    )


def alarm_state(alarm: bool | None) -> tuple[str, str]:
    """CSS class and text of a decision; None: the layer has none yet."""
    if alarm is None:
        return "is-undecided", "undecided"
    return ("is-alarm", "alarm") if alarm else ("is-clear", "no alarm")


def _maps(layer: db.read.CaseLayer, activations: Any) -> html.Span:
    """A conv layer as a stack of its strongest maps, drawn in proportion to the layer's sides."""
    side = {"--side": layer.shape[0]}
    if activations is None:
        planes: list[Component] = [html.Span(className="map") for _ in range(activation_maps.MAPS)]
    else:
        maps = activation_maps.strongest_maps(activations)
        planes = [
            html.Img(src=activation_maps.picture(values), alt="", className="map pixels")
            for _, values in reversed(maps)
        ]
    return html.Span(planes, className="maps", style=side)


def _strip(activations: Any, kind: str, last: bool) -> html.Span | html.Img:
    """A vector as a strip of its values; those of the last layer are the scores."""
    look = f"strip strip-{'scores' if last else kind}"
    if activations is None:
        return html.Span(className=look)
    picture = activation_maps.picture(activation_maps.strip(activations))
    return html.Img(src=picture, alt="", className=f"{look} pixels")


def output_part(case: db.read.CaseDetail) -> html.Section:
    """The network's prediction with its confidence, and the true class."""
    right = case.predicted_class == case.true_class
    predicted = class_name(case.class_names[case.predicted_class], case.predicted_class)
    true = "not known" if case.true_class is None else class_name(case.true_name, case.true_class)
    return html.Section(
        className="case-output",
        children=[
            html.H2("Output"),
            html.Dl(
                [
                    html.Div(
                        [
                            html.Dt("predicted", className="muted small"),
                            html.Dd(predicted, className="output-class"),
                        ],
                        className="fact",
                    ),
                    html.Div(
                        [
                            html.Dt(["confidence", about("confidence")], className="muted small"),
                            html.Dd(
                                [
                                    html.Span(
                                        decisions.percent(case.confidence), className="output-confidence"
                                    ),
                                    html.Span(
                                        html.Span(style={"width": f"{100 * case.confidence:.1f}%"}),
                                        className="meter",
                                    ),
                                ]
                            ),
                        ],
                        className="fact",
                    ),
                    html.Div(
                        [
                            html.Dt("true class", className="muted small"),
                            html.Dd(true, className="output-class"),
                        ],
                        className="fact",
                    ),
                ]
            ),
            html.P(
                "✓ right" if right else "✗ wrong",
                className=f"verdict {'verdict-good' if right else 'verdict-bad'}",
            )
            if case.true_class is not None
            else None,
        ],
        **{"aria-label": "Output"},
    )
