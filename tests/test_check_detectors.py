"""Every tuned detector of a database is asked, and says of a case what the database says of it."""

import json

import pytest
from sqlalchemy import delete, select

import xpixels
from db import engine as engines
from db import schema, vocabulary
from db.scope import Scope
from ingest.stages import evaluation
from model.detectors import votes
from tests.support import checked_database, fresh_database


@pytest.fixture(scope="module")
def images(checked, tmp_path_factory):
    """The files of its cases' images, by case."""
    folder = tmp_path_factory.mktemp("images")
    query = select(schema.cases.c.id, schema.images.c.png).join(
        schema.images, schema.images.c.id == schema.cases.c.image_id
    )
    with engines.create(checked, read_only=True).connect() as connection:
        found = dict(map(tuple, connection.execute(query.order_by(schema.cases.c.id))))
    files = {case: folder / f"{case}.png" for case in found}
    for case, file in files.items():
        file.write_bytes(found[case])
    return files


@pytest.fixture
def entries(small_weights, capsys):
    """A function: what is said in JSON, each image's detectors by name."""

    def ask(database, *arguments):
        capsys.readouterr()
        place = ["--weights", str(small_weights), "--database", str(database)]
        status = xpixels.main(["check", *map(str, arguments), "--json", *place])
        out, err = capsys.readouterr()
        found = json.loads(out)
        for entry in found:
            entry["said"] = {detector["detector"]: detector for detector in entry["detectors"]}
        return found, status, err

    return ask


def test_every_tuned_detector_is_asked_and_says_what_the_database_says(checked, images, entries):
    found, _, err = entries(checked, *images.values(), "--all-pixels")
    assert "not tuned" not in err
    query = select(schema.decisions, schema.layers.c.name).join(
        schema.layers, schema.layers.c.id == schema.decisions.c.layer_id
    )
    with engines.create(checked, read_only=True).connect() as connection:
        decided = {
            (row.case_id, row.name): row
            for row in connection.execute(query.where(schema.decisions.c.rule == "total"))
        }
    for case, entry in zip(images, found, strict=True):
        assert tuple(entry["said"]) == checked_database.EVERY
        counting = {name for name, said in entry["said"].items() if said["counts"]}
        assert counting == {*checked_database.LAYERS, "repair"}
        assert entry["alarm"] == any(entry["said"][name]["alarm"] for name in counting)
        for layer in checked_database.LAYERS:
            said, row = entry["said"][layer], decided[case, layer]
            asked = (said["score"], said["k"], said["threshold"])
            assert asked == (row.unexpected_count, row.k, row.threshold)
            assert said["alarm"] == bool(row.alarm)


@pytest.mark.parametrize("rule", vocabulary.RULES)
def test_what_is_only_evaluated_is_asked_as_it_was_evaluated(checked, images, rule, entries):
    names = [name for name in checked_database.COMPARED if name.startswith(("composed", "flatten", "dense"))]
    wanted = [part for name in names for part in ("--detector", name)]
    found, *_ = entries(checked, *images.values(), "--rule", rule, *wanted)
    known = evaluation._read(engines.create(checked, read_only=True), Scope(1, 1))
    for name in names:
        layer, reference = name.removesuffix("-distinct"), "distinct" if "distinct" in name else "all"
        labels, _ = evaluation._labels(known, layer, "euclidean", reference)
        counts = votes.unexpected_counts(labels, known.cases.predicted, rule, classes=10)
        said = [entry["said"][name] for entry in found]
        k = said[0]["k"]
        assert [one["score"] for one in said] == counts[:, k - 1].tolist()
        assert {(one["layer"], one["reference"]) for one in said} == {(layer, reference)}
        assert all(one["counts"] for one in said)  # as they are named


def test_an_operating_point_is_told_whole(checked, images, entries):
    ((entry, *_), _, err) = entries(checked, images[1])
    assert (entry["network"], entry["network_id"]) == ("small-cnn", 1)
    assert (entry["dataset"], entry["dataset_id"]) == ("cifar10-sample", 1)
    with engines.create(checked, read_only=True).connect() as connection:
        layers, points = schema.layers.c, schema.operating_points.c
        rows = connection.execute(
            select(layers.name, points.k, points.threshold)
            .join(schema.operating_points, points.layer_id == layers.id)
            .where(points.how_chosen == "tuning", points.partition == "tuning", points.rule == "total")
        )
        expected = {name: (k, threshold) for name, k, threshold in rows}
    for name, said in entry["said"].items():
        assert said["tuned_on"] == {"adversarial": 2, "clean": 2}
        if said["kind"] == "neighbors":
            assert (said["metric"], said["rule"]) == ("euclidean", "total")
        if name in expected:
            assert (said["k"], said["threshold"]) == expected[name]
    few = "small-cnn on cifar10-sample #1: tuned on 2 adversarial and 2 clean cases, which is very few\n"
    assert err == few


def test_what_a_detector_says_does_not_depend_on_what_is_beside_the_image(checked, images, entries):
    together, *_ = entries(checked, *images.values())
    for place in (0, 5):
        ((alone,), *_) = entries(checked, list(images.values())[place])
        assert alone == together[place]


def test_a_conv_layer_alone_can_be_asked_and_left_out(checked, images, entries):
    found, *_ = entries(checked, images[3], "--detector", "conv1")
    assert list(found[0]["said"]) == ["conv1"]
    found, *_ = entries(checked, images[3], "--detector", "dense", "--detector", "dense-distinct")
    assert list(found[0]["said"]) == ["dense", "dense-distinct"]


# ---- Several data sets ------------------------------------------------------------------------------

NAME, DATASET = "small-cnn", "cifar10-sample"
QUICK = ["--detector", "logits"]


@pytest.fixture
def twice(checked, tmp_path):
    """The same weights met another data set as well, and are not tuned there."""
    path = fresh_database.copy_file(checked, tmp_path / "twice.db")
    with engines.writing(engines.create(path)) as connection:
        new = {"id": 9, "name": "cifar10", "source": "a test", "created_at": "now"}
        connection.execute(schema.datasets.insert(), new)
        pair = {"network_id": 1, "dataset_id": 9, "created_at": "now"}
        connection.execute(schema.network_datasets.insert(), pair)
    return path


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        (
            ["--network", f"{NAME}@cifar10"],
            1,
            f"no detector of {NAME} on cifar10 #1 is tuned (euclidean, total)",
        ),
        (["--dataset", "cifar10"], 1, f"no detector of {NAME} on cifar10 #1 is tuned"),
        (["--dataset", "pets"], 1, f"--dataset pets: expected 1 ({NAME}@{DATASET}, weights "),
        (["--dataset", DATASET, *QUICK], None, f"{NAME} on {DATASET} #1: euclidean, rule total"),
        (QUICK, None, f"{NAME} on {DATASET} #1: euclidean, rule total"),  # where they are tuned
        (["--network", f"{NAME}@{DATASET}", *QUICK], None, f"{NAME} on {DATASET} #1: euclidean, rule total"),
        (["--network", "1", *QUICK], None, f"{NAME} on {DATASET} #1: euclidean, rule total"),
    ],
)
def test_a_data_set_is_chosen_by_its_name_or_by_where_the_network_is_tuned(
    twice, images, small_weights, asked, status, said, capsys
):
    place = ["--weights", str(small_weights), "--database", str(twice)]
    found = xpixels.main(["check", str(images[1]), *asked, *place])
    out, err = capsys.readouterr()
    assert said in out + err
    assert found == status if status else found in (0, 3)
    if "pets" in said:
        assert "1 (small-cnn@cifar10, weights" in err
        assert err.count("\n") == 1


def test_what_is_not_tuned_is_named_and_the_others_are_asked(checked, images, tmp_path, entries):
    path = fresh_database.copy_file(checked, tmp_path / "copy.db")
    points, evaluated, detectors = schema.operating_points, schema.evaluations, schema.detectors
    with engines.writing(engines.create(path)) as connection:
        conv = select(schema.layers.c.id).where(schema.layers.c.name == "conv1")
        connection.execute(delete(points).where(points.c.layer_id.in_(conv)))
        conv = select(detectors.c.id).where(detectors.c.layer == "conv1")
        connection.execute(delete(evaluated).where(evaluated.c.detector_id.in_(conv)))
    ((entry,), _, err) = entries(path, images[2])
    assert "not tuned, so not asked: conv1 (`xpixels ingest`, `xpixels tune`)\n" in err
    assert set(entry["said"]) == {*checked_database.EVERY} - {"conv1"}
