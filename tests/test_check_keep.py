"""`xpixels check --keep` and `--forget`: what is kept is what was said, and goes without a trace."""

import io
import json
import os
import pty
import shutil
import sys
from contextlib import nullcontext

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
from tests.support import fresh_database, postgres_server

LAYERS = ("conv1", "flatten", "dense", "logits", "composed", "composed-scaled")
ASIDE = {"runs", "database_identity"}  # what was done is remembered


@pytest.fixture(scope="module")
def checked_on_server(checked, postgres):
    """The database with every detector on the PostgreSQL server; gives its name."""
    transfer.between(str(checked), postgres_server.make(postgres, "kept"), lambda *_: nullcontext(_Silent()))
    return "kept"


class _Silent:
    done = 0

    def to(self, _done):
        pass


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def address(request, tmp_path):
    """Where a copy of that database is, to be written to, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield str(fresh_database.copy_file(request.getfixturevalue("checked"), tmp_path / "copy.db"))
        return
    template, server = map(request.getfixturevalue, ("checked_on_server", "postgres"))
    yield postgres_server.make(server, "kept_copy", template=template)
    postgres_server.drop(server, "kept_copy")


@pytest.fixture(scope="module")
def files(tmp_path_factory, sample):
    """Images to keep: two of the test set, one of noise, and the first one once more, turned."""
    folder = tmp_path_factory.mktemp("images")
    noise = np.random.default_rng(5).integers(0, 256, (32, 32, 3), np.uint8)
    images = {"a.png": sample.test.images[801], "b b.png": sample.test.images[802], "noise.png": noise}
    for name, image in images.items():
        (folder / name).write_bytes(encode_png(image))
    exif = Image.Exif()
    exif[274] = 8
    Image.fromarray(np.rot90(images["a.png"], -1)).save(folder / "turned.png", exif=exif)
    return {name: folder / name for name in (*images, "turned.png")}


@pytest.fixture
def kept(small_weights, capsys):
    """A function: the entries of a check that keeps."""

    def keep(address, *arguments):
        capsys.readouterr()
        assert run(address, *arguments, "--weights", small_weights, "--keep", "--json") in (0, 3)
        return json.loads(capsys.readouterr().out)

    return keep


@pytest.fixture(scope="module")
def one_kept(checked, small_weights, files, tmp_path_factory):
    """A SQLite file in which an image is kept, to be copied."""
    path = fresh_database.copy_file(checked, tmp_path_factory.mktemp("kept") / "kept.db")
    assert run(path, files["a.png"], "--weights", small_weights, "--keep") in (0, 3)
    return path


def run(address, *arguments):
    return xpixels.main(["check", *map(str, arguments), "--database", str(address)])


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


def test_what_keep_says_is_what_the_case_page_says(address, files, kept):
    entries = kept(address, *files.values())
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


def test_kept_cases_survive_another_tuning_with_all_their_decisions(address, files, kept):
    kept(address, files["a.png"], files["noise.png"], "--detector", "dense")  # the others too
    before = contents(address)
    assert xpixels.main(["tune", "--database", str(address)]) == 0
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


def test_the_name_of_a_file_is_kept_shown_and_found(address, files, tmp_path, kept, monkeypatch):
    odd = tmp_path / os.fsdecode(b"f\xfc\nx.png")
    odd.write_bytes(files["noise.png"].read_bytes())
    monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BytesIO(files["b b.png"].read_bytes()), encoding="utf-8")
    )
    kept(address, files["a.png"], "-", odd)
    kept(address, files["turned.png"], files["b b.png"], files["noise.png"])
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


def test_what_is_forgotten_leaves_nothing_behind(address, files, kept, capsys):
    before = contents(address)
    kept(address, *files.values())
    made = engines.create(address)
    with engines.writing(made) as connection:
        annotations.set_note(connection, 10, "what is that?")
        annotations.add_tag(connection, 10, "blurred")
    made.dispose()
    assert run(address, "--forget", "--yes") == 0
    out, err = capsys.readouterr()
    assert out.startswith(
        "3 kept cases of small-cnn on cifar10-sample #1: 9 (a.png), 10 (b b.png), 11 (noise.png)\n"
    )
    assert err == ""
    assert contents(address) == before
    made = engines.create(address)
    assert upkeep.check(made) == []
    made.dispose()
    assert run(address, "--forget", "--yes") == 0
    assert capsys.readouterr().out == "no kept case to forget\n"


def test_images_are_forgotten_by_their_pixels_or_by_a_name_that_is_gone(
    address, files, tmp_path, kept, capsys
):
    kept(address, *files.values())
    images = shutil.copytree(files["a.png"].parent, tmp_path / "images")
    (images / "noise.png").unlink()
    (images / "text.txt").write_text("x")
    named = [images / name for name in ("turned.png", "noise.png", "other.png")]
    assert run(address, "--forget", *named, "--yes") == 1
    out, err = capsys.readouterr()
    assert "2 kept cases of small-cnn on cifar10-sample #1: 9 (a.png), 11 (noise.png)" in out
    assert err.startswith(f"xpixels: {named[2]}: no such file")
    assert run(address, "--forget", files["a.png"], "--yes") == 1
    assert "a.png: was not kept" in capsys.readouterr().err
    assert run(address, "--forget", images, "--yes", "--network", "1") == 1
    out, err = capsys.readouterr()
    assert "1 kept case of small-cnn on cifar10-sample #1: 10 (b b.png)" in out
    assert [line.rsplit("/", 1)[1] for line in err.splitlines()] == [
        "a.png: was not kept",
        "turned.png: was not kept",
    ]


def test_what_people_wrote_is_counted_before_it_goes(address, files, kept, capsys):
    kept(address, files["a.png"])
    made = engines.create(address)
    with engines.writing(made) as connection:
        annotations.set_note(connection, 9, "what is that?")
        annotations.add_tag(connection, 9, "blurred")
        annotations.add_tag(connection, 9, "a car")
    made.dispose()
    assert run(address, "--forget", "--yes") == 0
    assert "annotations about them, which are removed too: 1 note, 2 tags\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "standard input is no terminal, so nobody can confirm: add --yes to do it"),
        (["--keep"], "--forget removes cases and judges nothing: it takes neither --keep nor --json"),
        (["--json"], "it takes neither --keep nor --json"),
    ],
)
def test_nothing_is_forgotten_unasked(one_kept, tmp_path, options, said, capsys):
    path = fresh_database.copy_file(one_kept, tmp_path / "copy.db")
    before = contents(path)
    try:
        status = run(path, "--forget", *options)
    except SystemExit as stopped:
        status = stopped.code
    assert status == 2
    assert said in capsys.readouterr().err
    assert contents(path) == before


@pytest.mark.parametrize(("answer", "status", "left"), [("y\n", 0, 0), ("no\n", 1, 1), ("\n", 1, 1)])
def test_somebody_at_a_terminal_is_asked(one_kept, tmp_path, answer, status, left, monkeypatch, capsys):
    path = fresh_database.copy_file(one_kept, tmp_path / "copy.db")
    master, slave = pty.openpty()
    os.write(master, answer.encode())
    with open(slave, encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        assert run(path, "--forget") == status
    os.close(master)
    assert "forget them? [y/N] " in capsys.readouterr().out
    with engines.create(path).connect() as connection:
        cases = schema.cases.c
        assert len(connection.execute(select(cases.id).where(cases.partition == "checked")).all()) == left
