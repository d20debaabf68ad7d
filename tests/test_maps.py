"""Maps over images, as they are read, drawn and put into words."""

import base64
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import delete, insert, update

import db.read
from dashapp.draw import map_pictures
from dashapp.draw.map_cells import map_cells
from dashapp.pages.case import maps as case_maps
from dashapp.pages.case.address import list_search
from dashapp.pages.case.maps_address import maps_view
from dashapp.theme import CLASS_COLORS
from dashapp.words import maps
from db import schema
from tests.support import small_database

CONV = ["conv1", "conv2"]


@pytest.fixture(scope="module")
def small(fresh):
    """The small database with maps of 2 x 2: of sample 1 with 8 and with 27 colors, of image 8."""
    engine = fresh()
    margins, classes = np.array([[-1, 2], [0.5, -3]], "<f2"), np.array([[0, 1], [2, 1]], "u1")
    finer = small_database.sweep(9, 1, 2.0, 2) | {"variant": "grid-3"}
    finer |= {"margins": margins.tobytes(), "classes": classes.tobytes()}
    finer |= {"colors": np.array([[0, 26], [5, 13]], "<u2").tobytes()}
    repaired = {"margins": margins.tobytes(), "classes": classes.tobytes()}
    with engine.begin() as connection:
        small_database.fill(connection)
        connection.execute(insert(schema.vulnerability_maps), [finer])
        images = schema.images
        connection.execute(update(images).where(images.c.id == 8).values(height=2, width=2))
        connection.execute(update(images).where(images.c.id == 1).values(height=2, width=2))
        connection.execute(update(schema.repairs).where(schema.repairs.c.image_id == 8).values(**repaired))
        before = repaired | {"margins": (margins - 2).astype("<f2").tobytes()}
        connection.execute(update(schema.repairs).where(schema.repairs.c.image_id == 1).values(**before))
    return engine


def test_of_several_sweeps_the_map_is_that_of_most_colors_with_these_as_rgb(small):
    found = db.read.vulnerability_map(small, 1)
    assert found.levels == 3
    np.testing.assert_array_equal(found.margins, [[-1, 2], [0.5, -3]])
    np.testing.assert_array_equal(found.classes, [[0, 1], [2, 1]])
    assert found.colors.tolist() == [[[0, 0, 0], [255, 255, 255]], [[0, 128, 255], [128, 128, 128]]]
    assert db.read.vulnerability_map(small, 4) is None


def test_an_attacked_case_has_two_repair_maps_and_a_clean_one_its_own(small):
    attacked = db.read.repair_maps(small, 1)
    np.testing.assert_array_equal(attacked.image.margins - attacked.original.margins, np.full((2, 2), 2))
    assert attacked.image.colors is None
    assert db.read.repair_maps(small, 4) == (None, None)
    with pytest.raises(LookupError, match="case 99"):
        db.read.repair_maps(small, 99)


def test_a_map_of_grays_or_with_a_stride_says_so_and_the_one_of_most_positions_is_shown(small):
    margins, classes = np.array([[-1, 2]], "<f2"), np.array([[0, 1]], "u1")
    row = small_database.sweep(20, 4, 2.0, 1) | {"height": 1, "width": 2, "margins": margins.tobytes()}
    row |= {"classes": classes.tobytes(), "colors": np.array([[4, 1]], "<u2").tobytes()}
    variants = ("grays-256, stride 3", "grays-5, stride 2", "grays-2, stride 2")
    rows = [row | {"id": 20 + i, "variant": variant} for i, variant in enumerate(variants)]
    with small.begin() as connection:
        connection.execute(insert(schema.vulnerability_maps), rows)
    found = db.read.vulnerability_map(small, 4)
    with small.begin() as connection:
        connection.execute(delete(schema.vulnerability_maps).where(schema.vulnerability_maps.c.id >= 20))
    assert (found.levels, found.channels, found.stride) == (5, 1, 2)
    assert found.colors.tolist() == [[[255] * 3, [64] * 3]]
    values = values_of(found, ["a", "b"], 3)
    assert (values["side"], values["margins"]) == (2, [-100, 200])
    assert (values["imageHeight"], values["imageWidth"], values["gray"]) == (2, 3, True)


def values_of(over, names, width=2):
    """What the browser gets of a map over a gray image of 2 rows."""
    case = SimpleNamespace(class_names=names, image=db.read.CaseImage("", 2, width, True))
    return json.loads(case_maps._values(case, map_cells(over)))


def test_a_large_map_has_a_square_for_several_positions_and_knows_the_place_of_the_highest():
    margins = np.full((5, 130), -np.inf, np.float32)
    margins[4, 129], margins[0, 1], margins[1, 0] = 2.0, -3.0, -4.0
    classes = np.zeros((5, 130), int)
    classes[4, 129] = 7
    cells = map_cells(db.read.PixelMap(margins, classes, None, None, stride=2))
    assert cells.margins.shape == (2, 44)
    assert (cells.joined, cells.side) == (3, 6)
    assert (cells.rows[1, 43], cells.columns[1, 43], cells.classes[1, 43]) == (8, 258, 7)
    assert (cells.margins[0, 0], cells.rows[0, 0], cells.columns[0, 0]) == (-3.0, 0, 2)
    assert np.isinf(cells.margins).sum() == 86
    small = map_cells(db.read.PixelMap(margins[:, :64], classes[:, :64], None, None))
    assert (small.margins.shape, small.joined) == ((5, 64), 1)


def test_what_was_not_tried_is_transparent_and_has_no_number():
    margins = np.array([[-np.inf, -4.0], [0.5, -np.inf]], np.float32)
    scale = map_pictures.margin_scale(margins)
    assert scale == (-4.0, 0.5)
    drawn = pixels(map_pictures.margin_picture(margins, scale))
    assert (drawn[0, 0, 3], drawn[1, 1, 3]) == (0, 0)
    assert drawn[1, 0, 3] > 200
    over = db.read.PixelMap(margins, np.zeros((2, 2), int), None, None)
    values = values_of(over, ["a", "b"])
    assert (values["names"], values["marks"]) == (
        {"0": "a"},
        {"0": CLASS_COLORS[0]},
    )  # the others do not occur
    assert values["margins"] == [None, -400, 50, None]


def pixels(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))).astype(int)


def test_above_zero_is_orange_and_below_it_blue_that_fades_with_the_distance():
    margins = np.array([[-4.0, -0.1], [0.1, 2.0]])
    drawn = pixels(map_pictures.margin_picture(margins, map_pictures.margin_scale(margins)))
    (far, near), (little, much) = drawn
    assert far[3] == 0
    assert near[3] > 150
    assert near[2] > near[0]  # blue
    assert little[0] > little[2]  # orange
    assert much[1] < little[1]  # darker
    assert little[3] == much[3] > near[3]


def test_a_difference_is_clear_at_zero_and_even_on_both_sides():
    minus, zero, plus = pixels(map_pictures.difference_picture(np.array([[-2.0, 0.0, 2.0]]), 2.0))[0]
    assert (minus[3], zero[3], plus[3]) == (255, 0, 255)
    assert minus[2] > minus[0]
    assert plus[0] > plus[2]
    assert pixels(map_pictures.difference_picture(np.zeros((2, 2)), 0.0))[..., 3].max() == 0


def test_the_words_count_the_positions_and_name_the_classes():
    margins, classes = np.array([[-1, 2], [0.5, -3]]), np.array([[0, 1], [2, 1]])
    shared = {"names": ("cat", "dog", "ship"), "classes": classes}
    given = shared | {"levels": 2, "true": "cat", "attacked": True}
    meaning, found = maps.vulnerability_sentences(margins=margins, **given)
    assert "of the original" in meaning
    assert "8 corner colors" in meaning
    assert found == "2 of 4 positions fool it, towards dog and ship."
    gray = maps.vulnerability_sentences(margins=margins, **given | {"channels": 1, "stride": 4})[0]
    assert "of the original that was tried, one in 4 rows and columns: " in gray
    assert "the best of black and white" in gray
    assert (
        "the best of 5 grays"
        in maps.vulnerability_sentences(margins=margins, **given | {"channels": 1, "levels": 5})[0]
    )
    assert "stays 1.00 behind cat" in maps.vulnerability_sentences(margins=margins - 3, **given)[1]
    _, found = maps.repair_sentences(margins=margins, predicted="cat", before=margins - 5, **shared)
    assert found == "The highest margin is 2.00 at row 0, column 1, for dog; before the attack it was −3.00."


def test_the_address_holds_the_maps_and_the_list_does_not_see_them():
    view = maps_view("?map=repair&activations=conv2&difference=original&true=cat", CONV)
    assert view == ("repair", "conv2", True, {})
    wrong = maps_view("?map=heat&activations=conv9&difference=twin", CONV)
    assert wrong[:3] == ("plain", None, False)
    assert "“heat”; it can be vulnerability or repair" in wrong.complaints["map"]
    assert "conv1 or conv2" in wrong.complaints["activations"]
    assert list_search("?map=repair&true=cat&activations=conv2&difference=original") == "?true=cat"
