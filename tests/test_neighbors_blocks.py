"""Where blocks end changes no neighbor, nor does memory grow; and the float32 bounds hold."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from test_neighbors import make

from model.detectors import neighbor_scores, neighbors
from model.detectors.metrics import METRICS
from model.detectors.neighbors import nearest, nearest_in_blocks


@pytest.mark.parametrize("pairs", [0, 2**21])
@pytest.mark.parametrize("metric", METRICS)
def test_the_size_of_the_blocks_changes_nothing(metric, pairs, monkeypatch):
    queries, reference = make("like activations", np.random.default_rng(1))
    whole = nearest(queries, reference, 50, metric)
    monkeypatch.setattr(neighbors, "TILE_BYTES", 4 * 90 * 23)  # fewer rows than k
    monkeypatch.setattr(neighbors, "QUERY_BLOCK", 3)
    monkeypatch.setattr(neighbors, "PIECE_BYTES", 8 * 90 * 5)
    monkeypatch.setattr(neighbors, "STRIP", 4)
    monkeypatch.setattr(neighbors, "PAIRS", pairs)
    parts = nearest(queries, reference, 50, metric)
    np.testing.assert_array_equal(whole[0], parts[0])
    np.testing.assert_array_equal(whole[1], parts[1])


@pytest.mark.parametrize("data", ["random", "like activations", "far from the origin", "sizes far apart"])
@pytest.mark.parametrize("metric", METRICS)
def test_scores_bound_the_distances(metric, data):
    queries, reference = make(data, np.random.default_rng(12))
    mean = reference.astype(np.float64).mean(axis=0) if metric == "centered-cosine" else None
    with ThreadPoolExecutor(2) as pool:
        wanted = neighbor_scores.wanted(
            queries, neighbor_scores.row_lengths(queries, mean, pool), mean, METRICS[metric]
        )
        tile = neighbor_scores.tile(
            reference, neighbor_scores.row_lengths(reference, mean, pool), mean, METRICS[metric], pool
        )
        found = np.empty((len(reference), len(queries)), np.float32)
        neighbor_scores.raw(wanted, tile, METRICS[metric], found, pool)
        found = neighbor_scores.finish(found, wanted, tile, slice(len(found))).astype(np.longdouble)
    queries, reference = (
        neighbor_scores.centered(a, mean).astype(np.longdouble) for a in (queries, reference)
    )
    differences = np.abs(reference[:, None] - queries[None, :])
    if metric == "euclidean":
        ranked = (differences**2).sum(axis=2)
    elif METRICS[metric].of_directions:
        norms = np.sqrt((queries**2).sum(axis=1)) * np.sqrt((reference**2).sum(axis=1))[:, None]
        ranked = 1 - reference @ queries.T / norms
    else:
        ranked = differences.sum(axis=2) if metric == "manhattan" else differences.max(axis=2)
    ranked = ranked - wanted.offset
    high = found * (1 + tile.stretch) + tile.margin[:, None] + wanted.margin
    assert (found - wanted.margin <= ranked).all()
    assert (ranked <= high).all()


@pytest.mark.parametrize("length", [1, 37, 300])
@pytest.mark.parametrize("metric", METRICS)
def test_a_reference_in_blocks_gives_the_same_to_the_bit(metric, length):
    queries, reference = make("like activations", np.random.default_rng(7))
    reference = (reference * 0.37).astype(np.float32)  # sums now depend on their order
    reference[200:] = reference[:100]
    calls = []

    def blocks():
        calls.append(None)
        return (reference[first : first + length] for first in range(0, 300, length))

    streamed = nearest_in_blocks(queries, blocks, 50, metric)
    whole = nearest(queries, reference, 50, metric)
    np.testing.assert_array_equal(streamed[0], whole[0])
    np.testing.assert_array_equal(streamed[1], whole[1])
    assert len(calls) == (2 if metric == "centered-cosine" else 1)


@pytest.mark.parametrize("metric", METRICS)
def test_memory_grows_with_the_block_not_with_the_reference(metric, monkeypatch):
    """All distances would take 24 MB, the reference in float64 32 MB."""
    monkeypatch.setattr(neighbors, "TILE_ROWS", 256)
    rng = np.random.default_rng(13)
    queries, reference = rng.normal(size=(300, 200)), rng.normal(size=(20000, 200)).astype(np.float16)
    nearest(queries, reference[:600], 10, metric)  # compiles
    tracemalloc.start()
    try:
        nearest(queries, reference, 10, metric)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12e6


@pytest.mark.parametrize(
    ("blocks", "k", "message"),
    [
        ([np.ones((2, 3)), np.ones((2, 3))], 5, r"k \(=5\) must be a whole number in 1..4"),
        ([], 1, r"k \(=1\) must be a whole number in 1..0"),
        ([np.ones((2, 3))], 0, r"k \(=0\) must be a whole number"),
        ([np.ones((2, 3)), np.ones((2, 4))], 2, r"queries \(=\(2, 3\)\) and reference \(=\(2, 4\)\)"),
        ([np.ones((2, 3)), np.full((2, 3), np.nan)], 2, "reference must be finite, .* row 2 is not"),
    ],
)
@pytest.mark.parametrize("metric", ["euclidean", "centered-cosine"])
def test_bad_blocks_are_named_in_one_line(blocks, k, message, metric):
    with pytest.raises(ValueError, match=message) as error:
        nearest_in_blocks(np.zeros((2, 3)), lambda: iter(blocks), k, metric)
    assert "\n" not in str(error.value)
