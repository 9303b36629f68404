"""A fenced process that answers calls for as long as it is wanted: one message in, one message out.

A `Program` has a verdict and ends; code that rows are made with, or that scores answers, is asked again and again. It
runs behind the same fence. What it answers is plain JSON that is believed no further than the caller says.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import time
from collections.abc import Callable
from typing import Any

from evalharness.sandbox import orders, wire
from evalharness.sandbox.candidate import HELLO
from evalharness.sandbox.fence import CHANNEL
from evalharness.sandbox.program import Limits
from evalharness.sandbox.worker import Worker

# A service waits for most of its life: its clock is the caller's deadline for each call, not a sum over its life.
SERVICE_LIMITS = Limits(seconds=1e6, wall=1e6, memory=16 << 30, disk=16 << 20, files=512, descriptors=256, threads=128)
LARGEST_ANSWER = 512 << 20  # bytes
_PIECE = 1 << 20
_STARTING = 60.0  # seconds
_REPORT = 10.0  # seconds for the server to say how a process ended


class ServiceEnded(Exception):  # noqa: N818  an event of the protocol, caught where it is called
    """The process ended or was ended: its text says why."""


def _served(source: str) -> str:
    """The source as a program that says when it has begun, and has no verdict when it ends."""
    return (
        f"import os\nos.write({CHANNEL}, b'+')\n"
        f"try:\n    exec(compile({source!r}, '<service>', 'exec', dont_inherit=True), {{}})\n"
        "finally:\n    os._exit(1)\n"
    )


class Service:
    """One process that runs `source` and answers calls. Not thread-safe. Close it, or the worker stays taken.

    `source` is the text that the process runs; it finds its end of the channel as descriptor `fence.CHANNEL`. `release`
    gets the worker back, and whether it is of further use.
    """

    def __init__(self, worker: Worker, source: str, release: Callable[[bool], None], limits: Limits) -> None:
        self._worker, self._release = worker, release
        self._report: orders.Report | None = None
        self._closed = False
        self._ours, theirs = socket.socketpair()
        self._ended = ""
        worker.serial += 1
        self._serial = worker.serial
        try:
            with theirs:
                orders.send_run(worker.control, self._serial, limits, theirs.fileno())
            wire.send(self._ours.fileno(), {"mode": "inproc", "source": _served(source)})
            # It says hello before it takes the source, and that it has it before it may get a call.
            if self._exactly(len(HELLO) + 1, time.monotonic() + _STARTING) != HELLO + b"+":
                raise ServiceEnded("it does not start")
        except (OSError, wire.Closed) as error:
            self.close()
            raise ServiceEnded(f"it does not start: {error}") from error
        except ServiceEnded:
            self.close()
            raise

    def call(self, message: dict[str, Any], seconds: float) -> Any:
        """What the process answers within so many seconds. ServiceEnded where it does not; it is of no use then."""
        if self._ended:
            raise ServiceEnded(self._ended)
        deadline = time.monotonic() + seconds
        try:
            wire.send(self._ours.fileno(), message)
            length = int.from_bytes(self._exactly(4, deadline), "little")
            if length > LARGEST_ANSWER:
                raise ServiceEnded(f"it answers with {length >> 20} MiB, more than {LARGEST_ANSWER >> 20}")
            return json.loads(self._exactly(length, deadline))
        except (OSError, wire.Closed):
            self._ended = self._why()
        except (ValueError, RecursionError):
            self._ended = "its answer is no JSON"
        except ServiceEnded as ended:
            self._ended = str(ended)
        self.close()
        raise ServiceEnded(self._ended)

    def close(self) -> None:
        """End the process and give the worker back."""
        if self._closed:
            return
        self._closed, self._ended = True, self._ended or "it is closed"
        self._why()
        self._ours.close()
        self._release(self._report is not None)

    def _exactly(self, count: int, deadline: float) -> bytes:
        """So many bytes of what the process says. ServiceEnded at the deadline, or where it ends before."""
        heard = bytearray()
        poll = select.poll()
        poll.register(self._ours, select.POLLIN)
        while len(heard) < count:
            left = deadline - time.monotonic()
            if left <= 0:
                raise ServiceEnded("it takes too long")
            if poll.poll(left * 1000):
                piece = self._ours.recv(min(count - len(heard), _PIECE))
                if not piece:
                    raise ServiceEnded(self._why())
                heard += piece
        return bytes(heard)

    def _why(self) -> str:
        """End it, and say how it ended by the server's report."""
        if self._report is None:
            with contextlib.suppress(OSError, wire.Closed):
                orders.stop(self._worker.control, self._serial)
                ready, _, _ = select.select([self._worker.control], [], [], _REPORT)
                self._report = orders.next_report(self._worker.control) if ready else None
        if self._report is None:
            return "its process ended"
        why, status = self._report.why, self._report.status
        return f"its process passed the limit of {why}" if why else f"its process ended (exit status {status})"
