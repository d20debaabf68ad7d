"""Parsers of commands: an error is one line, and a command may have parts beside its own options."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, cast

from db.address import DEFAULT, ENVIRONMENT, hide_passwords

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

Run = Callable[[argparse.Namespace], int | None]  # does a command; returns its exit status, None is 0
Describe = Callable[["Parser"], Run]  # adds the options of a command, and returns what does it
# What holds after a command is stopped, or finds no room on a disk; perhaps depending on its options.
Stopped = str | Callable[[argparse.Namespace], str]


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, and whose first argument may name a part of it."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        """Start without parts, with number types whose errors explain what was expected."""
        super().__init__(*arguments, **keywords)
        self.register("type", int, _whole_number)
        self.register("type", float, _number)
        self.parts: dict[str, Parser] = {}
        self.describe: Describe | None = None

    def complete(self) -> Parser:
        """Add the options if that is still to be done: only the command that is given needs its own."""
        if self.describe is not None:
            describe, self.describe = self.describe, None
            self.set_defaults(run=describe(self))
        return self

    def add_part(self, name: str, run: Run, help: str, *, stopped: Stopped) -> Parser:
        """Add a part with its own options, beside those of the command, whose `--help` lists its parts."""
        part = self.parts[name] = Parser(prog=f"{self.prog} {name}", description=help)
        part.set_defaults(run=run, stopped=stopped, usage_error=part.error)
        _add_database(part)
        parts = "; ".join(f"`{each.prog}`: {each.description}" for each in self.parts.values())
        self.epilog = f"Each has options of its own, see its --help: {parts}."
        return part

    def parse_known_args(  # type: ignore[override]  # a namespace of another class is not used
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Let the named part parse the rest, or else the command parse all."""
        self.complete()
        if args and args[0] in self.parts:
            return self.parts[args[0]].parse_known_args(args[1:], namespace)
        return super().parse_known_args(args, namespace)

    def parse_args(  # type: ignore[override]  # as above
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Like argparse; an unknown argument is an error of the command that it was given to."""
        options, left = self.parse_known_args(sys.argv[1:] if args is None else args, namespace)
        if left:
            getattr(options, "usage_error", self.error)(f"unrecognized arguments: {' '.join(left)}")
        return options

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        """Write it at once: argparse would ignore a full disk."""
        if message:
            stream = cast(TextIO, file or sys.stderr)
            print(message, end="", file=stream, flush=True)

    def error(self, message: str) -> NoReturn:
        """End with status 2, in one line without the password of an address."""
        line = " ".join(hide_passwords(message).split())
        self.exit(2, f"{self.prog}: {line}; see `{self.prog} --help`\n")


class Commands:
    """The commands below a parser: its first argument names one of them."""

    def __init__(self, parser: Parser) -> None:
        """Without commands."""
        self._parsers = parser.add_subparsers(
            title="commands", metavar="COMMAND", required=True, parser_class=Parser
        )

    def add(
        self, name: str, describe: Describe, help: str, *, stopped: Stopped, database: bool = True
    ) -> None:
        """Add a command. database: one of its options is `--database`.

        describe: called when the command is given, as its imports may take long; may set another `stopped`.
        """
        command: Parser = self._parsers.add_parser(name, help=help, description=help)
        command.set_defaults(stopped=stopped, usage_error=command.error)
        command.describe = describe
        if database:
            _add_database(command)

    def add_group(self, name: str, help: str) -> Commands:
        """Add a command that has commands of its own."""
        return Commands(self._parsers.add_parser(name, help=help))


def _add_database(command: Parser) -> None:
    command.add_argument(
        "--database",
        metavar="URL",
        help=f"path or URL of the database (default: ${ENVIRONMENT}, which process lists do not show, else "
        f"{DEFAULT})",
    )


def _whole_number(text: str) -> int:
    if not re.fullmatch("[+-]?[0-9]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    if len(text) > 18:
        raise argparse.ArgumentTypeError(f"{text!r} is too large: expected at most 18 digits")
    return int(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
