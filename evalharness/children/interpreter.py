"""A fresh interpreter with one end of a socket. It ends when the other end closes, so it outlives nobody, however that
ends; it is in a session of its own, so a terminal's Ctrl-C reaches only whoever started it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import IO, Any

_BEGIN = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); FILE = int(sys.argv[2])\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildEnd:
    """How an interpreter ended: its exit code (below 0 a signal's), that in words, and the last line it printed."""

    code: int
    how: str
    printed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildInterpreter:
    """Its process, our end of the socket, and what it prints where that is not shown."""

    process: subprocess.Popen[bytes]
    connection: Connection[object, Any]
    log: IO[bytes]

    def end(self, patience: float | None = None) -> ChildEnd:
        """Wait for its end; it is killed where that takes longer than so many seconds."""
        try:
            code = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.log.seek(max(0, self.log.seek(0, os.SEEK_END) - 2000))
        printed = self.log.read().decode("utf-8", "replace").strip().splitlines()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return ChildEnd(code=code, how=how, printed=printed[-1] if printed else "")


def start_child(code: str, environment: Mapping[str, str], *, shown: bool = False) -> ChildInterpreter:
    """Start one that runs `code`, in which FILE is the number of its end of the socket, with these variables besides.
    What it prints is kept, or `shown` as ours is."""
    ours, theirs = socket.socketpair()
    log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
    output = None if shown else log
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", _BEGIN + code, json.dumps(sys.path), str(theirs.fileno())],
            pass_fds=[theirs.fileno()], env={**os.environ, **environment}, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
    return ChildInterpreter(process=process, connection=Connection(ours.detach()), log=log)


def end_children(children: Iterable[ChildInterpreter], patience: float) -> None:
    """Close our ends, which each hears at once, and wait for them all; one that takes longer is killed."""
    left = list(children)
    for each in left:
        each.connection.close()
    for each in left:
        each.end(patience)
        each.log.close()
