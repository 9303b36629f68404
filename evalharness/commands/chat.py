"""`evalh chat`: talk to a model in the terminal."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from evalharness.commands._flags import GivenModelOptions, with_flags


@with_flags
def chat(
    model: Annotated[str, Argument(help="A checkpoint folder, or PLUGIN[:ARGUMENT] as for `evalh run`.")],
    system: Annotated[str, Option(help="A system message.")] = "",
    max_tokens: Annotated[int, Option(help="Longest answer, in tokens.")] = 512,
    temperature: Annotated[float, Option(help="0 = greedy.")] = 0.0,
    *,
    given: GivenModelOptions,
) -> None:
    """Talk to a model: one line, one answer; an empty line or Ctrl-D ends, `/new` forgets."""
    _converse(model, system, max_tokens, temperature, given)


def _converse(model: str, system: str, max_tokens: int, temperature: float, given: GivenModelOptions) -> None:
    """Read lines, print answers, until an empty line or the end. UserError when the model cannot be opened."""
    from evalharness import plugins
    from evalharness.errors import UserError
    from evalharness.model import Requests, answered
    from evalharness.records import Message, Request
    from evalharness.report.escape import printable

    opened = plugins.load_model(f"local:{model}" if Path(model).is_dir() else model, given)
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
        (_, response), *_ = answered(opened, Requests([request]))
        if response.error:
            raise UserError(f"{model} gave no answer: {response.error}")
        print(printable(response.text), flush=True)
        if response.finish == "length":
            print(f"(cut at {max_tokens} tokens)", file=sys.stderr)
        said.append(Message("assistant", response.text))
