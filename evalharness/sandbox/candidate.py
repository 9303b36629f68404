"""The process that holds the untrusted program. Nothing that it says is believed: see judge.py."""

from __future__ import annotations

import builtins
import contextlib
import io
import operator
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from evalharness.sandbox import stand_ins, wire

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
    held = _Held()
    while True:
        wire.send(channel, _answer(names[entry], wire.receive(channel, wire.TRUSTED_CAP), held))


def _load(source: str, entry: str, names: dict[str, Any]) -> dict[str, Any]:
    try:
        exec(compile(source, "<program>", "exec", dont_inherit=True), names)
    except BaseException as error:
        return {"raised": _about(error)}
    if not callable(names.get(entry)):
        return {"raised": ["NameError", f"NameError: the program defines no function {entry}", None]}
    return {"loaded": True}


class _Held:
    """The objects that stay here; the judge knows them by their numbers."""

    def __init__(self) -> None:
        self.objects: list[Any] = []
        self.numbers: dict[int, int] = {}

    def node(self, value: Any) -> list[Any]:
        """What is sent for an object."""
        if id(value) not in self.numbers:
            self.numbers[id(value)] = len(self.objects)
            self.objects.append(value)
        return ["held", self.numbers[id(value)], type(value).__name__, stand_ins.abilities(value)]

    def object(self, facts: list[Any]) -> Any:
        """The object that the judge means."""
        return self.objects[facts[0]]


def _awaited(coroutine: Any) -> Any:
    import asyncio

    return asyncio.run(coroutine)


_ACTS: dict[str, Callable[..., Any]] = {
    "call": lambda held, *args, **kwargs: held(*args, **kwargs),
    "iter": iter, "next": next, "len": len, "item": operator.getitem, "bool": bool, "str": str, "attribute": getattr,
    "send": lambda held, value: held.send(value), "await": _awaited,
}  # fmt: skip


def _answer(program: Any, message: dict[str, Any], held: _Held) -> dict[str, Any]:
    answer: dict[str, Any] = {"tag": message["tag"]}
    if "flat" in message:
        args, kwargs = stand_ins.build(message["flat"], held.object)
    else:
        args, kwargs = wire.unpack(message["args"]), wire.unpack(message["kwargs"])
    try:
        if "do" in message:
            value = _ACTS[message["do"]](held.objects[message["held"]], *args, **kwargs)
        else:
            value = program(*args, **kwargs)
    except BaseException as error:
        answer["raised"] = _about(error)
        return answer
    if message.get("watch"):
        with contextlib.suppress(wire.NotPlain, RecursionError):
            answer["after"] = wire.pack_value(list(args))
    return answer | _crossing(value, held)


def _crossing(value: Any, held: _Held) -> dict[str, Any]:
    with contextlib.suppress(Exception):  # not plain, too deep, or a type whose own methods raise
        return {"value": wire.pack_value(value)}
    try:
        return {"flat": stand_ins.flatten(value, held.node)}
    except Exception as error:
        return {"odd": str(error)[:_TEXT] or type(error).__name__}


def _about(error: BaseException) -> list[Any]:
    """The nearest of Python's own exceptions, what is said of it, and its arguments where they are plain."""
    own = next((kind.__name__ for kind in type(error).__mro__ if vars(builtins).get(kind.__name__) is kind), "")
    args = None
    with contextlib.suppress(Exception):
        args = wire.pack_value(list(error.args))
    return [own, _said(error), args]


def _said(error: BaseException) -> str:
    message = _message(error)
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _message(error: BaseException) -> str:
    try:
        return str(error)[:_TEXT]
    except BaseException:  # the exception's own text may raise, or leave
        return ""
