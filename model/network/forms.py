"""The two forms of candidates: all at one position, for many images, or anywhere in one image.

Axis letters: H rows, W columns, C channels, N images, M candidates, n pixels a candidate, D units. Maps of
changes are (h, w, n, M, C): cells come first, so that the innermost loops run over candidates and channels
however small a window is.
"""

from __future__ import annotations

from functools import reduce
from typing import Protocol

import jax
import jax.numpy as jnp
from jax import Array

from model.network.architecture import Architecture
from model.network.around import Place, mask, picked, start_of
from model.network.change import Old
from model.network.memory import Memory, layout
from model.network.sliding import Margins, Shape
from model.network.spread import product
from model.network.windows import Windows, margins_beyond


class Form(Old, Protocol):
    """What the propagation of a change needs to know of its candidates."""

    def pixels(self) -> Array:
        """The old colors (1, 1, n, M, C) of the pixels."""
        ...

    def put(self, name: str, change: Array, around: Windows) -> Array:
        """The whole new map (M, H, W, C) of a layer, from its change in windows."""
        ...

    def repeated(self, kind: str, name: str) -> Array:
        """An old vector for every candidate: (M, D)."""
        ...

    def through(self, change: Array, around: Windows, shape: Shape, kernel: Array) -> Array:
        """The change (M, D) behind a dense layer of the flattened map of this shape, by its kernel."""
        ...


def summed(change: Array, around: Windows, shape: Shape, at: Place) -> Array:
    """The sum (M, C) of a change over all cells of the map of this shape."""
    return mask(change, around, shape, at).sum((0, 1, 2))


class Stored:
    """Windows of stored maps around the pixels, for both forms."""

    def __init__(self, architecture: Architecture, memory: Memory, at: Place) -> None:
        """at: the rows and the columns of the pixels."""
        self.layout, self.memory, self.at = layout(architecture), memory, at

    def take(self, kind: str, name: str, around: Windows) -> Array:
        """Windows (h, w, n, M, C) of a stored map."""
        start = self._start(around, getattr(self.layout, kind)[name])
        return self._window(getattr(self.memory, kind)[name], start, tuple(window.size for window in around))

    def _start(self, around: Windows, added: Margins) -> tuple[Array, Array]:
        """The first rows and columns of windows in maps with margins."""
        rows, columns = (
            start_of(window, place) + before
            for window, place, (before, _) in zip(around, self.at, added, strict=True)
        )
        return rows, columns

    def _window(self, maps: Array, start: tuple[Array, Array], size: tuple[int, ...]) -> Array:
        """Windows (h, w, n, M, C) of maps (H, W, N, C)."""
        raise NotImplementedError


class AtPosition(Stored):
    """Candidates that share a position, in N images: N x M, image by image."""

    def __init__(self, architecture: Architecture, memory: Memory, at: Place, count: int) -> None:
        """at: row and column, () int; count: candidates of each image."""
        super().__init__(architecture, memory, at)
        self.count = count
        self.images = memory.images.shape[2]

    def pixels(self) -> Array:
        """The old colors (1, 1, 1, N x M, C)."""
        return self._window(self.memory.images, self.at, (1, 1))

    def _window(self, maps: Array, start: tuple[Array, Array], size: tuple[int, ...]) -> Array:
        window = jax.lax.dynamic_slice(maps, (*start, 0, 0), (*size, *maps.shape[2:]))
        shape = (*size, 1, self.images, self.count, maps.shape[3])
        return jnp.broadcast_to(window[:, :, None, :, None, :], shape).reshape(*size, 1, -1, maps.shape[3])

    def put(self, name: str, change: Array, around: Windows) -> Array:
        """The whole new map (N x M, H, W, C) of a layer."""
        old = _without(self.memory.after[name], self.layout.after[name])  # (H, W, N, C)
        height, width, images, channels = old.shape
        change = mask(change, around, (height, width), self.at)[:, :, 0]
        added = margins_beyond(around, old.shape)
        wide = jnp.zeros((height + sum(added[0]), width + sum(added[1]), *change.shape[2:]), change.dtype)
        start = self._start(around, added)
        wide = jax.lax.dynamic_update_slice(wide, change, (*start, 0, 0))
        wide = _without(wide, added).reshape(height, width, images, self.count, channels)
        new = (old[:, :, :, None] + wide).transpose(2, 3, 0, 1, 4)
        return new.reshape(-1, height, width, channels)

    def repeated(self, kind: str, name: str) -> Array:
        """An old vector for every candidate: (N x M, D)."""
        return jnp.repeat(getattr(self.memory, kind)[name], self.count, axis=0)

    def through(self, change: Array, around: Windows, shape: Shape, kernel: Array) -> Array:
        """The window's part of the product with the kernel; cells beyond the map meet rows of zeros."""
        kernel = kernel.reshape(*shape, -1)
        added = margins_beyond(around, shape)
        kernel = jnp.pad(kernel, (*added, (0, 0), (0, 0)))
        start = self._start(around, added)
        size = (*change.shape[:2], *kernel.shape[2:])
        kernel = jax.lax.dynamic_slice(kernel, (*start, 0, 0), size).reshape(-1, kernel.shape[3])
        flat = change[:, :, 0].transpose(2, 0, 1, 3).reshape(change.shape[3], -1)
        return product(flat, kernel)


class Anywhere(Stored):
    """Candidates of one image with n pixels each, wherever they are."""

    def pixels(self) -> Array:
        """The old colors (1, 1, n, M, C)."""
        return self._window(self.memory.images, (self.at[0], self.at[1]), (1, 1))

    def _window(self, maps: Array, start: tuple[Array, Array], size: tuple[int, ...]) -> Array:
        row, column = (
            first[None] + jnp.arange(side, dtype=jnp.int32)[:, None, None]
            for first, side in zip(start, size, strict=True)
        )
        return maps[:, :, 0].at[row[:, None], column[None]].get(mode="promise_in_bounds")

    def put(self, name: str, change: Array, around: Windows) -> Array:
        """The whole new map (M, H, W, C) of a layer."""
        old = _without(self.memory.after[name], self.layout.after[name])  # (H, W, 1, C)
        return (old + self._whole(change, around, old.shape)).transpose(2, 0, 1, 3)

    def repeated(self, kind: str, name: str) -> Array:
        """An old vector (1, D), the same for all candidates."""
        vector: Array = getattr(self.memory, kind)[name]
        return vector

    def through(self, change: Array, around: Windows, shape: Shape, kernel: Array) -> Array:
        """Each change at its place in the whole vector: one product for all candidates."""
        vectors = self._whole(change, around, shape).transpose(2, 0, 1, 3)
        return product(vectors.reshape(len(vectors), -1), kernel)

    def _whole(self, change: Array, around: Windows, shape: Shape) -> Array:
        """The change (H, W, M, C) in a whole map."""

        def cells(axis: int, pixel: int) -> Array:
            every = jnp.arange(shape[axis], dtype=jnp.int32)[:, None]
            return every - start_of(around[axis], self.at[axis])[pixel][None]

        count = change.shape[2]
        return reduce(
            jnp.add,
            (picked(change[:, :, pixel], cells(0, pixel), cells(1, pixel)) for pixel in range(count)),
        )


def _without(maps: Array, added: Margins) -> Array:
    """Maps (H, W, ...) without their margins."""
    (above, below), (left, right) = added
    return maps[above : maps.shape[0] - below, left : maps.shape[1] - right]
