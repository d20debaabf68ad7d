"""A case beside one reference sample: the distance is the stored one, and its parts add up."""

import numpy as np
import pytest

import db.read
from dashapp.app import create_app
from dashapp.decide import pairs
from dashapp.draw import pair_figures
from dashapp.pages.case.pair import body
from dashapp.pages.case.state import case_state
from dashapp.words import decisions
from dashapp.words import pairs as pair_words
from model.detectors import neighbors
from tests.support import database

CASE = 20  # adversarial, validation


@pytest.fixture(scope="module")
def engine(fresh):
    made = fresh()
    database.fill(made, per_group=6, references=60)
    return made


@pytest.fixture(scope="module")
def vectors():
    random = np.random.default_rng(2)
    reference = random.normal(1, 1, (30, 24)).astype("<f2")
    reference[3] = 0
    return random.normal(1, 1, (4, 24)).astype("<f2"), reference


@pytest.mark.parametrize("metric", pairs.METRICS)
def test_the_distance_is_the_pipelines_and_the_units_add_up_to_it(vectors, metric):
    queries, reference = vectors
    mean = pairs.statistics([[row.tobytes() for row in reference]]).mean
    distances, indices = neighbors.nearest(queries, reference, 30, metric)
    for query, found, row in zip(queries, distances, indices, strict=True):
        ours = [pairs.distance(query, reference[i], metric, mean) for i in row]
        np.testing.assert_allclose(ours, found, rtol=1e-6, atol=1e-7)
        added = pairs.contributions(query, reference[row[0]], metric, mean)
        shares = pairs.carried(added)
        assert shares[-1] == pytest.approx(1)
        assert (np.diff(shares) >= -1e-12).all()
        assert shares[0] == pytest.approx(added.max() / added.sum())


def test_a_vector_beside_itself_has_no_distance_and_no_shares():
    vector = np.array([1.0, 2.0])
    assert pairs.distance(vector, vector, "cosine") == 0
    assert pairs.carried(pairs.contributions(vector, vector, "euclidean")).tolist() == [0, 0]
    assert pair_words.half(np.zeros(2)) == 0
    with pytest.raises(ValueError, match="'taxi'"):
        pairs.distance(vector, vector, "taxi")
    with pytest.raises(ValueError, match="needs the mean"):
        pairs.distance(vector, vector, "centered-cosine")


def test_statistics_do_not_depend_on_the_blocks(vectors):
    rows = [row.tobytes() for row in vectors[1]]
    whole, parts = pairs.statistics([rows]), pairs.statistics([rows[:7], rows[7:]])
    np.testing.assert_allclose(parts.mean, vectors[1].astype(float).mean(axis=0))
    np.testing.assert_allclose(whole.mean, parts.mean)
    assert whole.length == pytest.approx(np.sqrt(np.square(vectors[1], dtype=float).sum(1).mean()))
    with pytest.raises(ValueError, match="no stored activations"):
        pairs.statistics([])


def texts(component) -> str:
    """All the words of a component, in order."""
    if component is None or isinstance(component, str | int | float):
        return f" {component} " if component is not None else ""
    if isinstance(component, list | tuple):
        return "".join(map(texts, component))
    return texts(getattr(component, "children", None))


@pytest.mark.parametrize("layer", ["dense", "composed", "logits"])
def test_a_pair_shows_the_stored_distance_and_its_rank(engine, layer):
    neighbor = db.read.case_neighbors(engine, CASE, layer)[6]
    case = db.read.case_detail(engine, CASE)
    state = case_state(engine, case, f"?layer={layer}&pair={neighbor.reference_sample_id}")
    found = body(
        create_app(engine),
        engine,
        case,
        state,
        "light",
        lambda scope, layer_id, _: pairs.statistics(db.read.reference_blocks(engine, scope, layer_id)),
    )
    said = texts(found)
    assert "rank 7" in said
    assert f" euclidean  {decisions.distance(neighbor.distance)}  7 " in said
    assert "manhattan" in said
    assert "not stored" in said
    if layer == "logits":  # its units are the classes
        assert "top 3 of 10 units" in said
        assert " bird " in said
    else:
        assert "top 8 of" in said


def test_a_pair_that_is_none_is_named(engine):
    case = db.read.case_detail(engine, CASE)
    state = case_state(engine, case, "?pair=4711")
    assert "“4711”" in texts(body(create_app(engine), engine, case, state, "light", None))


def test_the_overlay_draws_both_vectors_and_the_largest_differences():
    mine, theirs = np.array([1.0, 5.0, 2.0]), np.array([1.0, 1.0, 4.0])
    order = pairs.largest_first(pairs.contributions(mine, theirs, "euclidean"))
    figure = pair_figures.overlay(
        mine,
        theirs,
        order=order,
        top=order[:1].tolist(),
        names=["a", "b", "c"],
        theirs_name="training image 7",
        by_difference=True,
        theme="dark",
    )
    other, own, strokes = figure["data"]
    assert own["y"] == [5, 2, 1]
    assert other["y"] == [1, 4, 1]
    assert own["customdata"] == ["b", "c", "a"]
    assert (strokes["x"], strokes["y"]) == ([1, 1, None], [5, 1, None])
    shares = pairs.carried(np.square(mine - theirs))
    curve = pair_figures.carried_curve(shares, count=1, quantity="squared distance", theme="dark")
    assert curve["data"][0]["y"][0] == pytest.approx(0.8)
    said = pair_words.carried_sentence(1, 3, 0.8, pair_words.half(shares), "squared distance", "euclidean")
    assert said.replace("\N{NO-BREAK SPACE}", " ") == (
        "The top 1 of 3 units carry 80.0 % of the squared distance; half of it is carried by 1."
    )
