import base64
import io
import zlib

import numpy as np
import pytest
from PIL import Image

from dashapp.draw import activation_maps
from dashapp.pages.case.address import case_view, list_search

LAYERS = ["flatten", "dense", "logits", "composed"]


def test_the_address_chooses_the_layer_and_how_many_neighbors():
    view = case_view("", LAYERS)
    assert (view.layer, view.show_all, view.complaints) == ("composed", False, ())
    view = case_view("?layer=dense&neighbors=all&true=cat", LAYERS)
    assert (view.layer, view.show_all, view.complaints) == ("dense", True, ())


def test_values_that_are_not_understood_are_named_one_by_one():
    view = case_view("?layer=conv1&neighbors=7", LAYERS)
    assert (view.layer, view.show_all) == ("composed", False)
    layer, number = view.complaints
    assert "conv1" in layer
    assert "flatten, dense, logits, composed" in layer
    assert "7" in number


@pytest.mark.parametrize(
    ("search", "of_list"),
    [
        ("", ""),
        ("?layer=dense", ""),
        ("?true=cat&detector=dense&layer=logits&neighbors=all&page=2", "?true=cat&detector=dense&page=2"),
        ("?outcome=FN&map=repair&k=3&sort=-confidence,true", "?outcome=FN&sort=-confidence,true"),
    ],
)
def test_the_way_back_leads_to_the_list_as_it_was(search, of_list):
    assert list_search(search) == of_list


def test_stored_activations_are_decoded_either_way():
    values = np.arange(12, dtype="<f2").reshape(2, 3, 2)
    for encoding, data in (("raw", values.tobytes()), ("zlib", zlib.compress(values.tobytes()))):
        decoded = activation_maps.decode(data, encoding, (2, 3, 2))
        assert decoded.dtype == np.float32
        np.testing.assert_array_equal(decoded, values.astype(np.float32))
    with pytest.raises(ValueError, match="'gzip'"):
        activation_maps.decode(b"", "gzip", (1,))


def test_the_strongest_maps_come_first_and_fill_the_range():
    activations = np.zeros((4, 4, 5), np.float32)
    activations[1, 2, 3] = 8
    activations[:, :, 1] = 0.25
    maps = activation_maps.strongest_maps(activations, count=2)
    assert [channel for channel, _ in maps] == [3, 1]
    assert maps[0][1][1, 2] == 1
    assert maps[0][1].sum() == 1


def test_a_vector_of_either_sign_becomes_a_picture_of_its_values():
    picture = activation_maps.strip(np.array([-1.0, 0.0, 3.0], np.float32))
    np.testing.assert_allclose(picture[:, 0], [0, 0.25, 1])
    assert activation_maps.strip(np.zeros(512, np.float32)).shape == (64, 8)
    assert activation_maps.strip(np.zeros(7, np.float32)).max() == 0


def test_a_picture_keeps_one_pixel_a_value():
    uri = activation_maps.picture(np.array([[0.0, 1.0], [0.5, 0.0]], np.float32))
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))
    np.testing.assert_array_equal(pixels[..., 3], [[0, 255], [128, 0]])
