"""Seconds of the exact neighbor search, beside faiss and scikit-learn, and of the sweep over every k.

    python -m benchmarks.search [--queries N] [--reference M] [--rounds R]

Vectors are as activations are: clustered, never negative, many 0, float32 that fit float16. Rounds alternate
between the searches, so that other work on the machine slows all of them, and the best of the rounds counts.
CPU seconds, of all threads, say more than seconds where cores are shared. faiss: IndexFlatL2 that has been
filled; for cosine IndexFlatIP, with the time to normalize the rows and fill it, as ours needs neither.
"""

import argparse
import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from model.detectors import tuning, votes
from model.detectors.metrics import METRICS
from model.detectors.neighbors import nearest

DIMENSIONS = 2826  # of the layer `composed`
K = 50


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--reference", type=int, default=40000)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args(arguments)
    queries, reference = activations(options.queries, 1), activations(options.reference, 2)
    print(f"{options.queries} x {options.reference} x {DIMENSIONS}, k = {K}: seconds (CPU seconds)")
    for metric in METRICS:
        searches = {"ours": lambda metric=metric: nearest(queries, reference, K, metric)}
        rivals = [_faiss, _scikit_learn] if metric in ("euclidean", "cosine") else []
        for rival in rivals:
            searches |= rival(queries, reference, metric)
        nearest(queries, reference[:K], K, metric)  # compiles
        print(f"{metric}: {_compared(searches, options.rounds)}", flush=True)
    lacking = [
        name for name, module in (("faiss-cpu", "faiss"), ("scikit-learn", "sklearn")) if not _has(module)
    ]
    if lacking:
        print(f"to compare with {' and '.join(lacking)}: pip install {' '.join(lacking)}")
    _sweep()


def activations(count: int, seed: int) -> np.ndarray:
    """Vectors (count, DIMENSIONS) float32 around the centers of ten classes, the same for every seed."""
    centers = np.random.default_rng(0).normal(size=(10, DIMENSIONS)).astype(np.float32)
    random = np.random.default_rng(seed)
    vectors = np.empty((count, DIMENSIONS), np.float32)
    for first in range(0, count, 4096):
        block = vectors[first : first + 4096]
        random.standard_normal(out=block, dtype=np.float32)
        block += centers[random.integers(0, 10, len(block))]
        block[:] = np.maximum(block, 0).astype(np.float16)
    return vectors


def _faiss(queries: np.ndarray, reference: np.ndarray, metric: str) -> dict[str, Callable]:
    if not _has("faiss"):
        return {}
    import faiss

    index = (faiss.IndexFlatL2 if metric == "euclidean" else faiss.IndexFlatIP)(DIMENSIONS)

    def euclidean() -> None:
        index.search(queries, K)

    def cosine() -> None:
        wanted, rows = queries.copy(), reference.copy()
        faiss.normalize_L2(wanted)
        faiss.normalize_L2(rows)
        index.reset()
        index.add(rows)
        index.search(wanted, K)

    if metric == "euclidean":
        index.add(reference)
    return {"faiss": euclidean if metric == "euclidean" else cosine}


def _scikit_learn(queries: np.ndarray, reference: np.ndarray, metric: str) -> dict[str, Callable]:
    if not _has("sklearn"):
        return {}
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=K, algorithm="brute", metric=metric, n_jobs=-1).fit(reference)
    return {"scikit-learn": lambda: search.kneighbors(queries)}


def _compared(searches: dict[str, Callable], rounds: int) -> str:
    """The best time of each search, and the ratio of ours to each rival's."""
    times = {name: [] for name in searches}
    for number in range(rounds):
        for name, search in searches.items():
            if number and name == "scikit-learn":
                continue  # it is several times slower, so once is enough
            times[name].append(_seconds(search))
    best = {name: np.min(found, axis=0) for name, found in times.items()}
    words = [f"{name} {wall:.2f} ({cpu:.2f})" for name, (wall, cpu) in best.items()]
    ratios = {name: best["ours"] / found for name, found in best.items() if name != "ours"}
    return ", ".join(words + [f"ours/{name} {wall:.2f} ({cpu:.2f})" for name, (wall, cpu) in ratios.items()])


def _seconds(work: Callable) -> tuple[float, float]:
    """The seconds that work takes, and the CPU seconds of all its threads."""
    began, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - used


def _has(module: str) -> bool:
    return find_spec(module) is not None


def _sweep() -> None:
    random = np.random.default_rng(0)
    labels, predicted = random.integers(0, 10, (496, K)), random.integers(0, 10, 496)
    truth = np.arange(496) % 2 == 0

    def sweep() -> None:
        tuning.sweep(votes.unexpected_counts(labels, predicted, classes=10), truth)

    seconds = min(_seconds(sweep)[0] for _ in range(3))
    print(f"sweep of every k and threshold over 496 cases: {seconds * 1000:.1f} ms")


if __name__ == "__main__":
    main()
