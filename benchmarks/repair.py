"""What the repair sweep tells of attacked images, and how many images a second it judges.

    python -m benchmarks.repair [--images N] [--population P] [--generations G]

Correctly classified images of the sample are attacked by evolution, untargeted, one pixel. Scores of those
that fell are held against other clean images, against their own originals, and so is the network's
confidence, 1 - its softmax probability. Area under the ROC curve; 0.5 is chance.
"""

import argparse
import time

import jax
import numpy as np

from benchmarks.attack import correct_images
from model import devices
from model.attacks.one_pixel import one_pixel_attack
from model.detectors.repair import repair_sweep
from model.network import checkpoint, cnn
from model.network.incremental_pass import incremental


def area(high: np.ndarray, low: np.ndarray) -> float:
    """The share of pairs in which `high` is higher, ties counted half."""
    difference = high[:, None] - low[None, :]
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())


def doubt(network: cnn.Network, images: np.ndarray) -> np.ndarray:
    """1 - the largest softmax probability of each image, as its log-odds, which do not saturate."""
    logits = np.sort(cnn.predict(network, images).astype(np.float64), axis=1)
    return np.log(np.exp(logits[:, :-1] - logits[:, -1:]).sum(1))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--population", type=int, default=400)
    parser.add_argument("--generations", type=int, default=20)
    options = parser.parse_args(arguments)
    devices.use_all_cores()
    network = checkpoint.load().network
    function = incremental(network)
    images, labels = correct_images(network, 2 * options.images)
    half = len(images) // 2
    attacked = one_pixel_attack(
        function,
        images[:half],
        labels[:half],
        population=options.population,
        generations=options.generations,
        key=jax.random.key(0),
    )
    fell = attacked.success
    sets = {
        "adversarial": attacked.images[fell],
        "clean": images[half:],
        "originals": images[:half][fell],
    }
    repair_sweep(function, images[:128])  # compiles
    began = time.perf_counter()
    found = {name: repair_sweep(function, some) for name, some in sets.items()}
    seconds, count = time.perf_counter() - began, sum(map(len, sets.values()))
    print(f"{fell.sum()} of {half} images fell; {count} images repaired, {count / seconds:.1f}/s")
    for name, scores in (
        ("repair sweep", {name: part.scores for name, part in found.items()}),
        ("confidence", {name: doubt(network, some) for name, some in sets.items()}),
    ):
        unpaired, paired = (area(scores["adversarial"], scores[other]) for other in ("clean", "originals"))
        print(f"{name}: AUC {unpaired:.3f} against other clean images, {paired:.3f} against the originals")
    repair = found["adversarial"]
    located = (repair.positions == attacked.pixels[fell, 0, :2]).all(1).mean()
    recovered = (repair.recovered == labels[:half][fell]).mean()
    print(f"pixel located in {100 * located:.1f} %, true class recovered in {100 * recovered:.1f} %")


if __name__ == "__main__":
    main()
