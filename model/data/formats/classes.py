"""Number the classes: labels as people have them become 0 to K - 1, each with a name."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from model.data import limits
from model.data.pictures.files import shown

LONGEST_NAME = 100  # characters


def sort_names(names: Iterable[str]) -> list[str]:
    """Class names in order: as numbers where all of them are whole numbers, else by their characters."""
    listed = list(names)
    if all(name.isascii() and name.isdigit() for name in listed):
        return sorted(listed, key=lambda name: (len(name.lstrip("0")), name.lstrip("0"), name))
    return sorted(listed)


def number_labels(
    labels: Mapping[str, np.ndarray], names: Sequence[str] | None = None
) -> tuple[dict[str, np.ndarray], tuple[str, ...], tuple[str, ...]]:
    """Labels (N,) int32 of each part, the class names, and lines about what was done.

    labels: by part, (N,) or (N, 1): texts, or whole numbers. Numbers from 0 on stay as they are; others
        are numbered in order, and named as they were.
    names: of the classes 0 to K - 1, where they are known.

    Raises ValueError for labels of another kind, and for a number that has no name.
    """
    flat = {part: _flat(array) for part, array in labels.items()}
    if len({array.dtype.kind for array in flat.values()}) > 1:
        raise ValueError("labels that are texts in one part and numbers in another, expected one kind")
    together = np.concatenate(list(flat.values()))
    if not len(together):
        raise ValueError("no labels, expected one for each image")
    if together.dtype.kind == "U":
        texts = sort_names(np.unique(together).tolist())
        places = {text: place for place, text in enumerate(texts)}
        numbered = {part: np.array([places[text] for text in array.tolist()]) for part, array in flat.items()}
        return _as_int32(numbered), check_names(texts), ()
    least, most = int(together.min()), int(together.max())
    if names is not None:
        if least < 0 or most >= len(names):
            raise ValueError(
                f"labels from {least} to {most}, expected 0 to {len(names) - 1} for the {len(names)} names"
            )
        return _as_int32(flat), check_names(names), ()
    if least == 0:
        _check_count(most + 1)
        missing = np.setdiff1d(np.arange(most + 1), together)
        said = (f"no image of the classes {_listed(missing)}",) if len(missing) else ()
        return _as_int32(flat), tuple(map(str, range(most + 1))), said
    values = np.unique(together)
    _check_count(len(values))
    numbered = {part: np.searchsorted(values, array) for part, array in flat.items()}
    said = (f"the labels {_listed(values)} are the classes 0 to {len(values) - 1}, named as they were",)
    return _as_int32(numbered), tuple(map(str, values.tolist())), said


def check_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names, safe to print and store. Raises ValueError for too many, for equal ones and for no name."""
    _check_count(len(names))
    safe = [shown(name.strip()) for name in names]
    for name in safe:
        if not 0 < len(name) <= LONGEST_NAME:
            raise ValueError(
                f"a class name of {len(name)} characters, expected 1 to {LONGEST_NAME}: rename it"
            )
    if len(set(safe)) < len(safe):
        twice = next(name for name in safe if safe.count(name) > 1)
        raise ValueError(f"two classes named {twice!r}, expected different names: rename one")
    return tuple(safe)


def _check_count(count: int) -> None:
    if count > limits.MAX_CLASSES:
        raise ValueError(f"{count:,} classes, expected at most {limits.MAX_CLASSES:,}: take some of them")


def _flat(labels: np.ndarray) -> np.ndarray:
    """Labels (N,) as int64 or texts. Raises ValueError."""
    array = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if array.ndim != 1:
        raise ValueError(f"labels of shape {labels.shape}, expected (N,): one class for each image")
    if array.dtype.kind == "U":
        return array
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8", "backslashreplace")
    bounded = array.dtype.kind in "iuf" and (
        not len(array) or bool(np.abs(array.astype(float)).max() < 2**31)
    )
    if not bounded or not (array == array.astype(np.int64)).all():
        raise ValueError(
            f"labels of the type {array.dtype} that are no whole numbers, expected class numbers"
        )
    return array.astype(np.int64)


def _as_int32(labels: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {part: array.astype(np.int32) for part, array in labels.items()}


def _listed(values: np.ndarray) -> str:
    """A few numbers in words."""
    texts = [str(value) for value in values.tolist()]
    return ", ".join(texts if len(texts) <= 6 else [*texts[:3], "...", texts[-1]])
