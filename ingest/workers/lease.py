"""One ingest at a time on a database: a second one prints that it waits, and then finds the work done.

A process that was taken for dead meanwhile can commit nothing more (see `db.runs.fences`) and ends: at its
first refused commit, or sooner, at a refused sign of life.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import cast

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from db import processes
from db.engine import file
from db.runs import fences, leases
from ingest.runs import code_version

LOOKS = 0.5  # seconds between two checks whether the other process is done
AGAIN = 5.0  # seconds after which the work is interrupted again, if the first time had no effect


class Turn:
    """A turn to write: `with Turn(engine) as turn:`, then `turn.take()` waits until other processes are done.

    Take it as late as possible, so that wrong options are reported at once, before anything is written.
    """

    def __init__(
        self,
        engine: Engine,
        meanwhile: Callable[[], bool] | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        """meanwhile: does some work for the active process; returns whether there was any.

        say: gets the line about a wait; by default it prints to standard error.
        """
        self.engine, self.meanwhile, self.say = engine, meanwhile, say or _say
        self.lease: int | None = None
        self.over = threading.Event()
        self.sign: threading.Thread | None = None
        self.fence = ExitStack()
        self.lost: RuntimeError | None = None  # why the work must end

    def take(self) -> None:
        """Wait until no other process is at work on the database. Its tables must exist already."""
        if self.lease is not None or (self.engine.dialect.name == "sqlite" and file(self.engine) is None):
            return  # taken already; or a database in memory, which has no other process
        seen, noticed, silent = None, 0.0, None
        while isinstance(found := leases.take(self.engine, code_version(), silent), leases.Holder):
            if seen is None or found[:3] != seen[:3]:  # once for each process that is waited for
                who = f"process {found.process} on {found.host}, since {found.since}"
                does = "waiting, and helping with its work" if self.meanwhile else "waiting"
                self.say(f"another ingest ({who}) is at work on this database: {does}")
            if found != seen:
                seen, noticed = found, time.monotonic()
            silent = found if time.monotonic() - noticed > leases.SILENCE else None
            if self.meanwhile is None or not self.meanwhile():
                time.sleep(LOOKS)
        self.lease = found
        self.fence.enter_context(fences.held(self.engine, found, processes.own()))
        work = threading.get_ident()
        self.sign = threading.Thread(target=self._live, args=(work,), name="signs of life", daemon=True)
        self.sign.start()

    def __enter__(self) -> Turn:
        """Return the turn, which is not taken yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Release the turn, also after an error. If the work had to end, raises the reason."""
        if self.lease is None:
            return
        try:
            self.over.set()
            if self.sign is not None:
                self.sign.join()
        except Interruption:  # `_live` had already sent it
            pass
        finally:
            self.fence.close()
        lease, self.lease = self.lease, None
        if self.lost is not None and kind is not None:
            raise self.lost from error
        try:
            leases.release(self.engine, lease)
        except SQLAlchemyError:  # such as a full disk: report why the work ended
            if kind is None:
                raise

    def _live(self, work: int) -> None:
        """Send signs of life. When one is refused, end the work, which runs in the thread with this id."""
        began = time.monotonic()
        while not self.over.wait(leases.SIGN_OF_LIFE if self.lost is None else AGAIN):
            if self.lost is None:
                with suppress(SQLAlchemyError):  # a long transaction of another process: try the next time
                    self.lost = self._sign(time.monotonic() - began)
            if self.lost is not None and not self.over.is_set():
                _interrupt(work)

    def _sign(self, seconds: float) -> RuntimeError | None:
        """Send a sign of life; returns the error if it is refused, else None."""
        try:
            leases.live(self.engine, cast(int, self.lease), seconds)
        except RuntimeError as refused:
            return refused
        return None


class Interruption(processes.TakenForDead):
    """Raised in a thread from outside, wherever its code is."""


def _interrupt(thread: int) -> None:
    """Raise Interruption in a thread, as soon as it runs Python again.

    A signal would not work: background jobs ignore SIGINT, and only the main thread receives signals.
    """
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Interruption))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
