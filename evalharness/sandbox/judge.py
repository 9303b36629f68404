"""The process that holds the tests. It alone says what passed, to the harness, on a channel no candidate ever held.

It runs the test with the entry point bound to a stub: each call travels to the candidate's process as plain data under
a fresh random tag, and plain data comes back. The test begins before the candidate does, so what goes wrong before the
first call is the test's own fault and cannot be the program's doing.
"""

from __future__ import annotations

import array
import builtins
import dis
import os
import random
import re
import resource
import socket
import sys
import traceback
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, NoReturn

from evalharness.sandbox import stand_ins, wire
from evalharness.sandbox.candidate import HELLO

_TEXT = 300
_LONG = 2000
_LARGE = 128 << 20  # bytes of this process
UNCROSSABLE = "the test passes what is not plain data"
_STOPS = re.compile(r"\bStop(?:Async)?Iteration\b")


class Gone(BaseException):
    """The candidate left or broke the protocol: the test cannot go on. No Exception, so that no test swallows it."""


class RemoteError(Exception):
    """The candidate raised something that is not one of Python's own exceptions, or must not be raised here."""


class Line:
    """The judge's end of one candidate's call channel.

    `stops`: the test knows of StopIteration. Everywhere else one that came from the program would end the test's own
    `map` or `zip` before anything was asserted. `stand_ins`: some of what came was no plain data.
    """

    def __init__(self, fd: int, source: str, entry: str, stops: bool = False) -> None:
        self.fd, self.source, self.entry, self.stops = fd, source, entry, stops
        self.calls = 0
        self.greeted = False
        self.asked: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        self.answered: tuple[Any, ...] = ()
        self.broken = ""
        self.uncrossable = ""
        self.stand_ins = False
        self._stood: dict[int, Any] = {}
        self._numbers: dict[int, int] = {}

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Ask the candidate. Raises what it raised; Gone where the test cannot go on."""
        self._open()
        watch = any(type(arg) in _MUTABLE for arg in args) and _unused(sys._getframe(1))
        message = {"watch": True} if watch else {}
        return self._exchange(message, args, kwargs, shown=True)

    def greet(self) -> None:
        """Wait for the candidate's hello: from here on its end is its own doing."""
        self.greeted = self.greeted or wire.read_fd(self.fd, 1) == HELLO

    def _open(self) -> None:
        if self.broken or self.uncrossable:
            raise Gone

    def _exchange(self, message: dict[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any], shown: bool) -> Any:
        try:
            given = self._given(args, kwargs)
            if not self.calls:
                self._load()
            self.calls += 1
            if shown:
                self.asked, self.answered = (args, kwargs), ()
            tag = os.urandom(12).hex()
            wire.send(self.fd, {"tag": tag, **given, **message})
            said = wire.receive(self.fd)
            value = self._answer(said, tag, steps=message.get("do") in ("next", "send"))
            if shown:
                self.answered = (value,)
                if "after" in said and "watch" in message:
                    self._change(args, said["after"])
            return value
        except wire.NotPlain as error:
            self.uncrossable = str(error)
            raise Gone from error
        except wire.Closed:
            self._break("the program's process ended")
        except wire.BadFrame as error:
            self._break(f"the program sent something that is no answer: {error}")

    def _given(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"args": wire.pack_value(list(args)), "kwargs": wire.pack_value(kwargs)}
        except wire.NotPlain:
            return {"flat": stand_ins.flatten([list(args), kwargs], self._number)}

    def _number(self, value: Any) -> list[Any]:
        if id(value) not in self._numbers:
            raise wire.NotPlain(type(value).__name__)
        return ["held", self._numbers[id(value)]]

    def _load(self) -> None:
        # Sent before the hello is there, so that the judge waits once and not twice.
        wire.send(self.fd, {"mode": "split", "source": self.source, "entry": self.entry})
        self.greet()
        message = wire.receive(self.fd)
        if message != {"loaded": True}:
            self._break(_raised(message)[1])

    def _answer(self, message: dict[str, Any], tag: str, steps: bool) -> Any:
        if message.get("tag") != tag:
            self._break("the program sent an answer that nobody had asked for")
        if "odd" in message:
            self._break(f"not plain data: {_clean(message['odd'])}")
        if "raised" in message:
            raise self._error(*_raised(message), steps)
        if "flat" in message:
            self.stand_ins = True
            return stand_ins.build(message["flat"], self._stand_in)
        if "value" not in message:
            self._break("the program sent an answer without a value")
        return wire.unpack(message["value"])

    def _error(self, name: str, text: str, args: Any, steps: bool) -> Exception:
        kind = getattr(builtins, name, None)
        if not isinstance(kind, type) or not issubclass(kind, Exception):
            return RemoteError(text)
        if issubclass(kind, StopIteration | StopAsyncIteration) and not (self.stops or steps):
            return RemoteError(text)
        try:
            return kind(*(wire.unpack(args) if type(args) is list else [text.partition(": ")[2]]))
        except Exception:  # UnicodeDecodeError and its like want arguments of their own
            return RemoteError(text)

    def _stand_in(self, facts: list[Any]) -> Any:
        number, kind, names = facts
        if type(number) is not int or number < 0 or type(kind) is not str or type(names) is not list:
            raise wire.BadFrame("a stand-in of the wrong shape")
        if number not in self._stood:
            made = self._stood[number] = stand_ins.made(kind, names, partial(self._of, number))
            self._numbers[id(made)] = number
        return self._stood[number]

    def _of(self, number: int, what: str, *args: Any, **kwargs: Any) -> Any:
        """Ask something of one of the candidate's objects."""
        self._open()
        return self._exchange({"do": what, "held": number}, args, kwargs, shown=False)

    def _change(self, args: tuple[Any, ...], after: Any) -> None:
        """Do to the test's objects what the program did to its copies of them."""
        found = wire.unpack(after)
        if type(found) is not list or len(found) != len(args):
            raise wire.BadFrame("arguments of the wrong shape")
        for was, now in zip(args, found, strict=True):
            if type(was) in _MUTABLE and type(was) is type(now) and was != now:
                self.stand_ins = True
                was.clear()
                _MUTABLE[type(was)](was, now)

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


def _raised(message: dict[str, Any]) -> tuple[str, str, Any]:
    """(name of one of Python's own exceptions, what is said of it, its arguments as they came)."""
    found = message.get("raised")
    if type(found) is not list or len(found) != 3 or {*map(type, found[:2])} != {str}:
        raise wire.BadFrame("an exception of the wrong shape")
    return _clean(found[0]), _clean(found[1]), found[2]


_MUTABLE: dict[type, Callable[[Any, Any], None]] = {
    list: list.extend, dict: dict.update, set: set.update, bytearray: bytearray.extend
}  # fmt: skip


def _unused(frame: FrameType) -> bool:
    """Whether a test calls for what the call does to its arguments: it drops the value, or asks for None.

    Wherever the value is used, arguments stay as they are: else a program could change what it is compared with.
    """
    code, at = frame.f_code.co_code, frame.f_lasti + 2
    while at < len(code) and code[at] == 0:  # room for the interpreter's own notes behind an instruction
        at += 2
    (name, argument), (then, _) = (
        (dis.opname[code[i]], code[i + 1]) if i < len(code) else ("", 0) for i in (at, at + 2)
    )
    if name == "LOAD_CONST" and then in ("IS_OP", "COMPARE_OP"):
        return frame.f_code.co_consts[argument] is None
    return name == "POP_TOP" or (name.startswith("POP_JUMP") and "NONE" in name)


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
    line = Line(fd, job["source"], job["entry"], stops=_STOPS.search(job["test"]) is not None)
    verdict, why, where = _examine(line, job)
    if verdict == "fail" and not line.greeted:
        verdict, why = "error", "the program's process ended before the program began"
    last = "" if verdict == "pass" else line.last_call[:_LONG]
    said = {"v": verdict, "why": why[:_LONG], "line": where, "calls": line.calls, "last": last}
    return {**said, "stand_ins": line.stand_ins, "worn": _worn(), "nonce": job["nonce"]}


def _worn() -> bool:
    """Whether a program made this process so large that the next one might not find the memory that it needs."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit > _LARGE


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
