"""Near-duplicates: pairs of pictures alike to the network, and pairs alike pixel by pixel.

After Barz and Denzler, "Do we train on test data? Purging CIFAR of near-duplicates" (arXiv 1902.00423), who
search by the cosine distance of a network's activations and look at the results. A pair is close to the
network when both show the same object in the same pose; it is close in pixels also where both show little,
such as two skies.

Both searches are exact. Rows are projected orthogonally onto few axes, along which they differ most; this
shortens differences, never lengthens them, so pairs too far apart there are too far apart in full. The other
pairs are measured in full, in float64.

Axis letters: N rows or images, M others, D dimensions, H rows, W columns, C channels, P pairs.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

AXES = 64  # dimensions of the first pass
SAMPLED = 4096  # rows from which the axes are computed
ROUNDS = 3  # of computing them
CELL = 4  # pixels, least side of the squares whose means make a thumbnail
CELLS = 8  # of these squares along the longer side, about
BLOCK_BYTES = 2**25  # of the first pass's float32 table at a time, and of float64 rows measured in full
USUAL = 4096  # numbers in a row or image; of longer ones fewer are measured at a time


class Pairs(NamedTuple):
    """Pairs by their indices, in ascending order of the first, then of the second."""

    first: np.ndarray  # (P,) int64, into the rows
    second: np.ndarray  # (P,) int64, into the others
    distances: np.ndarray  # (P,) float64


class Likeness(NamedTuple):
    """Pairs close by activations, by pixels or both, with both distances."""

    first: np.ndarray  # (P,) int64, into the images
    second: np.ndarray  # (P,) int64, into the others
    activation: np.ndarray  # (P,) float64, cosine distance of the rows
    pixels: np.ndarray  # (P,) float64, by `pixel_distances`


Measure = Callable[[np.ndarray, np.ndarray], np.ndarray]  # indices (p,) and (p,) of pairs -> distances
Tick = Callable[[int], None]  # called with how many rows have been compared with all others


def alike(
    rows: np.ndarray,
    other_rows: np.ndarray | None,
    images: np.ndarray,
    other_images: np.ndarray | None,
    *,
    activation: float,
    pixels: float,
    tick: Tick | None = None,
) -> Likeness:
    """All pairs of images at most `activation` apart by their rows, or `pixels` apart by their pixels.

    rows as in `close_pairs`, images as in `close_pictures`, one row per image; without others, pairs of one
    set, each once, first < second. Ascending by first, then second. `tick` gets up to 2 N rows, N a search.
    Raises ValueError, in one line, for anything else.
    """
    for name, *both in (("rows", rows, images), ("other rows", other_rows, other_images)):
        sizes = [None if part is None else len(part) for part in both]
        if sizes[0] != sizes[1]:
            raise ValueError(f"{name}: there are {sizes[0]} for {sizes[1]} images")
    later = None if tick is None else lambda done: tick(len(rows) + done)
    pair_sets = (
        close_pairs(rows, other_rows, activation, tick=tick),
        close_pictures(images, other_images, pixels, tick=later),
    )
    pairs = np.concatenate([np.stack([part.first, part.second], axis=1) for part in pair_sets])
    first, second = np.unique(pairs, axis=0).T
    others = rows if other_rows is None else other_rows
    pictures = images if other_images is None else other_images
    return Likeness(
        first,
        second,
        _measured(lambda i, j: cosine_distances(rows[i], others[j]), first, second, rows[0].size),
        _measured(lambda i, j: pixel_distances(images[i], pictures[j]), first, second, images[0].size),
    )


def close_pairs(
    rows: np.ndarray, others: np.ndarray | None, most: float, *, tick: Tick | None = None
) -> Pairs:
    """All pairs whose cosine distance, 1 - cos in [0, 2], is at most `most`.

    rows (N, D) and others (M, D): real and finite. Without others the pairs are of rows among themselves,
    each once, first < second. A zero vector is at 0 from another one and at 1 from any other vector.
    Raises ValueError, in one line, for anything else.
    """
    rows, others, alone = _matching("rows", rows, others, 2)
    _require_most(most)
    ready, other_ready = _projected(_directions(rows), None if alone else _directions(others))
    # of two unit vectors the squared distance is 2 (1 - cos)
    reach = np.sqrt(2 * most)
    distances = partial(_measured, lambda i, j: cosine_distances(rows[i], others[j]), size=rows.shape[1])
    return _search(ready, other_ready, reach, most, distances, tick)


def close_pictures(
    images: np.ndarray, others: np.ndarray | None, most: float, *, tick: Tick | None = None
) -> Pairs:
    """All pairs whose pixel distance (see `pixel_distances`) is at most `most`.

    images (N, H, W, C) and others (M, H, W, C) uint8; without others as in `close_pairs`. Raises ValueError,
    in one line, for anything else.
    """
    images, others, alone = _matching("images", images, others, 4)
    _require_most(most)
    ready, other_ready = _projected(_thumbnails(images), None if alone else _thumbnails(others))
    reach = most * np.sqrt(np.prod(images.shape[1:]))
    distances = partial(_measured, lambda i, j: pixel_distances(images[i], others[j]), size=images[0].size)
    return _search(ready, other_ready, reach, most, distances, tick)


def cosine_distances(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Cosine distances (P,) float64 of pairs (P, D) and (P, D), zero vectors as in `close_pairs`."""
    differences = _directions(rows) - _directions(others)  # no cancellation where the two are close
    distances: np.ndarray = np.square(differences).sum(axis=1) / 2
    return distances


def pixel_distances(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Pixel distances (P,) float64, 0..255, of pairs (P, H, W, C) and (P, H, W, C) uint8.

    The root of the mean squared difference over all pixels and channels.
    """
    differences = images.astype(np.float64) - others
    distances: np.ndarray = np.sqrt(np.square(differences, out=differences).mean(axis=(1, 2, 3)))
    return distances


def _directions(rows: np.ndarray) -> np.ndarray:
    """Rows as unit vectors (N, D + 1) float64; zero vectors point along an axis of their own."""
    rows = rows.astype(np.float64)
    largest = np.abs(rows).max(axis=1, keepdims=True)
    zero = largest == 0
    rows /= np.where(zero, 1.0, largest)  # squares of tiny values would vanish
    norms = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    return np.concatenate([rows / np.where(zero, 1.0, norms), zero], axis=1)


def _thumbnails(images: np.ndarray) -> np.ndarray:
    """Means of squares of pixels as vectors (N, d) float64, scaled: no farther apart than all the pixels.

    For a square of s pixels, the mean times the root of s is the projection onto one direction. Pixels beyond
    the last whole square are left out.
    """
    count, height, width, channels = images.shape
    cell = min(max(CELL, -(-max(height, width) // CELLS)), height, width)
    down, across = height // cell, width // cell
    thumbnails = np.empty((count, down * across * channels))
    step = max(1, BLOCK_BYTES // images[0].size)
    for start in range(0, count, step):
        whole = images[start : start + step, : down * cell, : across * cell]
        squares = whole.reshape(-1, down, cell, across, cell, channels).sum(axis=(2, 4), dtype=np.int64)
        thumbnails[start : start + step] = squares.reshape(len(whole), -1) / cell
    return thumbnails


def _projected(rows: np.ndarray, others: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Project both onto axes along which `others` (else `rows`) differ much: (N, d) and (M, d) float32."""
    wide = rows if others is None else others
    center = wide.mean(axis=0)
    some = wide[:: max(1, len(wide) // SAMPLED)] - center
    # A few rounds of subspace iteration come near the principal axes, at a small part of their cost; any
    # orthonormal axes would do.
    axes = np.random.default_rng(0).normal(size=(wide.shape[1], min(AXES, wide.shape[1])))
    for _ in range(ROUNDS):
        axes = np.linalg.qr(some.T @ (some @ axes))[0]

    def project(vectors: np.ndarray) -> np.ndarray:
        along: np.ndarray = ((vectors - center) @ axes).astype(np.float32)
        return along

    return project(rows), None if others is None else project(others)


def _search(
    rows: np.ndarray,
    others: np.ndarray | None,
    reach: float,
    most: float,
    measure: Measure,
    tick: Tick | None,
) -> Pairs:
    """Pairs of projected rows at most `reach` apart whose measured distance is at most `most`."""
    parts = [Pairs(*(np.zeros(0, kind) for kind in (np.int64, np.int64, np.float64)))]
    for done, first, second in _candidates(rows, others, reach):
        distances = measure(first, second)
        near = distances <= most
        parts.append(Pairs(first[near], second[near], distances[near]))
        if tick is not None:
            tick(done)
    return Pairs(*(np.concatenate(field) for field in zip(*parts, strict=True)))


def _candidates(
    rows: np.ndarray, others: np.ndarray | None, reach: float
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield the number of rows done, and pairs that include all new ones at most `reach` apart.

    Without others: first < second.
    """
    alone = others is None
    others = rows if others is None else others
    # Float32 sums of d products are off by at most about d u of (|a| + |b|)^2 <= 2 (|a|^2 + |b|^2), with
    # u = 2^-24; the rest covers the rounding of the projections and of the sums of squares.
    slack = 1 - 2 * (rows.shape[1] + 32) * 2.0**-24
    squares, other_squares = (
        (slack * np.square(vectors, dtype=np.float64).sum(axis=1)) for vectors in (rows, others)
    )
    limits = (reach**2 - squares).astype(np.float32)
    step = max(1, BLOCK_BYTES // (4 * max(1, len(others))))
    for start in range(0, len(rows), step):
        end = min(start + step, len(rows))
        skipped = start if alone else 0
        table = (-2 * rows[start:end]) @ others[skipped:].T
        table += other_squares[skipped:].astype(np.float32)
        first, second = np.nonzero(table <= limits[start:end, None])
        first, second = first + start, second + skipped
        ordered = first < second if alone else slice(None)
        yield end, first[ordered], second[ordered]


def _measured(measure: Measure, first: np.ndarray, second: np.ndarray, size: int) -> np.ndarray:
    """The distances (P,) of pairs of rows of so many numbers, measured for some pairs at a time."""
    step = max(1, BLOCK_BYTES // (8 * max(USUAL, size)))
    pieces = [slice(start, start + step) for start in range(0, len(first), step)]
    return np.concatenate([np.zeros(0), *(measure(first[piece], second[piece]) for piece in pieces)])


def _matching(
    name: str, rows: np.ndarray, others: np.ndarray | None, axes: int
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Both as checked arrays, and whether there is only one set, which is then its own others."""
    rows = np.asarray(rows)
    alone = others is None
    others = rows if alone else np.asarray(others)
    wanted = "uint8 (N, H, W, C)" if axes == 4 else "real and finite, (N, D)"
    for title, array in ((name, rows), ("others", others)):
        good = array.ndim == axes and 0 not in array.shape
        good = good and (array.dtype == np.uint8 if axes == 4 else array.dtype.kind in "fiu")
        if not (good and (axes == 4 or np.isfinite(array).all())):
            raise ValueError(f"{title} (={array.dtype} {array.shape}) must be {wanted}, none of them 0")
    if rows.shape[1:] != others.shape[1:]:
        raise ValueError(f"{name} (={rows.shape}) and others (={others.shape}) must be of one shape but N")
    return rows, others, alone


def _require_most(most: float) -> None:
    if not (np.isfinite(most) and most >= 0):
        raise ValueError(f"most (={most!r}) must be a distance of at least 0")
