"""Read a network that Keras 1 to 3 saved, in a process of its own.

The library that reads HDF5 is written in C: with a damaged file it can crash, loop for ever, or ask for any
memory. So it runs in another process, whose memory and time are limited, and which gives back plain arrays
and a description as a safetensors file.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from model.network import weights_safetensors
from model.network.architecture import Pixels
from model.network.description import from_json, to_json
from model.network.foreign import Foreign, ForeignError
from model.network.keras.hdf5 import FREELY, MOST_BYTES, MOST_RATIO
from model.network.keras.model import read_here

UNPREPARED = Pixels()
SECONDS = 30  # of computing that reading may take, and as many more for each gigabyte
BASE_BYTES = 2 << 30  # of memory that it may ask for, and some for each byte of weights
COPIES = 5  # of the weights, at most, while they are read and written
WHOLE = "network.safetensors"
REFUSAL = "refusal.txt"
ROOT = Path(__file__).resolve().parents[3]
START = "import sys; sys.path.append({!r}); from model.network.keras.file import run; run()"


def read(path: Path, *, pixels: Pixels = UNPREPARED) -> Foreign:
    """The network in a `.h5` or `.keras` file that holds the whole model, as `model.save` writes it.

    pixels: how bytes become its inputs; where nothing is asked for, and its first layers scale bytes
    themselves, it gets bytes.

    Raises ForeignError, in one line, for whatever cannot be read.
    """
    if not path.is_file():
        raise ForeignError(f"network {path}: there is no such file")
    with tempfile.TemporaryDirectory(prefix="xpixels-") as name:
        folder = Path(name)
        limits = [SECONDS + SECONDS * path.stat().st_size // 2**30, _most_bytes(path)]
        command = [sys.executable, "-P", "-c", START.format(str(ROOT)), str(path), name]
        ended = subprocess.run(
            [*command, json.dumps(asdict(pixels)), *map(str, limits)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        )
        if (folder / REFUSAL).exists():
            raise ForeignError((folder / REFUSAL).read_text("utf-8"))
        if ended.returncode or not (folder / WHOLE).exists():
            raise ForeignError(f"network {path}: {_explain(ended)}: it is damaged; save it again")
        arrays, told = weights_safetensors.unpack((folder / WHOLE).read_bytes(), path)
    return Foreign(from_json(told["architecture"]), arrays, tuple(told["notes"]), told["facts"])


def run() -> None:
    """Read in this process, which `read` started, and write what it gives into the folder that is named."""
    path, folder, pixels, seconds, most_bytes = sys.argv[1:]
    _limit(int(seconds), int(most_bytes))
    given = json.loads(pixels)
    prepared = Pixels(given["scale"], tuple(given["mean"]), tuple(given["std"]), given["channels"])
    try:
        foreign = read_here(Path(path), prepared)
    except ForeignError as error:
        Path(folder, REFUSAL).write_text(str(error), "utf-8")
        return
    told = {
        "architecture": to_json(foreign.architecture),
        "notes": list(foreign.notes),
        "facts": dict(foreign.facts),
    }
    Path(folder, WHOLE).write_bytes(weights_safetensors.pack(foreign.arrays, told))


def _most_bytes(path: Path) -> int:
    weights = min(MOST_BYTES, MOST_RATIO * path.stat().st_size + FREELY)
    return BASE_BYTES + COPIES * weights


def _limit(seconds: int, most_bytes: int) -> None:
    """Let this process compute and allocate no more, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))


def _explain(ended: subprocess.CompletedProcess[bytes]) -> str:
    """How the process that read ended, in words."""
    if ended.returncode < 0:
        number = -ended.returncode
        late = number in (getattr(signal, "SIGXCPU", None), getattr(signal, "SIGKILL", None))
        return "reading it took too long" if late else f"the HDF5 library crashed (signal {number})"
    lines = ended.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
    return f"reading it failed ({lines[-1][:200]})"
