"""An attacked image beside its original: who leaves, who enters, who changes rank."""

import base64

import numpy as np
import pytest

import db.read
from dashapp.decide import twins
from dashapp.pages.case.twin import original_softmax
from dashapp.words import twins as twin_words
from tests.support import database

ATTACKED, CLEAN = 20, 13


@pytest.fixture(scope="module")
def engine(fresh):
    made = fresh()
    database.fill(made, per_group=6, references=60)
    return made


def test_every_neighbor_stays_leaves_or_enters():
    found = twins.moves([1, 2, 3, 4, 5], [3, 9, 1, 8, 2], 3)
    assert found.stays == ((1, 3), (3, 1))
    assert found.leaves == ((2, 5),)
    assert found.enters == ((2, None),)
    assert found.moved == 2
    assert len(found.stays) + len(found.leaves) == len(found.stays) + len(found.enters) == 3


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ([1, 2, 3], [3, 9, 1], "1 of 3 neighbors left; 2 stay, 2 of them at another rank."),
        ([1, 2, 3], [1, 2, 3], "All 3 neighbors of the original stay; none changes its rank."),
        ([1, 2, 3], [4, 5, 6], "All 3 neighbors of the original left."),
        ([1, 2, 3], [1, 5, 6], "2 of 3 neighbors left; 1 stays."),
        ([1], [2], "The neighbor of the original left."),
    ],
)
def test_the_sentence_counts_them(before, after, sentence):
    assert twin_words.moves_sentence(twins.moves(before, after, len(before)), len(before)) == sentence


def test_moves_have_a_direction_in_words():
    assert twin_words.moved_text(5, 2) == "▲ 3 nearer"
    assert twin_words.moved_text(2, 5) == "▼ 3 farther"
    assert twin_words.left_text(None) == "leaves, now beyond 50"
    assert twin_words.entered_text(20) == "new, was 20"


def test_the_lines_join_the_rows_of_those_that_stay():
    found = twins.moves([1, 2, 3], [3, 9, 1], 3)
    kind, data = twins.lines(found, 3, "dark").split(",")
    svg = base64.b64decode(data).decode()
    assert kind == "data:image/svg+xml;base64"
    assert f"height='{3 * twins.ROW}'" in svg
    middle = [(rank - 0.5) * twins.ROW for rank in (1, 3)]
    assert f"M0 {middle[0]}C55.0 {middle[0]} 55.0 {middle[1]} 110 {middle[1]}" in svg
    assert svg.count("stroke-dasharray='5 4'") == svg.count("stroke-dasharray='1.5 3'") == 1


def test_the_original_has_its_neighbors_and_its_whole_softmax(engine):
    case = db.read.case_detail(engine, ATTACKED)
    original = db.read.case_original(engine, ATTACKED)
    assert original.predicted_class == case.true_class
    softmax = original_softmax(engine, case)
    assert np.argmax(softmax) == case.true_class
    assert sum(softmax) == pytest.approx(1)
    layer = next(layer for layer in case.layers if layer.name == "dense")
    before = db.read.twin_neighbors(engine, ATTACKED, layer.layer_id, metric="euclidean")
    after = db.read.case_neighbors(engine, ATTACKED, "dense")
    assert before[0].reference_sample_id == after[5].reference_sample_id
    assert [neighbor.rank for neighbor in before] == list(range(1, 46))
    assert db.read.twin_neighbors(engine, ATTACKED, layer.layer_id, metric="cosine") == ()
    clean = db.read.case_detail(engine, CLEAN)
    assert original_softmax(engine, clean) is None
    assert db.read.case_original(engine, CLEAN) is None
