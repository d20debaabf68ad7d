"""The same images, weights and budget for this attack, for torchattacks and for ART.

    make rivals                 makes an environment with PyTorch (benchmarks/rivals.txt), then runs this:
    python -m benchmarks.rivals [--images N] [--python .venv-rivals/bin/python] [--only ours|torchattacks|art]

Population 400, 75 generations, untargeted, one pixel. Theirs attack one image after another, as they do;
ours all at once, its time divided by the images. Beside all images those that resist are told apart: there
everyone spends the whole budget, so that luck does not count. `success` is what the tool claims, `as bytes`
what is left of it once the image is rounded to bytes and judged by our network.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np

from benchmarks.attack import correct_images
from model import devices
from model.attacks.one_pixel import one_pixel_attack
from model.attacks.sweep import as_attacks, corner_sweep
from model.network import checkpoint, cnn
from model.network.incremental_pass import incremental

POPULATION, GENERATIONS = 400, 75
HERE = Path(__file__).parent


def ours(network: cnn.Network, images: np.ndarray, labels: np.ndarray) -> list[dict]:
    """Measure evolution alone, the sweep alone, and evolution on what the sweep left undecided."""
    function = incremental(network)
    budget = {"population": POPULATION, "generations": GENERATIONS, "key": jax.random.key(0)}
    one_pixel_attack(function, images, labels, **budget | {"generations": 0})  # compiles
    corner_sweep(function, images[:16], labels[:16])
    began = time.perf_counter()
    evolved = one_pixel_attack(function, images, labels, **budget)
    evolution = time.perf_counter() - began
    began = time.perf_counter()
    swept = as_attacks(images, labels, corner_sweep(function, images, labels))
    sweep = time.perf_counter() - began
    share = evolution / evolved.seconds.sum()
    resisting = ~evolved.success
    rest = ~swept.success
    began = time.perf_counter()
    left = one_pixel_attack(
        function, images[rest], labels[rest], identities=np.flatnonzero(rest), **budget
    ).success.sum()
    screened = sweep + time.perf_counter() - began
    count, best = len(images), swept.success | evolved.success
    return [
        {
            "name": "ours, evolution alone",
            "success": int(evolved.success.sum()),
            "seconds": evolution / count,
            "resisting": float(evolved.seconds[resisting].mean() * share),
            "evaluations": int(evolved.queries.sum()) / evolution,
        },
        {
            "name": "ours, sweep (screening that decides)",
            "success": int(swept.success.sum()),
            "seconds": sweep / count,
            "resisting": sweep / count,
            "evaluations": 8192 * count / sweep,
        },
        {
            "name": "ours, sweep, then evolution on what is left undecided",
            "success": int(swept.success.sum() + left),
            "seconds": screened / count,
            "resisting": (screened - sweep) / max(1, rest.sum()) + sweep / count,
            "evaluations": float("nan"),
            "either": int(best.sum()),
        },
    ]


def theirs(tool: str, python: str, network: cnn.Network, images: np.ndarray, labels: np.ndarray) -> dict:
    """Run a tool in a process of the other environment, which has PyTorch but no JAX."""
    weights = {
        f"{name}.{kind}": np.asarray(getattr(getattr(network, name), kind)[...])
        for name in ("conv1", "conv2", "conv3", "conv4", "dense", "logits")
        for kind in ("kernel", "bias")
    }
    with tempfile.TemporaryDirectory() as folder:
        given, answer = Path(folder) / "given.npz", Path(folder) / "answer.npz"
        logits = cnn.predict(network, images)
        np.savez(given, images=images, labels=labels, logits=logits, **weights)
        command = [python, HERE / "rivals_torch.py", tool, given, answer, str(POPULATION), str(GENERATIONS)]
        subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": ""})
        with np.load(answer) as found:
            facts = json.loads(str(found["facts"]))
            adversarial, success, seconds = found["images"], found["success"], found["seconds"]
    as_bytes = cnn.predict(network, adversarial).argmax(1) != labels
    return {
        "name": f"{tool} {facts['version']}",
        "success": int(success.sum()),
        "as bytes": int(as_bytes.sum()),
        "seconds": float(seconds.mean()),
        "resisting": float(seconds[~success].mean()),
        "evaluations": facts["evaluations"] / float(seconds.sum()),
        "torch": facts["torch"],
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--python", default=".venv-rivals/bin/python")
    parser.add_argument("--only", choices=("ours", "torchattacks", "art"))
    options = parser.parse_args(arguments)
    if options.only != "ours" and not Path(options.python).exists():
        sys.exit(f"no environment at {options.python}: make it with `make rivals`")
    devices.use_all_cores()
    network = checkpoint.load().network
    images, labels = correct_images(network, options.images)
    print(f"{len(images)} images, population {POPULATION}, {GENERATIONS} generations", flush=True)
    rows = ours(network, images, labels) if options.only in (None, "ours") else []
    for row in rows:
        print(json.dumps(row), flush=True)
    for tool in ("torchattacks", "art"):
        if options.only in (None, tool):
            other = theirs(tool, options.python, network, images, labels)
            print(json.dumps(other), flush=True)
            for row in rows:
                ratio = other["resisting"] / row["resisting"]
                print(f"  {row['name']}: {ratio:.1f} times as fast as {other['name']} where images resist")


if __name__ == "__main__":
    main()
