"""Seconds of the exact neighbour search, and of the sweep over every k and threshold, in one run.

    python -m benchmarks.search [--queries N] [--reference M]

Activations are random, in the shape of the layer `composed`: the search does the same work whatever they are,
but for how many candidates its float32 bounds leave to the exact pass.
"""

import argparse
import time

import numpy as np

from model import defense, tuning
from model.neighbors import METRICS, nearest

DIMENSIONS = 2826


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--queries", type=int, default=128)
    parser.add_argument("--reference", type=int, default=3500)
    options = parser.parse_args(arguments)
    random = np.random.default_rng(0)
    queries = random.normal(size=(options.queries, DIMENSIONS)).astype(np.float32)
    reference = random.normal(size=(options.reference, DIMENSIONS)).astype(np.float32)
    for metric in METRICS:
        nearest(queries, reference, 50, metric)
        seconds = _seconds(lambda metric=metric: nearest(queries, reference, 50, metric))
        print(f"{metric}: {options.queries} x {options.reference} x {DIMENSIONS} in {seconds:.2f} s")
    labels, predicted = random.integers(0, 10, (496, 50)), random.integers(0, 10, 496)
    truth = np.arange(496) % 2 == 0
    seconds = _seconds(lambda: tuning.sweep(defense.unexpected_counts(labels, predicted, classes=10), truth))
    print(f"sweep of every k and threshold over 496 cases: {seconds * 1000:.1f} ms")


def _seconds(work) -> float:
    """The best of three."""
    times = []
    for _ in range(3):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


if __name__ == "__main__":
    main()
