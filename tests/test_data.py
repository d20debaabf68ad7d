import json
import time

import numpy as np
import pytest

from model.data.cifar10 import CIFAR10, CLASS_NAMES, BinaryFile, cache_folder, load_binary
from model.data.cifar10_sample import SAMPLE_FOLDER, load_sample, write_sample
from model.data.dataset import DataMissingError, Dataset, sample_digest
from model.data.png import decode_png, encode_png
from model.data.registry import load
from tests.support.tiny_cifar10 import one_line

KNOWN_SAMPLE = {
    "train": "22b82d8d14f557f2bd8704f113bc7cb07345eb855547f5883fa6734c2aa93da8",
    "test": "1efbf8a2ae1aa491f5347e83fd84a33cedec5afde051d9c55173100d4826ec7f",
}


def noise(count, side=32, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), np.uint8)


# --- names ---


def test_an_unknown_name_or_split_lists_what_there_is():
    with pytest.raises(LookupError) as caught:
        load("cifar100", "train")
    assert "'cifar100'" in one_line(caught)
    assert "cifar10, cifar10-sample" in one_line(caught)
    with pytest.raises(LookupError) as caught:
        load("cifar10-sample", "valid")
    assert "'valid'" in one_line(caught)
    assert "train, test" in one_line(caught)


def test_an_empty_cache_names_the_command_that_fills_it(tmp_path):
    with pytest.raises(DataMissingError, match="run `xpixels data fetch cifar10`") as caught:
        load("cifar10", "train", cache_dir=tmp_path)
    assert str(tmp_path) in one_line(caught)
    assert isinstance(caught.value, FileNotFoundError)


def test_the_cache_folder_is_the_argument_then_xpixels_cache_then_xdg_then_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("XPIXELS_CACHE", str(tmp_path / "own"))
    leaf = "cifar-10-batches-bin"
    assert cache_folder(tmp_path / "given") == tmp_path / "given" / leaf
    assert cache_folder() == tmp_path / "own" / leaf
    monkeypatch.delenv("XPIXELS_CACHE")
    assert cache_folder() == tmp_path / "xdg" / "xpixels" / leaf
    for unusable in ("", "relative/path"):
        monkeypatch.setenv("XDG_CACHE_HOME", unusable)
        assert cache_folder() == tmp_path / "home" / ".cache" / "xpixels" / leaf


# --- the binary form ---


def test_the_table_of_files_covers_both_splits_without_gaps():
    for split, total in (("train", 50_000), ("test", 10_000)):
        ends = [0]
        for file in CIFAR10:
            if file.split == split:
                assert file.first == ends[-1]
                assert file.size == 30_730_000
                ends.append(file.first + file.records)
        assert ends[-1] == total
    assert len({file.md5 for file in CIFAR10}) == 6


@pytest.fixture
def two_records(tmp_path):
    """A file of two records: a picture whose channels differ, and one red pixel at row 1, column 2."""
    first = bytes([3]) + bytes([10]) * 1024 + bytes([20]) * 1024 + bytes([30]) * 1024
    second = bytearray(bytes([9]) + bytes(3072))
    second[1 + 32 * 1 + 2] = 255
    (tmp_path / "test_batch.bin").write_bytes(first + bytes(second))
    return tmp_path, [BinaryFile("test_batch.bin", "test", 0, "1e99fa485cafb1c897be588b88f81a49", 2)]


def test_records_become_images_of_rows_columns_and_channels(two_records):
    data = load_binary(*two_records[:1], "test", two_records[1])
    assert (data.images.dtype, data.images.shape) == (np.uint8, (2, 32, 32, 3))
    assert np.unique(data.images[0].reshape(-1, 3), axis=0).tolist() == [[10, 20, 30]]
    assert data.images[1, 1, 2].tolist() == [255, 0, 0]
    assert data.images[1].sum() == 255
    assert data.labels.tolist() == [3, 9]
    assert data.positions.tolist() == [0, 1]
    assert data.class_names == CLASS_NAMES
    assert len(data) == 2


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda content: content[:-1], "has 6,145 bytes, expected 6,146"),
        (lambda content: content + b"x", "has 6,147 bytes, expected at most 6,146"),
        (
            lambda content: content[:100] + b"\x0b" + content[101:],
            "expected 1e99fa485cafb1c8",
        ),
    ],
    ids=["truncated", "too long", "one byte altered"],
)
def test_a_damaged_file_in_the_cache_is_named_and_refused(two_records, damage, says):
    folder, files = two_records
    path = folder / "test_batch.bin"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="run `xpixels data fetch cifar10`") as caught:
        load_binary(folder, "test", files)
    assert says in one_line(caught)
    assert str(folder) in one_line(caught)
    assert "test_batch.bin" in one_line(caught)


# --- the bundled sample ---


@pytest.mark.parametrize(("split", "count"), [("train", 4000), ("test", 1000)])
def test_the_sample_is_balanced_real_and_of_known_bytes(sample, split, count):
    data = getattr(sample, split)
    assert (data.images.dtype, data.images.shape) == (np.uint8, (count, 32, 32, 3))
    assert (data.labels.shape, data.positions.shape) == ((count,), (count,))
    assert np.issubdtype(data.labels.dtype, np.integer)
    assert np.bincount(data.labels).tolist() == [count // 10] * 10
    assert (np.diff(data.positions) > 0).all()
    assert sample_digest(data.images, data.labels, data.positions) == KNOWN_SAMPLE[split]
    assert (data.name, data.split, data.class_names) == ("cifar10-sample", split, CLASS_NAMES)


def test_the_sample_looks_like_cifar10(sample):
    # The known channel means of the full training set, of which 4,000 images fall short by a little.
    means = sample.train.images.mean((0, 1, 2)) / 255
    assert np.abs(means - [0.4914, 0.4822, 0.4465]).max() < 0.01
    assert sample.test.positions[:3].tolist() == [0, 1, 2]
    assert [CLASS_NAMES[label] for label in sample.test.labels[:4]] == ["cat", "ship", "ship", "airplane"]


def test_the_sample_is_small_and_loads_in_a_moment():
    assert sum(path.stat().st_size for path in SAMPLE_FOLDER.iterdir()) < 12_000_000
    started = time.process_time()
    load("cifar10-sample", "train")
    assert time.process_time() - started < 1


def test_the_sample_states_its_source():
    readme = (SAMPLE_FOLDER / "README.md").read_text()
    for phrase in (
        "Krizhevsky",
        "Learning Multiple Layers of Features from Tiny Images",
        "cs.toronto.edu/~kriz",
    ):
        assert phrase in readme


def full_split(split, count, seed):
    rng = np.random.default_rng(seed)
    return Dataset(
        name="cifar10",
        split=split,
        images=noise(count, seed=seed),
        labels=rng.permutation(np.arange(count) % 10).astype(np.int32),
        positions=np.arange(count, dtype=np.int32),
        class_names=CLASS_NAMES,
        source="made up",
    )


@pytest.fixture
def small_sample(tmp_path):
    full = [full_split("train", 200, 1), full_split("test", 80, 2)]
    write_sample(tmp_path, full, per_class={"train": 10, "test": 5})
    return tmp_path, full


def test_a_sample_is_the_first_images_of_each_class_and_reads_back_the_same(small_sample):
    folder, full = small_sample
    for whole, per_class in zip(full, (10, 5), strict=True):
        data = load_sample(whole.split, folder)
        assert np.bincount(data.labels).tolist() == [per_class] * 10
        assert (np.diff(data.positions) > 0).all()
        np.testing.assert_array_equal(data.images, whole.images[data.positions])
        np.testing.assert_array_equal(data.labels, whole.labels[data.positions])
        for label in range(10):
            earlier = np.flatnonzero(whole.labels == label)[:per_class]
            np.testing.assert_array_equal(data.positions[data.labels == label], earlier)


def alter_a_pixel(folder):
    sheet = decode_png((folder / "train.png").read_bytes())
    sheet[5, 5, 1] ^= 1
    (folder / "train.png").write_bytes(encode_png(sheet))


def alter_the_index(folder, **changes):
    index = json.loads((folder / "sample.json").read_text())
    index["train"] |= changes
    (folder / "sample.json").write_text(json.dumps(index))


def cut_the_sheet(folder):
    content = (folder / "train.png").read_bytes()
    (folder / "train.png").write_bytes(content[: len(content) // 2])


SAMPLE_DAMAGE = {
    "a pixel": alter_a_pixel,
    "the labels": lambda folder: alter_the_index(folder, labels=[0] * 100),
    "the positions": lambda folder: alter_the_index(folder, positions=list(range(100))),
    "labels that are no numbers": lambda folder: alter_the_index(folder, labels="cat"),
    "an index without the split": lambda folder: (folder / "sample.json").write_text("{}"),
    "an index that is no object": lambda folder: (folder / "sample.json").write_text("[]"),
    "no index": lambda folder: (folder / "sample.json").unlink(),
    "no sheet": lambda folder: (folder / "train.png").unlink(),
    "half a sheet": lambda folder: (folder / "train.png").write_bytes(
        (folder / "train.png").read_bytes()[:9000]
    ),
    "the other sheet": lambda folder: (folder / "train.png").write_bytes((folder / "test.png").read_bytes()),
    "a sheet of another size": lambda folder: (folder / "train.png").write_bytes(encode_png(noise(1)[0])),
}


@pytest.mark.parametrize("damage", SAMPLE_DAMAGE.values(), ids=SAMPLE_DAMAGE)
def test_a_damaged_sample_is_refused_in_one_line(small_sample, damage):
    folder, _ = small_sample
    damage(folder)
    with pytest.raises(ValueError, match="restore model/data/sample from the repository") as caught:
        load_sample("train", folder)
    assert str(folder) in one_line(caught)


# --- PNG ---


@pytest.mark.parametrize("shape", [(32, 32, 3), (1, 1, 3), (7, 45, 3), (28, 28, 1), (1, 1, 1), (256, 2, 1)])
def test_png_gives_back_every_pixel_exactly(shape):
    image = np.random.default_rng(3).integers(0, 256, shape, np.uint8)
    content = encode_png(image)
    assert content.startswith(b"\x89PNG")
    np.testing.assert_array_equal(decode_png(content), image)
    assert encode_png(image) == content


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8)],
    ids=["float", "no channel", "four channels"],
)
def test_only_rgb_and_gray_bytes_become_a_png(image):
    with pytest.raises(ValueError, match="expected uint8"):
        encode_png(image)


def test_what_is_no_rgb_png_is_not_decoded():
    content = encode_png(noise(1)[0])
    for other in (b"", b"GIF89a", content[: len(content) // 2]):
        with pytest.raises(ValueError, match="not an intact PNG"):
            decode_png(other)
