"""Add a data set of one's own: read its files, check and convert them, draw a split, keep it in the cache.

It is built in a hidden folder beside its place, which it takes by one rename: it is there whole or not at
all. Axes: N images, H rows, W columns, C = 1 (gray) or 3 (red, green, blue) channels.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from model.data import limits
from model.data.added import NAME, Meta, Stored, added_names, added_root, digest_of, read_meta, write_meta
from model.data.arrays import write_images, write_labels
from model.data.cache import staging
from model.data.convert import Wanted, check_values
from model.data.dataset import SPLITS
from model.data.formats.content import TEST, TRAIN, WHOLE, Content, Part, Request
from model.data.formats.register import Format, recognize
from model.data.pictures.files import shown
from model.data.registry import DATASETS
from model.data.split import draw_split
from model.progress import progress
from whole_file import NO_ROOM


@dataclass(frozen=True)
class Options:
    """How to read a data set."""

    share: float | None = None  # of each class for training; None: the files have a split
    seed: int | None = None  # of that draw; None: 0
    size: tuple[int, int] | None = None  # (H, W) to resize to
    how: str = "stretch"  # one of `model.data.pictures.sizes.RESIZES`
    colors: str | None = None  # one of `model.data.convert.COLORS`; None: as the files are
    limits: tuple[float, float] | None = None  # the values of black and white; None: 0 and 255
    skip_unreadable: bool = False

    def given(self) -> dict[str, Any]:
        """Those that were given, by their names on the command line, for people."""
        names = {
            "split": self.share,
            "seed": None if self.share is None else self.seed or 0,
            "resize": self.size,
            "resize-by": self.how if self.size else None,
            "colors": self.colors,
            "range": self.limits,
            "skip-unreadable": self.skip_unreadable or None,
        }
        return {name: value for name, value in names.items() if value is not None}


class Added(NamedTuple):
    """A data set in the cache."""

    meta: Meta
    folder: Path
    new: bool  # False: the same was there already


class Drawn(NamedTuple):
    """The images of a split among those that were read."""

    part: Part
    places: np.ndarray  # (N,) int, ascending


def add(name: str, path: Path, options: Options = Options(), *, cache_dir: str | Path | None = None) -> Added:
    """Add the data set at a path under a name; cache_dir: as in `model.data.cache.cache_root`.

    Raises ValueError or OSError in one line for whatever is wrong: a name that is taken or is none, options
    that do not fit, files that cannot be read or are no data set. Then nothing is left behind.
    """
    check_name(name)
    _check_options(options)
    row = recognize(path)
    if options.limits is not None and not row.free_values:
        raise ValueError(f"{path}: --range is for arrays of numbers, expected none for {row.meaning}")
    root = added_root(cache_dir)
    try:
        with staging(root, "add") as stage:
            meta = _build(name, path, row, options, stage)
            return _publish(meta, stage / "ready", root / name, cache_dir)
    except OSError as error:
        if error.errno not in NO_ROOM and not str(error.filename or "").startswith(str(root)):
            raise
        raise ValueError(
            f"the data set cannot be written into {root} ({error.strerror or error}): mend that, or name "
            "another folder in XPIXELS_CACHE"
        ) from error
    except MemoryError:
        raise ValueError(f"{path} takes more memory than there is: take a part of it") from None


def check_name(name: str) -> None:
    """Raise ValueError for a name that no added data set can have."""
    if not NAME.fullmatch(name):
        raise ValueError(
            f"{shown(name)[:80]!r} is no name for a data set, expected up to 64 letters, digits, dots, "
            "dashes and underscores, a letter or digit first"
        )
    if name in DATASETS:
        raise ValueError(f"the data set {name} is built in: choose another name")


def _check_options(options: Options) -> None:
    if options.size is not None:
        height, width = options.size
        if not all(limits.MIN_SIDE <= side <= limits.MAX_SIDE for side in options.size):
            raise ValueError(
                f"--resize {height} {width}: expected rows and columns from {limits.MIN_SIDE} to "
                f"{limits.MAX_SIDE}"
            )
    if options.share is not None and not 0 < options.share < 1:
        raise ValueError(f"--split {options.share:g}: expected a share between 0 and 1, as 0.8")
    if options.seed is not None and (options.seed < 0 or options.share is None):
        what = "0 or more" if options.seed < 0 else "--split beside it"
        raise ValueError(f"--seed {options.seed}: expected {what}")
    if options.limits is not None:
        low, high = options.limits
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            raise ValueError(f"--range {low:g} {high:g}: expected two numbers, the smaller one first")


def _build(name: str, path: Path, row: Format, options: Options, stage: Path) -> Meta:
    """Read, check and write a data set into the folder `ready` of the stage."""
    scratch, ready = stage / "scratch", stage / "ready"
    scratch.mkdir()
    ready.mkdir()
    wanted = Wanted(options.limits, options.size, options.how, options.colors)
    try:
        request = Request(path, scratch, options.size, options.how, options.skip_unreadable)
        content = row.read(request)
        arrays = [part.images for part in content.parts.values()]
        values = check_values(arrays, wanted.limits) if row.free_values else ""
        drawn = _divide(content, options)
        shape = _common_shape(content, wanted)
        per_class = {
            split: np.bincount(part.labels[places], minlength=len(content.class_names))
            for split, (part, places) in drawn.items()
        }
        said = [values, *content.said, *_check_classes(content.class_names, per_class)]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    total = sum(len(places) for _, places in drawn.values())
    limits.check_room(ready, total * int(np.prod(shape)))
    with progress("data set", total, "images") as meter:
        splits = {
            split: Stored(
                write_images(ready / f"{split}-images.npy", part.images, places, wanted, meter),
                write_labels(ready / f"{split}-labels.npy", part.labels[places]),
                tuple(per_class[split].tolist()),
            )
            for split, (part, places) in drawn.items()
        }
    meta = Meta(
        name=name,
        source=shown(path.resolve().name),
        form=row.name,
        shape=shape,
        class_names=content.class_names,
        splits=splits,
        options={"path": shown(os.path.abspath(path)), **options.given()},
        said=tuple(line for line in said if line),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    meta = replace(meta, digest=digest_of(meta))
    write_meta(ready, meta)
    return meta


def _divide(content: Content, options: Options) -> dict[str, Drawn]:
    """The images of each split: as the files have it, or drawn."""
    if WHOLE not in content.parts:
        if options.share is not None:
            raise ValueError("the files have training and test images apart: leave --split out")
        return {split: Drawn(part, np.arange(len(part.labels))) for split, part in content.parts.items()}
    if options.share is None:
        raise ValueError(
            "no test images apart from those for training: give --split SHARE, as --split 0.8, to draw them"
        )
    part = content.parts[WHOLE]
    places = draw_split(part.labels, options.share, options.seed or 0)
    return {split: Drawn(part, own) for split, own in zip(SPLITS, places, strict=True)}


def _common_shape(content: Content, wanted: Wanted) -> tuple[int, int, int]:
    """The shape (H, W, C) of all images as they will be. Raises ValueError."""
    shapes = {part: wanted.shape(found.images) for part, found in content.parts.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(
            f"images of shape {shapes[TRAIN]} for training and {shapes[TEST]} for testing (rows, columns, "
            "channels): give --resize H W or --colors"
        )
    (shape,) = set(shapes.values())
    limits.check_size(*shape[:2])
    return shape


def _check_classes(names: tuple[str, ...], per_class: Mapping[str, np.ndarray]) -> list[str]:
    """Lines about classes without images. Raises ValueError for too few, or some without training images."""
    train, test = per_class[TRAIN], per_class[TEST]
    there = [name for name, count in zip(names, train + test, strict=True) if count]
    if len(there) < limits.MIN_CLASSES:
        raise ValueError(
            f"images of one class ({there[0] if there else 'none'}), expected {limits.MIN_CLASSES} to "
            f"{limits.MAX_CLASSES:,} classes"
        )
    for split, count in ((TRAIN, train.sum()), (TEST, test.sum())):
        if not count:
            raise ValueError(f"no image in the {split} split, expected some of each class")
    strange = [name for name, more, less in zip(names, test, train, strict=True) if more and not less]
    if strange:
        raise ValueError(
            f"test images and none for training of {_listed(strange)}: name the classes alike, or remove "
            "these"
        )
    untested = [name for name, more, less in zip(names, train, test, strict=True) if more and not less]
    return [f"no test image of {_listed(untested)}"] if untested else []


def _listed(classes: list[str]) -> str:
    """A few names of classes in words."""
    return ", ".join(classes[:3]) + (f", ... ({len(classes)} classes)" if len(classes) > 3 else "")


def _publish(meta: Meta, ready: Path, target: Path, cache_dir: str | Path | None) -> Added:
    """Give a finished folder its name, unless the same data set has it already."""
    taken = (
        f"there is another data set {meta.name}: choose another name, or first remove it with `xpixels data "
        f"remove {meta.name}`"
    )
    if meta.name in added_names(cache_dir):
        known = read_meta(meta.name, cache_dir)
        if known.digest != meta.digest:
            raise ValueError(taken)
        return Added(known, target, False)
    try:
        ready.rename(target)
    except OSError as error:
        if target.exists():
            raise ValueError(taken) from error
        raise
    return Added(meta, target, True)
