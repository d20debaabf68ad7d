"""Colors of the dashboard that Python needs: classes, and a figure template for each theme.

The style sheet (`assets/base.css`) holds the same values as CSS variables; figures and the neighbor
graph are drawn on canvas or SVG, where CSS variables do not reach, and take them from here.
"""

import math
from functools import cache
from typing import Literal

import plotly.graph_objects as go

Theme = Literal["light", "dark"]

# One color per class, in class order (0..9), the same in both themes. A search chose ten colors that have a
# contrast of 3 : 1 with the surface of either theme, are not vivid red or green (the colors of alarms), and
# lie far apart (in OKLab) for normal sight and for each of the three kinds of color blindness;
# tests/test_theme.py measures it. Classes that are often confused (cat and dog, automobile and truck) have
# colors far apart. A class's name is always shown beside its color.
CLASS_COLORS = (
    "#c67906",
    "#796500",
    "#0e7370",
    "#d40468",
    "#a92dbe",
    "#8037fe",
    "#ca69fd",
    "#969679",
    "#518cac",
    "#ff35c5",
)

# Of classes beyond the tenth, in OKLab: hues far from those just before, and lightness that stands out from
# the surface of both themes.
GOLDEN_ANGLE = 137.508  # degrees
LIGHTNESS, CHROMA = (0.55, 0.59, 0.63), 0.12
FROM_CONES = (  # to linear red, green and blue
    (4.0767416621, -3.3077115913, 0.2309699292),
    (-1.2684380046, 2.6097574011, -0.3413193965),
    (-0.0041960863, -0.7034186147, 1.7076147010),
)

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'

COLORS: dict[Theme, dict[str, str]] = {
    "light": {
        "bg": "#f5f6f8",
        "surface": "#ffffff",
        "surface-2": "#eef0f4",
        "border": "#d9dde4",
        "text": "#171b22",
        "text-muted": "#5b6472",
        "accent": "#2b5fc7",
        "alarm": "#c3302b",
        "clear": "#1c7c4d",
    },
    "dark": {
        "bg": "#0e1116",
        "surface": "#161a21",
        "surface-2": "#1f242d",
        "border": "#2e3540",
        "text": "#e7eaef",
        "text-muted": "#98a2b1",
        "accent": "#7ea6ff",
        "alarm": "#ff7b72",
        "clear": "#4cc38a",
    },
}


def template(theme: Theme) -> go.layout.Template:
    """Figure template of a theme: transparent, quiet grid, the page's font and colors."""
    color = COLORS[theme]
    axis = {
        "gridcolor": color["border"],
        "linecolor": color["border"],
        "zerolinecolor": color["border"],
        "tickcolor": color["border"],
        "automargin": True,
    }
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 12, "color": color["text"]},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": list(CLASS_COLORS),
            "xaxis": axis,
            "yaxis": axis,
            "hoverlabel": {
                "bgcolor": color["surface"],
                "bordercolor": color["border"],
                "font": {"family": FONT, "size": 12, "color": color["text"]},
            },
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        }
    )


@cache
def class_color(class_id: int) -> str:
    """Color of a class, as '#rrggbb'; beyond the tenth a hue of its own, of which many look alike."""
    if class_id < len(CLASS_COLORS):
        return CLASS_COLORS[class_id]
    angle = math.radians(class_id * GOLDEN_ANGLE)
    return _hexadecimal(
        LIGHTNESS[class_id % len(LIGHTNESS)], CHROMA * math.cos(angle), CHROMA * math.sin(angle)
    )


def _hexadecimal(lightness: float, a: float, b: float) -> str:
    """A color of OKLab as '#rrggbb', each channel cut to what a screen has (Ottosson, 2020)."""
    cones = (
        (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3,
        (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3,
        (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3,
    )
    linear = [sum(weight * cone for weight, cone in zip(row, cones, strict=True)) for row in FROM_CONES]
    cut = [min(max(value, 0.0), 1.0) for value in linear]
    srgb = [12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055 for value in cut]
    return "#" + "".join(f"{round(255 * value):02x}" for value in srgb)
