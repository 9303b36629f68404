"""The process that holds the tests. It alone says what passed, to the harness, on a channel no candidate ever held.

It runs the test with the entry point bound to a stub: each call travels to the candidate's process as plain data under
a fresh random tag, and plain data comes back. The test begins before the candidate does, so what goes wrong before the
first call is the test's own fault and cannot be the program's doing.
"""

from __future__ import annotations

import array
import builtins
import os
import random
import socket
import sys
import traceback
from typing import Any, NoReturn

from evalharness.sandbox import wire
from evalharness.sandbox.candidate import HELLO

_TEXT = 300
_LONG = 2000
UNCROSSABLE = "the test passes what is not plain data"


class Gone(BaseException):
    """The candidate left or broke the protocol: the test cannot go on. No Exception, so that no test swallows it."""


class RemoteError(Exception):
    """The candidate raised something that is not one of Python's own exceptions."""


class Line:
    """The judge's end of one candidate's call channel."""

    def __init__(self, fd: int, source: str, entry: str) -> None:
        self.fd, self.source, self.entry = fd, source, entry
        self.calls = 0
        self.greeted = False
        self.asked: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        self.answered: tuple[Any, ...] = ()
        self.broken = ""
        self.uncrossable = ""

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Ask the candidate. Raises what it raised; Gone where the test cannot go on."""
        if self.broken or self.uncrossable:
            raise Gone
        try:
            given = {"args": wire.pack_value(list(args)), "kwargs": wire.pack_value(kwargs)}
            if not self.calls:
                self._load()
            self.calls += 1
            self.asked, self.answered = (args, kwargs), ()
            tag = os.urandom(12).hex()
            wire.send(self.fd, {"tag": tag, **given})
            return self._answer(wire.receive(self.fd), tag)
        except wire.NotPlain as error:
            self.uncrossable = str(error)
            raise Gone from error
        except wire.Closed:
            self._break("the program's process ended")
        except wire.BadFrame as error:
            self._break(f"the program sent something that is no answer: {error}")

    def greet(self) -> None:
        """Wait for the candidate's hello: from here on its end is its own doing."""
        self.greeted = self.greeted or wire.read_fd(self.fd, 1) == HELLO

    def _load(self) -> None:
        # Sent before the hello is there, so that the judge waits once and not twice.
        wire.send(self.fd, {"mode": "split", "source": self.source, "entry": self.entry})
        self.greet()
        message = wire.receive(self.fd)
        if message != {"loaded": True}:
            name, text = _raised(message)
            self._break(f"{name}: {text}" if text else name)

    def _answer(self, message: dict[str, Any], tag: str) -> Any:
        if message.get("tag") != tag:
            self._break("the program sent an answer that nobody had asked for")
        if "odd" in message:
            self._break(f"not plain data: {_clean(message['odd'])}")
        if "raised" in message:
            name, text = _raised(message)
            kind = getattr(builtins, name, None)
            if isinstance(kind, type) and issubclass(kind, Exception):
                try:
                    raised = kind(text)
                except TypeError:  # UnicodeDecodeError and its like want more than a text
                    raised = RemoteError(f"{name}: {text}")
                raise raised
            raise RemoteError(f"{name}: {text}")
        if "value" not in message:
            self._break("the program sent an answer without a value")
        value = wire.unpack(message["value"])
        self.answered = (value,)
        return value

    @property
    def last_call(self) -> str:
        """The last call and its answer as text."""
        if self.asked is None:
            return ""
        shown = [*map(_repr, self.asked[0]), *(f"{key}={_repr(value)}" for key, value in self.asked[1].items())]
        return f"{self.entry}({', '.join(shown)[:_LONG]})" + "".join(f" == {_repr(value)}" for value in self.answered)

    def _break(self, why: str) -> NoReturn:
        self.broken = why
        raise Gone


def _raised(message: dict[str, Any]) -> tuple[str, str]:
    pair = message.get("raised")
    if type(pair) is not list or len(pair) != 2 or {*map(type, pair)} != {str}:
        raise wire.BadFrame("an exception of the wrong shape")
    return _clean(pair[0]), _clean(pair[1])


def _clean(text: Any) -> str:
    return text[:_TEXT] if isinstance(text, str) else "?"


def _repr(value: Any, room: int = _TEXT) -> str:
    """A short text of a plain value; the text of a huge one would take longer than the value is worth."""
    if isinstance(value, str | bytes | bytearray):
        return repr(value[:room]) + ("..." if len(value) > room else "")
    if isinstance(value, int | float | complex | None):
        return repr(value) if not isinstance(value, int) or value.bit_length() < 1000 else "<a huge int>"
    if isinstance(value, list | tuple | set | frozenset | dict) and len(value) <= 50 and room > 10:
        if isinstance(value, dict):
            members = [f"{_repr(k, room // 4)}: {_repr(v, room // 4)}" for k, v in value.items()]
        else:
            members = [_repr(v, room // 4) for v in value]
        ends = {list: "[]", tuple: "()"}.get(type(value), "{}")
        comma = "," if isinstance(value, tuple) and len(value) == 1 else ""
        return f"{ends[0]}{', '.join(members)[:room]}{comma}{ends[1]}"
    return f"<{type(value).__name__}>"


def examine(fd: int, job: dict[str, Any]) -> dict[str, Any]:
    """Run a job's test against the candidate at the other end of `fd`; the verdict as a frame for the harness."""
    line = Line(fd, job["source"], job["entry"])
    verdict, why, where = _examine(line, job)
    if verdict == "fail" and not line.greeted:
        verdict, why = "error", "the program's process ended before the program began"
    last = "" if verdict == "pass" else line.last_call[:_LONG]
    said = {"v": verdict, "why": why[:_LONG], "line": where, "calls": line.calls, "last": last}
    return {**said, "nonce": job["nonce"]}


def _examine(line: Line, job: dict[str, Any]) -> tuple[str, str, str]:
    names: dict[str, Any] = {}
    try:
        exec(compile(job["context"], "<context>", "exec", dont_inherit=True), names)
        names[line.entry] = line.call
        exec(compile(job["test"], "<test>", "exec", dont_inherit=True), names)
    except BaseException as error:
        raised: BaseException | None = error
    else:
        raised = None
    if line.uncrossable:
        return "uncrossable", f"{UNCROSSABLE}: {line.uncrossable}", ""
    if line.broken:  # whatever the test made of it
        return "fail", line.broken, _failing(raised, job["test"])
    if not line.calls:
        how = f"raised before it called the program: {_explain(raised)}" if raised else f"never calls {line.entry}"
        return "test", f"the test {how}", _failing(raised, job["test"])
    return ("fail", _explain(raised), _failing(raised, job["test"])) if raised else ("pass", "", "")


def _explain(error: BaseException) -> str:
    text = ""
    try:
        text = str(error)[:_TEXT]
    except Exception:  # a text of hostile data can be too long to make
        text = "?"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _failing(error: BaseException | None, test: str) -> str:
    """The line of the test where it stopped."""
    if error is None:
        return ""
    lines = test.splitlines()
    numbers = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == "<test>"]
    number = numbers[-1] if numbers else None
    return lines[number - 1].strip()[:_LONG] if number and number <= len(lines) else ""


def serve(channel: int) -> None:
    """Judge programs until the harness hangs up: each time one byte with the candidate's end, then the job's frame."""
    sock = socket.socket(fileno=channel)
    state = random.getstate()
    limit = sys.getrecursionlimit()
    fd = -1
    while True:
        last, fd = fd, _take(sock)
        if last >= 0:
            os.close(last)  # only now: a candidate that finds its channel closed would leave by itself, not be ended
        if fd < 0:
            return
        wire.send(channel, examine(fd, wire.receive(channel, wire.TRUSTED_CAP)))
        random.setstate(state)
        sys.setrecursionlimit(limit)


def _take(sock: socket.socket) -> int:
    room = socket.CMSG_SPACE(array.array("i").itemsize)
    byte, extra, _, _ = sock.recvmsg(1, room)
    if not byte:
        return -1
    found = array.array("i")
    for _level, _kind, content in extra:
        found.frombytes(content[: len(content) - len(content) % found.itemsize])
    return found[0]
