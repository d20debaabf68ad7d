"""Dashboards, each in a process of its own: forks of one that has imported everything, so they start soon.

What is served is what `xpixels serve` serves, over HTTP; it ends by SIGTERM.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
IMPORTED = ("dashapp.server", "psycopg", "sqlalchemy.dialects.postgresql", "sqlalchemy.dialects.sqlite")
PROGRAM = "from tests.support import forked_dashboards; forked_dashboards.fork_on_request()"

Serve = Callable[..., AbstractContextManager[str]]  # (address of the database, log, *further options)


@contextmanager
def starter() -> Iterator[Serve]:
    """Gives a function: the address of a dashboard, for a block; what it says of errors is added to a log."""
    with subprocess.Popen(
        [sys.executable, "-u", "-c", PROGRAM],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        @contextmanager
        def served(url: object, log: Path, *options: str) -> Iterator[str]:
            with TemporaryDirectory() as folder:
                pipe = Path(folder, "out")
                os.mkfifo(pipe)
                print(json.dumps([str(url), str(pipe), str(log), *options]), file=process.stdin, flush=True)
                started = int(process.stdout.readline())
                with pipe.open(encoding="utf-8") as out:
                    address = out.readline().strip()
                    assert address.startswith("http://"), log.read_text(encoding="utf-8")
                    try:
                        yield address
                    finally:
                        os.kill(started, signal.SIGTERM)
                        out.read()  # which ends with the process

        yield served
        process.stdin.close()


def fork_on_request() -> None:
    """Start a dashboard for each line of input, and say its number."""
    import xpixels

    for name in IMPORTED:
        importlib.import_module(name)

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    for line in sys.stdin:
        url, out, log, *options = json.loads(line)
        child = os.fork()
        if child:
            print(child, flush=True)
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        appended = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        for number, (path, mode) in enumerate(
            ((os.devnull, os.O_RDONLY), (out, os.O_WRONLY), (log, appended))
        ):
            os.dup2(os.open(path, mode, 0o666), number)
        sys.argv = ["xpixels", "serve", "--database", url, "--port", "0", *options]
        try:
            xpixels.run()
        finally:
            os._exit(0)
