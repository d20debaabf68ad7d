"""In part A of the case view (paper, 4.3: upper row): the input and the output, and how images are shown."""

from collections.abc import Sequence

from dash import Dash, html
from dash.development.base_component import Component

import db.read
from dashapp import theme
from dashapp.draw.image_size import fitted
from dashapp.words import decisions
from dashapp.words.glossary import about


def class_name(name: str, class_id: int) -> html.Span:
    """A class as everywhere in the dashboard: a dot of its color and its name."""
    color = {"--class-color": theme.class_color(class_id)}
    return html.Span(name, className="class-name", style=color, title=name)


def image_address(app: Dash, sha256: str) -> str:
    """The address of the image with this content hash."""
    return str(app.get_relative_path(f"/images/{sha256}.png"))


def small_image(app: Dash, sha256: str, size: db.read.CaseImage, box: int) -> html.Img:
    """An image beside a text, in a square of `box` pixels; `size`: an image of the same size."""
    shown = fitted(size.height, size.width, box)
    address = image_address(app, sha256)
    return html.Img(src=address, alt="", className=shown.class_name, width=shown.width, height=shown.height)


def input_part(case: db.read.CaseDetail, switch: Component, pictures: Sequence[Component]) -> html.Section:
    """The image that the network saw, beside the original if it was attacked, and how it was attacked.

    switch, pictures: from `maps.py`: the buttons that choose a map, and the images with it.
    """
    attack, facts = case.attack, []
    if attack is not None:
        target = None if attack.target_class is None else case.class_names[attack.target_class]
        facts = [_pixel(pixel, gray=case.image.gray) for pixel in attack.pixels]
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


def _pixel(pixel: db.read.CasePixel, *, gray: bool) -> html.Div:
    """Where a pixel was changed, and its color before and after, as swatches and numbers."""

    def color(rgb: tuple[int, int, int], when: str) -> html.Span:
        text = decisions.color_text(rgb, gray=gray)
        names = "gray" if gray else "red, green, blue"
        return html.Span(
            className="sign-and-text",
            title=f"{when}: {text}",
            children=[
                html.Span(className="swatch", style={"background": f"rgb({rgb[0]}, {rgb[1]}, {rgb[2]})"}),
                html.Span(f"{when} ({names}): ", className="visually-hidden"),
                html.Span(text if when == "before" else text.split(" ", 1)[1], className="small"),
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


def alarm_state(alarm: bool | None) -> tuple[str, str]:
    """CSS class and text of a decision; None: the layer has none yet."""
    if alarm is None:
        return "is-undecided", "undecided"
    return ("is-alarm", "alarm") if alarm else ("is-clear", "no alarm")


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
