"""`xpixels check`: what it says of images, in both forms, its exit status, and what it keeps."""

import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select, text

import xpixels
from db import engine as engines
from db import schema
from db.commands import upkeep
from db.read.for_ingest.detectors import KnownNetwork, TunedOn, known_networks
from ingest.check import command, tuned
from model.data.png import encode_png
from model.network import checkpoint
from tests.support import fresh_database

LAYERS = ("flatten", "dense", "logits", "composed")
RANDOM = np.random.default_rng(3)
IMAGE = RANDOM.integers(0, 256, (32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def database(ingested_small):
    """The file of a small database with every detector of the small network tuned."""
    return Path(ingested_small.url.database)


@pytest.fixture
def copy(database, tmp_path):
    """A function that gives a copy of the database after some statements."""

    def make(*statements: str) -> Path:
        target = fresh_database.copy_file(database, tmp_path / "copy.db")
        with engines.writing(engines.create(target)) as connection:
            for statement in statements:
                connection.execute(text(statement))
        return target

    return make


@pytest.fixture
def png(tmp_path):
    """A function that writes an image and gives its path."""

    def write(name="one.png", image=IMAGE):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(image))
        return path

    return write


NEVER = (
    "UPDATE operating_points SET threshold = k",
    "UPDATE evaluations SET threshold = 1e9",
)


@pytest.fixture
def run(small_weights):
    """A function: the status of a check of the small network."""

    def check(database, *arguments):
        first = ["check", "--weights", str(small_weights), "--database", str(database)]
        return xpixels.main([*first, *map(str, arguments)])

    return check


@pytest.fixture
def entries(run, capsys):
    """A function: the status and what is said in JSON."""
    return lambda *arguments: (run(*arguments, "--json"), json.loads(capsys.readouterr().out))


def rows_of(path, query):
    with engines.create(path).connect() as connection:
        return connection.execute(query).all()


# ---- Its company -----------------------------------------------------------------------------------


@pytest.mark.parametrize("all_pixels", [False, True])
def test_a_verdict_does_not_depend_on_what_is_beside_the_image(ingested, sample, all_pixels):
    """Alone, among four, among all: the same scores to the last bit, and the same words."""
    images = sample.test.images[40:52]
    engine = engines.create(ingested.url.database, read_only=True)
    with engine.connect() as connection:
        (network,) = known_networks(connection)
    asked = Namespace(metric="euclidean", rule="total", detector=None, all_pixels=all_pixels, keep=False)
    checker = command.ready(engine, network, checkpoint.load(checkpoint.BUNDLED), asked, few=True)
    together = checker.judge(images).verdicts
    for i in (0, 5, 8):
        (alone,) = checker.judge(images[i : i + 1]).verdicts
        assert alone == together[i]
    few = checker.judge(images[[5, 2, 11, 7]]).verdicts
    assert few == [together[i] for i in (5, 2, 11, 7)]


# ---- What it says ----------------------------------------------------------------------------------


def test_it_says_of_a_case_what_the_database_says(ingested, png, capsys):
    """Of the bundled network, as no weights are named."""
    database = ingested.url.database
    cases = rows_of(
        database,
        select(schema.cases, schema.images.c.png).join(
            schema.images, schema.images.c.id == schema.cases.c.image_id
        ),
    )
    files = []
    for case in cases:
        path = png(f"{case.id}.png")
        path.write_bytes(case.png)
        files.append(path)
    arguments = ["check", *map(str, files), "--all-pixels", "--json", "--database", database]
    assert xpixels.main(arguments) in (0, 3)
    found = json.loads(capsys.readouterr().out)
    names = [
        name
        for (name,) in rows_of(database, select(schema.classes.c.name).order_by(schema.classes.c["class"]))
    ]
    decided = {
        (row.case_id, row.name): row
        for row in rows_of(
            database,
            select(schema.decisions, schema.layers.c.name)
            .join(schema.layers, schema.layers.c.id == schema.decisions.c.layer_id)
            .where(schema.decisions.c.rule == "total"),
        )
    }
    repaired = {row.image_id: row for row in rows_of(database, select(schema.repairs))}
    for case, entry in zip(cases, found, strict=True):
        assert entry["prediction"] == names[case.predicted_class]
        assert entry["confidence"] == pytest.approx(case.confidence, abs=1e-5)
        said = {detector["detector"]: detector for detector in entry["detectors"]}
        assert list(said) == [*LAYERS, "composed-pooled", "confidence", "logit-margin", "repair"]
        for layer in LAYERS:
            row = decided[case.id, layer]
            assert (said[layer]["score"], said[layer]["k"]) == (row.unexpected_count, row.k)
            assert said[layer]["alarm"] == bool(row.alarm)
            recovered = None if row.recovered_class is None else names[row.recovered_class]
            assert said[layer]["recovered"] == recovered
        repair, row = said["repair"], repaired[case.image_id]
        assert repair["score"] == pytest.approx(row.score, abs=1e-4)
        if repair["alarm"]:
            place = (repair["row"], repair["column"], repair["recovered"])
            assert place == (row.row, row.column, names[row.recovered_class])
        assert said["confidence"]["score"] == pytest.approx(1 - case.confidence, abs=1e-5)
        assert entry["alarm"] == any(said[name]["alarm"] for name in (*LAYERS, "repair"))


def test_an_alarm_is_status_3_and_its_reasons_are_told_in_aligned_lines(copy, png, capsys, run):
    path = png()
    assert run(copy("UPDATE operating_points SET threshold = -1", NEVER[1]), path) == 3
    out, err = capsys.readouterr()
    first, head, *lines = out.splitlines()
    assert err == ""
    assert first == (
        "small-cnn on cifar10-sample #1: euclidean, rule total, tuned on 2 adversarial and 2 clean cases, "
        "which is very few"
    )
    assert head.startswith(f"{path}: ")
    assert head.endswith("ALARM by flatten, dense, logits, composed")
    names = [*LAYERS, "composed-pooled", "confidence", "logit-margin", "repair"]
    assert [line.split()[0] for line in lines] == names
    assert {line[19:24] for line in lines} == {"alarm", "quiet"}
    assert "nearest neighbor" in lines[0]
    assert "alarms above -1" in lines[0]
    assert [line.endswith("to compare") for line in lines] == [False] * 4 + [True] * 3 + [False]
    assert ": margin " in lines[7]


def test_quiet_is_status_0(copy, png, capsys, run):
    assert run(copy(*NEVER), png()) == 0
    assert ": quiet" in capsys.readouterr().out


def test_a_baseline_counts_only_when_it_is_named(copy, png, capsys, run):
    database = copy(NEVER[0], "UPDATE evaluations SET threshold = -1e9")
    database_quiet = ("--detector", "flatten")
    assert run(database, png(), *database_quiet) == 0
    assert run(database, png(), "--detector", "confidence") == 3
    assert "confidence" in capsys.readouterr().out.splitlines()[-1]


def test_folders_are_searched_sorted_and_at_any_depth(copy, png, tmp_path, entries):
    for name in ("folder/b.png", "folder/a/z.PNG", "folder/c.txt"):
        png(name)
    twice = tmp_path / "folder" / "b.png"
    status, found = entries(copy(*NEVER), tmp_path / "folder", twice, "--detector", "logits")
    assert status == 0
    assert [Path(entry["file"]).name for entry in found] == ["z.PNG", "b.png"]


def test_a_detector_that_is_not_tuned_is_left_out_and_named(copy, png, capsys, run):
    database = copy("DELETE FROM evaluations", NEVER[0])
    assert run(database, png()) == 0
    out, err = capsys.readouterr()
    assert err.startswith("not tuned, so not asked: repair, confidence, logit-margin")
    assert [line.split()[0] for line in out.splitlines()[2:]] == list(LAYERS)


# ---- What goes wrong -------------------------------------------------------------------------------


def test_a_bad_file_is_told_and_the_others_go_on(copy, png, tmp_path, capsys, run, entries):
    wide = png("wide.png", RANDOM.integers(0, 256, (32, 64, 3), np.uint8))
    empty, missing = tmp_path / "empty", tmp_path / "missing.png"
    empty.mkdir()
    database = copy("UPDATE operating_points SET threshold = -1")
    status, found = entries(database, wide, empty, missing, png(), "--detector", "logits")
    assert status == 1  # whatever was said of the others
    assert [entry.get("error", "judged")[:24] for entry in found] == [
        "64 x 32 pixels, expected",
        "a folder without an imag",
        "no such file: expected a",
        "judged",
    ]
    assert run(database, missing, "--detector", "logits") == 1
    out, err = capsys.readouterr()
    assert out == ""
    images = "a PNG, JPEG, WebP, BMP or TIFF image"
    assert err == f"xpixels: {missing}: no such file: expected {images}, or a folder of them\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--detector", "nose"],
            "--detector nose: expected one of flatten, dense, logits, composed, composed-pooled, confidence, "
            "logit-margin, repair\n",
        ),
        (["--network", "7"], "--network 7: expected 1 (small-cnn@cifar10-sample, weights "),
        (["--dataset", "x"], "--dataset x: expected 1 (small-cnn@cifar10-sample, weights "),
        (
            ["--metric", "cosine", "--detector", "dense"],
            "no detector of small-cnn on cifar10-sample #1 is tuned (cosine, total)",
        ),
        (["--weights", "none.npz"], "weights: none.npz does not exist"),
    ],
)
def test_what_cannot_be_asked_is_one_line(database, png, options, said, capsys, run):
    assert run(database, png(), *options) == 1
    out, err = capsys.readouterr()
    assert said in err
    assert (out, err.count("\n")) == ("", 1)


def test_a_missing_database_is_named(tmp_path, png, capsys, run):
    assert run(tmp_path / "none.db", png()) == 1
    assert "No database at" in capsys.readouterr().err


WEIGHTS = Path("w.npz")
NETWORKS = [
    KnownNetwork(1, 1, "a", "0" * 64, "small", (), TunedOn(66, 67)),
    KnownNetwork(1, 2, "a", "0" * 64, "large", (), TunedOn(1, 2)),
    KnownNetwork(2, 1, "a", "1" * 64, "small", ()),
    KnownNetwork(4, 1, "b", "2" * 64, "small", ()),
    KnownNetwork(4, 2, "b", "2" * 64, "large", (), TunedOn(20, 20)),
]


@pytest.mark.parametrize(
    ("sha", "wanted", "dataset", "expected"),
    [
        ("1", None, None, (2, 1)),
        ("2", None, None, (4, 2)),  # where it is tuned
        ("2", "b", None, (4, 2)),
        ("2", None, "small", (4, 1)),
        ("0", "1", "small", (1, 1)),
        ("0", None, "large", (1, 2)),
        ("0", "a@small", None, (1, 1)),
        ("0", "a@large", None, (1, 2)),
        ("0", "a@large", "large", (1, 2)),
        ("1", "a", None, (2, 1)),  # of these weights there is one
        ("1", "a@small", None, (2, 1)),
    ],
)
def test_a_network_is_chosen_by_its_weights_and_whatever_else_tells_it(sha, wanted, dataset, expected):
    assert tuned.choose_network(NETWORKS, sha * 64, wanted, dataset, WEIGHTS).scope == expected


CHOICES = (
    "1 (a@small, weights 000000000000, tuned on 66 adversarial and 67 clean cases), 1 (a@large, weights "
    "000000000000, tuned on 1 adversarial and 2 clean cases, which is very few); name one by --dataset"
)


@pytest.mark.parametrize(
    ("sha", "wanted", "dataset", "said"),
    [
        ("0", None, None, f"these weights met several data sets: {CHOICES}"),
        ("0", "a", None, f"--network a fits several: {CHOICES}"),
        ("3", None, None, "w.npz has sha256 333333333333, and the database knows 1 (a@small"),
        ("1", "b", None, "w.npz has sha256 111111111111, and the database knows 1 (a@small"),
        ("0", "c", None, "--network c: expected 1 (a@small, weights"),
        ("0", "a@", None, "--network a@: expected"),
        ("0", None, "middle", "--dataset middle: expected 1 (a@small, weights"),
        ("0", "a@small", "large", "--dataset large: expected 1 (a@small, weights"),
    ],
)
def test_a_network_that_is_not_told_is_refused_with_the_choices(sha, wanted, dataset, said):
    with pytest.raises(LookupError) as caught:
        tuned.choose_network(NETWORKS, sha * 64, wanted, dataset, WEIGHTS)
    assert said in str(caught.value)
    with pytest.raises(LookupError, match="xpixels ingest"):
        tuned.choose_network([], sha * 64, wanted, dataset, WEIGHTS)


def test_parts_are_as_equal_as_can_be():
    assert [list(part) for part in command.evenly(range(7), 3)] == [[0, 1], [2, 3], [4, 5, 6]]
    assert list(command.evenly([], 3)) == []


# ---- What it keeps ---------------------------------------------------------------------------------


def test_kept_images_are_cases_that_nothing_counts(copy, png, entries):
    path = copy()
    before = rows_of(path, select(schema.evaluations)), rows_of(path, select(schema.tuning_points))
    files = png("a.png"), png("same.png"), png("b.png", RANDOM.integers(0, 256, (32, 32, 3), np.uint8))
    _, found = entries(path, *files, "--keep")
    ids = [entry["case"] for entry in found]
    assert ids == [9, 9, 10]
    assert entries(path, files[2], "--keep")[1][0]["case"] == 10
    kept = rows_of(path, select(schema.cases).where(schema.cases.c.id > 8))
    assert [(case.kind, case.partition, case.true_class, case.attack_id) for case in kept] == [
        ("unknown", "checked", None, None)
    ] * 2
    decided = rows_of(
        path,
        select(schema.decisions, schema.layers.c.name)
        .join(schema.layers, schema.layers.c.id == schema.decisions.c.layer_id)
        .where(schema.decisions.c.case_id == 10, schema.decisions.c.rule == "total"),
    )
    said = {detector["detector"]: detector for detector in found[2]["detectors"]}
    assert {row.name: row.unexpected_count for row in decided} == {
        name: said[name]["score"] for name in LAYERS
    }
    assert {row.outcome for row in decided} == {None}
    checks = select(schema.runs.c.id).where(schema.runs.c.stage == "check").order_by(schema.runs.c.id)
    assert [(row.run_id,) for row in decided] == rows_of(path, checks)[:1] * len(LAYERS)
    assert upkeep.check(engines.create(path)) == []
    assert before == (rows_of(path, select(schema.evaluations)), rows_of(path, select(schema.tuning_points)))


def test_without_keep_nothing_is_written(copy, png, run):
    path = copy(*NEVER)
    path.chmod(0o444)
    assert run(path, png()) == 0
    assert len(rows_of(path, select(schema.cases))) == 8
