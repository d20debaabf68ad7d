"""Data sets of one's own: read from every form, kept and loaded again, the same to the last pixel."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from model.data import registry
from model.data.add import Options, add
from model.data.added import added_root
from model.data.dataset import sample_digest
from model.data.formats.classes import number_labels, sort_names
from model.data.split import draw_split
from tests.support import data_files
from tests.support.data_files import assert_holds, labels_of, noise
from tests.support.tiny_cifar10 import write


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, which the program uses."""
    monkeypatch.setenv("XPIXELS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# --- every form gives back what went in ---


def as_npz(path, train, test, names):
    (images, labels), (more, others) = train, test
    arrays = {"x_train": images, "y_train": labels, "x_test": more, "y_test": others[:, None]}
    return data_files.npz(path.with_suffix(".npz"), compressed=True, class_names=np.array(names), **arrays)


def as_npz_of_medmnist(path, train, test, names):
    (images, labels), (more, others) = train, test
    arrays = {"train_images": images.astype(np.int16), "train_labels": labels, "test_images": more}
    return data_files.npz(
        path.with_suffix(".npz"), test_labels=others.astype(float), label_names=np.array(names), **arrays
    )


def as_folder(path, train, test, names):
    table = {"train": data_files.class_folders(*train, names), "test": data_files.class_folders(*test, names)}
    return write(path, table)


def as_parquet(path, train, test, names):
    files = {
        "data": {
            "train-00000-of-00002.parquet": data_files.rows(train[0][:9], train[1][:9], names),
            "train-00001-of-00002.parquet": data_files.rows(train[0][9:], train[1][9:], names),
            "test-00000-of-00001.parquet": data_files.rows(*test, names),
        }
    }
    return write(path, files)


FORMS = {"npz": as_npz, "npz in other words": as_npz_of_medmnist, "folder": as_folder, "parquet": as_parquet}
SHAPES = {"gray": (7, 4, 1), "color": (5, 6, 3), "smallest": (2, 2, 1), "long": (2, 256, 3)}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_both_splits_are_read_whatever_the_form_and_the_shape(form, shape, cache, tmp_path):
    names = ["ant", "bee", "cow"]
    train, test = ((noise(count, *shape, seed=count), labels_of(count, 3)) for count in (20, 8))
    if form is as_folder:  # whose order is that of its names
        train, test = (
            (images[np.argsort(labels, kind="stable")], np.sort(labels)) for images, labels in (train, test)
        )
    given = train, test
    if shape[2] == 1 and form in (as_npz, as_npz_of_medmnist):
        given = [(images[..., 0], labels) for images, labels in (train, test)]
    added = add("mine", form(tmp_path / "offer", *given, names))
    assert added.new
    assert_holds("mine", "train", *train, names)
    assert_holds("mine", "test", *test, names)
    assert sorted(path.name for path in added_root().iterdir()) == ["mine"]


@pytest.mark.parametrize("packed", [True, False], ids=["gzipped", "plain"])
def test_the_four_files_of_mnist_are_read(packed, cache, tmp_path):
    train, test = ((noise(count, 28, 28, 1, seed=count), labels_of(count, 10)) for count in (40, 20))
    given = [(images[..., 0], labels) for images, labels in (train, test)]
    path = write(tmp_path / "offer", data_files.mnist(*given, packed=packed) | {"notes.txt": b"mine"})
    add("mine", path)
    assert_holds("mine", "train", *train, map(str, range(10)))
    assert_holds("mine", "test", *test)


def test_a_pair_of_idx_files_is_read_by_either_name_with_color_and_300_classes(cache, tmp_path):
    images, labels = noise(900, 3, 2), labels_of(900, 300)
    table = {
        "big.images.idx4-ubyte": data_files.idx(images),
        "big.labels.idx1-int": data_files.idx(labels, code=0x0C),
    }
    folder = write(tmp_path / "offer", table)
    first = add("one", folder / "big.images.idx4-ubyte", Options(share=0.7))
    second = add("two", folder / "big.labels.idx1-int", Options(share=0.7))
    third = add("three", folder, Options(share=0.7))
    assert first.meta.digest == second.meta.digest == third.meta.digest
    train, test = draw_split(labels, 0.7, 0)
    assert_holds("one", "train", images[train], labels[train], map(str, range(300)))
    assert_holds("one", "test", images[test], labels[test])
    assert registry.load("one", "train").labels.max() == 299


@pytest.mark.parametrize("form", ["archive", "folder", "around"])
def test_cifar100_is_read_with_its_fine_labels(form, cache, tmp_path):
    parts = [(noise(count, 32, 32, seed=count), labels_of(count, 100)) for count in (200, 100)]
    table = data_files.cifar100(*parts)
    offers = {
        "archive": data_files.cifar100_archive(*parts),
        "folder": table,
        "around": {"cifar-100-binary": table},
    }
    add("mine", write(tmp_path / "offer", offers[form]))
    for split, part in zip(("train", "test"), parts, strict=True):
        assert_holds("mine", split, *part, [f"thing_{number}" for number in range(100)])


def test_plain_bytes_in_parquet_and_labels_in_words_are_read(cache, tmp_path):
    images, words = noise(12, channels=1), ["b", "a", "c"] * 4
    path = write(tmp_path / "offer.parquet", data_files.rows(images, words, struct_form=False))
    add("mine", path, Options(share=0.5))
    labels = np.array([{"a": 0, "b": 1, "c": 2}[word] for word in words])
    train, _ = draw_split(labels, 0.5, 0)
    assert_holds("mine", "train", images[train], labels[train], "abc")


def test_arrays_with_channels_first_and_in_fortran_order_are_read(cache, tmp_path):
    images, labels = noise(20, 9, 8), labels_of(20, 2)
    first = np.asfortranarray(images.transpose(0, 3, 1, 2))
    path = data_files.npz(tmp_path / "offer.npz", images=first, labels=labels, more=np.zeros(3))
    added = add("mine", path, Options(share=0.5))
    train, _ = draw_split(labels, 0.5, 0)
    assert_holds("mine", "train", images[train], labels[train])
    assert added.meta.said == ("left out more",)


def test_a_thousand_classes_keep_their_numbers(cache, tmp_path):
    images, labels = noise(2000, 2, 2, 1), labels_of(2000, 1000)
    add("mine", data_files.npz(tmp_path / "offer.npz", images=images, labels=labels), Options(share=0.5))
    train, test = draw_split(labels, 0.5, 0)
    assert_holds("mine", "train", images[train], labels[train], map(str, range(1000)))
    assert_holds("mine", "test", images[test], labels[test])
    assert np.bincount(registry.load("mine", "test").labels).tolist() == [1] * 1000


def test_digests_tell_labels_that_differ_by_256_apart():
    images, positions = noise(2), np.arange(2, dtype=np.int32)
    digests = {
        sample_digest(images, np.array(labels, np.int32), positions)
        for labels in ([0, 300], [0, 44], [256, 300], [0, 999])
    }
    assert len(digests) == 4


# --- scikit-learn's digits ---


def test_digits_come_as_an_array_of_0_to_16_and_as_a_folder(cache, tmp_path):
    digits = load_digits()
    path = data_files.npz(tmp_path / "digits.npz", images=digits.images, target=digits.target)
    added = add("digits", path, Options(share=0.8, limits=(0, 16)))
    exact = np.rint(digits.images * 255 / 16).astype(np.uint8)[..., None]
    train, test = draw_split(digits.target, 0.8, 0)
    assert_holds("digits", "train", exact[train], digits.target[train], map(str, range(10)))
    assert_holds("digits", "test", exact[test], digits.target[test])
    assert "0 to 16 became 0 to 255" in added.meta.said[0]
    names = [str(number) for number in range(10)]
    folder = write(tmp_path / "digits", data_files.class_folders(exact, digits.target, names))
    add("folder", folder, Options(share=0.8))
    order = np.argsort(digits.target, kind="stable")
    train, _ = draw_split(digits.target[order], 0.8, 0)
    assert_holds("folder", "train", exact[order][train], digits.target[order][train], names)


# --- classes ---


def test_names_that_are_numbers_are_in_their_order():
    assert sort_names(["10", "9", "2", "02", "0", "1"]) == ["0", "1", "02", "2", "9", "10"]
    assert sort_names(["10", "9", "b", "A"]) == ["10", "9", "A", "b"]


def test_numbers_that_do_not_begin_at_0_are_named_as_they_were():
    numbered, names, said = number_labels({"all": np.array([3, 26, 1, 3])})
    assert numbered["all"].tolist() == [1, 2, 0, 1]
    assert names == ("1", "3", "26")
    assert "the labels 1, 3, 26 are the classes 0 to 2" in said[0]
    numbered, names, said = number_labels({"all": np.array([0, 4, 0])})
    assert (numbered["all"].tolist(), len(names)) == ([0, 4, 0], 5)
    assert said == ("no image of the classes 1, 2, 3",)


def test_a_class_that_is_only_trained_on_is_told(cache, tmp_path):
    images = noise(8)
    table = {
        "train": data_files.class_folders(images, [0, 0, 1, 1, 2, 2, 2, 2], "abc"),
        "validation": data_files.class_folders(images[:3], [0, 0, 1], "ab"),
    }
    added = add("mine", write(tmp_path / "offer", table))
    assert added.meta.said == ("no test image of c",)


# --- the split ---


def test_a_split_is_drawn_class_by_class_and_again_the_same():
    labels = labels_of(1000, 7)
    train, test = draw_split(labels, 0.8, seed=5)
    assert sorted([*train, *test]) == list(range(1000))
    for class_ in range(7):
        count = (labels == class_).sum()
        assert (labels[train] == class_).sum() == round(0.8 * count)
    again, other = draw_split(labels, 0.8, seed=5)[0], draw_split(labels, 0.8, seed=6)[0]
    assert train.tolist() == again.tolist() != other.tolist()


def test_small_classes_are_on_both_sides_if_they_can():
    labels = np.array([0, 1, 1, 2, 2, 2])
    for share in (0.01, 0.99):
        train, test = draw_split(labels, share, 0)
        assert set(labels[train]) == {0, 1, 2}
        assert set(labels[test]) == {1, 2}
