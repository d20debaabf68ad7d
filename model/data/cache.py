"""The user's cache folder: it holds every data set that does not ship with the code."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from whole_file import hidden_folder

DAY = 86_400  # seconds: nothing that fills the cache takes that long


def cache_root(cache_dir: str | Path | None = None) -> Path:
    """Name the cache folder, existing or not.

    It is cache_dir, else $XPIXELS_CACHE, else $XDG_CACHE_HOME/xpixels, else ~/.cache/xpixels.
    """
    root = cache_dir or os.environ.get("XPIXELS_CACHE")
    if not root:
        base = os.environ.get("XDG_CACHE_HOME", "")
        # The XDG specification: a relative path is invalid and to be ignored.
        root = (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "xpixels"
    return Path(root).expanduser()


@contextlib.contextmanager
def staging(folder: Path, name: str) -> Iterator[Path]:
    """Yield a new hidden folder in `folder`, so on its file system, and remove it afterwards.

    `folder` is made if missing, and removed again if nothing has come into it. What killed processes left
    under the same name is removed after a day. Raises OSError.
    """
    missing = [place for place in (folder, *folder.parents) if not place.is_dir()]
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f".{name}-*"):
        if time.time() - left.stat().st_mtime > DAY:
            shutil.rmtree(left, ignore_errors=True)
    try:
        with hidden_folder(folder, name) as stage:
            yield stage
    finally:
        with contextlib.suppress(OSError):  # not empty: the data are there
            for place in missing:
                place.rmdir()
