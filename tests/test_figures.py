import plotly.graph_objects as go
import pytest

from dashapp import theme
from dashapp.draw import figures

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
COUNTS = [0, 0, 4, 1, 2, 0, 6, 0, 0, 0]


def neighbor_bars(**changes):
    options = {
        "class_names": NAMES,
        "predicted": 2,
        "true": 6,
        "k": 13,
        "threshold": 6,
        "rule": "total",
        "theme": "light",
    }
    return go.Figure(figures.neighbor_bars(COUNTS, **{**options, **changes}))


def softmax_bars(probabilities, **changes):
    options = {"class_names": NAMES, "predicted": 2, "true": 6, "theme": "light"}
    return go.Figure(figures.softmax_bars(probabilities, **{**options, **changes}))


def threshold_lines(figure):
    return [shape for shape in figure.layout.shapes if shape.name == "threshold"]


def test_softmax_bars_show_every_class_on_a_fixed_axis():
    probabilities = [0.01] * 9 + [0.91]
    figure = softmax_bars(probabilities, predicted=9, true=9, theme="dark")
    bars = figure.data[0]
    assert list(bars.x) == probabilities
    assert list(bars.marker.color) == list(theme.CLASS_COLORS)
    assert bars.text[9] == "0.910"
    assert figure.layout.xaxis.range[0] == 0
    assert figure.layout.xaxis.range[1] > 1
    assert figure.layout.xaxis.fixedrange
    assert figure.layout.yaxis.fixedrange


def test_predicted_and_true_class_are_marked_in_words():
    labels = neighbor_bars().layout.yaxis.ticktext
    assert "predicted" in labels[2]
    assert "<b>bird</b>" in labels[2]
    assert "true" in labels[6]
    assert labels[0] == "airplane"
    assert "predicted, true" in neighbor_bars(true=2).layout.yaxis.ticktext[2]


def test_both_charts_have_each_class_at_the_same_height():
    softmax = softmax_bars([0.1] * 10)
    neighbors = neighbor_bars()

    def top_offset(figure, row):  # pixels below the top of the figure
        low, high = figure.layout.yaxis.range
        inner = figure.layout.height - figure.layout.margin.t - figure.layout.margin.b
        return (row - high) / (low - high) * inner

    for row in (0, 9):
        assert top_offset(softmax, row) == pytest.approx(top_offset(neighbors, row), abs=1.5)


def test_the_total_rule_sums_the_unexpected_classes_and_puts_the_threshold_there():
    figure = neighbor_bars()
    summed = figure.data[1]
    assert list(summed.x) == [1, 2, 6]
    assert list(summed.base) == [0, 1, 3]
    assert "not bird" in figure.layout.yaxis.ticktext[-1]
    (line,) = threshold_lines(figure)
    assert line.x0 == line.x1 == 6.5
    assert line.y0 > 9
    assert any(note.text == "<b>9</b>" for note in figure.layout.annotations)


def test_the_max_class_rule_draws_the_threshold_through_every_class():
    figure = neighbor_bars(rule="max-class", threshold=3)
    assert len(figure.data) == 1
    (line,) = threshold_lines(figure)
    assert (line.x0, line.y0) == (3.5, -0.5)
    assert line.y1 > 9.5
    (note,) = figure.layout.annotations
    assert note.text == "alarm above 3"
    lowest, highest = figure.layout.yaxis.range  # what stands outside of it is not drawn
    assert highest <= note.y < lowest


def test_no_threshold_is_drawn_before_tuning_and_every_threshold_fits():
    assert threshold_lines(neighbor_bars(threshold=None)) == []
    for threshold in (-1, 13):
        figure = neighbor_bars(threshold=threshold)
        (line,) = threshold_lines(figure)
        low, high = figure.layout.xaxis.range
        assert low <= line.x0 <= high


def test_figures_never_offer_to_upload():
    assert figures.CONFIG["displayModeBar"] is False
    assert figures.CONFIG["showSendToCloud"] is False
