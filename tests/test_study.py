"""The study, as small as can be, on a part of the bundled sample."""

import argparse
import shutil
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import select, text

from db import engine as engines
from db import schema, vocabulary
from ingest import pipeline, study
from ingest.study import Plan
from model.data.dataset import Dataset

PLAN = Plan(
    dataset="cifar10-sample",
    cases=1,
    metrics=("euclidean",),
    layers=("composed-scaled",),
    distances=(64, 128),
)
LAYERS = ("flatten", "dense", "logits", "composed", "composed-scaled", "composed-pooled")


@pytest.fixture(scope="module")
def studied(load, small_weights, migrated_file, tmp_path_factory):
    engine = engines.create(shutil.copy(migrated_file, tmp_path_factory.mktemp("study") / "study.db"))
    outcome = study.study(engine, PLAN, load=load, weights=small_weights)
    assert outcome.lacking == {}
    assert outcome.evaluated
    return engine


def asked(engine, query: str) -> list[tuple]:
    with engine.connect() as connection:
        return list(map(tuple, connection.execute(text(query))))


def test_both_sets_have_both_kinds_in_both_partitions_and_share_no_image(studied):
    cases = asked(
        studied, "SELECT kind, partition, COUNT(*), COUNT(DISTINCT sample_id) FROM cases GROUP BY 1, 2"
    )
    assert len(cases) == 4
    assert {counts for *_, counts, _ in cases} == {2}
    assert {counts for *_, counts in cases} == {2}
    targets = asked(
        studied,
        "SELECT target_class IS NULL, COUNT(*) FROM cases JOIN attacks ON attacks.id = attack_id GROUP BY 1",
    )
    assert targets == [(0, 2), (1, 2)]


def test_every_detector_is_there_with_and_without_near_duplicates_and_hubs(studied):
    names = {name for (name,) in asked(studied, "SELECT DISTINCT detector FROM detector_summary")}
    knn = {f"{layer} euclidean {rule}" for layer in LAYERS for rule in vocabulary.RULES}
    assert names == {"repair", "confidence", "logit-margin"} | knn | {f"{name} distinct" for name in knn}
    sets = asked(studied, "SELECT DISTINCT case_set FROM detector_summary ORDER BY 1")
    assert sets == [("all",), ("targeted",), ("untargeted",)]
    pairs = asked(studied, "SELECT DISTINCT pairs FROM detector_summary WHERE case_set = 'all'")
    assert pairs == [(2,)]


def test_the_attacker_near_the_median_is_tried_on_images_that_corners_fool(studied):
    attacks = asked(studied, "SELECT variant, COUNT(*) FROM near_median_attacks GROUP BY 1 ORDER BY 1")
    assert attacks == [("within 128", 2), ("within 64", 2)]
    fooled = asked(
        studied,
        "SELECT DISTINCT sample_id FROM near_median_attacks EXCEPT SELECT sample_id FROM cases "
        "WHERE kind = 'adversarial' AND partition = 'validation'",
    )
    assert fooled == []


def test_a_study_that_is_whole_does_nothing_again(studied, load, small_weights):
    before = asked(studied, "SELECT id FROM runs")
    outcome = study.study(studied, PLAN, load=load, weights=small_weights)
    assert outcome.evaluated
    assert asked(studied, "SELECT id FROM runs") == before


def test_a_study_that_lacks_cases_says_how_many_and_goes_on_with_what_it_has(
    studied, load, small_weights, monkeypatch, capsys
):
    """As when every image was tried."""
    whole = pipeline.add_cases

    def short(*arguments, **options):
        return replace(whole(*arguments, **options), missing={("validation", "adversarial"): 3})

    monkeypatch.setattr(pipeline, "add_cases", short)
    monkeypatch.setattr(
        study, "study", lambda engine, plan, weights, crew: _short(studied, load, small_weights)
    )
    parser = argparse.ArgumentParser()
    study.add_options(parser)
    options = parser.parse_args(["--dataset", "cifar10-sample", "--cases", "4"])
    options.database = str(engines.file(studied))
    outcome = study.run_options(options)
    assert outcome.evaluated
    lines = capsys.readouterr().out.splitlines()
    lines = [line for line in lines if not line.startswith("batch ")]
    assert lines.pop(0).startswith("cifar10-sample has 1,000 test images: 4 adversarial and as many clean")
    assert lines[0].startswith("targeted, validation: 1 of 4 adversarial cases; every image was tried")
    assert lines[1].startswith("untargeted, validation: 1 of 4 adversarial cases")


_whole = study.study


def _short(engine, load, weights):
    return _whole(engine, PLAN, load=load, weights=weights)


@pytest.mark.parametrize(
    ("images", "classes", "cases", "targets"),
    [(10_000, 10, 248, "all"), (359, 10, 22, "all"), (9, 3, 1, "all")],
)
def test_the_sizes_of_a_study_follow_the_data_set(images, classes, cases, targets):
    names = tuple(str(place) for place in range(classes))
    pictures, labels = np.zeros((images, 2, 2, 1), np.uint8), np.zeros(images, np.int32)
    test = Dataset("mine", "test", pictures, labels, np.arange(images), names, "made up")
    plan = study.Plan(dataset="mine").fitted(test)
    assert (plan.cases, plan.targets) == (cases, targets)
    assert plan.fitted(test) == plan
    assert f"{cases} adversarial" in plan.describe(test)


def test_more_cases_than_images_are_refused_before_any_work(tmp_path, load):
    engine = engines.create(tmp_path / "none.db")
    with pytest.raises(ValueError, match="--cases 41: cifar10-sample has 160 test images"):
        study.study(engine, replace(PLAN, cases=41), load=load)
    assert not engines.file(engine).exists()


def test_cases_know_their_set_by_the_batch_they_came_with(studied):
    with studied.connect() as connection:
        stages = connection.execute(select(schema.runs.c.stage, schema.runs.c.parameters)).all()
    targets = [parameters["targets"] for stage, parameters in stages if stage == "cases"]
    assert targets == ["all", "none"]
