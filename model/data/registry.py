"""The data sets by name, each with its loader: choices of commands and `load` derive from it.

DATASETS are those that are built in; `names` and `source` know those too that people added to their cache.
To build one in, write a file with a loader and a row here (CONTRIBUTING.md).
"""

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from model.data import added, cifar10, cifar10_sample, fetch
from model.data.dataset import SPLITS, Dataset
from model.data.limits import CHANNELS


class DataSource(NamedTuple):
    """A data set that can be loaded by its name."""

    name: str
    meaning: str  # words for people, beside the name
    load: Callable[[str, str | Path | None], Dataset]  # (split, cache folder or None) -> the split
    image_shape: tuple[int, int, int]  # (H, W, C)
    class_names: tuple[str, ...]
    fetch: Callable[..., Path] | None = None  # brings it into the cache; None: it is there
    counts: Mapping[str, int] = {}  # images of each split
    origin: str = "built in"  # where its images come from, shorter than the meaning

    @property
    def kind(self) -> str:
        """Size and colors, as `28 x 28 gray`."""
        height, width, channels = self.image_shape
        return f"{height} x {width} {CHANNELS[channels]}"


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
            {split: sum(file.records for file in cifar10.CIFAR10 if file.split == split) for split in SPLITS},
            f"built in; `xpixels data fetch {cifar10.NAME}` brings it into your cache folder",
        ),
        DataSource(
            cifar10_sample.NAME,
            "4,000 and 1,000 of these images, which ship with the code",
            _load_sample,
            SHAPE,
            cifar10.CLASS_NAMES,
            counts={split: 10 * count for split, count in cifar10_sample.SAMPLE_PER_CLASS.items()},
            origin="built in, ships with the code",
        ),
    )
}


def names(cache_dir: str | Path | None = None) -> tuple[str, ...]:
    """The names of all data sets: the built-in ones, then those that were added, sorted."""
    return (*DATASETS, *(name for name in added.added_names(cache_dir) if name not in DATASETS))


def source(name: str, cache_dir: str | Path | None = None) -> DataSource:
    """The data set of a name, built in or added; cache_dir: as in `model.data.cache.cache_root`.

    Raises LookupError for an unknown name, ValueError for an added data set that is damaged.
    """
    if name in DATASETS:
        return DATASETS[name]
    if name not in names(cache_dir):
        raise LookupError(
            f"unknown data set {name!r}: there are {', '.join(names(cache_dir))}; add your own with `xpixels "
            "data add NAME PATH`"
        )
    meta = added.read_meta(name, cache_dir)
    counts = {split: len(stored) for split, stored in meta.splits.items()}
    load = partial(added.load_added, name)
    return DataSource(
        name, meta.meaning, load, meta.shape, meta.class_names, counts=counts, origin=meta.source
    )


def load(name: str, split: str, *, cache_dir: str | Path | None = None) -> Dataset:
    """Load a split, every byte checked against its known digest.

    name: of a built-in data set or of one that was added. split: "train" or "test". cache_dir: as in
        `model.data.cache.cache_root`.

    Raises LookupError for an unknown name or split, DataMissingError (a FileNotFoundError) when the cache
    is empty or incomplete, ValueError when a file is not the one expected.
    """
    found = source(name, cache_dir)
    if split not in SPLITS:
        raise LookupError(f"unknown split {split!r} of {name}: there are {', '.join(SPLITS)}")
    return found.load(split, cache_dir)


def add_dataset_option(parser: argparse.ArgumentParser, default: str = cifar10.NAME) -> None:
    """Add the option `--dataset` to a command, with a description of each data set."""
    known = "; ".join(f"{name}: {meaning}" for name, meaning in _meanings().items())
    help = f"{known}; add your own with `xpixels data add NAME PATH` (default: %(default)s)"
    parser.add_argument(
        "--dataset",
        default=default,
        type=_known_name,
        metavar="{" + ",".join(names()) + "}",
        help=help.replace("%", "%%").replace("%%(default)s", "%(default)s"),
    )


def _meanings() -> dict[str, str]:
    """Words for each data set; one that is damaged says so only when it is asked for."""
    meanings = {}
    for name in names():
        try:
            meanings[name] = source(name).meaning
        except (ValueError, LookupError):
            meanings[name] = "damaged"
    return meanings


def _known_name(text: str) -> str:
    """The name of a data set, for argparse."""
    try:
        return source(text).name
    except (ValueError, LookupError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None
