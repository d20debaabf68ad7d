"""Every command of the program with arguments that end soon: harnesses try each of them.

`{database}` is the database, `{folder}` a folder to write to, `{png}` a picture.
"""

import argparse
from collections.abc import Iterator

import xpixels
from db.commands.parser import Parser

# Arguments behind the command. A command without an entry fails `tests/test_faults.py`.
ARGUMENTS = {
    "demo": ["--no-serve", "--database", "{database}"],
    "data fetch": ["cifar10", "--from", "{folder}/nothing"],
    "data add": ["mine", "{folder}/nothing"],
    "data list": [],
    "data show": ["cifar10-sample"],
    "data remove": ["mine"],
    "network add": ["{folder}/nothing.onnx", "--name", "mine"],
    "network list": [],
    "network show": ["cifar10-cnn"],
    "network remove": ["mine"],
    "network export": ["cifar10-cnn", "{folder}/w.safetensors"],
    "train": ["--dataset", "cifar10-sample", "--epochs", "-1", "--output", "{folder}/w.safetensors"],
    "evaluate": ["--weights", "{folder}/nothing.npz", "--database", "{database}"],
    "ingest": ["--dataset", "cifar10-sample", "--cases", "9999", "--database", "{database}"],
    "tune": ["--database", "{database}"],
    "study": ["--dataset", "cifar10-sample", "--cases", "9999", "--database", "{database}"],
    "check": ["{png}", "--database", "{database}", "--weights", "{folder}/nothing.npz"],
    "serve": ["--port", "70000", "--database", "{database}"],
    "sql": ["select 1", "--database", "{database}"],
    "export": ["runs", "--database", "{database}"],
    "runs": ["--database", "{database}"],
    "runs batches": ["--database", "{database}"],
    "runs delete": ["1", "--yes", "--database", "{database}"],
    "db upgrade": ["--database", "{database}"],
    "db check": ["--database", "{database}"],
    "db info": ["--database", "{database}"],
    "db backup": ["{folder}/copy.db", "--database", "{database}"],
    "db copy": ["{database}", "{folder}/copied.db"],
}

# The same commands with options that let them do something else: harnesses try these, too.
VARIANTS = {
    "sql -f {png}": ["--database", "{database}"],
    "sql --output {folder}/new.parquet": ["select 1 as one", "--database", "{database}"],
    "export --output {folder}/new.csv": ["runs", "--database", "{database}"],
    "runs --output {folder}/new.json": ["--database", "{database}"],
    "data add --split 0.5": ["mine", "{folder}"],
    "check --keep": ["{png}", "--database", "{database}"],
    "check --forget": ["--yes", "--database", "{database}"],
    "check --resize fit": ["-", "{folder}", "--json", "--database", "{database}"],
    "db check --repair": ["--yes", "--database", "{database}"],
}


# Commands that take no database: networks and data sets of one's own are files.
WITHOUT_DATABASE = tuple(
    command for command, given in {**ARGUMENTS, **VARIANTS}.items() if "{database}" not in given
)


def commands() -> list[str]:
    """The commands that the parser knows, `db info` and not `db` alone."""
    return list(_commands(xpixels.parser(), ""))


def _commands(parser: Parser, before: str) -> Iterator[str]:
    groups = [
        action for action in parser.complete()._actions if isinstance(action, argparse._SubParsersAction)
    ]
    if not groups:
        yield before.strip()
        yield from (f"{before.strip()} {name}" for name in parser.parts)
    for group in groups:
        for name, part in group.choices.items():
            yield from _commands(part, f"{before} {name}")


def arguments(command: str, **places: object) -> list[str]:
    """A command with its arguments, `{database}` and the like filled in."""
    parts = [*command.split(), *(ARGUMENTS | VARIANTS)[command]]
    return [part.format(**places) for part in parts]
