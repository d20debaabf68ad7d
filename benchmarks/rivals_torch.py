"""Run torchattacks or ART on the images of `benchmarks.rivals`, in an environment of its own, without JAX.

    python rivals_torch.py torchattacks|art GIVEN.npz ANSWER.npz POPULATION GENERATIONS

Images are attacked one after another, each timed; before, the PyTorch network is compared with our logits.
"""

import json
import sys
import time
from importlib.metadata import version

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class Network(nn.Module):
    """The Keras CIFAR-10 network with our weights; images (B, 3, 32, 32) in [0, 1]."""

    def __init__(self, given) -> None:
        super().__init__()
        for name in ("conv1", "conv2", "conv3", "conv4", "dense", "logits"):
            kernel = given[f"{name}.kernel"]
            kernel = kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T
            self.register_buffer(f"{name}_kernel", torch.from_numpy(np.ascontiguousarray(kernel)))
            self.register_buffer(f"{name}_bias", torch.from_numpy(given[f"{name}.bias"]))
        self.evaluations = 0

    def forward(self, x):
        self.evaluations += len(x)
        for name, padding in (
            ("conv1", 1),
            ("conv2", 0),
            ("pool", 0),
            ("conv3", 1),
            ("conv4", 0),
            ("pool", 0),
        ):
            if name == "pool":
                x = functional.max_pool2d(x, 2)
            else:
                kernel, bias = getattr(self, f"{name}_kernel"), getattr(self, f"{name}_bias")
                x = functional.relu(functional.conv2d(x, kernel, bias, padding=padding))
        x = x.permute(0, 2, 3, 1).flatten(1)  # as we flatten: rows, columns, channels
        x = functional.relu(functional.linear(x, self.dense_kernel, self.dense_bias))
        return functional.linear(x, self.logits_kernel, self.logits_bias)


def with_torchattacks(network: Network, population: int, generations: int):
    """An attack on one image (1, 3, 32, 32) in [0, 1]."""
    import torchattacks

    attack = torchattacks.OnePixel(network, pixels=1, steps=generations, popsize=population, inf_batch=128)
    return lambda image, label: attack(image, label)


def with_art(network: Network, population: int, generations: int):
    """The same by ART, which works on 0..255 and whose population is always 400."""
    from art.attacks.evasion import PixelAttack
    from art.estimators.classification import PyTorchClassifier

    if population != 400:
        raise SystemExit(f"ART's population is 400, not {population}")

    class Probabilities(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, x):
            return functional.softmax(self.network(x / 255), dim=1)

    classifier = PyTorchClassifier(
        Probabilities(), nn.NLLLoss(), (3, 32, 32), 10, clip_values=(0, 255), device_type="cpu"
    )
    attack = PixelAttack(classifier, th=1, es=1, max_iter=generations)

    def one(image, label):
        adversarial = attack.generate((image * 255).numpy(), np.eye(10)[label.numpy()])
        return torch.from_numpy(adversarial) / 255

    return one


def main(tool: str, given: str, answer: str, population: str, generations: str) -> None:
    with np.load(given) as file:
        arrays = dict(file)
    network = Network(arrays).eval()
    images = torch.from_numpy(arrays["images"].transpose(0, 3, 1, 2).astype(np.float32) / 255)
    labels = torch.from_numpy(arrays["labels"].astype(np.int64))
    with torch.no_grad():
        apart = np.abs(network(images).numpy() - arrays["logits"]).max()
    assert apart < 1e-3, f"not the same network: logits differ by {apart}"
    make = {"torchattacks": with_torchattacks, "art": with_art}[tool]
    attack = make(network, int(population), int(generations))
    network.evaluations, found, seconds = 0, [], []
    for image, label in zip(images[:, None], labels[:, None], strict=True):
        began = time.perf_counter()
        found.append(attack(image, label).detach())
        seconds.append(time.perf_counter() - began)
    evaluations = network.evaluations
    with torch.no_grad():
        adversarial = torch.cat(found)
        success = network(adversarial).argmax(1) != labels
    package = {"torchattacks": "torchattacks", "art": "adversarial-robustness-toolbox"}[tool]
    facts = {"evaluations": evaluations, "version": version(package), "torch": torch.__version__}
    as_bytes = np.rint(adversarial.numpy() * 255).astype(np.uint8).transpose(0, 2, 3, 1)
    np.savez(answer, images=as_bytes, success=success.numpy(), seconds=seconds, facts=json.dumps(facts))


if __name__ == "__main__":
    main(*sys.argv[1:])
