"""Parsers of commands: a complaint is one line, and a command may have parts beside its own options."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import NoReturn

DATABASE = "xpixels.db"


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line, and whose first argument may name a part of it."""

    def __init__(self, *arguments, **keywords) -> None:
        """Without parts."""
        super().__init__(*arguments, **keywords)
        self.parts: dict[str, Parser] = {}

    def add_part(self, name: str, run: Callable[[argparse.Namespace], int | None], help: str) -> Parser:
        """A part with options of its own, beside those of the command; its `--help` tells both."""
        part = self.parts[name] = Parser(prog=f"{self.prog} {name}", description=help)
        part.set_defaults(run=run)
        told = "; ".join(f"`{one.prog}`: {one.description}" for one in self.parts.values())
        self.epilog = f"With options of their own, see --help of each: {told}."
        return part

    def parse_known_args(self, args=None, namespace=None):
        """As the part that is named parses the rest, or as the command does."""
        if args and args[0] in self.parts:
            return self.parts[args[0]].parse_known_args(args[1:], namespace)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """End with status 2."""
        self.exit(2, f"{self.prog}: {message}; see `{self.prog} --help`\n")


def add_command(commands, name: str, run: Callable[[argparse.Namespace], int | None], help: str) -> Parser:
    """A command among others, which `run` does."""
    command = commands.add_parser(name, help=help, description=help)
    command.set_defaults(run=run)
    return command


def add_database(command: argparse.ArgumentParser) -> None:
    """The option that names the database."""
    default = os.environ.get("XPIXELS_DATABASE_URL", DATABASE)
    command.add_argument(
        "--database",
        default=default,
        metavar="URL",
        help="path or URL of the database (default: $XPIXELS_DATABASE_URL, else %(default)s)",
    )
