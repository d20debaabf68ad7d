"""One ingest at a time on a database: who comes second waits, says so, and then finds the work done.

Who was taken for dead meanwhile commits nothing more (see `db.runs.fences`), and ends: by the first commit
that is refused, or sooner, when a sign of life is.
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

LOOKS = 0.5  # seconds between two looks whether the other one is done
AGAIN = 5.0  # seconds after which the work is interrupted once more, where the first time had no effect


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
        self.fence = ExitStack()
        self.lost: RuntimeError | None = None  # why the work must end

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
        self.fence.enter_context(fences.held(self.engine, found, processes.own()))
        work = threading.get_ident()
        self.sign = threading.Thread(target=self._live, args=(work,), name="signs of life", daemon=True)
        self.sign.start()

    def __enter__(self) -> Turn:
        """Nothing is taken yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Let others work, whatever became of the work. Raises what tells why, where it had to end."""
        if self.lease is None:
            return
        try:
            self.over.set()
            if self.sign is not None:
                self.sign.join()
        except Interruption:  # it was on its way
            pass
        finally:
            self.fence.close()
        lease, self.lease = self.lease, None
        if self.lost is not None and kind is not None:
            raise self.lost from error
        try:
            leases.release(self.engine, lease)
        except SQLAlchemyError:  # a full disk, say: what is told is why the work ended
            if kind is None:
                raise

    def _live(self, work: int) -> None:
        """Give signs of life. When that is refused, end the work, which is in the thread with that id."""
        began = time.monotonic()
        while not self.over.wait(leases.SIGN_OF_LIFE if self.lost is None else AGAIN):
            if self.lost is None:
                with suppress(SQLAlchemyError):  # another process's long transaction: the next one will do
                    self.lost = self._sign(time.monotonic() - began)
            if self.lost is not None and not self.over.is_set():
                _interrupt(work)

    def _sign(self, seconds: float) -> RuntimeError | None:
        """Give a sign of life; what is told where it is refused."""
        try:
            leases.live(self.engine, cast(int, self.lease), seconds)
        except RuntimeError as refused:
            return refused
        return None


class Interruption(processes.TakenForDead):
    """What a thread finds raised wherever it is."""


def _interrupt(thread: int) -> None:
    """Raise Interruption in a thread, as soon as it runs Python again.

    A signal would not do: a job in the background ignores SIGINT, and only a main thread hears of one.
    """
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Interruption))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
