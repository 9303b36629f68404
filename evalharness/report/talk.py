"""A conversation in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalharness import plugins
from evalharness.errors import UserError
from evalharness.model import ModelOptions
from evalharness.records import Message, Request
from evalharness.report.escape import printable


def talk(model: str, *, system: str, max_tokens: int, temperature: float, options: Mapping[str, Any]) -> None:
    """Read lines, print answers, until an empty line or the end. UserError when the model cannot be opened."""
    opened = plugins.load_model(f"local:{model}" if Path(model).is_dir() else model, ModelOptions(**options))
    begin = [Message("system", system)] if system else []
    said = list(begin)
    while True:
        print("> " if sys.stdin.isatty() else "", end="", flush=True)
        line = sys.stdin.readline()
        if not line.strip():
            return
        if line.strip() == "/new":
            said = list(begin)
            continue
        said.append(Message("user", line.rstrip("\n")))
        request = Request(messages=tuple(said), max_tokens=max_tokens, temperature=temperature)
        response = next(response for _, response in opened.answer([request]))
        if response.error:
            raise UserError(f"{model} gave no answer: {response.error}")
        print(printable(response.text), flush=True)
        if response.finish == "length":
            print(f"(cut at {max_tokens} tokens)", file=sys.stderr)
        said.append(Message("assistant", response.text))
