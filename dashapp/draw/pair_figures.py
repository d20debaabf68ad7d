"""The figures of a pair: both activation vectors, and how few units carry the distance; pure."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dashapp import theme as themes
from dashapp.draw.figures import Figure, template

HEIGHT = 260  # pixels
FIRST = 96  # units in view at first, if they are sorted by difference


def overlay(
    mine: np.ndarray,
    theirs: np.ndarray,
    *,
    order: np.ndarray,
    top: Sequence[int],
    names: Sequence[str],
    theirs_name: str,
    by_difference: bool,
    theme: themes.Theme,
) -> Figure:
    """Both vectors over one another, the largest differences as strokes between them.

    Args:
        mine, theirs: (D,) the case's and the reference sample's.
        order: (D,) units from left to right.
        top: units whose difference is highlighted.
        names: (D,) of the units.
        theirs_name: name of the reference sample.
        by_difference: `order` puts the largest differences first.
        theme: 'light' or 'dark'.
    """
    color = themes.COLORS[theme]
    places = list(range(1, len(order) + 1))
    place_of = np.empty(len(order), int)
    place_of[order] = places
    labels = [names[unit] for unit in order]
    few = len(order) <= 40
    data: list[dict[str, Any]] = []
    for values, name, ink, dash, shape in (
        (theirs, theirs_name, color["text-muted"], "solid", "circle-open"),
        (mine, "this case", color["accent"], "solid", "circle"),
    ):
        data.append(
            {
                "type": "scatter",
                "name": name,
                "x": places,
                "y": [round(float(value), 4) for value in values[order]],
                "customdata": labels,
                "mode": "lines+markers" if few else "lines",
                "line": {"color": ink, "width": 1.4, "dash": dash, "shape": "hvh"},
                "marker": {"size": 7, "symbol": shape, "color": ink},
                "hovertemplate": "%{customdata}: %{y:.4g}<extra>" + name + "</extra>",
            }
        )
    strokes_x: list[int | None] = []
    strokes_y: list[float | None] = []
    for unit in top:
        strokes_x += [int(place_of[unit]), int(place_of[unit]), None]
        strokes_y += [float(mine[unit]), float(theirs[unit]), None]
    data.append(
        {
            "type": "scatter",
            "name": f"largest {len(top)} differences",
            "x": strokes_x,
            "y": strokes_y,
            "mode": "lines+markers",
            "line": {"color": color["text"], "width": 3},
            "marker": {"size": 5, "symbol": "line-ew-open", "color": color["text"], "line": {"width": 2}},
            "hoverinfo": "skip",
        }
    )
    what = "units, the largest difference first" if by_difference else "units, as stored"
    in_view = min(FIRST, len(order)) if by_difference else len(order)
    layout = _layout(theme)
    layout |= {"hovermode": "x unified", "dragmode": "zoom", "showlegend": True}
    layout["legend"] = {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "font": {"size": 11}}
    layout["margin"] |= {"t": 28}
    layout["xaxis"] |= {"title": _title(what, theme), "range": [0.2, in_view + 0.8]}
    if few:
        layout["xaxis"] |= {"tickvals": places, "ticktext": labels}
    layout["yaxis"] |= {"title": _title("activation", theme), "fixedrange": True, "zeroline": True}
    return {"data": data, "layout": layout}


def carried_curve(shares: np.ndarray, *, count: int, quantity: str, theme: themes.Theme) -> Figure:
    """The share that the top n units carry, against n.

    Args:
        shares: (D,) in [0, 1], of the top 1, 2, ... D.
        count: the n of the sentence, marked in the chart.
        quantity: what is carried: 'squared distance' or 'distance'.
        theme: 'light' or 'dark'.
    """
    color = themes.COLORS[theme]
    units = len(shares)
    # As many points as can be distinguished on the axis.
    places = np.unique(np.round(np.geomspace(1, units, 120)).astype(int))
    line = {
        "type": "scatter",
        "x": places.tolist(),
        "y": [round(float(shares[place - 1]), 5) for place in places],
        "mode": "lines",
        "line": {"color": color["accent"], "width": 2},
        "hovertemplate": f"top %{{x}} of {units:,} units: %{{y:.1%}}<extra></extra>",
    }
    marked = {
        "type": "scatter",
        "x": [count],
        "y": [float(shares[count - 1])],
        "mode": "markers",
        "marker": {"size": 10, "color": color["accent"], "line": {"width": 2, "color": color["surface"]}},
        "hoverinfo": "skip",
    }
    layout = _layout(theme)
    ticks = [tick for tick in (1, 2, 5, 10, 30, 100, 300, 1000, 3000) if tick <= units]
    layout["xaxis"] |= {
        "type": "log",
        "fixedrange": True,
        "tickvals": ticks,
        "ticktext": [f"{tick:,}" for tick in ticks],
        "title": _title("top units", theme),
    }
    layout["yaxis"] |= {
        "range": [0, 1.04],
        "fixedrange": True,
        "tickvals": [0, 0.5, 1],
        "ticktext": ["0", "50 %", "100 %"],
        "title": _title(f"of the {quantity}", theme),
    }
    return {"data": [line, marked], "layout": layout | {"showlegend": False, "dragmode": False}}


def _layout(theme: themes.Theme) -> dict[str, Any]:
    small = {"size": 11, "color": themes.COLORS[theme]["text-muted"]}
    axis = {"automargin": False, "tickfont": small}
    return {
        "template": template(theme),
        "height": HEIGHT,
        "margin": {"l": 48, "r": 12, "t": 8, "b": 38},
        "xaxis": dict(axis),
        "yaxis": dict(axis),
    }


def _title(text: str, theme: themes.Theme) -> dict[str, Any]:
    return {
        "text": text,
        "standoff": 4,
        "font": {"size": 11, "color": themes.COLORS[theme]["text-muted"]},
    }
