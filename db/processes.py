"""Which process wrote a run, and whether it still runs."""

import os
import platform

import psutil


def name(pid: int) -> str:
    """Host, process id and start of the process, which distinguishes it from a later one with the same id."""
    return f"{platform.node()}/{pid}/{_start(pid)}"


def own() -> str:
    """The name of this process."""
    return name(os.getpid())


def split(process: str) -> tuple[str, int]:
    """Host and process id of a name."""
    host, pid, _ = process.rsplit("/", 2)
    return host, int(pid)


def alive(process: str | None) -> bool:
    """Whether a process still runs; one of another machine is assumed to."""
    if process is None:
        return False
    host, pid = split(process)
    if host != platform.node():
        return True
    if not psutil.pid_exists(pid) or _has_ended(pid):
        return False
    return process.endswith("/") or name(pid) == process


class TakenForDead(RuntimeError):
    """Another process took this one for dead, ended its run and does its work."""


def taken_for_dead(run_id: int, successor: str = "another process") -> TakenForDead:
    """The error that ends a process whose run another process has ended."""
    return TakenForDead(
        f"run {run_id} is over: {successor} took this one for dead, as it gave no sign of life, and took its "
        "place; what was written before is kept"
    )


def _start(pid: int) -> str:
    """Hundredths of a second from boot to the start of a process; empty where that cannot be read.

    Counted from boot, as the start in seconds since 1970 changes when somebody sets the clock.
    """
    try:
        while True:
            boot = psutil.boot_time()
            start = psutil.Process(pid).create_time() - boot
            if psutil.boot_time() == boot:  # else the clock was set between the two
                return str(round(100 * start))
    except psutil.Error:
        return ""


def _has_ended(pid: int) -> bool:
    """Whether a process has ended, and its parent has not read its exit status."""
    try:
        return psutil.Process(pid).status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.Error:  # it is another user's, or has just ended: its name decides
        return False
