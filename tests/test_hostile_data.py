"""Data sets that are damaged or made to harm: added whole, or refused in one line."""

import gzip
import io
import os
import pickle
import struct
import tarfile
import zipfile

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from model.data.add import Options, add
from model.data.added import remove_added
from model.data.formats.register import FORMATS
from tests.support import data_files
from tests.support.data_files import labels_of, noise, png
from tests.support.hostile_files import HEADER, TIMES, damaged, little_memory, npy, of, read_or_refused
from tests.support.tiny_cifar10 import one_line, tar, write

IMAGES, LABELS = noise(12, 4, 3, 1), labels_of(12, 3)
HALF = Options(share=0.5)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder that does not exist, which the program uses."""
    monkeypatch.setenv("XPIXELS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class WritesWhenUnpickled:
    """What a pickle can do: make a folder where it is loaded."""

    def __reduce__(self):
        return (os.mkdir, ("unpickled",))


PICKLE = pickle.dumps(WritesWhenUnpickled())


def zipped(members, compression=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def arrays(**named):
    stream = io.BytesIO()
    np.savez(stream, **named)
    return stream.getvalue()


def with_images(member, **keywords):
    """An npz whose images are this member, beside good labels."""
    labels = zipfile.ZipFile(io.BytesIO(arrays(labels=LABELS))).read("labels.npy")
    return zipped({"images.npy": member, "labels.npy": labels}, **keywords)


def idx_folder(images, labels):
    return {"train-images-idx3-ubyte": images, "train-labels-idx1-ubyte": labels}


def idx_header(*shape, code=8):
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape)


def rows(columns, **keywords):
    stream = io.BytesIO()
    parquet.write_table(pa.table(columns), stream, **keywords)
    return stream.getvalue()


def folders(**classes):
    return {
        name: {f"{row}.png": content for row, content in enumerate(files)} for name, files in classes.items()
    }


def cifar(change=lambda table: table):
    return change(data_files.cifar100((noise(100, 32, 32), np.arange(100)), (noise(9, 32, 32), np.arange(9))))


def sparse_archive():
    """A tar archive of a few bytes whose member claims a billion zeros."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("train.bin")
        member.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": "1000000000"}
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    return stream.getvalue()


def giant_png():
    """A PNG header that claims 60000 x 60000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + bytes(4)


GRAY = png(IMAGES[0])
ZEROS = bytes((1 << 26) + 1024)
BAD = {  # what is offered, and what the line must say; each made when its test wants it
    # nothing that is known
    "an empty file": (
        lambda: b"",
        "is no data set in a known form (its first bytes are missing), expected",
    ),
    "a text": (
        lambda: b"hello " * 500,
        "in a known form (its first bytes are 68656c6c6f206865)",
    ),
    "an empty folder": (dict, "is no data set in a known form (found nothing)"),
    "a folder of pictures without classes": (lambda: {"1.png": GRAY}, "(found '1.png')"),
    "a name with control characters": (lambda: {"\x1b[2J": b"x"}, r"(found '\\x1b[2J')"),
    "a pickle": (lambda: PICKLE, "it holds pickles, which run code when loaded, and are never opened"),
    "a gzipped pickle": (lambda: gzip.compress(PICKLE), "it holds pickles"),
    "the Python form of CIFAR-10": (
        lambda: {"data_batch_1": PICKLE, "batches.meta": PICKLE},
        "it holds pickles",
    ),
    "the Python form of CIFAR-100": (
        lambda: dict.fromkeys(("train", "test", "meta"), PICKLE),
        "it holds pickles",
    ),
    "its archive": (
        lambda: tar(dict.fromkeys(("train", "test", "meta"), PICKLE), top="cifar-100-python/"),
        "it holds the Python form of CIFAR-100: pickles",
    ),
    # npz
    "an npz cut": (
        lambda: arrays(images=IMAGES, labels=LABELS)[:-30],
        "damaged (File is not a zip file)",
    ),
    "an npz of objects": (
        lambda: with_images(npy(HEADER.format("|O", (1,)), PICKLE)),
        "images.npy holds objects, which are pickles",
    ),
    "labels of objects": (
        lambda: zipped({"images.npy": b"", "labels.npy": npy(HEADER.format("|O", (1,)), PICKLE)}),
        "labels.npy holds objects, which are pickles",
    ),
    "a bomb": (
        lambda: with_images(npy(HEADER.format("|u1", (65_537, 32, 32)), ZEROS)),
        "bytes that unpack to 67,109,888, expected at most 500 times as many",
    ),
    "a bomb of labels": (
        lambda: zipped(
            {"images.npy": b"", "labels.npy": npy(HEADER.format("|u1", (1 << 27,)), bytes(1 << 27))}
        ),
        "labels.npy unpacks to 134,217,857 bytes, expected at most 134,217,728",
    ),
    "a bomb of bzip2": (
        lambda: with_images(npy("", bytes(5000)), compression=zipfile.ZIP_BZIP2),
        "is compressed in another way than np.savez does",
    ),
    "images that claim to be endless": (
        lambda: with_images(npy(HEADER.format("|u1", (1 << 40, 28, 28)))),
        "has 0 bytes for uint8 of shape",
    ),
    "a header that is a program": (
        lambda: with_images(npy("__import__('os').mkdir('unpickled')")),
        "offer: ",
    ),
    "a member that leads out": (
        lambda: zipped({"../../images.npy": b"x", "/labels.npy": b"x"}),
        "arrays called ../../images, /labels: expected images and labels",
    ),
    "an npz without labels": (lambda: arrays(x_train=IMAGES), "an array x_train without its labels"),
    "an npz of something else": (
        lambda: arrays(weights=IMAGES),
        "arrays called weights: expected",
    ),
    "a torch file": (
        lambda: zipped({"archive/data.pkl": PICKLE}),
        "arrays called archive/data.pkl",
    ),
    "fewer labels than images": (
        lambda: arrays(images=IMAGES, labels=LABELS[:-1]),
        "12 images in images and 11 labels in labels, expected as many",
    ),
    "flat images": (
        lambda: arrays(images=IMAGES.reshape(12, -1), labels=LABELS),
        "images of shape (12, 12), expected (N, H, W), (N, H, W, 1) or (N, H, W, 3): reshape them",
    ),
    "four channels": (
        lambda: arrays(images=np.zeros((12, 5, 5, 4)), labels=LABELS),
        "shape (12, 5, 5, 4)",
    ),
    "images of texts": (lambda: arrays(images=np.full((12, 2, 2), "a"), labels=LABELS), "of the type <U1"),
    "complex images": (lambda: arrays(images=IMAGES * 1j, labels=LABELS), "of the type complex128"),
    "images of one pixel": (
        lambda: arrays(images=noise(12, 1, 1), labels=LABELS),
        "images of 1 x 1 pixels (rows x columns), expected 2 x 2 to 256 x 256: give --resize H W",
    ),
    "huge images": (lambda: arrays(images=noise(12, 300, 2, 1), labels=LABELS), "images of 300 x 2 pixels"),
    "no image": (
        lambda: arrays(images=IMAGES[:0], labels=LABELS[:0]),
        "no labels, expected one for each",
    ),
    "labels with fractions": (lambda: arrays(images=IMAGES, labels=LABELS / 2), "that are no whole numbers"),
    "labels that are no number": (
        lambda: arrays(images=IMAGES, labels=np.where(LABELS, 1, np.nan)),
        "labels of the type float64 that are no whole numbers",
    ),
    "endless labels": (lambda: arrays(images=IMAGES, labels=LABELS * 1e300), "that are no whole numbers"),
    "labels one-hot": (
        lambda: arrays(images=IMAGES, labels=np.eye(3)[LABELS]),
        "labels of shape (12, 3), expected (N,): one class for each image",
    ),
    "a label without a name": (
        lambda: arrays(images=IMAGES, labels=LABELS, class_names=["a", "b"]),
        "labels from 0 to 2, expected 0 to 1 for the 2 names",
    ),
    "two classes of one name": (
        lambda: arrays(images=IMAGES, labels=LABELS, class_names=["a", "b", "a"]),
        "two classes named 'a', expected different names",
    ),
    "a class without a name": (
        lambda: arrays(images=IMAGES, labels=LABELS, class_names=["a", "b", " "]),
        "a class name of 0 characters, expected 1 to 100",
    ),
    "too many classes": (
        lambda: arrays(images=IMAGES, labels=LABELS * 600),
        "1,201 classes, expected at most",
    ),
    "one class": (
        lambda: arrays(images=IMAGES, labels=LABELS * 0),
        "images of one class (0), expected",
    ),
    # IDX
    "an IDX cut": (
        lambda: idx_folder(data_files.idx(IMAGES)[:-1], data_files.idx(LABELS)),
        "train-images-idx3-ubyte: it ends early: 143 bytes of pixels, expected 144",
    ),
    "an IDX with more": (
        lambda: idx_folder(data_files.idx(IMAGES) + b"x", data_files.idx(LABELS)),
        "more than the 144 bytes of pixels that its header announces",
    ),
    "an IDX of a header": (
        lambda: idx_folder(b"\0\0\x08", data_files.idx(LABELS)),
        "ends early or is damaged",
    ),
    "a gzipped IDX cut": (
        lambda: idx_folder(gzip.compress(data_files.idx(IMAGES))[:-20], data_files.idx(LABELS)),
        "train-images-idx3-ubyte ends early or is damaged",
    ),
    "an IDX that claims to be endless": (
        lambda: idx_folder(idx_header(2**32 - 1, 2**32 - 1, 2**32 - 1), data_files.idx(LABELS)),
        "4,294,967,295 images, expected at most 16,777,216",
    ),
    "an IDX bomb": (
        lambda: idx_folder(gzip.compress(idx_header(65_537, 32, 32) + ZEROS), data_files.idx(LABELS)),
        "bytes that unpack to 67,109,888, expected at most 500 times as many",
    ),
    "an IDX bomb that claims to be small": (
        lambda: idx_folder(gzip.compress(idx_header(12, 4, 3) + ZEROS), data_files.idx(LABELS)),
        "more than the 144 bytes of pixels",
    ),
    "an IDX without labels": (
        lambda: {"train-images-idx3-ubyte": data_files.idx(IMAGES[..., 0])},
        "train-images-idx3-ubyte without its other half",
    ),
    "an IDX file of another name": (
        lambda: data_files.idx(IMAGES[..., 0]),
        "an IDX file without a name that tells its other half: expected train-images-idx3-ubyte",
    ),
    "an IDX of an unknown type": (
        lambda: idx_folder(idx_header(12, 4, 3, code=7) + bytes(144), data_files.idx(LABELS)),
        "it begins with 000007, expected an IDX file (000008...)",
    ),
    "labels where images should be": (
        lambda: idx_folder(data_files.idx(LABELS), data_files.idx(LABELS)),
        "it has 1 axes, expected 3 for images",
    ),
    # CIFAR-100
    "CIFAR-100 cut": (
        lambda: cifar(lambda table: table | {"train.bin": table["train.bin"][:-1]}),
        "train.bin has 307,399 bytes, expected 1 to 60,000 records of 3,074",
    ),
    "CIFAR-100 of other labels": (
        lambda: cifar(lambda table: table | {"train.bin": b"\xff" * 3074}),
        "train.bin has the labels 255 and 255, expected at most 19 and 99: it is not CIFAR-100",
    ),
    "CIFAR-100 with few names": (
        lambda: cifar(lambda table: table | {"fine_label_names.txt": b"a\nb\n"}),
        "fine_label_names.txt has 2 names, expected 100",
    ),
    "an archive of something else": (
        lambda: tar({"cat.jpg": b"x"}, top=""),
        "an archive of cat.jpg: expected train.bin and test.bin of cifar-100-binary.tar.gz; unpack any other",
    ),
    "an archive cut": (lambda: tar(cifar())[:20_000], "it ends early, is damaged or is no tar archive"),
    "an archive with a giant member": (
        sparse_archive,
        "train.bin has 1,000,000,000 bytes, expected at most 184,440,000",
    ),
    # Parquet
    "Parquet cut": (lambda: data_files.rows(IMAGES, LABELS)[:-9], "offer: Parquet magic bytes not found"),
    "Parquet of no row": (lambda: data_files.rows([], []), "no column that may hold labels"),
    "Parquet without pictures": (
        lambda: rows({"x": [1, 2], "y": [0.5, 1]}),
        "no column that may hold pictures among x (int64), y (double): call the right one image",
    ),
    "Parquet without labels": (lambda: rows({"image": [GRAY]}), "no column that may hold labels among image"),
    "Parquet of many labels": (
        lambda: rows({"image": [GRAY, GRAY], "one": [0, 1], "two": [0, 1]}),
        "several columns that may hold labels among image (binary), one (int64), two (int64)",
    ),
    "Parquet that names files of this machine": (
        lambda: rows({"image": [{"bytes": None, "path": "/etc/passwd"}] * 2, "label": [0, 1]}),
        "no column that may hold pictures",
    ),
    "Parquet with a row without bytes": (
        lambda: data_files.rows([None, *IMAGES], [0, *LABELS]),
        "1 of 13 rows cannot be read (row 0 of offer: its row holds no bytes)",
    ),
    "Parquet with a row without a label": (
        lambda: data_files.rows(IMAGES[:2], [1, None]),
        "offer: row 1 has no label",
    ),
    "Parquet of unlabeled rows": (
        lambda: data_files.rows(IMAGES[:2], [-1, -1], ["a", "b"]),
        "labels from -1 to -1, expected 0 to 1 for the 2 names",
    ),
    "Parquet of what are no pictures": (
        lambda: rows({"image": [b"GIF89a", b"x"], "label": [0, 1]}),
        "2 of 2 rows cannot be read (row 0 of offer: a GIF: expected a PNG",
    ),
    "a Parquet bomb": (
        lambda: rows({"image": [ZEROS, b"x"], "label": [0, 1]}, compression="zstd", use_dictionary=False),
        "expected at most 500 times as many",
    ),
    # folders of pictures
    "folders without pictures": (
        lambda: {"a": {"1.txt": b"x"}, "b": {}},
        "folders without a picture, expected a folder of PNG or JPEG files for each class",
    ),
    "a picture that claims to be giant": (
        lambda: folders(a=[GRAY, giant_png()], b=[GRAY]),
        "1 of 3 files cannot be read (a/1.png: 60000 x 60000 pixels, expected at most 67,108,864 of them",
    ),
    "a picture cut": (lambda: folders(a=[GRAY, GRAY[:-20]], b=[GRAY]), "(a/1.png: a damaged PNG"),
    "pickles for pictures": (lambda: folders(a=[PICKLE], b=[PICKLE]), "2 of 2 files cannot be read"),
    "one folder": (lambda: folders(a=[GRAY, GRAY]), "images of one class (a), expected 2 to 1,000 classes"),
    "a class that only the test has": (
        lambda: {"train": folders(a=[GRAY], b=[GRAY]), "test": folders(a=[GRAY], c=[GRAY])},
        "test images and none for training of c: name",
    ),
    "train and test of other sizes": (
        lambda: {"train": folders(a=[GRAY], b=[GRAY]), "test": folders(a=[png(noise(1)[0])])},
        "images of 2 sizes, 4 x 3 to 6 x 5 pixels",
    ),
    "a deep folder": (
        lambda: {"a": {f"{'x/' * 30}1.png": GRAY}, "b": {"1.png": GRAY}},
        "folders more than 20 deep",
    ),
}


APART = ("test images and none for training of c: name",)  # of files that have a split


@pytest.mark.parametrize(("offer", "said"), BAD.values(), ids=BAD)
def test_what_is_no_data_set_is_refused_and_leaves_nothing(offer, said, cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "offer", offer())
    with little_memory(), pytest.raises(ValueError, match=r"(?s).") as caught:
        add("mine", path, Options(share=None if said in APART else 0.5))
    line = one_line(caught)
    assert said in line
    assert line.startswith(str(path))
    assert [left.name for left in tmp_path.iterdir()] == ["offer"]


def test_a_split_is_neither_missing_nor_double(cache, tmp_path):
    path = write(tmp_path / "offer", arrays(images=IMAGES, labels=LABELS))
    with pytest.raises(ValueError, match=r"give --split SHARE, as --split 0\.8, to draw them"):
        add("mine", path)
    path = write(tmp_path / "both", arrays(x_train=IMAGES, y_train=LABELS, x_test=IMAGES, y_test=LABELS))
    with pytest.raises(ValueError, match="training and test images apart: leave --split out"):
        add("mine", path, HALF)
    assert not cache.exists()


def test_what_is_not_there_is_no_file_or_may_not_be_read_is_told(cache, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist, expected an \.npz") as caught:
        add("mine", tmp_path / "nowhere")
    one_line(caught)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe is no file and no folder"):
        add("mine", tmp_path / "pipe")


def two_classes():
    return {name: {"0.png": GRAY, "2.png": GRAY} for name in "ab"}


LINKS = {
    "a file outside": ("a/1.png", "../../secret.png", "a/1.png is a link that leads out of the folder"),
    "a file outside by its whole path": ("a/1.png", "{tmp}/secret.png", "a/1.png is a link that leads out"),
    "nothing outside": ("a/1.png", "../../nothing.png", "a/1.png is a link that leads out of the folder"),
    "a circle": ("a/1.png", "1.png", "a/1.png is a link that leads out of the folder"),
    "a class outside": ("c", "../elsewhere", "c is a link to a folder, which is not followed"),
    "a folder inside": ("a/more", "../b", "a/more is a link to a folder, which is not followed"),
    "itself": ("a/more", "..", "a/more is a link to a folder, which is not followed"),
    "nothing inside": ("a/1.png", "../b/nothing.png", "1 of 5 files cannot be read (a/1.png: no such file"),
}


@pytest.mark.parametrize(("name", "target", "said"), LINKS.values(), ids=LINKS)
def test_links_lead_nowhere(name, target, said, cache, tmp_path):
    path = write(tmp_path / "offer", two_classes())
    write(tmp_path / "secret.png", GRAY)
    write(tmp_path / "elsewhere", {"1.png": GRAY})
    (path / name).symlink_to(target.format(tmp=tmp_path))
    with pytest.raises(ValueError, match=r"(?s).") as caught:
        add("mine", path, HALF)
    assert said in one_line(caught)
    assert not cache.exists()


def test_a_link_to_a_picture_of_the_same_folder_is_followed(cache, tmp_path):
    path = write(tmp_path / "offer", {"a": {"0.png": GRAY}, "b": {"0.png": GRAY, "1.png": GRAY}})
    (path / "a" / "1.png").symlink_to("../b/0.png")
    assert add("mine", path, HALF).meta.splits["train"].per_class == (1, 1)


def test_pipes_in_a_folder_are_not_opened(cache, tmp_path):
    path = write(tmp_path / "offer", two_classes())
    os.mkfifo(path / "a" / "1.png")
    assert "skipped in folders: 1 that are no files" in add("mine", path, HALF).meta.said


def test_members_of_an_archive_go_nowhere_but_where_they_are_put(cache, tmp_path):
    names = ("../../escaped", str(tmp_path / "absolute"), "a/../../../train.txt")
    path = write(tmp_path / "in" / "offer.tar.gz", tar(dict.fromkeys(names, b"x") | cifar(), top=""))
    add("mine", path)
    assert sorted(left.name for left in tmp_path.iterdir()) == ["cache", "in"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_a_member_that_is_no_plain_file_does_not_count(kind, cache, tmp_path):
    secret = write(tmp_path / "secret", cifar()["train.bin"])
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo("train.bin")
        member.type, member.linkname = kind, str(secret)
        archive.addfile(member)
    path = write(tmp_path / "offer.tar", stream.getvalue())
    with pytest.raises(ValueError, match=r"no data set|parts called|expected train\.bin|No such file"):
        add("mine", path, HALF)
    assert not cache.exists()


GOOD = {
    "npz": lambda: arrays(images=IMAGES, labels=LABELS, class_names=["a", "b", "c"]),
    "idx": lambda: {
        "images-idx3-ubyte.gz": gzip.compress(data_files.idx(IMAGES[..., 0])),
        "labels-idx1-ubyte": data_files.idx(LABELS),
    },
    "cifar100": lambda: tar(cifar(lambda table: {name: table[name][:30_740] for name in table}), mode="w"),
    "parquet": lambda: data_files.rows(IMAGES, LABELS, ["a", "b", "c"]),
    "folder": lambda: data_files.class_folders(IMAGES, LABELS, "abc"),
}


def damaged_somewhere(chance, offer):
    """The file with some bytes damaged, or the folder with one of its files so."""
    if isinstance(offer, bytes):
        return damaged(chance, offer)
    name = chance.choice(sorted(offer))
    return offer | {name: damaged_somewhere(chance, offer[name])}


def test_every_form_is_damaged_below():
    assert GOOD.keys() == FORMATS.keys()


@pytest.mark.parametrize("form", GOOD)
def test_damaged_data_sets_are_added_or_refused_in_one_line(form, cache, tmp_path, capfd):
    good, refused = GOOD[form](), []
    for number in range(40 * TIMES):
        chance = of(f"data/{form}", number)
        path = write(tmp_path / f"offer{number}", damaged_somewhere(chance, good))
        with read_or_refused(f"data/{form}/{number}", (ValueError, OSError), refused):
            added = add("mine", path, HALF)
            assert added.meta.shape[2] in (1, 3)
            remove_added("mine")
        assert not cache.exists() or not any((cache / "datasets").iterdir()), number
    assert len(refused) > 10
    assert "Traceback" not in capfd.readouterr().err
