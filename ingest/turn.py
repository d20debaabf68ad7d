"""One ingest at a time on a database: who comes second waits, says so, and then finds the work done."""

from __future__ import annotations

import _thread
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from db import leases
from db.engine import file
from ingest.runs import code_version

LOOKS = 0.5  # seconds between two looks whether the other one is done


class Turn:
    """`with Turn(engine) as turn:`, and `turn.take()` where the work begins: it waits for other processes.

    Taken as late as it can be, so that a mistake in what was asked is told at once, and nothing is written.
    """

    def __init__(
        self,
        engine: Engine,
        meanwhile: Callable[[], bool] | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        """meanwhile: something to do for those who are at work; whether there was anything.

        say: hears the line that tells of a wait; by default it goes to standard error.
        """
        self.engine, self.meanwhile, self.say = engine, meanwhile, say or _say
        self.lease: int | None = None
        self.over = threading.Event()
        self.sign: threading.Thread | None = None

    def take(self) -> None:
        """Return when no other process is at work on the database. Its tables must be there already."""
        if self.lease is not None or (self.engine.dialect.name == "sqlite" and file(self.engine) is None):
            return  # taken; or a database in memory, which nobody else has
        seen, noticed, silent = None, 0.0, None
        while isinstance(found := leases.take(self.engine, code_version(), silent), leases.Holder):
            if seen is None or found[:3] != seen[:3]:  # once for each that is waited for
                who = f"process {found.process} on {found.host}, since {found.since}"
                does = "waiting, and taking part in its work" if self.meanwhile else "waiting"
                self.say(f"another ingest ({who}) is at work on this database: {does}")
            if found != seen:
                seen, noticed = found, time.monotonic()
            silent = found if time.monotonic() - noticed > leases.SILENCE else None
            if self.meanwhile is None or not self.meanwhile():
                time.sleep(LOOKS)
        self.lease = found
        self.sign = threading.Thread(target=self._live, name="signs of life", daemon=True)
        self.sign.start()

    def __enter__(self) -> Turn:
        """Nothing is taken yet."""
        return self

    def __exit__(self, kind, *_) -> None:
        """Let others work, whatever became of the work."""
        if self.lease is None:
            return
        self.over.set()
        self.sign.join()
        try:
            leases.release(self.engine, self.lease)
        except SQLAlchemyError:  # a full disk, say: what is told is why the work ended
            if kind is None:
                raise
        self.lease = None

    def _live(self) -> None:
        began = time.monotonic()
        while not self.over.wait(leases.SIGN_OF_LIFE):
            with suppress(SQLAlchemyError):  # a long transaction of another process: the next one will do
                if not leases.live(self.engine, self.lease, time.monotonic() - began):
                    self.say("another ingest took this one for dead, as it gave no sign, and took its place")
                    _thread.interrupt_main()
                    return


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
