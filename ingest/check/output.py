"""The output of `xpixels check`: lines, or a JSON list, and the resulting exit status."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from db.address import hide_passwords
from db.read.for_ingest.detectors import KnownNetwork
from ingest.check import verdict as verdicts
from ingest.check.verdict import Verdict
from model.data.pictures.files import shown

ALARMED = 3


@dataclass
class Output:
    """Prints verdicts and counts them."""

    network: KnownNetwork
    heading: str  # the line before all others
    json: bool
    alarmed: int = 0
    quiet: int = 0
    failed: int = 0

    @property
    def count(self) -> int:
        """The number of images so far."""
        return self.alarmed + self.quiet + self.failed

    @property
    def status(self) -> int:
        """The exit status of the command."""
        return 1 if self.failed else ALARMED if self.alarmed else 0

    def __enter__(self) -> Output:
        """Begin the list."""
        if self.json:
            sys.stdout.write("[")
        return self

    def __exit__(self, *_: object) -> None:
        """End the list, also after an error, so that it can be read."""
        if self.json:
            sys.stdout.write("\n]\n" if self.count else "]\n")

    def failure(self, name: str, error: str) -> None:
        """Print why an image could not be judged."""
        if self.json:
            self._entry({"file": _printable(name), "error": error})
        else:
            print(f"xpixels: {_printable(name)}: {error}", file=sys.stderr)
        self.failed += 1

    def verdict(self, name: str, verdict: Verdict, read: Sequence[str], case_id: int | None) -> None:
        """Print an image's verdict, and what was done to read it."""
        if self.json:
            self._entry(verdicts.as_entry(_printable(name), self.network, verdict, read, case_id))
        else:
            if not self.alarmed + self.quiet:
                print(self.heading)
            print(verdicts.as_lines(_printable(name), verdict, read, case_id), flush=True)
        self.alarmed += verdict.alarm
        self.quiet += not verdict.alarm

    def summary(self, seconds: float) -> None:
        """Print a summary of all images."""
        line = verdicts.summary(self.alarmed, self.quiet, self.failed, seconds)
        print(line, file=sys.stderr if self.json else sys.stdout)

    def _entry(self, entry: dict[str, Any]) -> None:
        sys.stdout.write(",\n" if self.count else "\n")
        sys.stdout.write(json.dumps(entry))


def _printable(name: str) -> str:
    """A file's name for printing; if an address was given in its place, passwords are hidden."""
    return hide_passwords(shown(name)) if "://" in name else shown(name)
