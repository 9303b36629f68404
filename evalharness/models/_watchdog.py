"""Starts a program and ends it, with all that it started, when the pipe on standard input closes.

Run as a script of its own: `python _watchdog.py PATIENCE PROGRAM ARGUMENT ...`; PATIENCE are the seconds between asking
the program to end and ending it. The kernel closes that pipe however the process
at its other end goes, kill -9 included, so no server is left behind.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


def _prctl(option: int, value: int) -> None:
    """On Linux alone; elsewhere the program's process group is all that is ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _dies_with_its_parent() -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def watch(command: list[str], patience: float) -> int:
    """Run the command until it ends or standard input closes. Returns its exit code, 0 where it was ended."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # what the program started and left comes to us, and is ended too
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_dies_with_its_parent
    )
    try:
        while child.poll() is None:
            readable, _, _ = select.select([0], [], [], 0.2)
            if readable and not os.read(0, 4096):
                return 0
        return child.returncode
    finally:
        _end(child, patience)


def _end(child: subprocess.Popen[bytes], patience: float) -> None:
    """Ask the program and all that it started to end, and end what is still there after a while."""
    _signal_all(child, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and (child.poll() is None or list(_descendants())):
        _reap()
        time.sleep(0.05)
    _signal_all(child, signal.SIGKILL)


def _signal_all(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    below = list(_descendants())
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)
    for process in below:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _descendants() -> Iterator[int]:
    """The processes below this one, as /proc has them; none where there is no /proc."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[int(folder.name)] = int(parent)
    below, found = {os.getpid()}, True
    while found:
        more = {process for process, parent in parents.items() if parent in below} - below
        below, found = below | more, bool(more)
    yield from below - {os.getpid()}


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the one who started us, and he closes the pipe
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    sys.exit(watch(sys.argv[2:], float(sys.argv[1])))
