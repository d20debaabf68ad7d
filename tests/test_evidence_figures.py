"""The paper's appendix as figures, from rows made by hand; and what is read off them."""

import pytest

from dashapp import theme
from dashapp.decide import evidence_points
from dashapp.draw import evidence_figures
from db import paper
from db.read import CurvePoint, DetectorRow, KPoint, Measure


def row(detector="dense euclidean total", **changes):
    layer = None if changes.get("kind", "neighbors") != "neighbors" else "dense"
    labels = dict.fromkeys(("metric", "rule", "reference"))
    if layer:
        labels = {"metric": "euclidean", "rule": "total", "reference": "all"}
    measure = Measure(0.8, 0.75, 0.85)
    plain = {"k": 2, "threshold": 1.0, "tp": 6, "fp": 2, "tn": 8, "fn": 4, "pairs": 10, "located": None}
    plain["layer_place"] = None if layer is None else 1
    rates = {"tpr": 0.6, "fpr": 0.2, "eer": 0.3}
    measures = dict.fromkeys(("auc", "paired_auc", "accuracy", "recovered"), measure)
    fields = {"kind": "neighbors", "layer": layer, **labels, **plain, **rates, **measures}
    return DetectorRow(**{"detector": detector, **fields, **changes})


def point(threshold, fpr, tpr):
    return CurvePoint("dense euclidean total", threshold, fpr, tpr, 1 - tpr, (tpr + 1 - fpr) / 2)


POINTS = [point(-1, 1.0, 1.0), point(0, 0.5, 0.9), point(1, 0.2, 0.6), point(2, 0.0, 0.0)]
BY_K = [KPoint(partition, k, 0, 0.5 + share + 0.01 * (partition == "tuning")) for partition in
        ("tuning", "validation") for k, share in ((1, 0.1), (2, 0.3), (3, 0.3), (4, 0.2))]  # fmt: skip


def texts(figure):
    return [note.text for note in figure.layout.annotations]


def lines(figure):
    return {shape.name: shape for shape in figure.layout.shapes}


def test_a_curve_goes_from_corner_to_corner_without_the_points_inside_straight_lines():
    fpr, tpr, thresholds = evidence_points.corners(POINTS)
    assert (fpr, tpr) == ([0, 0.2, 0.5, 1], [0, 0.6, 0.9, 1])
    assert thresholds == [2, 1, 0, -1]
    straight = [point(i, 1 - i / 10, 1 - i / 10) for i in range(11)]
    assert evidence_points.corners(straight)[0] == [0, 1]
    assert evidence_points.corners([]) == ([0, 1], [0, 1], [None, None])


def test_scores_whose_thresholds_end_before_every_alarm_still_reach_both_corners():
    fpr, tpr, _ = evidence_points.corners([point(0.5, 0.9, 0.95), point(0.7, 0.1, 0.5)])
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)


def test_the_equal_error_is_where_false_alarms_and_misses_are_most_alike():
    assert evidence_points.equal_error(POINTS) == 1
    assert evidence_points.equal_error([point(0, 0.4, 0.8), point(1, 0.2, 0.6)]) == 0  # the lower of two


def test_the_best_k_is_the_smallest_of_the_highest_accuracy_on_validation():
    assert evidence_points.best_k(BY_K) == 2
    tuning = [KPoint("tuning", 1, 0, 0.5), KPoint("tuning", 2, 0, 0.6)]
    assert evidence_points.best_k(tuning) == 2


def test_the_paper_has_a_k_for_its_own_metric_and_rule_only():
    assert evidence_points.paper_k(row(), paper.K) == 23
    assert evidence_points.paper_k(row(), paper.NONE) is None
    assert evidence_points.paper_k(row(metric="cosine"), paper.K) is None
    assert evidence_points.paper_k(row(rule="max-class"), paper.K) is None
    assert evidence_points.paper_k(row("repair", kind="repair"), paper.K) is None


def test_the_papers_numbers_are_of_its_network_on_its_data_alone():
    mine = [("flatten", 2304), ("dense", 512), ("logits", 10)]
    assert paper.paper_ks("cifar10", mine) == {"flatten": 13, "dense": 23, "logits": 12, "composed": 12}
    assert paper.paper_ks("cifar10-sample", [*mine, ("conv4", 64)]) == paper.K
    assert not paper.paper_ks("digits", mine)
    assert not paper.paper_ks("cifar10", mine[1:])
    assert not paper.paper_ks("cifar10", [("flatten", 400), *mine[1:]])  # another network with its names


@pytest.mark.parametrize("shown", theme.COLORS)
def test_the_roc_has_the_diagonal_each_curve_and_its_point(shown):
    curves = [
        evidence_figures.Curve(row(), POINTS, chosen=True),
        evidence_figures.Curve(row("repair", kind="repair", k=0), POINTS),
        evidence_figures.Curve(row("confidence", kind="baseline", k=0), POINTS),
    ]
    figure = evidence_figures.roc(curves, theme=shown)
    chance, layer, dot, repair, _, baseline, _ = figure.data
    assert (list(chance.x), list(chance.y)) == ([0, 1], [0, 1])
    assert layer.name.split() == ["dense", "0.800"]
    assert (list(dot.x), list(dot.y)) == ([0.2], [0.6])
    assert baseline.line.dash != "solid"
    assert repair.line.dash == layer.line.dash == "solid"
    assert layer.line.width > repair.line.width
    assert len({layer.line.color, repair.line.color, baseline.line.color}) == 3


def test_curves_of_several_metrics_are_told_by_their_whole_name():
    figure = evidence_figures.roc([evidence_figures.Curve(row(), POINTS)], theme="light", by_layer=False)
    assert figure.data[1].name.startswith("dense euclidean total")


def test_rates_against_the_threshold_have_the_line_of_the_equal_error():
    figure = evidence_figures.threshold_rates(POINTS, row(), theme="light")
    assert [trace.name.split("(")[1] for trace in figure.data] == ["ACC)", "FPR)", "FNR)"]
    (only,) = texts(figure)
    assert only.startswith("EER 30.0")
    assert lines(figure)[only].x0 == 1
    assert lines(figure)[only].line.color == theme.COLORS["light"]["alarm"]


def test_a_threshold_that_tuning_chose_elsewhere_has_a_line_of_its_own():
    figure = evidence_figures.threshold_rates(POINTS, row(threshold=0.0), theme="light")
    assert {shape.x0 for shape in lines(figure).values()} == {0, 1}
    assert any("set to 0" in text for text in texts(figure))


def test_accuracy_by_k_marks_the_chosen_the_best_and_the_papers_k():
    figure = evidence_figures.accuracy_by_k(BY_K, chosen=3, paper=4, theme="dark")
    assert sorted(texts(figure)) == ["k 2: best on validation", "k 3: chosen on tuning", "k 4: the paper’s"]
    assert lines(figure)["k 2: best on validation"].line.color == theme.COLORS["dark"]["alarm"]
    low, high = figure.layout.yaxis.range
    assert all(low < y < high for trace in figure.data for y in trace.y)


def test_one_k_in_several_roles_has_one_line():
    figure = evidence_figures.accuracy_by_k(BY_K, chosen=2, paper=2, theme="light")
    assert texts(figure) == ["k 2: chosen on tuning, best on validation, the paper’s"]
    assert texts(evidence_figures.accuracy_by_k(BY_K, chosen=2, paper=None, theme="light")) == [
        "k 2: chosen on tuning, best on validation"
    ]


def test_words_of_marks_stand_one_under_the_other_and_inside():
    figure = evidence_figures.accuracy_by_k(BY_K, chosen=1, paper=4, theme="light")
    notes = figure.layout.annotations
    assert len({note.yshift for note in notes}) == len(notes)
    assert {note.x: note.xanchor for note in notes} == {1: "left", 2: "left", 4: "right"}


def test_figures_of_nothing_are_empty_and_not_an_error():
    assert texts(evidence_figures.threshold_rates([], row(), theme="light")) == []
    assert texts(evidence_figures.accuracy_by_k([], chosen=1, paper=None, theme="light")) == []


@pytest.mark.parametrize("shown", theme.COLORS)
def test_layers_have_colors_of_their_own(shown):
    colors = [*evidence_figures.LAYER_COLORS[shown], *evidence_figures.COMPOSITION_COLORS[shown]]
    assert len(set(colors)) == len(colors) == 6
    assert not set(colors) & {*theme.CLASS_COLORS, *theme.COLORS[shown].values()}
