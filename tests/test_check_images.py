"""`xpixels check` and the images that it is given: turned, scaled, from standard input, passed over."""

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import xpixels

PROGRAM = str(Path(sys.executable).with_name("xpixels"))
QUICK = ("--detector", "logits")
TURNED = "rotated by 90 degrees clockwise, as its EXIF orientation 6 says"


@pytest.fixture(scope="module")
def place(ingested_small, small_weights):
    """Where to ask: a small database with every detector of the small network tuned, and its weights."""
    return ["--database", ingested_small.url.database, "--weights", str(small_weights)]


@pytest.fixture
def upright(sample):
    """An image of the test set."""
    return Image.fromarray(sample.test.images[801])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder, where we are."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def exif(orientation):
    found = Image.Exif()
    found[274] = orientation
    return found


def said(place, capsys, *arguments):
    """Status, entries and what went to standard error."""
    capsys.readouterr()
    status = xpixels.main(["check", *map(str, arguments), "--json", *place])
    out, err = capsys.readouterr()
    return status, json.loads(out), err


def verdict(entry):
    """All that an entry says of the pixels."""
    return {name: value for name, value in entry.items() if name not in ("file", "read")}


@pytest.mark.parametrize(("form", "options"), [("png", {}), ("tif", {}), ("webp", {"lossless": True})])
def test_an_image_stored_lying_gets_the_verdict_of_the_upright_one(
    place, folder, upright, form, options, capsys
):
    upright.save("upright.png")
    upright.rotate(90).save(f"lying.{form}", exif=exif(6), **options)
    upright.rotate(90).save("as-stored.png")
    status, (one, lying, stored), _ = said(
        place, capsys, "upright.png", f"lying.{form}", "as-stored.png", "--all-pixels"
    )
    assert status in (0, 3)
    assert verdict(one) == verdict(lying) != verdict(stored)
    assert (one["read"], lying["read"], stored["read"]) == ([], [TURNED], [])


def test_what_was_done_to_an_image_stands_below_its_verdict(place, folder, upright, capsys):
    upright.convert("L").resize((64, 48)).rotate(90, expand=True).save("lying.png", exif=exif(6))
    assert xpixels.main(["check", "lying.png", "--resize", "fit", *QUICK, *place]) in (0, 3)
    heading, head, read, detector = capsys.readouterr().out.splitlines()
    assert heading.startswith("small-cnn on cifar10-sample #1: ")
    assert head.startswith("lying.png: ")
    assert read == (
        f"  {TURNED}; made RGB of gray; scaled 64 x 48 pixels to 32 x 24, padded with gray to 32 x 32"
    )
    assert detector.startswith("  logits  ")


def test_what_is_in_folders_and_no_image_is_counted_in_both_forms(place, folder, upright, capsys):
    (folder / "in").mkdir()
    upright.save("in/a.png")
    upright.save("in/b.jpg")
    upright.resize((40, 40)).save("in/c.bmp")
    for name in ("notes.txt", "d.gif", "e.gif", "README"):
        (folder / "in" / name).write_text("x")
    status, entries, err = said(place, capsys, "in", *QUICK)
    assert status == 1
    assert [entry.get("error", "") for entry in entries] == [
        "",
        "",
        "40 x 40 pixels, expected 32 x 32 (width x height): scale it, or use --resize",
    ]
    line = "skipped in folders: 2 .gif, 1 .txt, 1 without an ending\n"
    assert err.startswith(line)
    assert xpixels.main(["check", "in", *QUICK, "--resize", "stretch", *place]) in (0, 3)
    out, err = capsys.readouterr()
    assert err == line
    assert "3 images judged" in out


@pytest.mark.parametrize("json_too", [False, True])
def test_a_name_that_is_no_utf_8_is_escaped_wherever_it_is_said(place, folder, upright, json_too, capsys):
    name = os.fsdecode(b"\xff\x1b[2J.png")
    upright.save(folder / name)
    (folder / os.fsdecode(b"\xfe.png")).write_text("nothing")
    arguments = ["check", ".", *QUICK, *["--json"] * json_too, *place]
    assert xpixels.main(arguments) == 1
    out, err = capsys.readouterr()
    out.encode()
    err.encode()
    if json_too:
        assert [entry["file"] for entry in json.loads(out)] == [r"./\xfe.png", r"./\xff\x1b[2J.png"]
    else:
        assert r"./\xff\x1b[2J.png: " in out
        assert r"xpixels: ./\xfe.png: none of those known" in err


# ---- Standard input --------------------------------------------------------------------------------


def test_an_image_comes_from_standard_input(place, folder, upright, monkeypatch, capsys):
    upright.save("a.png")
    content = (folder / "a.png").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))
    _, (piped, named), _ = said(place, capsys, "-", "a.png", *QUICK)
    assert piped["file"] == "-"
    assert verdict(piped) == verdict(named)


def test_a_pipe_is_read_by_the_command_itself(place, folder, upright):
    stream = io.BytesIO()
    upright.resize((300, 200)).save(stream, "JPEG")
    command = [PROGRAM, "check", "-", "--resize", "crop", *QUICK, *place]
    done = subprocess.run(command, input=stream.getvalue(), capture_output=True)
    assert done.returncode in (0, 3), done.stderr
    assert b"\n-: " in done.stdout
    assert b"  scaled the middle 200 x 200 of 300 x 200 pixels to 32 x 32\n" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: IMAGE"),
        (["-", "-"], "-: standard input is one image, named once"),
        (["a.png", "--yes"], "--yes answers --forget, which is not given"),
        (["a.png", "--resize", "zoom"], "invalid choice: 'zoom' (choose from "),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(place, arguments, said, capsys):
    with pytest.raises(SystemExit) as stopped:
        xpixels.main(["check", *arguments, *place])
    err = capsys.readouterr().err
    assert stopped.value.code == 2
    assert said in err
    assert err.count("\n") == 1


def test_a_terminal_as_standard_input_is_refused(place):
    master, slave = pty.openpty()
    command = [PROGRAM, "check", "-", *place]
    done = subprocess.run(command, stdin=slave, capture_output=True, text=True)
    os.close(slave)
    os.close(master)
    assert done.returncode == 2
    assert "-: standard input is a terminal, expected an image from a pipe or a file" in done.stderr


def test_help_tells_formats_ways_of_resizing_and_what_is_refused(capsys):
    with pytest.raises(SystemExit):
        xpixels.main(["check", "--help"])
    told = capsys.readouterr().out
    for word in (
        "PNG, JPEG, WebP, BMP or TIFF",
        "fit: ",
        "crop: ",
        "stretch: ",
        "BOX",
        "BICUBIC",
        "NAME@DATASET",
    ):
        assert word in told


# ---- Sizes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["fit", "crop", "stretch"])
def test_a_large_photograph_is_judged(place, folder, how, capsys):
    noise = np.random.default_rng(1).integers(0, 256, (900, 1600, 3), np.uint8)
    Image.fromarray(noise).save("photo.jpg", quality=100)
    assert (folder / "photo.jpg").stat().st_size > 1_000_000
    status, (entry,), _ = said(place, capsys, "photo.jpg", "--resize", how, *QUICK)
    assert status in (0, 3)
    assert "1600 x 900 pixels to 32 x " in entry["read"][0]
