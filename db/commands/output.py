"""Write an answer to standard output, or to a file whose ending chooses the form.

A file is written whole or not at all, and replaces another one only on request. Standard output gets bytes of
UTF-8, whatever a terminal's encoding is.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

from db.forms import FORMS
from whole_file import FORCE, require_place, whole_file


def add_options(command: argparse.ArgumentParser, forms: Sequence[str] = tuple(FORMS)) -> None:
    """Add the options that `chosen_form` and `write` read."""
    endings = [f".{name}" for name in forms]
    kinds = command.add_mutually_exclusive_group()
    for name in forms:
        kinds.add_argument(
            f"--{name}", dest="form", action="store_const", const=name, help=f"write {FORMS[name].help}"
        )

    def file(text: str) -> Path:
        path = Path(text).expanduser()
        if path.suffix.lower() not in endings:
            raise argparse.ArgumentTypeError(f"{text}: expected a name that ends in {', '.join(endings)}")
        return path

    command.add_argument(
        "--output",
        type=file,
        metavar="FILE",
        help=f"a file to write, whole or not at all; its ending selects the format ({', '.join(endings)}; "
        "default: standard output)",
    )
    command.add_argument("--force", action="store_true", help="let --output replace a file that is there")


def chosen_form(options: argparse.Namespace) -> str | None:
    """The form chosen by an option or a file's ending; None: neither. Call it before any work.

    Ends the program for options that contradict one another. Raises OSError, as `require_place` does, for a
    file that cannot be written.
    """
    path, form = options.output, options.form
    if path is None and options.force:
        options.usage_error("argument --force: expected --output FILE beside it")
    if path is not None:
        ending = path.suffix.lower().removeprefix(".")
        if form is not None and form != ending:
            options.usage_error(f"argument --output: {path} contradicts --{form}; leave one of them out")
        form = ending
        require_place(path, replace=options.force, way_out=FORCE)
    elif form is not None and not FORMS[form].is_text and sys.stdout.isatty():
        options.usage_error(
            f"argument --{form}: not for a terminal; name a file with --output FILE, or redirect"
        )
    return cast(str | None, form)


def write(pieces: Iterable[bytes], options: argparse.Namespace) -> None:
    """Write an answer to the named file, or to standard output.

    Raises OSError where it cannot be written; an existing file is then unchanged.
    """
    if options.output is None:
        to_standard_output(pieces)
        return
    with whole_file(options.output, replace=options.force, way_out=FORCE) as path, path.open("wb") as file:
        file.writelines(pieces)


def to_standard_output(pieces: Iterable[bytes]) -> None:
    """Write bytes to standard output, past its encoding."""
    sys.stdout.flush()
    for piece in pieces:
        if isinstance(sys.stdout, io.StringIO):  # of a program that captures this one's output
            sys.stdout.write(piece.decode())
        else:
            sys.stdout.buffer.write(piece)
    sys.stdout.flush()
