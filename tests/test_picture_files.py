"""Image files by name: what is found in folders, what is skipped, and unusual names."""

import io
import os
import sys
from collections import Counter

import numpy as np
import pytest

from model.data.pictures import files as picture_files
from model.data.pictures import reading
from model.data.pictures.headers import PictureError
from model.data.png import encode_png

IMAGE = np.random.default_rng(3).integers(0, 256, (32, 32, 3), np.uint8)
PNG = encode_png(IMAGE)
# A name as a file system has it and as it is shown. The second one is in Latin-1, which is no UTF-8.
ODD_NAMES = {
    "résumé.png": "résumé.png",
    os.fsdecode(b"r\xe9sum\xe9.png"): r"r\xe9sum\xe9.png",
    "two\nlines.png": r"two\nlines.png",
    "\x1b[31mred.png": r"\x1b[31mred.png",
    "\u202egnp.exe.png": r"\u202egnp.exe.png",
    "a b.png": "a b.png",
    "-.png": "-.png",
    "🦌.png": "🦌.png",
    "x" * 251 + ".png": "x" * 251 + ".png",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder, where we are."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(*names):
    passed = Counter()
    files = [
        (name, None if error is None else str(error)) for name, error in picture_files.find(names, passed)
    ]
    return files, picture_files.passed_over(passed)


def fill(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG)


def test_folders_are_searched_sorted_at_any_depth_and_for_every_ending(folder):
    fill(
        folder,
        "in/b.png",
        "in/a/z.PNG",
        "in/a/deep/er/y.jpg",
        "in/c.jpeg",
        "in/d.webp",
        "in/e.bmp",
        "in/f.tif",
    )
    fill(folder, "in/g.TIFF", "in/h.jfif")
    files, passed = found("in", "in/b.png", "./in/b.png")
    assert [name for name, _ in files] == [
        *("in/a/deep/er/y.jpg", "in/a/z.PNG", "in/b.png", "in/c.jpeg", "in/d.webp", "in/e.bmp", "in/f.tif"),
        *("in/g.TIFF", "in/h.jfif"),
    ]
    assert passed == ""


def test_what_is_passed_over_is_counted_by_ending(folder):
    fill(folder, "in/a.png", "in/b.gif", "in/c.GIF", "in/deep/d.txt", "in/README", "in/.hidden", "in/x.t\nt")
    (folder / "in" / "linked").symlink_to(folder / "in")
    (folder / "in" / "lost.png").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "in" / "pipe.png")  # which would never end
    files, passed = found("in", "b.txt")
    assert files == [("in/a.png", None), ("b.txt", None)]
    assert passed == (
        "skipped in folders: 2 .gif, 2 that are no files, 2 without an ending, 1 .t\\nt, 1 .txt, "
        "1 links to folders"
    )


def test_many_kinds_are_not_all_listed(folder):
    fill(folder, *(f"in/x.{ending}" for ending in "abcdefghijkl"))
    files, passed = found("in")
    assert passed.endswith("1 .h, 4 others")
    assert files[0][1].startswith("a folder without an image, here or further down")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may enter every folder")
def test_a_folder_that_may_not_be_entered_is_told(folder):
    fill(folder, "in/a.png", "in/closed/b.png")
    (folder / "in" / "closed").chmod(0)
    files, _ = found("in")
    (folder / "in" / "closed").chmod(0o755)
    assert files == [("in/a.png", None), ("in/closed", "cannot be read (Permission denied)")]


@pytest.mark.parametrize(("name", "shown"), ODD_NAMES.items())
def test_a_name_that_nobody_expects_is_read_and_shown_escaped(folder, name, shown):
    fill(folder, f"in/{name}")
    ((path, error),), passed = found("in")
    assert (error, passed) == (None, "")
    np.testing.assert_array_equal(picture_files.read(path, 32, 32).image, IMAGE)
    assert picture_files.shown(path) == f"in/{shown}"
    shown.encode()  # as a database and JSON want it
    assert shown.isprintable()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.png", "no such file: expected a PNG, JPEG, WebP, BMP or TIFF image, or a folder of them"),
        ("", "no such file"),
        ("x" * 300, "cannot be read (File name too long)"),
        ("a\0b.png", "cannot be read (embedded null byte)"),
        ("file/a.png", "cannot be read (Not a directory)"),
        ("in/a.png/", "cannot be read (Not a directory)"),
        ("large.png", "more than 4,194,304 bytes"),
        ("/dev/zero", "more than 4,194,304 bytes"),
        ("/dev/null", "an empty file"),
    ],
)
def test_what_cannot_be_read_is_one_line(folder, name, said):
    fill(folder, "file", "in/a.png")
    (folder / "large.png").write_bytes(PNG + bytes(reading.MOST_BYTES))
    assert found(name)[0] == [(name, None)]
    with pytest.raises(PictureError) as caught:
        picture_files.read(name, 32, 32)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_large_file_is_read_where_it_is_resized(folder):
    content = PNG + bytes(reading.MOST_BYTES)  # behind the end of a PNG anything may stand
    (folder / "large.png").write_bytes(content)
    np.testing.assert_array_equal(picture_files.read("large.png", 32, 32, "fit").image, IMAGE)


def test_standard_input_is_an_image_once_and_a_file_may_have_its_name(folder, monkeypatch):
    fill(folder, "-", "a.png")
    files, _ = found("-", "a.png", "./-", "-")
    assert [name for name, _ in files] == ["-", "a.png", "./-"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PNG), encoding="utf-8"))
    np.testing.assert_array_equal(picture_files.read("-", 32, 32).image, IMAGE)
    for empty in (io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), None):
        monkeypatch.setattr(sys, "stdin", empty)
        with pytest.raises(PictureError, match="an empty file" if empty else "standard input is closed"):
            picture_files.read("-", 32, 32)
