"""Sizes, colors and values of the images of one's own data set, as they are read."""

import numpy as np
import pytest
from PIL import Image

from model.data import registry
from model.data.add import Options, add
from model.data.split import draw_split
from tests.support import data_files
from tests.support.data_files import labels_of, noise, png
from tests.support.tiny_cifar10 import one_line, write


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, which the program uses."""
    monkeypatch.setenv("XPIXELS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_images_of_several_sizes_are_counted_and_resized_on_demand(cache, tmp_path):
    image = noise(1, 8, 8)[0]
    table = {"a": {"1.png": png(image), "2.png": png(image[:4])}, "b": {"1.png": png(image[:, :6])}}
    table["b"]["2.png"] = png(image)
    path = write(tmp_path / "offer", table)
    with pytest.raises(ValueError, match="images of 3 sizes, 4 x 8 to 8 x 8 pixels") as caught:
        add("mine", path, Options(share=0.5))
    assert "2 of 4 of them 8 x 8: give --resize H W" in one_line(caught)
    added = add("mine", path, Options(share=0.5, size=(4, 3)))
    assert "4 images of 3 other sizes resized to 4 x 3" in added.meta.said
    assert registry.source("mine").image_shape == (4, 3, 3)


def test_a_shrunk_array_is_the_mean_of_what_each_pixel_covers(cache, tmp_path):
    images, labels = noise(6, 8, 6, 1), labels_of(6, 2)
    path = data_files.npz(tmp_path / "offer.npz", images=images[..., 0], labels=labels)
    add("mine", path, Options(share=0.5, size=(4, 3)))
    means = images.reshape(6, 4, 2, 3, 2).mean((2, 4))
    train, _ = draw_split(labels, 0.5, 0)
    difference = registry.load("mine", "train").images[..., 0] - means[train]
    assert np.abs(difference).max() <= 1  # rounded after each side


def test_large_photographs_need_resize_and_get_it(cache, tmp_path):
    big = noise(1, 300, 400)[0]
    path = write(tmp_path / "offer", {name: {"1.png": png(big), "2.png": png(big)} for name in "ab"})
    with pytest.raises(ValueError, match=r"images of 300 x 400 pixels .*expected 2 x 2 to 256 x 256"):
        add("mine", path, Options(share=0.5))
    add("mine", path, Options(share=0.5, size=(32, 32), how="crop"))
    assert registry.load("mine", "test").images.shape == (2, 32, 32, 3)


def test_gray_files_are_gray_unless_one_is_not_or_colors_are_asked_for(cache, tmp_path):
    gray, color = noise(3, channels=1), noise(1)
    table = {"a": {"1.png": png(gray[0]), "2.png": png(gray[1])}, "b": {"1.png": png(gray[2])}}
    path = write(tmp_path / "gray", table | {"b": table["b"] | {"2.png": png(gray[0])}})
    add("gray", path, Options(share=0.5))
    add("rgb", path, Options(share=0.5, colors="rgb"))
    assert registry.load("gray", "test").images.shape[3] == 1
    repeated = np.repeat(registry.load("gray", "test").images, 3, axis=3)
    np.testing.assert_array_equal(registry.load("rgb", "test").images, repeated)
    path = write(tmp_path / "mixed", table | {"b": table["b"] | {"2.png": png(color[0])}})
    added = add("mixed", path, Options(share=0.5))
    assert added.meta.shape[2] == 3
    assert "3 files: made RGB of gray" in added.meta.said
    add("luminance", path, Options(share=0.5, colors="gray"))
    images = np.concatenate([registry.load("luminance", split).images for split in ("train", "test")])
    expected = np.asarray(Image.fromarray(color[0]).convert("L"))
    assert any((image[..., 0] == expected).all() for image in images)


def test_a_jpeg_is_kept_as_its_decoded_and_turned_pixels(cache, tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    path = write(tmp_path / "offer", {"a": {}, "b": {}})
    smooth = np.asarray(Image.fromarray(noise(1, 3, 2)[0]).resize((12, 10)))
    for name in ("a/1.jpg", "a/2.jpg", "b/1.JPEG", "b/2.jpg"):
        Image.fromarray(smooth).save(path / name, "JPEG", exif=exif)
    with Image.open(path / "a" / "1.jpg") as picture:
        expected = np.asarray(picture.transpose(Image.Transpose.ROTATE_270))
    added = add("mine", path, Options(share=0.5))
    assert added.meta.shape == (12, 10, 3)
    np.testing.assert_array_equal(registry.load("mine", "test").images[0], expected)
    assert any("rotated by 90 degrees clockwise" in line for line in added.meta.said)


VALUES = {
    "fractions": (
        np.array([0.0, 0.5, 1.0]),
        "from 0 to 1 with fractions, expected whole numbers from 0",
    ),
    "negative": (
        np.array([-1, 0, 255]),
        "from -1 to 255, expected whole numbers from 0 to 255",
    ),
    "dark": (
        np.array([0, 3, 16]),
        "give --range 0 16 if 16 is white, or --range 0 255 if all",
    ),
    "no number": (np.array([0.0, np.nan, 255]), "no finite numbers, expected 0 to 255"),
    "infinite": (np.array([0.0, np.inf, 255]), "no finite numbers, expected 0 to 255"),
    "truth": (np.array([False, True, True]), "from 0 to 1, so that 255 would not be white"),
}


@pytest.mark.parametrize(("values", "said"), VALUES.values(), ids=VALUES)
def test_values_that_are_not_0_to_255_are_told_with_the_way_out(values, said, cache, tmp_path):
    images = np.tile(values, (4, 3, 1))
    path = data_files.npz(tmp_path / "offer.npz", images=images, labels=[0, 0, 1, 1])
    with pytest.raises(ValueError, match=said) as caught:
        add("mine", path, Options(share=0.5))
    assert str(path) in one_line(caught)
    assert not cache.exists()


def test_a_range_maps_values_and_refuses_those_outside(cache, tmp_path):
    images = np.tile(np.array([-1.0, 0.0, 0.2, 1.0]), (4, 3, 1))
    path = data_files.npz(tmp_path / "offer.npz", images=images, labels=[0, 0, 1, 1])
    added = add("mine", path, Options(share=0.5, limits=(-1, 1)))
    assert registry.load("mine", "test").images[0, 0, :, 0].tolist() == [0, 128, 153, 255]
    assert added.meta.said == ("-1 to 1 became 0 to 255, rounded",)
    with pytest.raises(ValueError, match=r"from -1 to 1, outside of --range 0 1"):
        add("other", path, Options(share=0.5, limits=(0, 1)))
    folder = write(tmp_path / "folder", {name: {"1.png": png(noise(1)[0])} for name in "ab"})
    with pytest.raises(ValueError, match="--range is for arrays of numbers"):
        add("other", folder, Options(share=0.5, limits=(0, 1)))
