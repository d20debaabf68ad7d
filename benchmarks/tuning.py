"""Every k and threshold of the paper's four layers and both rules, beside a loop over scikit-learn's metrics.

    python -m benchmarks.tuning [--cases N]

Labels are drawn at random: what is timed does not depend on them. The loop asks `confusion_matrix` once for
every k and threshold, and both give the same counts. scikit-learn comes with the test extra.
"""

import argparse
import time

import numpy as np
from sklearn.metrics import confusion_matrix

from model.detectors import tuning, votes

LAYERS = 4


def ours(labels: np.ndarray, predicted: np.ndarray, truth: np.ndarray) -> list[tuning.Sweep]:
    return [
        tuning.sweep(votes.unexpected_counts(layer, predicted, rule, classes=10), truth)
        for layer in labels
        for rule in votes.RULES
    ]


def loop(labels: np.ndarray, predicted: np.ndarray, truth: np.ndarray) -> list[np.ndarray]:
    """Confusion counts (k, threshold, 4) as tn, fp, fn, tp of each layer and rule."""
    results = []
    for layer in labels:
        for rule in votes.RULES:
            counts = votes.unexpected_counts(layer, predicted, rule, classes=10)
            found = np.zeros((tuning.K_MAX, tuning.K_MAX + 2, 4), int)
            for k in range(1, tuning.K_MAX + 1):
                for threshold in range(-1, k + 1):
                    alarm = counts[:, k - 1] > threshold
                    matrix = confusion_matrix(truth, alarm, labels=[False, True])
                    found[k - 1, threshold + 1] = matrix.ravel()
            results.append(found)
    return results


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cases", type=int, default=496)
    options = parser.parse_args(arguments)
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, (LAYERS, options.cases, tuning.K_MAX))
    predicted = random.integers(0, 10, options.cases)
    truth = random.permutation(np.arange(options.cases) % 2 == 0)
    ours(labels, predicted, truth)
    began = time.perf_counter()
    sweeps = ours(labels, predicted, truth)
    middle = time.perf_counter()
    counted = loop(labels, predicted, truth)
    ended = time.perf_counter()
    for sweep, found in zip(sweeps, counted, strict=True):
        for place, name in enumerate(("tn", "fp", "fn", "tp")):
            assert (getattr(sweep, name) == found[:, :, place]).all(), name
    points = LAYERS * len(votes.RULES) * tuning.K_MAX * (tuning.K_MAX + 3) // 2
    print(
        f"{points:,} points of {LAYERS} layers and {len(votes.RULES)} rules on {options.cases} cases: "
        f"{1000 * (middle - began):.1f} ms; the loop {ended - middle:.1f} s, "
        f"{(ended - middle) / (middle - began):,.0f} times as long, with the same counts"
    )


if __name__ == "__main__":
    main()
