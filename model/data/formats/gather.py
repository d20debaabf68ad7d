"""Gather pictures of people, from files or from rows, as images of one size."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from model.data import limits
from model.data.formats.content import Request
from model.data.pictures import reading
from model.data.pictures.headers import PictureError, Size
from model.data.pictures.sizes import resize
from model.progress import progress

MADE_RGB = "made RGB of "  # how `model.data.pictures.colors` begins to say it
NAMED = 3  # unreadable files that a message names

L = TypeVar("L")


class Entry(NamedTuple, Generic[L]):
    """A picture that is not read yet."""

    part: str
    name: str  # safe to print
    label: L
    content: Callable[[], bytes]  # of its file; raises PictureError


class Gathered(NamedTuple, Generic[L]):
    """Pictures as arrays, in the order in which they came."""

    images: np.ndarray  # (N, H, W, C) uint8, a file in `scratch`; C = 1 where all files are gray
    parts: list[str]  # N
    labels: list[L]  # N
    said: tuple[str, ...]

    def rows(self) -> dict[str, slice]:
        """The rows of each part, which lie side by side."""
        first = {part: self.parts.index(part) for part in dict.fromkeys(self.parts)}
        return {part: slice(row, row + self.parts.count(part)) for part, row in first.items()}


def gather(entries: Iterable[Entry[L]], total: int, request: Request, noun: str = "files") -> Gathered[L]:
    """Read pictures, at most `total` of them and part by part, into one array; JPEG as its decoded pixels.

    Raises ValueError where pictures cannot be read (unless they are to be skipped) or have several sizes
    (unless they are to be resized); OSError where the array cannot be written.
    """
    pile = _Pile(request, total)
    parts: list[str] = []
    labels: list[L] = []
    unreadable: list[str] = []
    with progress("pictures", total, noun) as meter, pile.path.open("xb") as file:
        for done, entry in enumerate(entries, 1):
            try:
                pixels = pile.add(entry.content())
            except PictureError as error:
                unreadable.append(f"{entry.name}: {error}")
            else:
                file.write(pixels)
                parts.append(entry.part)
                labels.append(entry.label)
            meter.to(done, f"{len(unreadable)} unreadable" if unreadable else "")
    said = _check_readable(unreadable, total, request.skip_unreadable, noun)
    if not labels:
        raise ValueError(f"no {noun} that could be read, expected pictures")
    pile.check_sizes()
    height, width = request.size or (pile.first.height, pile.first.width)
    images: np.ndarray = np.memmap(pile.path, np.uint8, "r", shape=(len(labels), height, width, 3))
    if pile.gray:
        images = images[..., :1]
    done_to = [f"{count:,} {noun}: {words}" for words, count in pile.done.most_common(6)]
    return Gathered(images, parts, labels, (*said, *pile.resized(), *done_to))


class _Pile:
    """Images of one size, one after the other; once that is not to be had, only their sizes are counted."""

    def __init__(self, request: Request, total: int) -> None:
        self.request, self.total = request, total
        self.path = request.scratch / "pictures.raw"
        self.sizes: Counter[Size] = Counter()
        self.done: Counter[str] = Counter()  # what was done to the stored pixels
        self.gray = True

    @property
    def first(self) -> Size:
        return next(iter(self.sizes))

    def _is_possible(self) -> bool:
        """Whether all pictures so far can be of one data set."""
        return bool(self.request.size) or (len(self.sizes) < 2 and all(map(_is_allowed, self.sizes)))

    def add(self, content: bytes) -> bytes:
        """The pixels of an image, row by row, 3 bytes each; b"" where only sizes are counted."""
        if not self._is_possible():
            self.sizes[reading.measure(content)] += 1
            return b""
        whole = reading.decode_whole(content)
        self.sizes[Size(*whole.picture.size)] += 1
        if not self._is_possible():
            return b""
        height, width = self.request.size or whole.picture.size[::-1]
        if self.sizes.total() == 1:
            limits.check_size(height, width)
            limits.check_byte_count(self.total, 3 * height * width * self.total)
            limits.check_room(self.path.parent, 3 * height * width * self.total)
        picture = resize(whole.picture, width, height, self.request.how).picture
        pixels = np.asarray(picture)
        gray = whole.gray and bool((pixels == pixels[..., :1]).all())
        if self.gray and not gray and self.sizes.total() > 1:
            self.done["made RGB of gray"] += self.sizes.total() - 1
        self.gray = self.gray and gray
        self.done.update(words for words in whole.said if not self.gray or not words.startswith(MADE_RGB))
        return pixels.tobytes()

    def check_sizes(self) -> None:
        """Raise ValueError for several sizes, or one that no data set may have."""
        if self._is_possible():
            return
        if len(self.sizes) == 1:
            limits.check_size(self.first.height, self.first.width)
        areas = sorted(self.sizes, key=lambda size: (size.height * size.width, size))
        (usual, count), *_ = self.sizes.most_common(1)
        most = f"{count:,} of {self.sizes.total():,} of them {_rows_first(usual)}"
        raise ValueError(
            f"images of {len(self.sizes):,} sizes, {_rows_first(areas[0])} to {_rows_first(areas[-1])} "
            f"pixels (rows x columns), {most}: give --resize H W"
        )

    def resized(self) -> list[str]:
        """A line about the images that were resized."""
        if self.request.size is None:
            return []
        height, width = self.request.size
        same = self.sizes[Size(width, height)]
        count, sizes = self.sizes.total() - same, len(self.sizes) - bool(same)
        return [f"{count:,} images of {sizes:,} other sizes resized to {height} x {width}"] if count else []


def _check_readable(unreadable: list[str], total: int, skip: bool, noun: str) -> tuple[str, ...]:
    """A line about the pictures that are left out. Raises ValueError if they may not be."""
    if not unreadable:
        return ()
    named = "; ".join(unreadable[:NAMED]) + ("; ..." if len(unreadable) > NAMED else "")
    line = f"{len(unreadable):,} of {total:,} {noun} cannot be read ({named})"
    if not skip:
        raise ValueError(f"{line}: mend or remove them, or leave them out with --skip-unreadable")
    return (f"left out: {line}",)


def _is_allowed(size: Size) -> bool:
    return all(limits.MIN_SIDE <= side <= limits.MAX_SIDE for side in size)


def _rows_first(size: Size) -> str:
    return f"{size.height} x {size.width}"
