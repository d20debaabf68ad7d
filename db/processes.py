"""Which process wrote a run, and whether it is still there."""

import os
import platform
from pathlib import Path


def name(pid: int) -> str:
    """Host, process id and the process's start: another process that gets the same id is told apart."""
    fields = _stat(pid)
    start = fields[19] if fields else ""  # field 22: clock ticks from boot to its start
    return f"{platform.node()}/{pid}/{start}"


def own() -> str:
    """The name of this process."""
    return name(os.getpid())


def split(process: str) -> tuple[str, int]:
    """Host and process id of a name."""
    host, pid, _ = process.rsplit("/", 2)
    return host, int(pid)


def alive(process: str | None) -> bool:
    """Whether a process is still there; one of another machine may well be."""
    if process is None:
        return False
    host, pid = split(process)
    if host != platform.node():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    fields = _stat(pid)
    if fields and fields[0] in "ZX":  # killed, and its parent has not asked what became of it
        return False
    return process.endswith("/") or name(pid) == process


class TakenForDead(RuntimeError):
    """Another process took this one for dead, ended its run and does its work."""


def taken_for_dead(run_id: int, successor: str = "another process") -> TakenForDead:
    """What ends a process whose run another one has ended."""
    return TakenForDead(
        f"run {run_id} is over: {successor} took this one for dead, as it gave no sign of life, and took its "
        "place; what was written before is kept"
    )


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on, the state; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return []
