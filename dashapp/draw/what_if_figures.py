"""The ROC chart beside the sliders; pure."""

from collections.abc import Sequence
from typing import Any

from dashapp import theme as themes
from dashapp.draw.figures import Figure, template
from dashapp.words import decisions

HEIGHT = 212  # pixels

Point = tuple[int, int, int, int, int]  # threshold, tp, fp, tn, fn


def roc(
    curve: Sequence[Point], *, k: int, threshold: int, tuned: Point, tuned_k: int, theme: themes.Theme
) -> Figure:
    """The curve of all thresholds at one k, with the point in use and the tuned point.

    Args:
        curve: (threshold, tp, fp, tn, fn) at `k`.
        k, threshold: in use.
        tuned, tuned_k: the tuned point, at its own k.
        theme: 'light' or 'dark'.
    """
    color = themes.COLORS[theme]
    places = [(*rates(point), point[0]) for point in curve]
    small = {"size": 11, "color": color["text-muted"]}
    of = f"k {k}, threshold %{{customdata}}<br>%{{y:.1%}} of the attacked alarm<br>%{{x:.1%}} of the clean"
    x, y = rates(tuned)
    data = [
        {
            "type": "scatter",
            "x": [0, 1],
            "y": [0, 1],
            "mode": "lines",
            "line": {"color": color["border"], "dash": "dot"},
            "hoverinfo": "skip",
        },
        _points(places, of)
        | {
            "mode": "lines+markers",
            "line": {"color": color["accent"], "width": 1.5},
            "marker": {"size": 4, "color": color["accent"]},
        },
        {
            "type": "scatter",
            "x": [x],
            "y": [y],
            "name": "tuned",
            "mode": "markers",
            "marker": {
                "symbol": "diamond-open",
                "size": 13,
                "color": color["text"],
                "line": {"width": 2, "color": color["text"]},
            },
            "hovertemplate": f"tuned: k {tuned_k}, threshold {decisions.signed(tuned[0])}<extra></extra>",
        },
        _points([place for place in places if place[2] == threshold], f"now: {of}")
        | {
            "name": "now",
            "mode": "markers",
            "marker": {
                "size": 9,
                "color": color["accent"],
                "line": {"width": 2, "color": color["surface"]},
            },
        },
    ]
    axis = {
        "fixedrange": True,
        "range": [-0.03, 1.03],
        "tickvals": [0, 0.5, 1],
        "ticktext": ["0", "50 %", "100 %"],
        "tickfont": small,
        "automargin": False,
        "zeroline": False,
    }
    layout = {
        "template": template(theme),
        "height": HEIGHT,
        "margin": {"l": 42, "r": 20, "t": 6, "b": 36},
        "showlegend": False,
        "dragmode": False,
        "xaxis": axis | {"title": {"text": "alarms of clean images", "standoff": 4, "font": small}},
        "yaxis": axis | {"title": {"text": "alarms of attacked", "standoff": 4, "font": small}},
    }
    return {"data": data, "layout": layout}


def _points(places: Sequence[tuple[float, float, int]], hover: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "x": [place[0] for place in places],
        "y": [place[1] for place in places],
        "customdata": [decisions.signed(place[2]) for place in places],
        "hovertemplate": hover + "<extra></extra>",
    }


def rates(point: Point) -> tuple[float, float]:
    """(false, true) positive rate; 0 if there are no cases of that kind."""
    _, tp, fp, tn, fn = point
    return fp / max(1, fp + tn), tp / max(1, tp + fn)
