"""Ask the user before something is deleted that cannot be restored."""

from __future__ import annotations

import sys


class UsageError(ValueError):
    """A command was used in a way that it does not accept."""

    exit_status = 2


def require_consent(question: str, *, given: bool) -> None:
    """Return if the user agrees, with `--yes` or by an answer at a terminal.

    Raises UsageError where nobody can be asked, InterruptedError where the answer is no.
    """
    if given:
        return
    if not sys.stdin.isatty():
        raise UsageError("standard input is no terminal, so nobody can confirm: add --yes to do it")
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise InterruptedError("nothing was changed")
