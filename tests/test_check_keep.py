"""`xpixels check --keep` and `--forget`: what is kept is what was said, and goes without a trace."""

import io
import json
import os
import pty
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select

import db.read
import xpixels
from db import annotations, schema, vocabulary
from db import engine as engines
from db.commands import transfer, upkeep
from model.data.png import encode_png
from tests.support import checked_database, postgres_server

CHANCE = np.random.default_rng(5)
LAYERS = ("conv1", "flatten", "dense", "logits", "composed", "composed-scaled")
PROGRAM = str(Path(sys.executable).with_name("xpixels"))
ASIDE = {"runs", "database_identity"}  # what was done is remembered


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def address(request, checked, tmp_path):
    """Where a copy of the database with every detector is, to be written to, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        return str(checked_database.copy_to(checked, tmp_path / "copy.db"))
    name = f"kept_{request.node.name.split('[')[0][:40]}"
    made = postgres_server.make(request.getfixturevalue("postgres"), name)
    transfer.between(str(checked), made, lambda *_: nullcontext(_Silent()))
    return made


class _Silent:
    done = 0

    def to(self, _done):
        pass


@pytest.fixture
def files(tmp_path, sample):
    """Images to keep: two of the test set, one of noise, and the first one once more, turned."""
    noise = CHANCE.integers(0, 256, (32, 32, 3), np.uint8)
    images = {"a.png": sample.test.images[801], "b b.png": sample.test.images[802], "noise.png": noise}
    found = {}
    for name, image in images.items():
        found[name] = tmp_path / "images" / name
        found[name].parent.mkdir(exist_ok=True)
        found[name].write_bytes(encode_png(image))
    found["turned.png"] = tmp_path / "images" / "turned.png"
    exif = Image.Exif()
    exif[274] = 8
    Image.fromarray(np.rot90(images["a.png"], -1)).save(found["turned.png"], exif=exif)
    return found


def run(address, *arguments):
    return xpixels.main(["check", *map(str, arguments), "--database", str(address)])


def kept(address, capsys, *arguments):
    """The entries of a check that keeps."""
    capsys.readouterr()
    assert run(address, *arguments, "--keep", "--json") in (0, 3)
    return json.loads(capsys.readouterr().out)


def contents(address):
    """Every row of every table but those of runs, and of lists without their own ids."""
    found = {}
    made = engines.create(address)
    with made.connect() as connection:
        for table in schema.metadata.sorted_tables:
            if table.name not in ASIDE:
                columns = [column for column in table.c if (table.name, column.name) != ("facet_cells", "id")]
                rows = connection.execute(select(*columns))
                found[table.name] = sorted(map(repr, map(tuple, rows)))
    made.dispose()
    return found


# ---- What is kept ----------------------------------------------------------------------------------


def test_what_keep_says_is_what_the_case_page_says(address, files, capsys):
    entries = kept(address, capsys, *files.values())
    ids = [entry["case"] for entry in entries]
    assert ids == [9, 10, 11, 9]  # the turned one is the first one
    assert entries[3]["read"] == ["rotated by 90 degrees counterclockwise, as its EXIF orientation 8 says"]
    made = engines.create(address, read_only=True)
    for case_id, entry in list(zip(ids, entries, strict=True))[:3]:
        said = {detector["detector"]: detector for detector in entry["detectors"]}
        case = db.read.case_detail(made, case_id)
        assert case.class_names[case.predicted_class] == entry["prediction"]
        assert case.confidence == entry["confidence"]
        for rule in vocabulary.RULES:
            decisions = db.read.case_decisions(made, case_id, rule=rule)
            assert tuple(decision.layer for decision in decisions) == LAYERS
            if rule == "total":
                for decision in decisions:
                    one = said[decision.layer]
                    assert (decision.unexpected_count, decision.k) == (one["score"], one["k"])
                    assert (decision.threshold, decision.alarm) == (one["threshold"], one["alarm"])
                    recovered = decision.recovered_class
                    assert (None if recovered is None else case.class_names[recovered]) == one["recovered"]
        scored = db.read.score_decisions(made, case_id)
        assert {score.detector for score in scored} == {"repair", "confidence", "logit-margin"}
        for score in scored:
            one = said[score.detector]
            assert (score.score, score.threshold, score.alarm) == (
                one["score"],
                one["threshold"],
                one["alarm"],
            )
            if score.detector == "repair" and score.alarm:
                assert (score.row, score.column) == (one["row"], one["column"])
    with made.connect() as connection:
        listed = schema.detector_decisions.c
        found = connection.execute(select(listed.case_id, listed.detector).where(listed.case_id > 8)).all()
    assert len(found) == 3 * len((*LAYERS, "repair", "confidence", "logit-margin"))
    assert upkeep.check(made) == []
    made.dispose()


def test_kept_cases_survive_another_tuning_with_all_their_decisions(address, files, capsys):
    kept(address, capsys, files["a.png"], files["noise.png"], "--detector", "dense")  # the others too
    before = contents(address)
    command = [PROGRAM, "tune", "--database", str(address)]
    assert subprocess.run(command, capture_output=True).returncode == 0
    after = contents(address)
    decided = ("decisions", "detector_decisions", "repairs", "case_facets", "samples", "cases")
    for table in decided:
        assert len(before[table]) == len(after[table]), table
    made = engines.create(address, read_only=True)
    for case_id in (9, 10):
        assert len(db.read.case_decisions(made, case_id)) == len(LAYERS)
        assert {score.alarm for score in db.read.score_decisions(made, case_id)} <= {True, False}
    assert upkeep.check(made) == []
    made.dispose()


def test_the_name_of_a_file_is_kept_shown_and_found(address, files, tmp_path, capsys, monkeypatch):
    odd = tmp_path / "images" / os.fsdecode(b"f\xfc\nx.png")
    odd.write_bytes(files["noise.png"].read_bytes())
    monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BytesIO(files["b b.png"].read_bytes()), encoding="utf-8")
    )
    kept(address, capsys, files["a.png"], "-", odd)
    kept(address, capsys, files["turned.png"], files["b b.png"], files["noise.png"])
    names = {9: "a.png", 10: "b b.png", 11: r"f\xfc\nx.png"}  # the first name stays; one without gets one
    made = engines.create(address, read_only=True)
    with made.connect() as connection:
        overview = schema.case_overview.c
        query = select(overview.case_id, overview.sample_name).where(overview.sample_name.is_not(None))
        assert dict(map(tuple, connection.execute(query))) == names
    for case_id, name in names.items():
        assert db.read.case_detail(made, case_id).sample_name == name
        assert db.read.case_file_name(made, case_id) == name
    assert db.read.case_file_name(made, 1) is None
    for words, expected in (
        ("b.png", [10]),
        ("B B", [10]),
        ("png", [9, 10, 11]),
        ("xfc", [11]),
        ("%", []),
        ("_.png", []),
    ):
        query, options = db.read.case_query(made, f"?partition=all&find={words.replace('%', '%25')}")
        assert [row.id for row in db.read.list_cases(made, query, options).rows] == expected, words
    made.dispose()


# ---- What is forgotten -----------------------------------------------------------------------------


def test_what_is_forgotten_leaves_nothing_behind(address, files, capsys):
    before = contents(address)
    kept(address, capsys, *files.values())
    made = engines.create(address)
    with engines.writing(made) as connection:
        annotations.set_note(connection, 10, "what is that?")
        annotations.add_tag(connection, 10, "blurred")
    made.dispose()
    assert run(address, "--forget", "--yes") == 0
    out, err = capsys.readouterr()
    assert out.startswith(
        "3 kept cases of cifar10-cnn on cifar10-sample #1: 9 (a.png), 10 (b b.png), 11 (noise.png)\n"
    )
    assert err == ""
    assert contents(address) == before
    made = engines.create(address)
    assert upkeep.check(made) == []
    made.dispose()
    assert run(address, "--forget", "--yes") == 0
    assert capsys.readouterr().out == "no kept case to forget\n"


def test_images_are_forgotten_by_their_pixels_or_by_a_name_that_is_gone(address, files, tmp_path, capsys):
    kept(address, capsys, *files.values())
    files["noise.png"].unlink()
    (tmp_path / "images" / "text.txt").write_text("x")
    assert (
        run(address, "--forget", files["turned.png"], files["noise.png"], tmp_path / "other.png", "--yes")
        == 1
    )
    out, err = capsys.readouterr()
    assert "2 kept cases of cifar10-cnn on cifar10-sample #1: 9 (a.png), 11 (noise.png)" in out
    assert err.startswith(f"xpixels: {tmp_path / 'other.png'}: no such file")
    assert run(address, "--forget", files["a.png"], "--yes") == 1
    assert "a.png: was not kept" in capsys.readouterr().err
    assert run(address, "--forget", tmp_path / "images", "--yes", "--network", "1") == 1
    out, err = capsys.readouterr()
    assert "1 kept case of cifar10-cnn on cifar10-sample #1: 10 (b b.png)" in out
    assert [line.rsplit("/", 1)[1] for line in err.splitlines()] == [
        "a.png: was not kept",
        "turned.png: was not kept",
    ]


def test_what_people_wrote_is_counted_before_it_goes(address, files, capsys):
    kept(address, capsys, files["a.png"])
    made = engines.create(address)
    with engines.writing(made) as connection:
        annotations.set_note(connection, 9, "what is that?")
        annotations.add_tag(connection, 9, "blurred")
        annotations.add_tag(connection, 9, "a car")
    made.dispose()
    assert run(address, "--forget", "--yes") == 0
    assert "people wrote about them, which goes too: 1 note, 2 tags\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "standard input is no terminal, so nobody can be asked: add --yes to do it"),
        (["--keep"], "--forget removes cases and judges nothing: it takes neither --keep nor --json"),
        (["--json"], "it takes neither --keep nor --json"),
    ],
)
def test_nothing_is_forgotten_unasked(checked, files, tmp_path, options, said, capsys):
    path = checked_database.copy_to(checked, tmp_path / "copy.db")
    kept(path, capsys, files["a.png"])
    before = contents(path)
    try:
        status = run(path, "--forget", *options)
    except SystemExit as stopped:
        status = stopped.code
    assert status == 2
    assert said in capsys.readouterr().err
    assert contents(path) == before


@pytest.mark.parametrize(("answer", "status", "left"), [("y\n", 0, 0), ("no\n", 1, 1), ("\n", 1, 1)])
def test_somebody_at_a_terminal_is_asked(checked, files, tmp_path, answer, status, left, capsys):
    path = checked_database.copy_to(checked, tmp_path / "copy.db")
    kept(path, capsys, files["a.png"])
    master, slave = pty.openpty()
    command = [PROGRAM, "check", "--forget", "--database", str(path)]
    process = subprocess.Popen(command, stdin=slave, stdout=subprocess.PIPE, text=True)
    os.write(master, answer.encode())
    out, _ = process.communicate(timeout=120)
    os.close(slave)
    os.close(master)
    assert "forget them? [y/N] " in out
    assert process.returncode == status
    with engines.create(path).connect() as connection:
        cases = schema.cases.c
        assert len(connection.execute(select(cases.id).where(cases.partition == "checked")).all()) == left
