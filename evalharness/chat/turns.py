"""Where an assistant's turn stands in a rendered conversation: what was asked before it, and what is learned of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalharness.chat.prompt_styles import FORMATS
from evalharness.errors import UserError, option_name
from evalharness.records import Message

# The tags around thoughts, opening and closing, as templates and models write them.
THOUGHTS = {
    "<think>": "</think>", "<thinking>": "</thinking>", "<thought>": "</thought>", "<reasoning>": "</reasoning>",
    "<seed:think>": "</seed:think>", "[THINK]": "[/THINK]",
}  # fmt: skip
THOUGHT_TAGS = frozenset((*THOUGHTS, *THOUGHTS.values()))


@dataclass(frozen=True, slots=True)
class End:
    """A control token that ends a turn: where it stands, and its id."""

    start: int
    stop: int
    id: int


NextEnd = Callable[[str, int], End | None]  # the first ending token of a text at or behind a position


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One assistant turn as the last of `text`, in character positions: what is asked is text[:start], what the
    assistant says is text[content:content_end], its end token stops at `stop`. `learned` are the stretches to learn.
    """

    text: str
    start: int
    content: int
    content_end: int
    stop: int
    learned: tuple[tuple[int, int], ...]

    def goes_on_from(self, earlier: Turn) -> bool:
        """Whether its text begins with that of an earlier turn up to its end: it stays as it was written."""
        return self.text.startswith(earlier.text[: earlier.stop])


def find_turn(name: str, message: Message, before: str, upto: str, next_end: NextEnd) -> Turn:
    """The turn of `message` in `upto`, the conversation up to and with it; `before` is the prompt that asks for it.

    UserError where the template called `name` asks otherwise than it writes, or does not write the message.
    """
    opened = opened_thought(before)
    goes_on = opened is not None and opened not in message.content and THOUGHTS[opened] in message.content
    if goes_on or not upto.startswith(before):  # an answer as it was written behind an opened thought begins inside it
        upto = _behind_an_opened_thought(name, message, before, upto, next_end)
    said = tuple(
        dict.fromkeys((message.content, message.content.strip(), behind_thoughts(message.content)))
    )  # many trim
    for text in said:
        for found in _occurrences(text, upto, len(before), next_end):
            end = next_end(upto, found + len(text))
            if end is not None and not upto[found + len(text) : end.start].strip():
                return _turn(upto, len(before), found, found + len(text), end)
    for text in said:
        found = upto.find(text, len(before))
        if text and found >= 0:
            return _turn(upto, len(before), found, found + len(text), next_end(upto, found + len(text)))
    raise UserError(f"the template {name} does not write the assistant's text as it is given")


def _turn(text: str, start: int, content: int, content_end: int, end: End | None) -> Turn:
    stop = content_end if end is None else end.stop
    return Turn(
        text=text, start=start, content=content, content_end=content_end, stop=stop, learned=((start, stop),)
    )  # fmt: skip


def _occurrences(text: str, whole: str, start: int, next_end: NextEnd) -> Iterator[int]:
    if not text:
        end = next_end(whole, start)
        if end is not None:
            yield end.start
        return
    at = whole.find(text, start)
    while at >= 0:
        yield at
        at = whole.find(text, at + 1)


def behind_thoughts(content: str) -> str:
    """What stands behind the thoughts of an answer."""
    last = max((content.rfind(tag) + len(tag) for tag in THOUGHTS.values() if tag in content), default=0)
    return content[last:].strip()


def opened_thought(before: str) -> str | None:
    """The tag that opens a thought at the end of a prompt."""
    return next((tag for tag in THOUGHTS if before.rstrip().endswith(tag)), None)


def _behind_an_opened_thought(name: str, message: Message, before: str, upto: str, next_end: NextEnd) -> str:
    """The conversation as it goes on from a prompt that ends with the tag that opens a thought, where the template
    writes no thought back: the message's own thoughts, or none, then the answer and the template's end of a turn."""
    opened = opened_thought(before)
    if opened is None:
        raise UserError(
            f"the template {name} asks otherwise than it writes: the prompt before an assistant turn is not the "
            f"beginning of the conversation, so it cannot be trained with; name a format: {', '.join(FORMATS)}"
        )
    space, close = before[len(before.rstrip()) :], THOUGHTS[opened]
    content, thoughts = message.content, message.extra.get("reasoning_content")
    newline = "" if space else "\n"
    if content.lstrip().startswith(opened):
        said = content.lstrip().removeprefix(opened).removeprefix(space)
    elif thoughts:
        said = f"{newline}{thoughts.strip()}\n{close}\n\n{content}"
    elif close in content:
        said = content
    else:
        said = f"{newline}\n{close}\n\n{content}"
    answer = behind_thoughts(content)
    end = next_end(upto, max(0, upto.rfind(answer)) + len(answer))
    return before + said + ("" if end is None else upto[end.start : end.stop])


def follow_marks(name: str, turn: Turn, marks: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """What a template marks with {% generation %} tags of a turn, and the turn's end. UserError where the tags leave
    the answer out."""
    own = [(low, high) for low, high in marks if low < turn.stop and high > turn.start]
    if not any(low <= turn.content and turn.content_end <= high for low, high in own):
        raise UserError(
            f"the template {name} marks with generation tags something else than an assistant turn; mend the tags or "
            "name a format"
        )
    return (*own[:-1], (own[-1][0], max(own[-1][1], turn.stop)))


def check_written(name: str, messages: Sequence[Message], turn: Turn, given: Mapping[str, Any]) -> None:
    """UserError where a template leaves out what the last of `messages` learns, or the others, which ask for it."""
    before = turn.text[: turn.start]
    # What stands within the answer itself was not written for a thought's or a call's sake.
    beside = turn.text[turn.start : turn.content] + "\n" + turn.text[turn.content_end : turn.stop]
    thoughts = str(messages[-1].extra.get("reasoning_content") or "").strip()
    missing = [
        f"the {message.role} message {message.content.strip()[:40]!r}"
        for message in messages[:-1]
        if message.role != "assistant" and not _stands(message.content, before)
    ]
    missing += ["the reasoning"] * (bool(thoughts) and not _stands(thoughts, beside))
    called = _names(messages[-1].extra.get("tool_calls"))
    missing += [f"the tool call {function}" for function in called if not _named(function, beside)]
    missing += [f"the tool {tool}" for tool in _names(given.get("tools")) if not _named(tool, before)]
    if missing == ["the reasoning"]:
        raise UserError(
            f"the template {name} leaves out the reasoning; name a template that writes reasoning_content "
            f"({option_name('style', 'FILE.jinja')}), or put the thoughts into the answer: <think>...</think>"
        )
    if missing:
        raise UserError(f"the template {name} leaves out {missing[0]}; name a format that writes it")


def _stands(text: str, rendered: str) -> bool:
    return text.strip() in rendered or json.dumps(text.strip(), ensure_ascii=False)[1:-1] in rendered


def _named(function: str, rendered: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(function)}(?!\w)", rendered) is not None


def _names(functions: object) -> list[str]:
    listed = functions if isinstance(functions, list | tuple) else []
    return [str(f.get("function", f).get("name", "")) for f in listed if isinstance(f, Mapping)]
