"""Rows to figures; pure. Horizontal bars, one row a class, in class order, on fixed axes.

Both charts of a case (paper, section 4.3: "softmax output" and "neighbors distribution") share their
rows, so that a class stands at the same height in both.
"""

from collections.abc import Sequence

import plotly.graph_objects as go

from dashapp import theme as themes
from dashapp import words

ROW_HEIGHT = 21  # pixels
LABEL_WIDTH = 164  # pixels left of the bars
AXIS_HEIGHT = 40  # pixels below the bars: ticks and title
SUM_ROWS = 2.4  # rows below the last class for the sum of the unexpected neighbours

CONFIG = {"displayModeBar": False, "showSendToCloud": False}


def softmax_bars(
    probabilities: Sequence[float],
    *,
    class_names: Sequence[str],
    predicted: int,
    true: int,
    theme: themes.Theme,
) -> go.Figure:
    """The network's softmax output.

    Args:
        probabilities: (C,) in [0, 1], in class order.
        class_names: (C,)
        predicted, true: class ids, marked in the labels.
        theme: 'light' or 'dark'.
    """
    classes = range(len(class_names))
    bars = go.Bar(
        x=list(probabilities),
        y=list(classes),
        orientation="h",
        width=0.72,
        marker={"color": [themes.class_color(c) for c in classes]},
        text=[f"{p:.3f}" if p >= 0.0005 else "" for p in probabilities],
        textposition="outside",
        cliponaxis=False,
        customdata=list(class_names),
        hovertemplate="%{customdata}: %{x:.6f}<extra></extra>",
    )
    figure = go.Figure(bars)
    _lay_out(figure, rows=float(len(class_names)), theme=theme)
    figure.update_xaxes(range=[0, 1.14], tickvals=[0, 0.25, 0.5, 0.75, 1], title_text="softmax probability")
    figure.update_yaxes(tickvals=list(classes), ticktext=_labels(class_names, predicted, true, theme))
    return figure


def neighbor_bars(
    counts: Sequence[int],
    *,
    class_names: Sequence[str],
    predicted: int,
    true: int,
    k: int,
    threshold: int | None,
    rule: str,
    theme: themes.Theme,
) -> go.Figure:
    """How the first k neighbours of a layer spread over the classes, with the threshold.

    Under the rule `total` the threshold bounds the *sum* of all classes but the predicted one; that sum
    gets a row of its own, and the line stands there. Under `max-class` it bounds each other class. The
    line stands half way to the next count: a bar that passes it is an alarm.

    Args:
        counts: (C,) neighbours of each class among the first k.
        class_names: (C,)
        predicted, true: class ids, marked in the labels.
        k: 1..50, the length of the axis.
        threshold: -1..k, or None when nothing is tuned yet: no line.
        rule: 'total' or 'max-class'.
        theme: 'light' or 'dark'.
    """
    color = themes.COLORS[theme]
    classes = list(range(len(class_names)))
    figure = go.Figure(
        go.Bar(
            x=list(counts),
            y=classes,
            orientation="h",
            width=0.72,
            marker={"color": [themes.class_color(c) for c in classes]},
            text=[str(n) if n else "" for n in counts],
            textposition="outside",
            cliponaxis=False,
            customdata=list(class_names),
            hovertemplate="%{customdata}: %{x} of " + f"{k}<extra></extra>",
        )
    )
    ticks, labels = list(classes), _labels(class_names, predicted, true, theme)
    rows = float(len(classes))
    summed = rule == "total"
    if summed:
        level = len(classes) - 1 + SUM_ROWS - 0.3
        rows += SUM_ROWS
        others = [c for c in classes if c != predicted and counts[c]]
        starts = [sum(counts[d] for d in others[:i]) for i in range(len(others))]
        total = sum(counts[c] for c in others)
        figure.add_bar(
            x=[counts[c] for c in others],
            y=[level] * len(others),
            base=starts,
            orientation="h",
            width=0.72,
            marker={"color": [themes.class_color(c) for c in others], "line": {"width": 0}},
            customdata=[class_names[c] for c in others],
            hovertemplate="not " + class_names[predicted] + ": %{customdata}<extra></extra>",
        )
        alarm = threshold is not None and total > threshold
        hidden = threshold is not None and total <= threshold + 0.5 < total + 0.08 * k  # by the line
        figure.add_annotation(
            x=threshold + 0.5 if hidden else total,
            y=level,
            text=f"<b>{total}</b>",
            showarrow=False,
            xanchor="left",
            xshift=4,
            font={"color": color["alarm"] if alarm else color["text"], "size": 13},
        )
        figure.add_shape(
            type="line",
            x0=0,
            x1=1,
            xref="paper",
            y0=len(classes) - 0.4,
            y1=len(classes) - 0.4,
            line={"color": color["border"], "width": 1},
        )
        ticks.append(level)
        labels.append(f"<b>not {class_names[predicted]}</b>")
    if threshold is not None:
        _add_threshold(figure, threshold, k, summed, len(classes), color)
    _lay_out(figure, rows=rows, theme=theme)
    figure.update_layout(barmode="overlay", showlegend=False)
    figure.update_xaxes(
        range=[-0.8 if threshold == -1 else 0, k * 1.08 + 0.3],
        dtick=_count_step(k),
        tick0=0,
        title_text=f"neighbours among the first {k}",
    )
    figure.update_yaxes(tickvals=ticks, ticktext=labels)
    return figure


def _add_threshold(
    figure: go.Figure, threshold: int, k: int, summed: bool, classes: int, color: dict[str, str]
) -> None:
    at = threshold + 0.5
    top, bottom = (classes - 0.15, classes + SUM_ROWS - 0.6) if summed else (-0.5, classes - 0.5)
    figure.add_shape(
        type="line",
        name="threshold",
        x0=at,
        x1=at,
        y0=top,
        y1=bottom,
        line={"color": color["text"], "width": 2, "dash": "4px,3px"},
    )
    left = at > 0.6 * k  # keep the words inside the chart
    figure.add_annotation(
        x=at,
        y=classes + 0.5 if summed else -0.5,
        text=f"alarm above {words.signed(threshold)}",
        showarrow=False,
        xanchor="right" if left else "left",
        yanchor="bottom",
        xshift=-5 if left else 5,
        yshift=1,
        font={"size": 11, "color": color["text"]},
    )


def _lay_out(figure: go.Figure, *, rows: float, theme: themes.Theme) -> None:
    height = round(rows * ROW_HEIGHT) + AXIS_HEIGHT
    figure.update_layout(
        template=themes.template(theme),
        height=height,
        margin={"l": LABEL_WIDTH, "r": 14, "t": 2, "b": AXIS_HEIGHT, "pad": 6},
        showlegend=False,
        dragmode=False,
    )
    muted = themes.COLORS[theme]["text-muted"]
    figure.update_xaxes(
        fixedrange=True,
        zeroline=True,
        automargin=False,
        tickfont={"size": 11, "color": muted},
        title_font={"size": 11, "color": muted},
        title_standoff=6,
    )
    # Class 0 on top; the last half row keeps the lowest bar off the axis.
    figure.update_yaxes(
        fixedrange=True, range=[rows - 0.5, -0.5], showgrid=False, zeroline=False, automargin=False
    )


def _labels(class_names: Sequence[str], predicted: int, true: int, theme: themes.Theme) -> list[str]:
    muted = themes.COLORS[theme]["text-muted"]

    def label(class_id: int, name: str) -> str:
        roles = [role for role, c in (("predicted", predicted), ("true", true)) if c == class_id]
        if not roles:
            return name
        return f"<span style='color:{muted};font-size:11px'>{' + '.join(roles)}</span> <b>{name}</b>"

    return [label(c, name) for c, name in enumerate(class_names)]


def _count_step(k: int) -> int:
    return next(step for step in (1, 2, 5, 10) if k / step <= 8 or step == 10)
