"""One's own data sets in the cache: found by name, verified, removed, and nothing half-written."""

import json
import resource
import shutil

import pytest

from model.data import registry
from model.data.add import Options, add
from model.data.added import remove_added
from tests.support import data_files
from tests.support.data_files import labels_of, noise
from tests.support.tiny_cifar10 import one_line


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, which the program uses."""
    monkeypatch.setenv("XPIXELS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def mine(cache, tmp_path):
    """A small data set that was added, and where it came from."""
    images = noise(12, 4, 3, 1)
    path = data_files.npz(tmp_path / "mine.npz", images=images, labels=labels_of(12, 3))
    return add("mine", path, Options(share=0.5)), path


def test_the_same_again_is_there_and_something_else_is_refused(mine, tmp_path):
    added, path = mine
    again = add("mine", path, Options(share=0.5))
    assert (again.new, again.meta, again.folder) == (False, added.meta, added.folder)
    with pytest.raises(ValueError, match="or first remove it with `xpixels data remove mine`"):
        add("mine", path, Options(share=0.5, seed=1))
    assert add("other", path, Options(share=0.5, seed=1)).new
    for name in registry.DATASETS:
        with pytest.raises(ValueError, match="is built in: choose another name"):
            add(name, path, Options(share=0.5))


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", ".hidden", "a b", "-x", "é", "x" * 65, "a\n"])
def test_a_name_that_leads_elsewhere_is_refused(name, mine, tmp_path):
    with pytest.raises(ValueError, match="is no name for a data set, expected") as caught:
        add(name, mine[1], Options(share=0.5))
    one_line(caught)
    with pytest.raises(LookupError):
        remove_added(name)
    with pytest.raises(LookupError):
        registry.source(name)


def test_an_added_data_set_is_known_by_its_name_until_it_is_removed(mine):
    assert registry.names() == ("cifar10", "cifar10-sample", "mine")
    source = registry.source("mine")
    assert source.meaning == "6 training and 6 test images of 4 x 3 gray, 3 classes, from mine.npz"
    assert source.load("train", None).source.startswith("mine.npz, the train split, SHA-256 ")
    with pytest.raises(LookupError, match="unknown split 'valid' of mine"):
        registry.load("mine", "valid")
    folder = remove_added("mine")
    assert not folder.exists()
    with pytest.raises(LookupError, match="there are cifar10, cifar10-sample; add your own with"):
        registry.load("mine", "train")


def alter_byte(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def alter_meta(folder, **changes):
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | changes))


DAMAGE = {
    "a pixel": lambda folder: alter_byte(folder / "train-images.npy"),
    "a label": lambda folder: alter_byte(folder / "train-labels.npy"),
    "half of the images": lambda folder: (folder / "train-images.npy").write_bytes(b"\x93NUMPY"),
    "no images": lambda folder: (folder / "train-images.npy").unlink(),
    "no description": lambda folder: (folder / "meta.json").unlink(),
    "a description that is none": lambda folder: (folder / "meta.json").write_text("[" * 100_000),
    "a list for a description": lambda folder: (folder / "meta.json").write_text("[]"),
    "another version": lambda folder: alter_meta(folder, version=2),
    "other class names": lambda folder: alter_meta(folder, class_names=["x", "y", "z"]),
    "another shape": lambda folder: alter_meta(folder, shape=[3, 4, 1]),
    "another name": lambda folder: alter_meta(folder, name="yours"),
    "a shape of words": lambda folder: alter_meta(folder, shape="large"),
    "another split": lambda folder: alter_meta(folder, splits={}),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_data_set_is_told_with_the_way_out_and_can_be_removed(damage, mine):
    damage(mine[0].folder)
    with pytest.raises(ValueError, match=r"mine is damaged .*with `xpixels data remove mine`") as caught:
        registry.load("mine", "train")
    one_line(caught)
    assert "mine" in registry.names()
    remove_added("mine")
    assert registry.names() == ("cifar10", "cifar10-sample")


def test_what_is_loaded_is_mapped_and_cannot_be_written_to(mine):
    images = registry.load("mine", "train").images
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 0


def test_nothing_is_left_when_adding_fails(cache, tmp_path, monkeypatch):
    path = data_files.npz(tmp_path / "offer.npz", images=noise(4), labels=[0, 0, 1, 1])
    monkeypatch.setattr("model.data.add.write_labels", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        add("mine", path, Options(share=0.5))
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_is_named(cache, tmp_path):
    path = data_files.npz(tmp_path / "offer.npz", images=noise(4), labels=[0, 0, 1, 1])
    cache.write_bytes(b"a file")
    with pytest.raises(ValueError, match=r"cannot be written into .* another folder in XPIXELS_CACHE"):
        add("mine", path, Options(share=0.5))


def test_a_full_disk_is_told_before_it_is_full(cache, tmp_path, monkeypatch):
    path = data_files.npz(tmp_path / "offer.npz", images=noise(4), labels=[0, 0, 1, 1])
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))
    with pytest.raises(ValueError, match=r"360 bytes do not fit on the disk .* which has 10 left"):
        add("mine", path, Options(share=0.5))
    assert not cache.exists()


@pytest.mark.parametrize("most", [200, 4000], ids=["while it is read", "while it is written"])
def test_a_disk_that_fills_is_told_and_nothing_is_left(most, cache, tmp_path):
    images, labels = noise(100, 6, 5, 1), labels_of(100, 2)
    path = data_files.npz(tmp_path / "offer.npz", images=images, labels=labels)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    options = Options(share=0.9, colors="rgb")  # more bytes than were read
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        with pytest.raises(ValueError, match=r"cannot be written into .*: mend that, or name") as caught:
            add("mine", path, options)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    one_line(caught)
    assert not cache.exists()
