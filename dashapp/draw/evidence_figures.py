"""The paper's appendix as figures; pure: rates against the threshold (4 to 7), accuracy against k (8 to 11),
ROC curves (12).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from dashapp import theme as themes
from dashapp.decide.evidence_points import best_k, corners, equal_error
from dashapp.words import decisions
from db.read import CurvePoint, DetectorRow, KPoint
from db.vocabulary import COMPOSITIONS, DETECTORS

# A layer keeps its color whatever else is shown; of more layers the colors return with dashes. None is a
# class's color, or the red or green of alarms.
LAYER_COLORS: dict[themes.Theme, tuple[str, ...]] = {  # by place
    "light": ("#b35c00", "#1769c4", "#8a3fb8"),
    "dark": ("#ffab57", "#6fb2ff", "#cf9dff"),
}
COMPOSITION_COLORS: dict[themes.Theme, tuple[str, ...]] = {  # in the order of the register
    "light": ("#0a7f78", "#c22a78", "#6f6a12"),
    "dark": ("#45d0c4", "#ff8cc0", "#d0ca58"),
}
FALSE_ALARMS, MISSES = 0, 2  # places of the layers whose colors these rates also use
STAGGER = 15  # pixels between the labels of one mark and the next


class Curve(NamedTuple):
    """A detector with its operating point, its curve, and whether it is the chosen one."""

    row: DetectorRow
    points: Sequence[CurvePoint]
    chosen: bool = False


class Mark(NamedTuple):
    """A vertical line with its label."""

    x: float
    text: str
    color: str
    dash: str


def roc(curves: Sequence[Curve], *, theme: themes.Theme, by_layer: bool = True) -> go.Figure:
    """ROC curves with their operating points and the diagonal of chance.

    Args:
        curves: in the order of the legend; one per layer, as only the color identifies it.
        theme: 'light' or 'dark'.
        by_layer: name k-NN detectors by their layer alone, as everything else is the same.
    """
    color = themes.COLORS[theme]
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        line={"color": color["text-muted"], "width": 1},
        opacity=0.6,
        hoverinfo="skip",
        showlegend=False,
        name="chance",
    )
    for curve in curves:
        fpr, tpr, thresholds = corners(curve.points)
        auc = "" if curve.row.auc is None else f"  {curve.row.auc.value:.3f}"
        name = curve.row.layer if by_layer and curve.row.layer else curve.row.detector
        figure.add_scatter(
            x=fpr,
            y=tpr,
            customdata=thresholds,
            mode="lines",
            line=_line(curve, theme),
            name=f"{name}{auc}",
            hovertemplate=f"{name}<br>alarm above %{{customdata:.4~g}}<br>false alarms %{{x:.1%}}, "
            "detected %{y:.1%}<extra></extra>",
        )
        figure.add_scatter(
            x=[curve.row.fpr],
            y=[curve.row.tpr],
            mode="markers",
            marker={
                "color": curve_color(curve.row, theme),
                "size": 11 if curve.chosen else 8,
                "line": {"color": color["surface"], "width": 1.5},
            },
            name=f"{name}: operating point",
            hovertemplate=f"{name}, as it is set: alarm above {decisions.threshold(curve.row.threshold)}<br>"
            "false alarms %{x:.1%}, detected %{y:.1%}<extra></extra>",
            showlegend=False,
        )
    _lay_out(figure, theme)
    figure.update_layout(
        margin={"t": 6},
        legend={
            "orientation": "v",
            "title": {"text": "area under the curve", "font": {"size": 11, "color": color["text-muted"]}},
            "x": 0.985,
            "xanchor": "right",
            "y": 0.015,
            "yanchor": "bottom",
            "bgcolor": "rgba(0,0,0,0)",
            "itemclick": False,
            "itemdoubleclick": False,
        },
    )
    figure.update_xaxes(range=[-0.012, 1.012], title_text="false alarms among clean images (FPR)")
    figure.update_yaxes(range=[-0.012, 1.012], title_text="attacks detected (TPR)")
    for axis in (figure.update_xaxes, figure.update_yaxes):
        axis(tickvals=[0, 0.2, 0.4, 0.6, 0.8, 1], tickformat=".0%")
    return figure


def threshold_rates(points: Sequence[CurvePoint], row: DetectorRow, *, theme: themes.Theme) -> go.Figure:
    """Accuracy, false alarms and misses against the threshold, with the line of the equal error rate.

    Args:
        points: of one detector at its k, thresholds ascending.
        row: the detector, for its k and the threshold it is set to.
        theme: 'light' or 'dark'.
    """
    color, hues = themes.COLORS[theme], LAYER_COLORS[theme]
    figure = go.Figure()
    series = (
        ("accuracy", "accuracy (ACC)", color["text"], 2.5),
        ("fpr", "false alarms (FPR)", hues[FALSE_ALARMS], 2),
        ("fnr", "attacks missed (FNR)", hues[MISSES], 2),
    )
    for name, said, hue, width in series:
        figure.add_scatter(
            x=[point.threshold for point in points],
            y=[getattr(point, name) for point in points],
            mode="lines+markers" if len(points) <= 30 else "lines",
            marker={"size": 5},
            line={"color": hue, "width": width},
            name=said,
            hovertemplate="%{y:.1%}",
        )
    _lay_out(figure, theme)
    if points:
        equal = equal_error(points)
        eer = f"EER {decisions.percent(row.eer)} at {decisions.threshold(equal)}"
        marks = [Mark(equal, eer, color["alarm"], "solid")]
        if row.threshold == equal:
            marks[0] = marks[0]._replace(text=f"{eer}, as it is set")
        else:
            said = f"set to {decisions.threshold(row.threshold)}, chosen on tuning"
            marks.append(Mark(row.threshold, said, color["text"], "4px,3px"))
        low, high = points[0].threshold, points[-1].threshold
        add_marks(figure, marks, low, high, surface=color["surface"])
        edge = 0.02 * (high - low or 1)
        figure.update_xaxes(range=[low - edge, high + edge])
    counted = f"threshold, of {row.k} neighbors" if row.k else "threshold of the score"
    few = 1 if row.k and row.k <= 10 else None  # neighbors are counted in whole numbers
    figure.update_xaxes(title_text=counted, zeroline=False, dtick=few)
    # Room above for the labels of the marks.
    figure.update_yaxes(range=[-0.02, 1.2], tickvals=[0, 0.25, 0.5, 0.75, 1], tickformat=".0%")
    figure.update_layout(hovermode="x unified")
    return figure


def accuracy_by_k(
    points: Sequence[KPoint], *, chosen: int, paper: int | None, theme: themes.Theme
) -> go.Figure:
    """Accuracy against k, on the tuning and on the validation cases, each k at its threshold.

    Args:
        points: of one k-NN detector on both partitions, k ascending.
        chosen: the k that was chosen on the tuning cases.
        paper: the paper's k of this layer; None: it has none.
        theme: 'light' or 'dark'.
    """
    color = themes.COLORS[theme]
    figure = go.Figure()
    for partition, hue, width in (("tuning", color["text-muted"], 1.5), ("validation", color["accent"], 2.5)):
        of = [point for point in points if point.partition == partition]
        figure.add_scatter(
            x=[point.k for point in of],
            y=[point.accuracy for point in of],
            customdata=[point.threshold for point in of],
            mode="lines",
            line={"color": hue, "width": width},
            name=partition,
            hovertemplate="%{y:.1%}, alarm above %{customdata}",
        )
    _lay_out(figure, theme)
    figure.update_layout(hovermode="x unified")
    figure.update_xaxes(title_text="k, the neighbors that are counted", zeroline=False)
    figure.update_yaxes(tickformat=".0%")
    if not points:
        return figure
    best = best_k(points)
    marks: dict[int, list[str]] = {}
    for k, text in ((chosen, "chosen on tuning"), (best, "best on validation"), (paper, "the paper’s")):
        if k is not None:
            marks.setdefault(k, []).append(text)
    styles = {chosen: (color["text"], "4px,3px"), paper: (color["text-muted"], "1.5px,2.5px")}
    styles[best] = (color["alarm"], "4px,3px")
    last = max(point.k for point in points)
    lines = [Mark(k, f"k {k}: {', '.join(texts)}", *styles[k]) for k, texts in marks.items()]
    add_marks(figure, lines, 1, last, surface=color["surface"])
    low, high = (end(point.accuracy for point in points) for end in (min, max))
    figure.update_xaxes(range=[0, last + 1])
    # Room above the lines for the labels of the marks.
    figure.update_yaxes(range=[low - 0.06 * (high - low), high + 0.5 * (high - low) + 0.005])
    return figure


def add_marks(figure: go.Figure, marks: Sequence[Mark], low: float, high: float, *, surface: str) -> None:
    """Draw the marks, with their labels one below the other so that none covers another.

    `low` and `high` are the ends of the axis: the labels stay inside. `surface`: the color behind the chart.
    """
    for i, mark in enumerate(sorted(marks, key=lambda mark: mark.x)):
        figure.add_shape(
            type="line",
            name=mark.text,
            x0=mark.x,
            x1=mark.x,
            y0=0,
            y1=1,
            yref="paper",
            line={"color": mark.color, "width": 1.5, "dash": mark.dash},
        )
        left = mark.x > low + 0.66 * (high - low)
        figure.add_annotation(
            x=mark.x,
            y=1,
            yref="paper",
            yanchor="top",
            yshift=-STAGGER * i,
            text=mark.text,
            showarrow=False,
            xanchor="right" if left else "left",
            xshift=-3 if left else 3,
            font={"size": 11, "color": mark.color},
            bgcolor=surface,  # so that lines of other marks do not cross the label
            borderpad=0,
        )


def curve_color(row: DetectorRow, theme: themes.Theme) -> str:
    """Color of a detector: its layer's color; the text color for repair, muted for baselines."""
    if row.layer is not None:
        composition = list(COMPOSITIONS).index(row.layer) if row.layer in COMPOSITIONS else None
        colors = LAYER_COLORS[theme] if composition is None else COMPOSITION_COLORS[theme]
        place = row.layer_place if composition is None else composition
        return themes.COLORS[theme]["accent"] if place is None else colors[place % len(colors)]
    return themes.COLORS[theme]["text" if row.kind == "repair" else "text-muted"]


def _line(curve: Curve, theme: themes.Theme) -> dict[str, Any]:
    width = 3.2 if curve.chosen else 2.4 if curve.row.kind == "repair" else 1.8
    baseline, place = curve.row.kind == "baseline", curve.row.layer_place or 0
    dash = "solid" if place < len(LAYER_COLORS[theme]) else "10px,3px"
    if baseline:
        dash = DETECTORS[curve.row.detector].dash
    return {"color": curve_color(curve.row, theme), "width": width, "dash": dash}


def _lay_out(figure: go.Figure, theme: themes.Theme) -> None:
    color = themes.COLORS[theme]
    figure.update_layout(
        template=themes.template(theme),
        autosize=True,
        margin={"l": 8, "r": 10, "t": 26, "b": 8},
        dragmode=False,
        legend={
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "yanchor": "bottom",
            "font": {"size": 11},
            "itemclick": False,
            "itemdoubleclick": False,
        },
    )
    for axis in (figure.update_xaxes, figure.update_yaxes):
        axis(
            fixedrange=True,
            zeroline=False,
            tickfont={"size": 11, "color": color["text-muted"]},
            title_font={"size": 11, "color": color["text-muted"]},
            title_standoff=8,
        )
