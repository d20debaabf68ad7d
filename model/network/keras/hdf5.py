"""HDF5 files of strangers: groups, texts and arrays that stand in the file itself, never what it leads to.

Such a file can name other files (external links, external storage, virtual datasets), hold references, or
declare far more than it holds. Only hard links, text attributes and plain arrays of floating point are read,
and their sizes are checked first.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from model.network.foreign import ForeignError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MOST_BYTES = 1 << 31  # of all weights as float32
MOST_TEXT = 1 << 24  # bytes of one attribute
MOST_RATIO = 20  # bytes unpacked for each byte of the file; weights hardly compress
FREELY = 1 << 20  # bytes that may be unpacked at any ratio
FILTERS = {1, 2, 3, 32000}  # deflate, shuffle, checksum, LZF: no plugin is ever loaded
CHUNKED = 2  # HDF5's number for this layout
BFLOAT16 = np.dtype("V2")  # as Keras stores it


@dataclass
class Hdf5:
    """An open file, and how many bytes of arrays were read from it."""

    path: Path  # for messages
    root: h5py.Group
    size: int  # bytes of the file
    taken: int = 0
    converted: set[str] = field(default_factory=set)  # types of numbers other than float32 that were met

    def fail(self, message: str) -> ForeignError:
        """The error for this file."""
        return ForeignError(f"network {self.path}: {message}")

    def group(self, parent: h5py.Group, name: str) -> h5py.Group | None:
        """The group of this name, or None. Raises ForeignError for anything else, and for a link."""
        found = self._follow(parent, name)
        if found is not None and not isinstance(found, h5py.Group):
            raise self.fail(f"{name[:80]!r} is no group of the file: expected what Keras writes")
        return found

    def dataset(self, parent: h5py.Group, name: str) -> h5py.Dataset | None:
        """The array of this name, unread, or None. Raises ForeignError for anything else, and for a link."""
        found = self._follow(parent, name)
        if found is not None and not isinstance(found, h5py.Dataset):
            raise self.fail(f"{name[:80]!r} is no array: expected weights")
        return found

    def text(self, group: h5py.Group, name: str) -> str | None:
        """A text attribute, or None."""
        values = self._attribute(group, name)
        if values is None:
            return None
        if len(values) != 1:
            raise self.fail(f"its attribute {name!r} has {len(values)} values: expected one text")
        return values[0]

    def texts(self, group: h5py.Group, name: str) -> list[str] | None:
        """A list of texts, which Keras cuts into `name0`, `name1` ... where it is long, or None."""
        whole = self._attribute(group, name)
        if whole is not None:
            return whole
        parts: list[str] = []
        number = 0
        while (part := self._attribute(group, f"{name}{number}")) is not None:
            parts, number = parts + part, number + 1
        return parts if number else None

    def read(self, dataset: h5py.Dataset, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Weights of this shape as float32.

        Raises ForeignError for another shape, for numbers that are no floating point or not finite, for
        what is stored outside the file, and for more bytes than the file can hold.
        """
        what = f"weights {name[:80]!r}"
        if dataset.shape != shape:
            raise self.fail(f"{what} have shape {str(dataset.shape)[:60]}: expected {shape}")
        dtype = dataset.dtype
        if not (dtype.kind == "f" and dtype.itemsize <= 8) and dtype != BFLOAT16:
            raise self.fail(f"{what} are {str(dtype)[:40]}: expected floating point (no quantized network)")
        self._require_plain(dataset, what)
        self.taken += max(4, dtype.itemsize) * math.prod(shape)
        if self.taken > MOST_BYTES or self.taken > MOST_RATIO * self.size + FREELY:
            raise self.fail(
                f"its weights take {self.taken:,} bytes or more, from a file of {self.size:,}: expected at "
                f"most {MOST_BYTES:,}, and {MOST_RATIO} times the file"
            )
        stored = np.asarray(dataset[()])
        if dtype == BFLOAT16:  # the upper half of a float32
            stored = (stored.view("<u2").astype(np.uint32) << 16).view(np.float32)
        name_of_type = "bfloat16" if dtype == BFLOAT16 else dtype.name
        if name_of_type != "float32":
            self.converted.add(name_of_type)
        with np.errstate(over="ignore", invalid="ignore"):
            array = np.asarray(stored, np.float32)
        if not np.isfinite(array).all():
            raise self.fail(
                f"{what} hold NaN or infinite numbers: train the network again, or take an earlier file"
            )
        return array

    def _follow(self, parent: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
        node: h5py.Group | h5py.Dataset = parent
        for part in filter(None, name.split("/")):
            link = node.get(part, getlink=True) if isinstance(node, h5py.Group) else None
            if link is None:
                return None
            if not isinstance(link, h5py.HardLink):
                raise self.fail(f"{name[:80]!r} is a link to another place, which is never followed")
            node = node[part]
        return node

    def _attribute(self, group: h5py.Group, name: str) -> list[str] | None:
        if name not in group.attrs:
            return None
        stored = group.attrs.get_id(name)
        shape = stored.shape or ()
        if math.prod(shape) * max(stored.dtype.itemsize, 1) > MOST_TEXT:
            raise self.fail(
                f"its attribute {name!r} has shape {str(shape)[:60]}: expected at most {MOST_TEXT:,} bytes"
            )
        if 0 in shape or stored.shape is None:
            return []
        if h5py.check_string_dtype(stored.dtype) is None:
            raise self.fail(f"its attribute {name!r} is {str(stored.dtype)[:40]}: expected text")
        values = np.atleast_1d(np.asarray(group.attrs[name], dtype=object)).ravel().tolist()
        texts = [value.decode("utf-8") if isinstance(value, bytes) else str(value) for value in values]
        if sum(map(len, texts)) > MOST_TEXT:
            raise self.fail(f"its attribute {name!r} is longer than {MOST_TEXT:,} letters")
        return texts

    def _require_plain(self, dataset: h5py.Dataset, what: str) -> None:
        """Raise ForeignError unless all of an array stands in the file, unpacked without a plugin."""
        if dataset.is_virtual or dataset.external:
            raise self.fail(f"{what} are stored in another file, which is never read: save the network again")
        plan = dataset.id.get_create_plist()
        filters = {plan.get_filter(number)[0] for number in range(plan.get_nfilters())}
        if filters - FILTERS:
            raise self.fail(
                f"{what} are packed by the HDF5 filter {max(filters - FILTERS)}: expected gzip or none"
            )
        if plan.get_layout() == CHUNKED:
            if math.prod(plan.get_chunk()) * dataset.dtype.itemsize > max(2 * dataset.nbytes, FREELY):
                raise self.fail(f"{what} stand in chunks of {plan.get_chunk()}: expected at most their shape")
        elif dataset.nbytes > self.size:
            raise self.fail(
                f"{what} declare {dataset.nbytes:,} bytes in a file of {self.size:,}: it is truncated"
            )
        if dataset.nbytes and not dataset.id.get_storage_size():
            raise self.fail(f"{what} were declared, but never written: save the network again")


@contextmanager
def opened(path: Path, content: bytes | None = None) -> Iterator[Hdf5]:
    """Yield an open HDF5 file: `path`, or these bytes from it. Raises ForeignError, or what h5py raises."""
    with h5py.File(path if content is None else io.BytesIO(content), "r") as root:
        yield Hdf5(path, root, path.stat().st_size if content is None else len(content))
