"""Copy members of a tar archive, plain or gzipped, into files that we name, and up to a bound.

They are never extracted to paths that the archive chooses, and only regular files count.
"""

import gzip
import shutil
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, BinaryIO, cast

GZIP = b"\x1f\x8b"  # what gzipped files begin with
MAX_UNPACKED = 1 << 29  # bytes; the official archives unpack to 184 million
MAX_MEMBERS = 1000
PICKLES = "pickles, which run code when loaded, and are never opened"


def unpack_members(path: Path, folder: Path, most: Mapping[str, int], expected: str) -> list[str]:
    """Copy the members whose bare names are in `most`, the first of each, into a new folder.

    most: the bytes that each may have. expected: the name of the right archive, for messages.
    Returns the bare names of all the archive's files. Raises ValueError, which does not name the path, when
    it is no intact tar archive or unpacks to more than it may.
    """
    folder.mkdir()
    names = []
    try:
        with path.open("rb") as raw:
            gzipped = raw.read(len(GZIP)) == GZIP
            raw.seek(0)
            stream = _Bounded(gzip.GzipFile(fileobj=raw) if gzipped else raw, expected)
            with tarfile.open(fileobj=cast(BinaryIO, stream), mode="r|") as archive:
                for member in archive:
                    name = member.name.rpartition("/")[2]
                    names.append(name)
                    if len(names) > MAX_MEMBERS:
                        raise _RefusedError(f"it has more than {MAX_MEMBERS} members, expected {expected}")
                    if not member.isreg() or name not in most or (folder / name).exists():
                        continue
                    if member.size > most[name]:
                        raise _RefusedError(
                            f"{name} has {member.size:,} bytes, expected at most {most[name]:,}"
                        )
                    # a regular file, so that there is something to extract
                    with (
                        cast(IO[bytes], archive.extractfile(member)) as content,
                        (folder / name).open("wb") as copy,
                    ):
                        shutil.copyfileobj(content, copy)
    except _RefusedError:
        raise
    # tarfile raises ValueError and the like when a header is nonsense.
    except (EOFError, ValueError, ArithmeticError, zlib.error, gzip.BadGzipFile, tarfile.TarError) as error:
        raise ValueError(
            f"it ends early, is damaged or is no tar archive ({error}), expected {expected}"
        ) from error
    return names


class _RefusedError(ValueError):
    """Our own refusal, as opposed to tarfile's errors."""


class _Bounded:
    """A stream for tarfile that refuses to give more than MAX_UNPACKED bytes."""

    def __init__(self, stream: BinaryIO | gzip.GzipFile, expected: str) -> None:
        self.stream, self.expected, self.left = stream, expected, MAX_UNPACKED

    def read(self, size: int) -> bytes:
        piece = self.stream.read(size)
        self.left -= len(piece)
        if self.left < 0:
            raise _RefusedError(f"it unpacks to more than {MAX_UNPACKED:,} bytes, expected {self.expected}")
        return piece
