"""A function of your own: `function:MODULE:NAME` calls it with a list of prompts and takes the list of its answers.

From Python the function itself is passed: `evaluate("gsm8k", my_function)`. It is asked as a base model is, with the
prompt as one text; `chat=True` asks it as a chat model, whose own template or client it brings itself.
"""

from __future__ import annotations

import importlib
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalharness.errors import UserError
from evalharness.model import Preview
from evalharness.records import Request, Response
from evalharness.text.stops import cut_at_stop

Prompted = Callable[[list[str]], Sequence[str]]
_BATCH = 64  # prompts of one call, so that a stopped run has lost no more than these


class FunctionModel:
    """Answers with what `function` returns for the prompts, a text for each.

    `version` says which state of the model it stands for (a step, a digest of weights): answers of one version are one
    model's, and a stopped run goes on. Without it every object is a model of its own, since a function's name does not
    tell what is behind it.
    """

    ranks = False

    def __init__(
        self, function: Prompted, *, name: str = "", version: str = "", chat: bool = False, batch: int = _BATCH
    ) -> None:
        self.function = function
        self.name = name or f"function:{getattr(function, '__qualname__', type(function).__name__)}"
        self.fingerprint = f"function-{self.name}-{version or uuid.uuid4().hex}"
        self.chat = chat
        self.batch = max(1, batch)

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        for start in range(0, len(requests), self.batch):
            some = requests[start : start + self.batch]
            texts = self.function([_prompt(request) for request in some])
            if isinstance(texts, str) or not hasattr(texts, "__len__") or len(texts) != len(some):
                raise UserError(
                    f"{self.name} returned {_what(texts)} for {len(some)} prompts; wanted a list of {len(some)} texts"
                )
            for place, (request, text) in enumerate(zip(some, texts, strict=True)):
                yield start + place, _response(request, text, self.name)

    def preview(self, request: Request) -> Preview:
        return Preview(text=_prompt(request))

    def describe(self) -> Mapping[str, Any]:
        return {"template": "own" if self.chat else "none"}


def _prompt(request: Request) -> str:
    """One text. Of a conversation, every turn under its role: a function takes no messages."""
    if len({message.role for message in request.messages}) < 2:
        return request.text
    return "".join(f"{m.role}: {m.content}\n\n" for m in request.messages) + "assistant:"


def _response(request: Request, text: object, name: str) -> Response:
    if text is None:
        return Response(error=f"{name} gave no answer (None)")
    if not isinstance(text, str):
        raise UserError(f"{name} returned a {type(text).__name__} among its answers; wanted a list of texts")
    return Response(text=cut_at_stop(text, request.stop), finish="stop")


def _what(value: object) -> str:
    return f"{len(value)} answers" if isinstance(value, list | tuple) else f"a {type(value).__name__}"


def open_model(argument: str, options: None) -> FunctionModel:
    """The function NAME of the module MODULE, which may lie in the working folder; UserError where there is none."""
    module, _, name = argument.partition(":")
    if not module or not name or module.startswith("."):
        raise UserError(f"function wants function:MODULE:NAME, a function of a module; there is {argument!r}")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        raise UserError(
            f"there is no module {error.name!r}; function:MODULE:NAME looks here and in packages"
        ) from error
    except AttributeError as error:
        raise UserError(f"the module {module} has no function {name!r}") from error
    if not callable(found):
        raise UserError(f"{module}:{name} is a {type(found).__name__}, wanted a function from prompts to answers")
    return FunctionModel(found, name=f"function:{argument}")
