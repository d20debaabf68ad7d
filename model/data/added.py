"""Data sets that people added: one folder each in the cache, verified by digests whenever it is loaded.

A folder has `meta.json` and, for each split, `train-images.npy` (N, H, W, C) uint8 and `train-labels.npy`
(N,) int32. Axes: N images, H rows, W columns, C = 1 (gray) or 3 (red, green, blue) channels.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.data.arrays import read_array
from model.data.cache import cache_root, staging
from model.data.dataset import SPLITS, Dataset
from model.data.limits import CHANNELS

META = "meta.json"
VERSION = 1  # of the form of these folders
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MOST_META_BYTES = 1 << 22


@dataclass(frozen=True)
class Stored:
    """A split as it is stored."""

    images: str  # SHA-256 of the file, hexadecimal
    labels: str
    per_class: tuple[int, ...]  # images

    def __len__(self) -> int:
        """Count the images."""
        return sum(self.per_class)


@dataclass(frozen=True)
class Meta:
    """What is known about a data set without its images."""

    name: str
    source: str  # where it came from, in words
    form: str  # one of `model.data.formats.register.FORMATS`
    shape: tuple[int, int, int]  # (H, W, C)
    class_names: tuple[str, ...]
    splits: Mapping[str, Stored]  # train and test
    options: Mapping[str, Any]  # of `xpixels data add`, those that were given
    said: tuple[str, ...]  # what was done to the images, a line each
    created_at: str  # UTC, ISO 8601
    digest: str = ""  # SHA-256 of all that counts: shape, class names and the digests of the arrays

    @property
    def kind(self) -> str:
        """Size and colors, as `28 x 28 gray`."""
        return f"{self.shape[0]} x {self.shape[1]} {CHANNELS[self.shape[2]]}"

    @property
    def meaning(self) -> str:
        """Words for people, beside the name."""
        train, test = (len(self.splits[split]) for split in SPLITS)
        images = f"{train:,} training and {test:,} test images of {self.kind}"
        return f"{images}, {len(self.class_names):,} classes, from {self.source}"


def added_root(cache_dir: str | Path | None = None) -> Path:
    """Name the folder with the added data sets; cache_dir: as in `model.data.cache.cache_root`."""
    return cache_root(cache_dir) / "datasets"


def added_names(cache_dir: str | Path | None = None) -> list[str]:
    """The names of the added data sets, sorted; damaged ones are there, too."""
    root = added_root(cache_dir)
    try:
        return sorted(path.name for path in root.iterdir() if NAME.fullmatch(path.name) and path.is_dir())
    except OSError:  # none was ever added, or the folder is not ours to read
        return []


def read_meta(name: str, cache_dir: str | Path | None = None) -> Meta:
    """Read the description of a data set.

    Raises LookupError if none of this name was added, ValueError if its description is damaged.
    """
    folder = added_root(cache_dir) / name
    if not NAME.fullmatch(name) or not folder.is_dir():
        raise LookupError(f"no data set {name!r} was added")
    try:
        with (folder / META).open("rb") as stream:
            meta = _parse(json.loads(stream.read(MOST_META_BYTES)))
        if meta.name != name or meta.digest != digest_of(meta):
            raise ValueError("its name or its digest is another one")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise ValueError(
            f"the data set {name} in {folder} is damaged ({reason}): {_way_out(name)}"
        ) from error
    return meta


def load_added(name: str, split: str, cache_dir: str | Path | None = None) -> Dataset:
    """Load a split, mapped from its file, after its digests are verified; errors as in `read_meta`."""
    meta, folder = read_meta(name, cache_dir), added_root(cache_dir) / name
    stored = meta.splits[split]
    try:
        shape = (len(stored), *meta.shape)
        images = read_array(folder / f"{split}-images.npy", stored.images, shape, np.uint8)
        labels = read_array(folder / f"{split}-labels.npy", stored.labels, shape[:1], np.int32)
    except (OSError, ValueError) as error:
        raise ValueError(f"the data set {name} is damaged ({error}): {_way_out(name)}") from error
    return Dataset(
        name=name,
        split=split,
        images=images,
        labels=np.array(labels),
        positions=np.arange(len(labels), dtype=np.int32),
        class_names=meta.class_names,
        source=f"{meta.source}, the {split} split, SHA-256 {meta.digest[:12]}",
    )


def remove_added(name: str, cache_dir: str | Path | None = None) -> Path:
    """Remove a data set, damaged or not, at once, and return its folder. Raises LookupError, OSError."""
    root = added_root(cache_dir)
    folder = root / name
    if not NAME.fullmatch(name) or not folder.is_dir():
        raise LookupError(f"no data set {name!r} was added")
    with staging(root, "remove") as stage:
        if folder.is_symlink():
            folder.unlink()
        else:
            folder.rename(stage / name)
            shutil.rmtree(stage / name)
    return folder


def write_meta(folder: Path, meta: Meta) -> None:
    """Write the description of a data set into its folder, which is still hidden."""
    content = asdict(meta) | {"version": VERSION}
    (folder / META).write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def digest_of(meta: Meta) -> str:
    """SHA-256 (hex) of what makes two data sets equal, whatever their names and sources."""
    content = {
        "shape": meta.shape,
        "class_names": meta.class_names,
        "splits": {split: asdict(stored) for split, stored in sorted(meta.splits.items())},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _parse(content: Any) -> Meta:
    """The description in a JSON file; raises whatever fits what is wrong."""
    if content.pop("version") != VERSION:
        raise ValueError("it was written by another version")
    height, width, channels = map(int, content.pop("shape"))
    splits = {
        split: Stored(str(about["images"]), str(about["labels"]), tuple(map(int, about["per_class"])))
        for split, about in content.pop("splits").items()
    }
    if tuple(sorted(splits)) != tuple(sorted(SPLITS)) or channels not in CHANNELS:
        raise ValueError("it has other splits or channels")
    names, said = (tuple(map(str, content.pop(key))) for key in ("class_names", "said"))
    shape = height, width, channels
    texts = {key: str(content.pop(key)) for key in ("name", "source", "form", "created_at", "digest")}
    return Meta(shape=shape, splits=splits, class_names=names, said=said, options=content["options"], **texts)


def _way_out(name: str) -> str:
    return f"remove it with `xpixels data remove {name}` and add it again"
