import numpy as np
import pytest
from sqlalchemy import delete, event, select

import db.read
from db import schema
from tests.support import database


@pytest.fixture(scope="module")
def engine(fresh):
    made = fresh()
    database.fill(made, per_group=4, references=60)
    return made


def one(engine, kind, partition="validation"):
    cases = schema.cases.c
    statement = select(cases.id).where(cases.kind == kind, cases.partition == partition)
    with engine.connect() as connection:
        return connection.scalars(statement.order_by(cases.id)).first()


def test_an_adversarial_case_has_its_attack_its_pixel_and_two_images(engine):
    case = db.read.case_detail(engine, one(engine, "adversarial"))
    assert case.kind == "adversarial"
    assert case.predicted_class != case.true_class
    assert case.image.sha256 != case.original.sha256
    assert (case.image.height, case.image.width) == (32, 32)
    (pixel,) = case.attack.pixels
    assert pixel.color == (255, 255, 0)
    assert pixel.original != pixel.color
    assert 0 <= pixel.row < 32
    assert case.attack.target_class is None


def test_a_clean_case_has_no_attack_and_shows_the_sample_itself(engine):
    case = db.read.case_detail(engine, one(engine, "clean"))
    assert case.attack is None
    assert case.image == case.original


def test_scores_and_layers_come_in_order(engine):
    case = db.read.case_detail(engine, one(engine, "clean"))
    assert case.class_names == database.CLASSES
    assert [score.class_id for score in case.scores] == list(range(10))
    assert sum(score.probability for score in case.scores) == pytest.approx(1)
    assert case.scores[case.predicted_class].probability == pytest.approx(case.confidence)
    assert [layer.name for layer in case.layers][:4] == ["conv1", "conv2", "conv3", "conv4"]
    assert [layer.name for layer in case.compared_layers] == ["flatten", "dense", "logits", "composed"]
    assert case.layers[0].shape == (32, 32, 32)


def test_a_case_that_is_not_there_is_a_lookup_error_that_names_it(engine):
    with pytest.raises(LookupError, match="case 4711"):
        db.read.case_detail(engine, 4711)


def test_decisions_agree_with_the_neighbors_they_were_made_from(engine):
    case = db.read.case_detail(engine, one(engine, "adversarial"))
    decisions = db.read.case_decisions(engine, case.case_id)
    assert [decision.layer for decision in decisions] == [layer.name for layer in case.compared_layers]
    for decision in decisions:
        first = db.read.case_neighbors(engine, case.case_id, decision.layer, first=decision.k)
        assert len(first) == decision.k
        unexpected = sum(neighbor.label != case.predicted_class for neighbor in first)
        assert unexpected == decision.unexpected_count
        assert decision.alarm == (unexpected > decision.threshold)


def test_neighbors_come_nearest_first_with_label_and_image(engine):
    case_id = one(engine, "clean")
    neighbors = db.read.case_neighbors(engine, case_id, "dense")
    assert [neighbor.rank for neighbor in neighbors] == list(range(1, 51))
    distances = [neighbor.distance for neighbor in neighbors]
    assert distances == sorted(distances)
    assert all(len(neighbor.image) == 64 for neighbor in neighbors)
    assert {neighbor.label for neighbor in neighbors} <= set(range(10))
    assert db.read.case_neighbors(engine, case_id, "conv1") == ()
    assert db.read.case_neighbors(engine, case_id, "dense", metric="cosine") == ()


def test_the_neighbors_of_a_layer_are_one_query(engine):
    statements = []
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    db.read.case_neighbors(engine, one(engine, "clean"), "logits")
    assert sum("neighbors" in statement for statement in statements) == 1


def test_stored_activations_are_read_with_their_shape(engine):
    case_id = one(engine, "clean")
    stored = db.read.case_activations(engine, case_id)
    assert [a.layer for a in stored] == ["conv1", "conv2", "conv3", "conv4", "flatten", "dense", "logits"]
    (logits,) = db.read.case_activations(engine, case_id, ["logits"])
    assert logits.shape == (10,)
    assert np.frombuffer(logits.data, "<f2").shape == (10,)


def test_before_tuning_there_are_no_decisions(fresh):
    untuned = fresh()
    database.fill(untuned, per_group=1, references=50)
    with untuned.begin() as connection:
        connection.execute(delete(schema.decisions))
    assert db.read.case_decisions(untuned, 1) == ()
    assert len(db.read.case_neighbors(untuned, 1, "dense")) == 50
