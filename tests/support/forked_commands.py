"""Runs commands of the program one after another, each in a fork of this one process.

Its standard streams are as Python made them for this process, in the encoding that its environment asks for;
imports are made once. It is started as a script of another folder is: its own folder is not looked into for
modules. Words and answers are bytes, which JSON takes as Latin-1.
"""

import gc
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Said(NamedTuple):
    """What came of a command."""

    status: int
    out: bytes
    err: bytes


def run(
    commands: Sequence[Sequence[object]],
    *,
    given: Sequence[bytes] = (),
    env: Mapping[str, str] = os.environ,
    cwd: Path | None = None,
) -> list[Said]:
    """Run commands in a new process with that environment and folder.

    given: what each reads from a pipe as its standard input, by default nothing.
    """
    words = [[os.fsencode(str(word)).decode("latin-1") for word in command] for command in commands]
    inputs = [one.decode("latin-1") for one in given] or [""] * len(commands)
    asked = json.dumps(list(zip(words, inputs, strict=True)))
    start = (
        f"import sys; sys.path.append({str(ROOT)!r}); from tests.support import forked_commands as forked; "
    )
    program = [sys.executable, "-P", "-c", f"{start}forked.serve(sys.argv[1])", asked]
    done = subprocess.run(program, capture_output=True, env=env, cwd=cwd, check=False)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return [Said(status, out.encode("latin-1"), err.encode("latin-1")) for status, out, err in answers]


def serve(asked: str) -> None:
    """Run each command, in the new process."""
    import sqlalchemy.dialects.sqlite  # noqa: F401

    import xpixels
    from db.commands import runs, sql_command, upkeep_command  # noqa: F401

    gc.collect()
    gc.freeze()  # or each child would go through all of it
    ours = os.dup(1)
    for words, given in json.loads(asked):
        reading, writing = os.pipe()
        os.write(writing, given.encode("latin-1"))  # as long as the pipe holds it
        os.close(writing)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if child == 0:
                os.dup2(reading, 0)
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                sys.argv = ["xpixels", *(os.fsdecode(word.encode("latin-1")) for word in words)]
                run_and_exit(xpixels.run)
            os.close(reading)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            said = []
            for file in (out, err):
                file.seek(0)
                said.append(file.read().decode("latin-1"))
            os.write(ours, (json.dumps([status, *said]) + "\n").encode("ascii"))


def run_and_exit(program: Callable[[], object]) -> None:
    """End this process with the program's status, as Python does, but at once: it would free all modules."""
    status = 1
    try:
        program()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        status = 120  # of which Python itself would tell, with a traceback
    os._exit(status)
