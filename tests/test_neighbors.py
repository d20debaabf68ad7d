"""Exact neighbors against a brute-force search in float64, and against scikit-learn's."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from model.detectors import neighbors
from model.detectors.metrics import METRICS, Metric
from model.detectors.neighbors import nearest


def brute_force(queries, reference, k, metric):
    """All distances by the definition, float64, stable order."""
    distances = np.empty((len(queries), len(reference)))
    queries, rows = queries.astype(np.float64), reference.astype(np.float64)
    if metric == "centered-cosine":
        queries, rows = queries - rows.mean(axis=0), rows - rows.mean(axis=0)
    for row, query in enumerate(queries):
        match metric:
            case "euclidean":
                distances[row] = np.sqrt(((rows - query) ** 2).sum(axis=1))
            case "manhattan":
                distances[row] = np.abs(rows - query).sum(axis=1)
            case "chebyshev":
                distances[row] = np.abs(rows - query).max(axis=1)
            case _:
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
    [(metric, data) for metric in METRICS for data in ("random", "like activations")]
    + [(metric, "sizes far apart") for metric in METRICS if metric != "centered-cosine"]
    # 1 - cos in float64 has no digits left there, so the brute force is no judge: see the test of angles
    + [
        (metric, data)
        for metric in METRICS
        if not METRICS[metric].of_directions
        for data in ("far from the origin", "close together", "one dimension")
    ],
)
def test_distances_and_order_are_those_of_brute_force(metric, data):
    queries, reference = make(data, np.random.default_rng(5))
    distances, indices = nearest(queries, reference, 17, metric)
    expected, order = brute_force(queries, reference, 17, metric)
    np.testing.assert_array_equal(indices, order)
    np.testing.assert_allclose(
        distances, expected, rtol=2e-7, atol=1e-7 if METRICS[metric].of_directions else 0
    )
    assert distances.dtype == np.float32
    assert np.issubdtype(indices.dtype, np.integer)


@pytest.mark.parametrize("k", [1, 4, 60])
@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev"])
def test_ties_go_to_the_lower_index_also_at_the_end_of_the_list(metric, k, monkeypatch):
    """Small whole numbers: nearly every distance is shared by many rows, and blocks end among them."""
    monkeypatch.setattr(neighbors, "TILE_ROWS", 17)
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


def test_no_vector_is_too_short_to_have_a_direction():
    rng = np.random.default_rng(3)
    reference = rng.normal(size=(60, 12))
    scales = 10.0 ** np.linspace(-290, 14, 60)[:, None]
    expected = nearest(reference[:9], reference, 20, "cosine")
    distances, indices = nearest(reference[:9] * scales[:9], reference * scales, 20, "cosine")
    np.testing.assert_array_equal(indices, expected[1])
    np.testing.assert_allclose(distances, expected[0], rtol=1e-6, atol=1e-30)


def test_a_zero_vector_ranks_all_others_by_index():
    reference = np.random.default_rng(6).normal(size=(300, 5))
    distances, indices = nearest(np.zeros((1, 5)), reference, 300, "cosine")
    np.testing.assert_array_equal(indices[0], np.arange(300))
    np.testing.assert_array_equal(distances, 1)


def test_centered_cosine_sees_past_what_all_rows_share():
    rng = np.random.default_rng(9)
    queries, reference = rng.normal(size=(20, 30)), rng.normal(size=(400, 30))
    expected = nearest(queries, reference, 10, "centered-cosine")
    moved = nearest(queries + 64, reference + 64, 10, "centered-cosine")
    np.testing.assert_array_equal(moved[1], expected[1])
    np.testing.assert_allclose(moved[0], expected[0], rtol=1e-6)
    assert (nearest(queries + 64, reference + 64, 10, "cosine")[1] != expected[1]).any()


def scikit_learn(queries, reference, k, metric):
    """Its brute-force search, in float64."""
    queries, reference = queries.astype(np.float64), reference.astype(np.float64)
    if metric == "centered-cosine":
        queries, reference = queries - reference.mean(axis=0), reference - reference.mean(axis=0)
    name = "cosine" if METRICS[metric].of_directions else metric
    return NearestNeighbors(n_neighbors=k, algorithm="brute", metric=name).fit(reference).kneighbors(queries)


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("metric", METRICS)
def test_scikit_learn_finds_the_same(metric, kind):
    rng = np.random.default_rng(21)
    queries, reference = rng.normal(size=(70, 61)).astype(kind), rng.normal(size=(2500, 61)).astype(kind)
    distances, indices = nearest(queries, reference, 50, metric)
    expected, order = scikit_learn(queries, reference, 50, metric)
    np.testing.assert_allclose(distances, expected, rtol=1e-6)
    apart = np.diff(expected, axis=1) > 1e-12
    clear = np.pad(apart, ((0, 0), (1, 0)), constant_values=True)
    clear &= np.pad(apart, ((0, 0), (0, 1)))  # the last one may be tied with one left out
    np.testing.assert_array_equal(indices[clear], order[clear])
    assert clear.mean() > 0.9


@pytest.mark.parametrize("metric", METRICS)
def test_among_ties_scikit_learn_has_the_same_distances_and_no_lower_index_is_left_out(metric):
    rng = np.random.default_rng(22)
    reference = rng.integers(0, 3, (400, 4))
    reference[rng.integers(0, 400, 200)] = reference[rng.integers(0, 400, 200)]
    queries = rng.integers(0, 3, (80, 4))
    distances, indices = nearest(queries, reference, 25, metric)
    expected, _ = scikit_learn(queries, reference, 400, metric)
    if metric == "cosine":  # what scikit-learn says of zero vectors is the same, 1, but for two of them
        some = queries.any(axis=1)
        queries, distances, indices, expected = (a[some] for a in (queries, distances, indices, expected))
    tolerance = {"rtol": 1e-6, "atol": 1e-7}  # it computes cosines and squares by products
    np.testing.assert_allclose(distances, expected[:, :25], **tolerance)
    for row in range(len(queries)):
        for index in indices[row]:
            same = np.nonzero((reference == reference[index]).all(axis=1))[0]
            assert set(same[same < index]) <= set(indices[row]), "a copy of lower index was left out"
    tied = np.diff(distances, axis=1) == 0
    if not METRICS[metric].of_directions:  # there rounding decides between vectors of one angle
        assert (np.diff(indices, axis=1)[tied] > 0).all()


@pytest.mark.parametrize("metric", METRICS)
def test_neighbors_that_float32_cannot_tell_apart_are_told_apart(metric):
    """Rows a few units in the last place from the query, in random order, among rows that are far."""
    rng = np.random.default_rng(4)
    query = rng.uniform(1, 2, size=(1, 700)).astype(np.float32)
    near = np.repeat(query, 64, axis=0)
    steps = rng.permutation(64)
    for row, step in zip(near, steps, strict=True):
        row[: 5 * step] = np.nextafter(row[: 5 * step], np.float32(2))
        row[0] += np.float32(2**-20) * step
    reference = np.concatenate([rng.uniform(0, 3, size=(500, 700)).astype(np.float32), near])
    _, indices = nearest(query, reference, 64, metric)
    np.testing.assert_array_equal(indices[0] - 500, np.argsort(steps))
    rough = (reference**2).sum(axis=1) - 2 * reference @ query[0]
    assert not np.array_equal(np.argsort(rough, kind="stable")[:64], indices[0])


@pytest.mark.parametrize("metric", METRICS)
def test_the_type_and_layout_of_the_input_change_nothing(metric):
    rng = np.random.default_rng(11)
    queries, reference = rng.integers(0, 50, (12, 33)), rng.integers(0, 50, (260, 33))
    expected = nearest(queries.astype(np.float64), reference.astype(np.float64), 9, metric)
    for kind in (np.uint8, np.int64, np.float16, np.float32):
        found = nearest(queries, reference.astype(kind), 9, metric)
        np.testing.assert_array_equal(found[1], expected[1])
        np.testing.assert_array_equal(found[0], expected[0])
    wide = np.repeat(reference, 2, axis=1).astype(np.float32)
    for other in (wide[:, ::2], np.asfortranarray(reference.astype(np.float32))):
        found = nearest(queries, other, 9, metric)
        np.testing.assert_array_equal(found[1], expected[1])
        np.testing.assert_array_equal(found[0], expected[0])


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


def test_a_metric_without_bounds_is_searched_exactly(monkeypatch):
    """As one that somebody adds may be: only what it ranks by has to be said."""

    def rank(differences):
        return np.sqrt(np.abs(differences)).sum(axis=1)

    queries, reference = make("random", np.random.default_rng(2))
    monkeypatch.setitem(METRICS, "toy", Metric("toy", ranked=rank))
    monkeypatch.setattr(neighbors, "PAIRS", 1000)
    distances, indices = nearest(queries, reference, 20, "toy")
    every = np.stack([rank(reference.astype(float) - query) for query in queries.astype(float)])
    expected = np.argsort(every, axis=1, kind="stable")[:, :20]
    np.testing.assert_array_equal(indices, expected)
    np.testing.assert_allclose(distances, np.take_along_axis(every, expected, 1), rtol=1e-6)
