"""The attack by differential evolution, end to end: evaluations per second by incremental and by full passes.

    python -m benchmarks.attack [--images N] [--population P] [--generations G] [--pixels n] [--targets all]

The trained network on correctly classified images of the bundled sample. Both ways find the same; images
whose attack succeeds leave early; the figures count the candidates that were evaluated, compilation left out.
"""

import argparse

import jax
import numpy as np

from model import devices
from model.attacks.one_pixel import one_pixel_attack
from model.data import registry
from model.network import checkpoint, cnn
from model.network.incremental_pass import fastest


def correct_images(network: cnn.Network, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first correctly classified images (N, H, W, 3) of the sample's test part, with labels."""
    test = registry.load("cifar10-sample", "test")
    right = np.flatnonzero(cnn.predict(network, test.images).argmax(1) == test.labels)[:count]
    return test.images[right], test.labels[right]


def every_target(labels: np.ndarray, classes: int = 10) -> np.ndarray:
    """All wrong classes (N, K - 1) of each label."""
    return (labels[:, None] + np.arange(1, classes)) % classes


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--population", type=int, default=400)
    parser.add_argument("--generations", type=int, default=10)
    parser.add_argument("--pixels", type=int, default=1)
    parser.add_argument("--targets", choices=("none", "all"), default="none")
    parser.add_argument("--strategy", default="rand/1")
    options = parser.parse_args(arguments)
    devices.use_all_cores()
    network = checkpoint.load().network
    images, labels = correct_images(network, options.images)
    rates, results = {}, {}
    for form in ("incremental", "full"):
        reports = []
        results[form] = one_pixel_attack(
            fastest(network, pixels=options.pixels, form=form)[0],
            images,
            labels,
            targets=every_target(labels) if options.targets == "all" else None,
            pixels=options.pixels,
            population=options.population,
            generations=options.generations,
            strategy=options.strategy,
            key=jax.random.key(0),
            progress=reports.append,
        )
        last, success = reports[-1], results[form].success
        rates[form] = last.evaluations / last.seconds
        print(
            f"{form} passes: {last.evaluations:,} evaluations in {last.seconds:.1f} s, {rates[form]:,.0f}/s; "
            f"{success.sum()} of {success.size} attacks succeeded",
            flush=True,
        )
    same = np.array_equal(results["incremental"].images, results["full"].images)
    print(f"{rates['incremental'] / rates['full']:.1f} times as fast; the same images: {same}")


if __name__ == "__main__":
    main()
