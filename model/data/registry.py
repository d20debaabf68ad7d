"""The data sets by name, each with its loader: choices of commands and `load` derive from it.

To add one, write a file with a loader and a row here (CONTRIBUTING.md).
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from model.data import cifar10, cifar10_sample, fetch
from model.data.dataset import SPLITS, Dataset


class DataSource(NamedTuple):
    """A data set that can be loaded by its name."""

    name: str
    meaning: str  # words for people, beside the name
    load: Callable[[str, str | Path | None], Dataset]  # (split, cache folder or None) -> the split
    image_shape: tuple[int, int, int]  # (H, W, C)
    class_names: tuple[str, ...]
    fetch: Callable[..., Path] | None = None  # brings it into the cache; None: it ships with the code


def _load_cifar10(split: str, cache_dir: str | Path | None) -> Dataset:
    return cifar10.load_binary(cifar10.cache_folder(cache_dir), split)


def _load_sample(split: str, _cache_dir: str | Path | None) -> Dataset:
    return cifar10_sample.load_sample(split)


SHAPE = (cifar10.SIDE, cifar10.SIDE, 3)
DATASETS: dict[str, DataSource] = {
    source.name: source
    for source in (
        DataSource(
            cifar10.NAME,
            "50,000 training and 10,000 test images, from your cache folder",
            _load_cifar10,
            SHAPE,
            cifar10.CLASS_NAMES,
            fetch.fetch,
        ),
        DataSource(
            cifar10_sample.NAME,
            "4,000 and 1,000 of these images, which ship with the code",
            _load_sample,
            SHAPE,
            cifar10.CLASS_NAMES,
        ),
    )
}


def load(name: str, split: str, *, cache_dir: str | Path | None = None) -> Dataset:
    """Load a split, every byte checked against its known digest.

    name: of DATASETS. split: "train" or "test". cache_dir: as in `model.data.cifar10.cache_folder`.
    Raises LookupError for an unknown name or split, DataMissingError (a FileNotFoundError) when the cache
    is empty or incomplete, ValueError when a file is not the one expected.
    """
    if name not in DATASETS:
        raise LookupError(f"unknown data set {name!r}: there are {', '.join(DATASETS)}")
    if split not in SPLITS:
        raise LookupError(f"unknown split {split!r} of {name}: there are {', '.join(SPLITS)}")
    return DATASETS[name].load(split, cache_dir)


def add_dataset_option(parser: argparse.ArgumentParser, default: str = cifar10.NAME) -> None:
    """Add the option `--dataset` to a command, with a description of each data set."""
    known = "; ".join(f"{source.name}: {source.meaning}" for source in DATASETS.values())
    help = f"{known} (default: %(default)s)"
    parser.add_argument("--dataset", default=default, choices=tuple(DATASETS), help=help)
