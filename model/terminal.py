"""Standard streams that never end a program: a character that they cannot show is written in another way."""

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

# What is written for signs of ours where the terminal has no such character; others are escaped.
PLAIN = str.maketrans(
    {
        "…": "...",
        "–": "-",
        "—": "-",
        "−": "-",
        "×": "x",
        "→": "->",
        "⇄": "<->",
        "✓": "ok",
        "✗": "no",
        "“": '"',
        "”": '"',
        "’": "'",
        "·": "-",
        "≥": ">=",
        "≤": "<=",
        "µ": "u",
        "\N{NO-BREAK SPACE}": " ",
    }
)
HANDLER = "xpixels"


def prepare_streams() -> None:
    """Let standard output and error show every character somehow, and let each stream be there.

    A stream that the caller has closed is None in Python: reading and complaining then go nowhere, writing
    results is an OSError.
    """
    codecs.register_error(HANDLER, _show_somehow)
    for number in range(3):  # or the next file that is opened, a database say, would be taken for the stream
        with suppress(OSError):
            os.fstat(number)
            continue
        os.open(os.devnull, os.O_RDWR)
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8")
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(_Closed(), encoding="utf-8", write_through=True)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a caller's own kind of stream is the caller's affair
            stream.reconfigure(errors=HANDLER)


@contextmanager
def outlasting() -> Iterator[None]:
    """While the block runs, nobody needs to read what it says: it goes on when the reader has gone."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(_Outlasting, before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


class _Outlasting:
    """A text stream whose words are lost, and nothing else, when its reader has gone."""

    def __init__(self, stream: TextIO) -> None:
        """Of what is written to this one."""
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        """Whatever else the stream can."""
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """As the stream does."""
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._lose()
            return len(text)

    def flush(self) -> None:
        """As the stream does."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._lose()

    def _lose(self) -> None:
        """Let what waits to be written, and all that comes, go nowhere."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


class _Closed(io.RawIOBase):
    """Standard output that is not there."""

    def writable(self) -> bool:
        """So that a text stream is made of it."""
        return True

    def write(self, _data: object) -> int:
        """Raise OSError."""
        raise OSError("standard output is closed: open it, or name a file with --output where there is one")


def _show_somehow(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(PLAIN)
    return text.encode("ascii", "backslashreplace"), error.end
