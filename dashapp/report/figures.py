"""Draw figures like the paper's 4 to 12 from the database, and write them to files."""

import importlib.util
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

import plotly.graph_objects as go
import plotly.io
from plotly.offline import get_plotlyjs
from sqlalchemy import Engine

import db.read
from dashapp.decide.evidence_points import best_k, equal_error
from dashapp.draw import evidence_figures
from dashapp.report.tables import layer_order
from dashapp.words import decisions
from db import paper
from db.read import DetectorRow, EvidenceQuery
from db.vocabulary import COMPOSITIONS, METRIC, RULE

PAGE_NAME, SCRIPT_NAME = "figures.html", "plotly.min.js"
SIZE, ROC_SIZE = (760, 400), (680, 640)  # pixels; a page on GitHub is some 830 wide
HOW_TO_GET = (
    "For pictures, install the extra `report` (the package kaleido) and Chromium; the variable BROWSER_PATH "
    "names one that is not found by itself."
)


class PaperFigure(NamedTuple):
    """A figure of the paper, with our numbers."""

    number: int
    caption: str  # Markdown
    figure: go.Figure
    size: tuple[int, int]  # width and height, pixels

    @property
    def name(self) -> str:
        """Its file name without the ending; two digits, so that files sort in order."""
        return f"figure-{self.number:02}"


class Place(NamedTuple):
    """What is said about a layer, and the numbers of its figures."""

    thresholds: int
    by_k: int
    name: str
    paper_k: int | None  # None: the paper has none


def paper_figures(engine: Engine, query: EvidenceQuery) -> list[PaperFigure]:
    """Two figures for each layer that was evaluated, and the ROC curves: euclidean, rule total, all cases.

    Those of the paper's network on its data set have the paper's numbers, 4 to 12; others count from 1.
    """
    asked = query.but(metric=METRIC, rule=RULE, reference="all", detector=None)
    tuned = of_the_paper(db.read.evidence_summary(engine, asked.but(partition="tuning")))
    judged = db.read.evidence_summary(engine, asked.but(partition="validation"))
    ks = db.read.paper_ks(engine, query.scope)
    layers = [row.layer or "" for row in tuned]
    placed = places(layers, ks)
    figures = [_thresholds(engine, asked, row, placed[row.layer or ""]) for row in tuned]
    for row in tuned:
        by_k = _by_k(engine, asked, row, placed[row.layer or ""])
        figures += [by_k] if by_k else []
    number = paper.ROC if ks else 2 * len(layers) + 1
    figures.append(_roc(engine, asked.but(partition="validation"), judged, ks, number))
    return sorted(figures, key=lambda figure: figure.number)


def of_the_paper(rows: Sequence[DetectorRow]) -> list[DetectorRow]:
    """The k-NN detectors of the paper's kinds, single layers and their concatenation, in network order."""
    kinds = [
        row for row in rows if row.layer and not (row.layer in COMPOSITIONS and COMPOSITIONS[row.layer].added)
    ]
    return sorted(kinds, key=layer_order)


def places(layers: Sequence[str], paper_ks: Mapping[str, int]) -> dict[str, Place]:
    """The numbers and names of layers in network order; `paper_ks`: the paper's k, if it is its network."""
    known, result = list(paper_ks), {}
    more = (paper.ROC + 1 + i for i in range(2 * len(layers)))
    for i, layer in enumerate(layers):
        if not paper_ks:
            numbers = 1 + i, len(layers) + 1 + i
        elif layer in known:
            numbers = paper.FIRST_THRESHOLDS + known.index(layer), paper.FIRST_BY_K + known.index(layer)
        else:
            numbers = next(more), next(more)
        name = f"the {layer} layer" if layer in COMPOSITIONS else f"layer {i + 1} ({layer})"
        result[layer] = Place(*numbers, name, paper_ks.get(layer))
    return result


def write_figures(figures: Sequence[PaperFigure], folder: Path, title: str) -> tuple[list[Path], str]:
    """Write the figures as SVG, or else as an interactive page; return the files and why it is a page.

    title: of the page.
    """
    if kaleido_installed():
        try:
            return write_pictures(figures, folder), ""
        except Exception as error:  # no Chrome, or it does not start; kaleido has an error type for each
            problem = " ".join(str(error).split(". ")[0].split())[:200]
            hint = f"No pictures: {problem or type(error).__name__}. {HOW_TO_GET}"
            return write_page(figures, folder, title), hint
    return write_page(figures, folder, title), HOW_TO_GET


def old_figures(folder: Path) -> list[Path]:
    """Figure files of an earlier report."""
    candidates = (*folder.glob("figure-*.svg"), folder / PAGE_NAME, folder / SCRIPT_NAME)
    return [path for path in candidates if path.exists()]


def kaleido_installed() -> bool:
    """Whether the package that draws pictures is installed; it also needs a Chromium."""
    return importlib.util.find_spec("kaleido") is not None


def write_pictures(figures: Sequence[PaperFigure], folder: Path) -> list[Path]:
    """Write one SVG per figure with kaleido and Chromium."""
    paths = [folder / f"{figure.name}.svg" for figure in figures]
    widths, heights = zip(*(figure.size for figure in figures), strict=True)
    drawn = [figure.figure for figure in figures]
    plotly.io.write_images(drawn, paths, width=list(widths), height=list(heights))
    for figure, path in zip(figures, paths, strict=True):
        path.write_text(settled(path.read_text(encoding="utf-8"), figure.name), encoding="utf-8")
    return paths


def write_page(figures: Sequence[PaperFigure], folder: Path, title: str) -> list[Path]:
    """Write one interactive page, with plotly.js beside it."""
    page, script = folder / PAGE_NAME, folder / SCRIPT_NAME
    parts = []
    for figure in figures:
        width, height = figure.size
        plot = plotly.io.to_html(
            figure.figure,
            include_plotlyjs=False,
            full_html=False,
            default_width=f"{width}px",
            default_height=f"{height}px",
            config={"displayModeBar": False, "showSendToCloud": False},
            div_id=f"plot-{figure.number}",
        )
        parts.append(f'<h2 id="{figure.name}">Figure {figure.number}</h2>\n<p>{figure.caption}</p>\n{plot}')
    page.write_text(PAGE.format(title=escape(title), body="\n".join(parts)), encoding="utf-8")
    script.write_text(get_plotlyjs(), encoding="utf-8")
    return [page, script]


def settled(svg: str, name: str) -> str:
    """Remove what changes from one drawing to the next: ids of clips and of traces."""
    svg = re.sub(r' trace[0-9a-f]{6}(?=")', "", svg)
    match = re.search(r'id="defs-([0-9a-f]+)"', svg)
    return svg.replace(match[1], name) if match else svg


PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<script src="plotly.min.js"></script>
<style>
body {{ max-width: 800px; margin: 32px auto; padding: 0 16px; font: 15px/1.5 system-ui, sans-serif; }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


def _thresholds(engine: Engine, query: EvidenceQuery, row: DetectorRow, place: Place) -> PaperFigure:
    points = db.read.evidence_curves(engine, query.but(partition="tuning"), [row])[row.detector]
    at = decisions.threshold(equal_error(points)) if points else "none"
    there = "" if place.paper_k is None else f" (the paper: {place.paper_k})"
    caption = (
        f"Determination of the EER and the corresponding threshold for {place.name} using k = {row.k}{there}"
        ", on the tuning cases. The ACC, FPR and FNR are calculated for every possible "
        f"threshold. The red vertical line represents the threshold that yields the EER: {at}, "
        f"with an EER of {decisions.percent(row.eer)}."
    )
    figure = evidence_figures.threshold_rates(points, row, theme="light")
    return PaperFigure(place.thresholds, caption, _on_paper(figure), SIZE)


def _by_k(engine: Engine, query: EvidenceQuery, row: DetectorRow, place: Place) -> PaperFigure | None:
    points = db.read.evidence_by_k(engine, query, row.detector)
    if not points:
        return None
    best, there = best_k(points), place.paper_k
    accuracy = {(point.partition, point.k): point.accuracy for point in points}

    def reached(k: int) -> str:
        share = accuracy.get(("validation", k))
        return "unknown" if share is None else decisions.percent(share)

    caption = (
        f"Determination of the best value for k and the corresponding best threshold for {place.name}. For "
        "every k, the corresponding threshold meeting the EER on the tuning cases is calculated. The highest "
        f"accuracy on validation, {reached(best)}, is at k = {best} (red dashed line); k = {row.k}, chosen "
        f"on the tuning cases, reaches {reached(row.k)}"
    )
    caption += "." if there is None else f", the paper's k = {there} {reached(there)}."
    figure = evidence_figures.accuracy_by_k(points, chosen=row.k, paper=there, theme="light")
    return PaperFigure(place.by_k, caption, _on_paper(figure), SIZE)


def _roc(
    engine: Engine,
    query: EvidenceQuery,
    rows: Sequence[DetectorRow],
    paper_ks: Mapping[str, int],
    number: int,
) -> PaperFigure:
    layers = of_the_paper(rows)
    compared = [*layers, *(row for row in rows if row.kind != "neighbors")]
    points = db.read.evidence_curves(engine, query, compared)
    ks = ", ".join(f"{row.k} in {row.layer}" for row in layers)
    there = f" (the paper: {', '.join(map(str, paper_ks.values()))})" if paper_ks else ""
    caption = (
        f"Comparison of the ROC curves across layers using k = {ks}{there}, on the validation cases; in "
        "the legend the areas under them. Beside them, which the paper does not have: the repair sweep, and "
        "dashed the baselines that need the network's output alone. Dots: the thresholds chosen on the "
        "tuning cases."
    )
    curves = [evidence_figures.Curve(row, points[row.detector]) for row in compared]
    figure = _on_paper(evidence_figures.roc(curves, theme="light"))
    return PaperFigure(number, caption, figure, ROC_SIZE)


def _on_paper(figure: go.Figure) -> go.Figure:
    """Give a figure a white background: pictures are viewed on dark pages, too."""
    return figure.update_layout(paper_bgcolor="#ffffff", plot_bgcolor="#ffffff", margin={"l": 16, "r": 16})
