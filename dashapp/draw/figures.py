"""Convert rows to figures; pure. Horizontal bars, one row for each class that is shown, on fixed axes.

Both charts of a case (paper, section 4.3: "softmax output" and "neighbors distribution") share their
rows, so that a class is at the same height in both. They are plain dicts, as plotly.js takes them: they
follow a slider, and plotly's own classes take a hundred times as long to create.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, cast

from dashapp import theme as themes
from dashapp.draw.class_labels import LONGEST, class_labels, short
from dashapp.words import decisions

ROW_HEIGHT = 21  # pixels
LABEL_WIDTH = 172  # pixels left of the bars
AXIS_HEIGHT = 40  # pixels below the bars: ticks and title
KEY_HEIGHT = 20  # pixels below the axis for a line of text
WORDS_ROWS = 1.0  # rows below the last class for the threshold's label, if there is no sum
SUM_ROWS = 2.4  # rows below the last class for the sum of the unexpected neighbors

CONFIG = {"displayModeBar": False, "showSendToCloud": False}

Figure = dict[str, Any]


@cache
def template(theme: themes.Theme) -> dict[str, Any]:
    """The theme's figure template as a dict for plotly.js."""
    return cast(dict[str, Any], themes.template(theme).to_plotly_json())


def softmax_bars(
    probabilities: Sequence[float],
    *,
    class_names: Sequence[str],
    predicted: int,
    true: int | None,
    theme: themes.Theme,
    original: Sequence[float] | None = None,
    classes: Sequence[int] | None = None,
) -> Figure:
    """The network's softmax output.

    Args:
        probabilities: (C,) in [0, 1], in class order.
        class_names: (C,)
        predicted, true: class ids, marked in the labels; true None: not known.
        theme: 'light' or 'dark'.
        original: (C,) of the image before the attack, drawn as an outline around each bar.
        classes: the classes of the rows; None: all.
    """
    color = themes.COLORS[theme]
    classes = range(len(class_names)) if classes is None else classes
    others, left = len(class_names) - len(classes), 1 - sum(probabilities[c] for c in classes)
    probabilities = [probabilities[c] for c in classes]
    names, places = [class_names[c] for c in classes], list(range(len(classes)))
    bars = _bars(
        classes,
        probabilities,
        places,
        name="attacked" if original is not None else "",
        width=0.72 if original is None else 0.5,
        text=[f"{p:.3f}" if p >= 0.0005 else "" for p in probabilities],
        customdata=names,
        hovertemplate="%{customdata}: %{x:.6f}<extra></extra>",
    )
    data = [bars]
    if original is not None:
        original = [original[c] for c in classes]
        # A number that would cross the end of the outline is placed after it.
        after = [now < was < now + 0.16 for now, was in zip(probabilities, original, strict=True)]
        bars["textposition"] = ["none" if over else "outside" for over in after]
        outline = _bars(
            classes,
            [was if was >= 0.0005 else None for was in original],
            places,
            name="original",
            width=0.82,
            text=[text if over else "" for text, over in zip(bars["text"], after, strict=True)],
            customdata=names,
            hovertemplate="%{customdata}, before the attack: %{x:.6f}<extra></extra>",
        )
        outline["marker"] = {"color": "rgba(0,0,0,0)", "line": {"width": 1.3, "color": color["text"]}}
        data = [outline, bars]
    figure = _figure(data, rows=float(len(classes)), theme=theme)
    figure["layout"]["barmode"] = "overlay"
    if original is not None:
        _add_key(figure, "bar: attacked   ▭ outline: the original", theme)
    figure["layout"]["xaxis"] |= {
        "range": [0, 1.14],
        "tickvals": [0, 0.25, 0.5, 0.75, 1],
        "title": _title(decisions.softmax_axis(others, max(left, 0.0)), theme),
    }
    figure["layout"]["yaxis"] |= {
        "tickvals": places,
        "ticktext": class_labels(classes, class_names, predicted, true, theme),
    }
    return figure


def neighbor_bars(
    counts: Sequence[int],
    *,
    class_names: Sequence[str],
    predicted: int,
    true: int | None,
    k: int,
    threshold: int | None,
    rule: str,
    theme: themes.Theme,
    classes: Sequence[int] | None = None,
) -> Figure:
    """How the first k neighbors of a layer are distributed over the classes, with the threshold.

    Under the rule `total` the threshold bounds the *sum* of all classes but the predicted one; that sum
    and the line get a row of their own. Under `max-class` it bounds each other class. The line is halfway
    to the next count: a bar that passes it is an alarm.

    Args:
        counts: (C,) neighbors of each class among the first k.
        class_names: (C,)
        predicted, true: class ids, marked in the labels; true None: not known.
        k: 1..50, the length of the axis.
        threshold: -1..k, or None when nothing is tuned yet: no line.
        rule: 'total' or 'max-class'.
        theme: 'light' or 'dark'.
        classes: the classes of the rows; None: all.
    """
    classes = range(len(class_names)) if classes is None else classes
    shown = [counts[c] for c in classes]
    data = [
        _bars(
            classes,
            shown,
            list(range(len(classes))),
            text=[str(n) if n else "" for n in shown],
            customdata=[class_names[c] for c in classes],
            hovertemplate="%{customdata}: %{x} of " + f"{k}<extra></extra>",
        )
    ]
    ticks: list[float] = list(range(len(classes)))
    labels = class_labels(classes, class_names, predicted, true, theme)
    rows = float(len(classes))
    shapes, notes, summed = [], [], rule == "total"
    if summed:
        level = len(classes) - 1 + SUM_ROWS - 0.3
        rows += SUM_ROWS
        color = themes.COLORS[theme]
        bars, note = _sum(counts, class_names, predicted, k, threshold, level, color)
        line = _rule(len(classes) - 0.4, color["border"])
        data.append(bars)
        notes.append(note)
        shapes.append(line)
        ticks.append(level)
        labels.append(f"<b>not {short(class_names[predicted], LONGEST - 4)}</b>")
    if threshold is not None:
        rows += 0 if summed else WORDS_ROWS
        line, note = _threshold(threshold, k, summed, len(classes), themes.COLORS[theme])
        shapes.append(line)
        notes.append(note)
    figure = _figure(data, rows=rows, theme=theme)
    figure["layout"] |= {"barmode": "overlay", "shapes": shapes, "annotations": notes}
    figure["layout"]["xaxis"] |= {
        "range": [-0.8 if threshold == -1 else 0, k * 1.08 + 0.3],
        "dtick": _count_step(k),
        "tick0": 0,
        "title": _title(decisions.counts_axis(k, sum(counts) - sum(shown)), theme),
    }
    figure["layout"]["yaxis"] |= {"tickvals": ticks, "ticktext": labels}
    return figure


def _sum(
    counts: Sequence[int],
    class_names: Sequence[str],
    predicted: int,
    k: int,
    threshold: int | None,
    level: float,
    color: dict[str, str],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """All classes but the predicted one end to end at height `level`, and their sum."""
    others = [c for c in range(len(counts)) if c != predicted and counts[c]]
    starts = [sum(counts[d] for d in others[:i]) for i in range(len(others))]
    total = sum(counts[c] for c in others)
    bars = _bars(
        others,
        [counts[c] for c in others],
        [level] * len(others),
        base=starts,
        customdata=[class_names[c] for c in others],
        hovertemplate="not " + class_names[predicted] + ": %{customdata}<extra></extra>",
    )
    bars["marker"] |= {"line": {"width": 0}}
    alarm = threshold is not None and total > threshold
    hidden = threshold is not None and total <= threshold + 0.5 < total + 0.08 * k  # by the line
    note = {
        "x": threshold + 0.5 if hidden and threshold is not None else total,
        "y": level,
        "text": f"<b>{total}</b>",
        "showarrow": False,
        "xanchor": "left",
        "xshift": 4,
        "font": {"color": color["alarm"] if alarm else color["text"], "size": 13},
    }
    return bars, note


def _rule(height: float, color: str) -> dict[str, Any]:
    """A line from side to side."""
    ends = {"x0": 0, "x1": 1, "xref": "paper", "y0": height, "y1": height}
    return {"type": "line", **ends, "line": {"color": color, "width": 1}}


def _threshold(
    threshold: int, k: int, summed: bool, classes: int, color: dict[str, str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    at = threshold + 0.5
    top, bottom = (classes - 0.15, classes + SUM_ROWS - 0.6) if summed else (-0.5, classes + WORDS_ROWS - 0.5)
    line = {
        "type": "line",
        "name": "threshold",
        "x0": at,
        "x1": at,
        "y0": top,
        "y1": bottom,
        "line": {"color": color["text"], "width": 2, "dash": "4px,3px"},
    }
    left = at > 0.6 * k  # keep the text inside the chart
    note = {
        "x": at,
        "y": classes + 0.5 if summed else classes + WORDS_ROWS - 0.55,
        "text": f"alarm above {decisions.signed(threshold)}",
        "showarrow": False,
        "xanchor": "right" if left else "left",
        "yanchor": "bottom",
        "xshift": -5 if left else 5,
        "yshift": 1,
        "font": {"size": 11, "color": color["text"]},
    }
    return line, note


def _bars(classes: Sequence[int], x: list[Any], y: list[Any], **options: Any) -> dict[str, Any]:
    """Bars in the colors of their classes."""
    return {
        "type": "bar",
        "x": x,
        "y": y,
        "orientation": "h",
        "width": 0.72,
        "marker": {"color": [themes.class_color(c) for c in classes]},
        "textposition": "outside",
        "textfont": {"size": 12},
        "constraintext": "none",
        "cliponaxis": False,
    } | options


def _figure(data: list[dict[str, Any]], *, rows: float, theme: themes.Theme) -> Figure:
    axis = {"fixedrange": True, "automargin": False}
    return {
        "data": data,
        "layout": {
            "template": template(theme),
            "height": round(rows * ROW_HEIGHT) + AXIS_HEIGHT,
            "margin": {"l": LABEL_WIDTH, "r": 14, "t": 2, "b": AXIS_HEIGHT, "pad": 6},
            "showlegend": False,
            "dragmode": False,
            "xaxis": axis
            | {"zeroline": True, "tickfont": {"size": 11, "color": themes.COLORS[theme]["text-muted"]}},
            # The first class on top; the last half row keeps the lowest bar off the axis.
            "yaxis": axis | {"range": [rows - 0.5, -0.5], "showgrid": False, "zeroline": False},
        },
    }


def _add_key(figure: Figure, text: str, theme: themes.Theme) -> None:
    """Add a line of text below the axis."""
    layout = figure["layout"]
    place = {"xref": "paper", "yref": "paper", "x": 0, "y": 0, "xanchor": "left", "yanchor": "top"}
    font = {"size": 11, "color": themes.COLORS[theme]["text-muted"]}
    layout["annotations"] = [place | {"text": text, "yshift": -AXIS_HEIGHT, "showarrow": False, "font": font}]
    layout["height"] += KEY_HEIGHT
    layout["margin"] |= {"b": AXIS_HEIGHT + KEY_HEIGHT}


def _title(text: str, theme: themes.Theme) -> dict[str, Any]:
    font = {"size": 11, "color": themes.COLORS[theme]["text-muted"]}
    return {"text": text, "standoff": 6, "font": font}


def _count_step(k: int) -> int:
    return next(step for step in (1, 2, 5, 10) if k / step <= 8 or step == 10)
