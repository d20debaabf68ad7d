"""Exact neighbours against a brute-force search in float64."""

import numpy as np
import pytest

from model import neighbors
from model.neighbors import METRICS, nearest


def brute_force(queries, reference, k, metric):
    """All distances by the definition, float64, stable order."""
    distances = np.empty((len(queries), len(reference)))
    for row, query in enumerate(queries.astype(np.float64)):
        rows = reference.astype(np.float64)
        match metric:
            case "euclidean":
                distances[row] = np.sqrt(((rows - query) ** 2).sum(axis=1))
            case "manhattan":
                distances[row] = np.abs(rows - query).sum(axis=1)
            case "chebyshev":
                distances[row] = np.abs(rows - query).max(axis=1)
            case "cosine":
                norms = np.linalg.norm(rows, axis=1) * np.linalg.norm(query)
                distances[row] = 1 - rows @ query / norms
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, axis=1), order


def make(name, rng):
    """Queries and reference of a kind that is hard in its own way."""
    if name == "random":
        return rng.normal(size=(30, 40)), rng.normal(size=(500, 40))
    if name == "like activations":
        return np.maximum(rng.normal(size=(2, 20, 90)), 0).astype(np.float16)[0], np.maximum(
            rng.normal(size=(300, 90)), 0
        ).astype(np.float16)
    if name == "far from the origin":  # the product form loses every digit of these distances
        return 1e4 + rng.normal(size=(20, 30)), 1e4 + rng.normal(size=(400, 30))
    if name == "close together":
        return 1 + 1e-9 * rng.normal(size=(10, 20)), 1 + 1e-9 * rng.normal(size=(200, 20))
    if name == "one dimension":
        return rng.normal(size=(9, 1)), rng.normal(size=(50, 1))
    if name == "sizes far apart":
        scales = 10.0 ** rng.integers(-12, 12, (300, 1))
        return rng.normal(size=(20, 8)) * scales[:20], rng.normal(size=(300, 8)) * scales
    raise AssertionError(name)


@pytest.mark.parametrize(
    ("metric", "data"),
    [(metric, data) for metric in METRICS for data in ("random", "like activations", "sizes far apart")]
    # 1 - cos in float64 has no digits left there, so the brute force is no judge: see the test of angles
    + [
        (metric, data)
        for metric in METRICS
        if metric != "cosine"
        for data in ("far from the origin", "close together", "one dimension")
    ],
)
def test_distances_and_order_are_those_of_brute_force(metric, data):
    queries, reference = make(data, np.random.default_rng(5))
    distances, indices = nearest(queries, reference, 17, metric)
    expected, order = brute_force(queries, reference, 17, metric)
    np.testing.assert_array_equal(indices, order)
    np.testing.assert_allclose(distances, expected, rtol=2e-7, atol=1e-7 if metric == "cosine" else 0)
    assert distances.dtype == np.float32
    assert np.issubdtype(indices.dtype, np.integer)


@pytest.mark.parametrize("k", [1, 4, 60])
@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev"])
def test_ties_go_to_the_lower_index_also_at_the_end_of_the_list(metric, k, monkeypatch):
    """Small whole numbers: nearly every distance is shared by many rows, and blocks end among them."""
    monkeypatch.setattr(neighbors, "BLOCK_BYTES", 8 * 3 * 17)
    monkeypatch.setattr(neighbors, "QUERY_BLOCK", 7)
    rng = np.random.default_rng(2)
    queries, reference = rng.integers(0, 3, (40, 3)), rng.integers(0, 3, (60, 3))
    distances, indices = nearest(queries, reference, k, metric)
    expected, order = brute_force(queries, reference, k, metric)
    np.testing.assert_array_equal(indices, order)
    np.testing.assert_allclose(distances, expected, rtol=1e-7)


@pytest.mark.parametrize("metric", METRICS)
def test_a_vector_is_at_distance_0_from_its_copies_in_the_order_of_their_indices(metric):
    rng = np.random.default_rng(8)
    reference = (1000 + rng.normal(size=(90, 257))).astype(np.float32)
    reference[[5, 33, 71]] = reference[80]
    distances, indices = nearest(reference[80:81], reference, 5, metric)
    np.testing.assert_array_equal(distances[0, :4], np.zeros(4))
    np.testing.assert_array_equal(indices[0, :4], [5, 33, 71, 80])
    assert distances[0, 4] > 0


@pytest.mark.parametrize("metric", METRICS)
def test_the_size_of_the_blocks_changes_nothing(metric, monkeypatch):
    queries, reference = make("like activations", np.random.default_rng(1))
    whole = nearest(queries, reference, 50, metric)
    monkeypatch.setattr(neighbors, "BLOCK_BYTES", 8 * 90 * 23)  # fewer rows than k
    monkeypatch.setattr(neighbors, "QUERY_BLOCK", 3)
    monkeypatch.setattr(neighbors, "PIECE_BYTES", 8 * 90 * 5)
    parts = nearest(queries, reference, 50, metric)
    np.testing.assert_array_equal(whole[0], parts[0])
    np.testing.assert_array_equal(whole[1], parts[1])


def test_cosine_resolves_angles_that_one_minus_cosine_cannot():
    angles = np.array([3e-9, 1e-9, 2e-9, 0.0])
    reference = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    distances, indices = nearest(np.array([[5.0, 0.0]]), reference, 4, "cosine")
    np.testing.assert_array_equal(indices, [[3, 1, 2, 0]])
    np.testing.assert_allclose(distances, [[0, 0.5e-18, 2e-18, 4.5e-18]], rtol=1e-6)


def test_a_zero_vector_is_near_zero_vectors_only():
    reference = np.array([[1.0, 0.0], [0.0, 0.0], [-1.0, 0.0]])
    distances, indices = nearest(np.array([[0.0, 0.0], [2.0, 0.0]]), reference, 3, "cosine")
    np.testing.assert_array_equal(indices, [[1, 0, 2], [0, 1, 2]])
    np.testing.assert_array_equal(distances, [[0, 1, 1], [0, 1, 2]])


def test_no_queries_have_no_neighbors():
    distances, indices = nearest(np.zeros((0, 3)), np.ones((5, 3)), 2)
    assert distances.shape == indices.shape == (0, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 5}, r"k \(=5\) must be a whole number in 1..4"),
        ({"k": 0}, r"k \(=0\)"),
        ({"k": 2.0}, r"k \(=2.0\)"),
        ({"metric": "hamming"}, r"metric \(='hamming'\) must be one of euclidean, cosine"),
        ({"queries": np.zeros((2, 4))}, r"queries \(=\(2, 4\)\) and reference \(=\(4, 3\)\)"),
        ({"queries": np.zeros(3)}, r"queries \(=float64 \(3,\)\)"),
        ({"reference": np.array([[0, 0, 0], [0, np.nan, 0]])}, "reference must be finite, .* row 1 is not"),
        ({"queries": np.array([[np.inf, 0, 0]])}, "queries must be finite"),
        ({"reference": np.full((4, 3), 1e20)}, "at most 1e[+]15"),
        ({"reference": np.full((4, 3), "a")}, r"reference \(=<U1"),
    ],
)
def test_bad_input_is_named_in_one_line(change, message):
    arguments = {"queries": np.zeros((2, 3)), "reference": np.zeros((4, 3)), "k": 2} | change
    with pytest.raises(ValueError, match=message) as error:
        nearest(**arguments)
    assert "\n" not in str(error.value)
