"""Runs commands of the program in forks of itself, each under a failure: what a line of input asks for.

A line is JSON: arguments, the failure's name, the folder to work in, and modules to do without, or none: the
first is missing, and the others, which import it, are imported anew, as our own are. The answer is a line of
JSON: the exit status, and what was said on standard output and error. Imports are made once, so that a run
takes little. Started with the word `light`, it leaves out JAX and Dash, as a fork of a large process takes
long: for commands that need neither.
"""

import gc
import importlib
import json
import os
import pkgutil
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TextIO

import xpixels
from db import engine
from tests.support import commands

OTHERS = (
    "alembic.command",
    "encodings.ascii",
    "encodings.idna",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite",
    "unicodedata",
)
LIGHT = ("db",)  # the packages that the light one imports whole, besides what the parser needs
NOBODY = 65534
SECONDS = 60  # the longest that a command may take
ENCODING = ["utf-8"]  # of the streams of a child


def stream(number: int, mode: str) -> TextIO | None:
    """A standard stream as Python makes it: none where the caller closed it."""
    try:
        return os.fdopen(
            number, mode, encoding=ENCODING[0], closefd=False, buffering=1 if number == 2 else -1
        )
    except OSError:
        return None


def full_output() -> None:
    os.dup2(os.open("/dev/full", os.O_WRONLY), 1)


def gone_reader() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    os.dup2(writing, 1)


def no_room() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))


def few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (12, 12))


def other_user() -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def homeless() -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "XPIXELS_CACHE"):
        os.environ.pop(name, None)
    os.setuid(54321)  # whom nobody knows


def lost_folder() -> None:
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    os.rmdir(folder)


def ascii_terminal() -> None:
    ENCODING[0] = "ascii"


def impatient() -> None:
    engine.BUSY_TIMEOUT = 100


FAILURES = {
    "none": lambda: None,
    "standard input is closed": partial(os.close, 0),
    "standard output is closed": partial(os.close, 1),
    "standard error is closed": partial(os.close, 2),
    "standard output is full": full_output,
    "nobody reads the output": gone_reader,
    "there is no room on the disk": no_room,
    "few files may be open": few_files,
    "the user may not write": other_user,
    "the user has no home": homeless,
    "the current folder is gone": lost_folder,
    "the terminal knows ASCII alone": ascii_terminal,
    "no lock is waited for": impatient,
}


def serve() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        folder = Path(asked["folder"])
        said = {name: folder / f"said.{name}" for name in ("out", "err")}
        files = {
            name: os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666) for name, path in said.items()
        }
        child = os.fork()
        if child == 0:
            run(asked, files)
        status = os.waitpid(child, 0)[1]
        answer = {"status": os.waitstatus_to_exitcode(status)}
        for name, file in files.items():
            os.lseek(file, 0, os.SEEK_SET)
            answer[name] = os.read(file, 1 << 20).decode("utf-8", "backslashreplace")
            os.close(file)
        print(json.dumps(answer), flush=True)


def run(asked: dict, files: dict[str, int]) -> None:
    status = 99
    try:
        signal.alarm(SECONDS)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(files["out"], 1)
        os.dup2(files["err"], 2)
        for file in files.values():
            os.close(file)
        os.chdir(asked["folder"])
        os.environ.update(asked["environment"])
        sys.argv = ["xpixels", *asked["arguments"]]
        FAILURES[asked["failure"]]()
        program = without(asked["without"]) if asked["without"] else xpixels
        sys.stdin = stream(0, "r")
        sys.stdout, sys.stderr = stream(1, "w"), stream(2, "w")
        program.run()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 98
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
        except (OSError, ValueError, AttributeError):
            status = 97  # Python itself would tell of this, with a traceback
        os._exit(status)


def without(names: list[str]) -> ModuleType:
    """Forget modules and all of our own, the first of them for good; gives our program, imported anew."""
    forgotten = {*names, *xpixels.PACKAGES, "xpixels"}
    for name in [name for name in sys.modules if name.split(".")[0] in forgotten]:
        del sys.modules[name]
    sys.modules[names[0]] = None
    return importlib.import_module("xpixels")


def import_packages(packages: Sequence[str]) -> None:
    """So that a child need not, also where its user may not read what is imported."""
    for name in packages:
        for module in pkgutil.walk_packages([str(Path(xpixels.__file__).parent / name)], f"{name}."):
            importlib.import_module(module.name)
    for name in OTHERS:
        importlib.import_module(name)
    commands.commands()


if __name__ == "__main__":
    import_packages(LIGHT if "light" in sys.argv[1:] else xpixels.PACKAGES)
    gc.collect()
    gc.freeze()  # or each child would go through all of it
    serve()
