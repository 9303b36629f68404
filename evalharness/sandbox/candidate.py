"""The process that holds the untrusted program. Nothing that it says is believed: see judge.py."""

from __future__ import annotations

import io
import os
import sys
import traceback
from typing import Any, NoReturn

from evalharness.sandbox import wire

_TEXT = 300
HELLO = b"!"


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


def run_candidate(channel: int) -> NoReturn:
    """Say hello, receive the program, and serve: calls from the judge, or the whole published text in one process."""
    try:
        wire.write_fd(channel, HELLO)
        job = wire.receive(channel, wire.TRUSTED_CAP)
        if job["mode"] == "inproc":
            _whole(channel, job["source"])
        else:
            _serve(channel, job["source"], job["entry"])
    except wire.Closed:
        os._exit(0)
    os._exit(0)


def _sink(fd: int) -> Any:
    return open(fd, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


def _whole(channel: int, text: str) -> None:
    try:
        # The name of the dict's module is "builtins", as in the published evaluators: a main guard does not run.
        exec(compile(text, "<program>", "exec", dont_inherit=True), {})
    except BaseException as error:  # sys.exit() is no pass either
        line = next(
            (f.lineno for f in reversed(traceback.extract_tb(error.__traceback__)) if f.filename == "<program>"), 0
        )
        wire.send(channel, {"v": "fail", "why": _said(error), "line": line or 0})
    else:
        wire.send(channel, {"v": "pass"})


def _serve(channel: int, source: str, entry: str) -> None:
    names: dict[str, Any] = {}
    wire.send(channel, _load(source, entry, names))
    while True:
        wire.send(channel, _answer(names[entry], wire.receive(channel, wire.TRUSTED_CAP)))


def _load(source: str, entry: str, names: dict[str, Any]) -> dict[str, Any]:
    try:
        exec(compile(source, "<program>", "exec", dont_inherit=True), names)
    except BaseException as error:
        return {"raised": _about(error)}
    if not callable(names.get(entry)):
        return {"raised": ["NameError", f"the program defines no function {entry}"]}
    return {"loaded": True}


def _answer(program: Any, message: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"tag": message["tag"]}
    try:
        value = program(*wire.unpack(message["args"]), **wire.unpack(message["kwargs"]))
    except BaseException as error:
        answer["raised"] = _about(error)
        return answer
    try:
        answer["value"] = wire.pack_value(value)
    except wire.NotPlain as error:
        answer["odd"] = str(error)[:_TEXT]
    except RecursionError:
        answer["odd"] = "data nested too deep"
    return answer


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
