"""Asking people before something goes that cannot be brought back."""

from __future__ import annotations

import sys


class UsageError(ValueError):
    """A command was given in a way that it does not take."""

    exit_status = 2


def require_consent(question: str, *, given: bool) -> None:
    """Return when it may be done: `--yes` was given, or somebody at a terminal says so.

    Raises UsageError where nobody can be asked, InterruptedError where the answer is no.
    """
    if given:
        return
    if not sys.stdin.isatty():
        raise UsageError("standard input is no terminal, so nobody can be asked: add --yes to do it")
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise InterruptedError("nothing was changed")
