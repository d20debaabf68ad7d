"""Standard streams that never stop a program: characters that they cannot show are replaced or escaped."""

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

# Replacements for our own signs where the terminal lacks them; other characters are escaped.
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
    """Make standard output and error accept every character, and replace streams that are closed.

    A stream that the caller has closed is None in Python: input and error messages then use the null device,
    and writing to standard output raises OSError.
    """
    codecs.register_error(HANDLER, _replace_characters)
    for number in range(3):  # or the next file opened, such as a database, would get the stream's number
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
        if isinstance(stream, io.TextIOWrapper):  # a caller's own kind of stream is left alone
            stream.reconfigure(errors=HANDLER)


@contextmanager
def outlasting() -> Iterator[None]:
    """Keep the block running when the reader of its output has gone."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(_Outlasting, before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


class _Outlasting:
    """A text stream that drops its text, and raises nothing, when its reader has gone."""

    def __init__(self, stream: TextIO) -> None:
        """Wrap this stream."""
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        """Pass everything else on to the stream."""
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write to the stream, or drop the text."""
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._drop_text()
            return len(text)

    def flush(self) -> None:
        """Flush the stream, or drop its text."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._drop_text()

    def _drop_text(self) -> None:
        """Send waiting and later text to the null device."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


class _Closed(io.RawIOBase):
    """A standard output that is closed."""

    def writable(self) -> bool:
        """True, so that a text stream can wrap it."""
        return True

    def write(self, _data: object) -> int:
        """Raise OSError."""
        raise OSError("standard output is closed: open it, or name a file with --output where there is one")


def _replace_characters(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(PLAIN)
    return text.encode("ascii", "backslashreplace"), error.end
