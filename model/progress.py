"""Progress that people see: a bar with rate and remaining time, or plain lines when not a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """Report the progress of a stage on standard error."""

    def __init__(self, title: str, total: int, unit: str, done: int = 0) -> None:
        """Begin at `done` of `total` items called `unit`; the rate counts the items from now on."""
        self.title, self.total, self.unit = title, total, unit
        self.done, self.start, self.note = done, done, ""
        self.said: int | None = None  # `done` in the last line printed
        self.began = self.last = time.monotonic()
        self.bar = tqdm(total=total, initial=done, desc=title, unit=unit) if sys.stderr.isatty() else None

    def to(self, done: int, note: str = "") -> None:
        """Update to `done`, with a short note after the numbers."""
        done, self.note = min(done, self.total), note
        if self.bar is not None:
            self.bar.update(done - self.done)
            self.bar.set_postfix_str(note)
        elif time.monotonic() - self.last >= SECONDS_BETWEEN_LINES:
            self.last = time.monotonic()
            self._line(done)
        self.done = done

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.began

    def close(self) -> None:
        """Close the bar, or print the last line."""
        if self.bar is not None:
            self.bar.close()
        elif self.said != self.done:
            self._line(self.done)

    def _line(self, done: int) -> None:
        self.said = done
        rate = (done - self.start) / self.seconds if self.seconds else 0.0
        left = f", {(self.total - done) / rate:.0f} s left" if rate and done < self.total else ""
        note = f"; {self.note}" if self.note else ""
        print(
            f"{self.title}: {done}/{self.total} {self.unit}, {rate:.1f}/s{left}{note}",
            file=sys.stderr,
            flush=True,
        )


@contextmanager
def progress(title: str, total: int, unit: str, *, done: int = 0) -> Iterator[Progress]:
    """Yield a `Progress` that is closed at the end of the block, also after an error."""
    reporter = Progress(title, total, unit, done)
    try:
        yield reporter
    finally:
        reporter.close()
