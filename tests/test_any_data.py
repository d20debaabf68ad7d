"""Pages over any data set and any network: many classes, gray, small and large images, other layers."""

import json
import re
from html import unescape

import numpy as np
import pytest
from test_app import routed, text_of

import db.read
from dashapp import ids
from dashapp.app import create_app
from dashapp.decide.shown_classes import ALL_SHOWN, ROWS, shown_classes
from dashapp.draw import activation_maps, figures
from dashapp.draw.image_size import fitted, whole_factor
from dashapp.pages.detectors import parts
from tests.support.any_database import Shape, fill

MANY = Shape(
    classes=300, size=(8, 8), gray=True, viewed=((8, 8, 4),), vectors=(("pooled", "pool", 16),), cases=60
)
STEM = (*((64, 48, 2),) * 8, *((32, 24, 2),) * 12, *((16, 12, 2),) * 30)
LARGE = Shape(classes=12, size=(96, 72), stride=2, viewed=STEM, vectors=(("fc", "dense", 8),), cases=8)


@pytest.fixture(scope="module")
def many(fresh):
    engine = fresh()
    fill(engine, MANY)
    return engine


@pytest.fixture(scope="module")
def large(fresh):
    engine = fresh()
    fill(engine, LARGE)
    return engine


def html_of(engine, pathname, search=""):
    """The page's children as text: what is drawn as HTML, and the properties of components."""
    children = routed(create_app(engine), pathname, search)[ids.PAGE]["children"]
    return unescape(json.dumps(children, ensure_ascii=False).replace('\\"', '"'))


# ---- Many classes -------------------------------------------------------------------------------------


def test_every_class_has_a_row_while_they_are_few():
    assert shown_classes([0.1] * ALL_SHOWN, [3], roles=[1]) == list(range(ALL_SHOWN))


def test_of_many_classes_those_with_a_role_the_likely_and_the_near_have_rows():
    shares = np.linspace(1, 2, 300) / 450
    found = shown_classes(shares, [5] * 9 + [7], roles=[0, None, 1, 0], found=[40])
    assert len(found) == ROWS + 1
    assert {0, 1, 40, 5, 7, 299, 298} <= set(found)
    assert found == sorted(found, key=lambda c: -shares[c])
    assert shown_classes(shares, [], roles=[4])[-1] == 4


def test_charts_of_many_classes_have_few_rows_and_say_what_the_others_share():
    shares, names = [0.5, 0.2, *[0.001] * 298], [f"<{c}>" * 20 for c in range(300)]
    drawn = figures.softmax_bars(
        shares,
        class_names=names,
        predicted=0,
        true=7,
        theme="light",
        classes=[0, 1, 7],
    )
    assert drawn["data"][0]["x"] == [0.5, 0.2, 0.001]
    assert drawn["layout"]["xaxis"]["title"]["text"] == "softmax probability · 0.299 in 297 other classes"
    labels = drawn["layout"]["yaxis"]["ticktext"]
    assert len(labels) == 3
    assert all("…" in label and "<0>" not in label for label in labels)
    counts = [0] * 300
    counts[7], counts[9] = 3, 2
    drawn = figures.neighbor_bars(
        counts, class_names=list(map(str, range(300))), predicted=0, true=7, theme="dark",
        classes=[0, 1, 7], k=5, threshold=1, rule="total",
    )  # fmt: skip
    assert drawn["data"][0]["x"] == [0, 0, 3]
    assert drawn["data"][1]["x"] == [3, 2]  # the sum has all of them
    assert drawn["layout"]["xaxis"]["title"]["text"] == "neighbors among the first 5 · 2 of other classes"
    assert drawn["layout"]["height"] < 300


def test_a_case_of_many_classes_adds_those_that_are_found_by_name(many):
    page = html_of(many, "/case/1")
    assert page.count("<option") == 300
    assert "Add one of 300 classes" in page
    found = html_of(many, "/case/1", "?classes=250,17")
    for name in ("c250", "c17"):
        assert f"Remove {name} from the charts" in found
    assert "Remove" not in page
    view = text_of(routed(create_app(many), "/case/1", "?classes=250,300")[ids.PAGE]["children"])
    assert "it can be up to 8 numbers of classes from 0 to 299" in view


def test_filters_of_many_classes_show_the_frequent_ones_and_find_the_others(many):
    page = html_of(many, "/", "?partition=all")
    rest = re.search(r'data-finds="true" data-rest="(.*?)" data-href="(.*?)"', page)
    values = json.loads(unescape(rest[1]))
    assert len(values) >= 3
    assert {number for *_, number in values} == {1}
    one = values[0][0]
    assert f'title="Show {one}"' not in page.split("Predicted class")[0]
    narrowed = html_of(many, "/", f"?partition=all&true={one}")
    assert "1 of 60 cases" in narrowed


def test_the_first_divergence_of_many_classes_shows_some_and_hides_the_others():
    found = [db.read.Divergence(f"c{c}", "pooled", 1 + c % 7) for c in range(40)]
    drawn = parts._heat(found).to_plotly_json()["props"]["data-html"]
    assert "Find one of 40 classes" in drawn
    assert drawn.count('data-top=""') == 13  # all, and twelve classes
    assert drawn.count(" hidden>") == 28
    assert drawn.index(">c6<") < drawn.index(">c0<")  # the most attacked ones first
    few = parts._heat(found[:12]).to_plotly_json()["props"]["data-html"]
    assert "Find" not in few
    assert " hidden" not in few


# ---- Sizes and colors of images -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "box", "shown"),
    [
        ((8, 8), 64, (64, 64, True)),
        ((28, 28), 64, (56, 56, True)),
        ((10, 5), 64, (30, 60, True)),
        ((64, 64), 64, (64, 64, True)),
        ((256, 192), 64, (48, 64, False)),
        ((256, 1), 64, (1, 64, False)),
    ],
)
def test_small_images_are_enlarged_by_whole_factors_and_large_ones_shrunk(size, box, shown):
    assert fitted(*size, box) == shown


def test_an_image_is_shown_at_the_whole_factor_nearest_to_the_wanted_size():
    factors = {side: whole_factor(side, side, 144) for side in (8, 28, 32, 64, 96, 128, 256)}
    assert factors == {8: 18, 28: 5, 32: 4, 64: 2, 96: 2, 128: 1, 256: 1}


def test_a_gray_image_has_grays_and_no_red_green_and_blue(many):
    case = db.read.case_detail(many, 1)
    assert case.image.gray
    page = html_of(many, "/case/1", "?map=vulnerability")
    assert "gray 255" in page
    assert "RGB" not in page
    assert '"gray":true' in page
    listed = html_of(many, "/")
    assert "after: gray 255" in listed
    assert "RGB" not in listed


def test_an_attacked_pixel_of_a_large_image_is_shown_enlarged_and_a_small_one_is_not(many, large):
    page = html_of(large, "/case/1")
    assert page.count('"className": "lens"') == 2
    assert '"--columns": 72, "--rows": 96, "--scale": 2, "--scale-wide": 2' in page
    assert "RGB" in page
    small = html_of(many, "/case/1")
    assert "lens" not in small
    assert '"--scale": 18' in small


def test_a_map_on_a_stride_reaches_as_far_as_its_positions(large):
    page = html_of(large, "/case/1", "?map=vulnerability")
    assert '"width": "100.0000%", "height": "100.0000%"' in page
    assert "one in 2 rows and columns" in page
    repairs = html_of(large, "/case/1", "?map=repair")
    assert '"rows":[' in repairs
    assert "Each square is the highest of 2 × 2 positions" in repairs


# ---- Other networks ------------------------------------------------------------------------------------


def test_a_long_network_is_grouped_by_size_and_its_compared_layers_are_apart(large):
    page = html_of(large, "/case/1")
    for said in ("8 layers, 64×48", "12 layers, 32×24", "30 layers, 16×12"):
        assert said in page
    assert page.count('"className": "layer layer-conv"') == 50
    assert page.count("layer-compared ") == 3
    assert len(page) < 1_000_000


def test_large_maps_are_drawn_small_and_vectors_of_any_length_as_strips():
    assert activation_maps.small(np.ones((128, 96))).shape == (32, 24)
    assert activation_maps.small(np.ones((30, 41))).shape == (15, 21)
    assert activation_maps.small(np.ones((40, 13))).shape == (40, 13)
    for units in (2, 10, 64, 512, 2304, 100_000):
        rows, columns = activation_maps.strip(np.ones(units, np.float32)).shape
        assert rows * columns >= units > (rows - 1) * columns
        assert rows >= columns
