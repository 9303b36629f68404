"""The process that holds the untrusted program. Nothing that it says is believed: see judge.py."""

from __future__ import annotations

import io
import os
import sys
import traceback
from typing import Any, NoReturn

from evalharness.sandbox import wire
from evalharness.sandbox.fence import CHANNEL

_TEXT = 300
_HELLO = wire.frame({"hello": True})


class NoInput(io.TextIOBase):
    """Standard input of a program that nobody types to."""

    def read(self, size: int | None = -1) -> str:
        raise OSError("there is no standard input")

    def readline(self, size: int = -1) -> str:  # type: ignore[override]  # the stub's overload is for bytes as well
        raise OSError("there is no standard input")

    def readable(self) -> bool:
        return False


def set_stage() -> None:
    """What every program finds: no input, and output that goes nowhere. Set by the server, for all of its children."""
    sys.stdin, sys.stdout, sys.stderr = NoInput(), _sink(1), _sink(2)


def run() -> NoReturn:
    """Say hello, receive the program, and serve: calls from the judge, or the whole published text in one process."""
    try:
        wire.write(CHANNEL, _HELLO)
        job = wire.receive(CHANNEL, wire.TRUSTED_CAP)
        if job["mode"] == "inproc":
            _whole(job["source"])
        else:
            _serve(job["source"], job["entry"])
    except wire.Closed:
        os._exit(0)
    os._exit(0)


def _sink(fd: int) -> Any:
    return open(fd, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


def _whole(text: str) -> None:
    try:
        # The name of the dict's module is "builtins", as in the published evaluators: a main guard does not run.
        exec(compile(text, "<program>", "exec", dont_inherit=True), {})
    except BaseException as error:  # sys.exit() is no pass either
        line = next(
            (f.lineno for f in reversed(traceback.extract_tb(error.__traceback__)) if f.filename == "<program>"), 0
        )
        wire.send(CHANNEL, {"v": "fail", "why": _said(error), "line": line or 0})
    else:
        wire.send(CHANNEL, {"v": "pass"})


def _serve(source: str, entry: str) -> None:
    names: dict[str, Any] = {}
    try:
        exec(compile(source, "<program>", "exec", dont_inherit=True), names)
    except BaseException as error:
        wire.send(CHANNEL, {"raised": _about(error)})
        return
    if not callable(names.get(entry)):
        wire.send(CHANNEL, {"raised": ["NameError", f"the program defines no function {entry}"]})
        return
    wire.send(CHANNEL, {"loaded": True})
    while True:
        message = wire.receive(CHANNEL, wire.TRUSTED_CAP)
        answer: dict[str, Any] = {"tag": message["tag"]}
        try:
            value = names[entry](*wire.unpack(message["args"]), **wire.unpack(message["kwargs"]))
        except BaseException as error:
            answer["raised"] = _about(error)
        else:
            try:
                answer["value"] = wire.pack(value)
            except wire.NotPlain as error:
                answer["odd"] = str(error)[:_TEXT]
            except RecursionError:
                answer["odd"] = "data nested too deep"
        wire.send(CHANNEL, answer)


def _about(error: BaseException) -> list[str]:
    return [type(error).__name__, _message(error)]


def _said(error: BaseException) -> str:
    message = _message(error)
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _message(error: BaseException) -> str:
    try:
        return str(error)[:_TEXT]
    except BaseException:  # the exception's own text may raise, or leave
        return ""
