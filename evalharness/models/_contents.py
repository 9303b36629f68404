"""What a message says, and what was thought before it: kept apart, whatever shape the endpoint gave them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from evalharness.clients.http import RequestError
from evalharness.clients.pool import AttemptError
from evalharness.records import Finish
from evalharness.scoring.final_answer import final_answer
from evalharness.text.visible import line

# Why writing ended, in the words of all providers, small and without their class's name.
_FINISHES: Mapping[str, Finish] = {
    **dict.fromkeys((
        "stop", "end_turn", "stop_sequence", "eos", "eos_token", "end_of_turn", "end_of_text", "end", "complete",
        "completed", "finished", "done", "tool_calls", "tool_use", "function_call", "tool_call",
    ), "stop"),
    **dict.fromkeys((
        "length", "max_tokens", "model_length", "max_output_tokens", "max_length", "max_new_tokens", "context_length",
        "model_context_window_exceeded",
    ), "length"),
    **dict.fromkeys((
        "content_filter", "content_filtered", "refusal", "safety", "recitation", "blocklist", "prohibited_content",
        "spii", "image_safety", "image_prohibited_content", "image_recitation", "guardrail_intervened", "sensitive",
    ), "refused"),
}  # fmt: skip
# What an endpoint says of an answer that broke off for a reason of its own: another attempt may do better.
_BROKEN_OFF = frozenset({
    "error", "insufficient_system_resource", "abort", "aborted", "cancelled", "network_error", "timeout", "other",
    "malformed_function_call", "malformed_response", "pause_turn", "unexpected_tool_call",
})  # fmt: skip


class Said(NamedTuple):
    """The answer, the thinking before it, and a refusal in the model's own words ('' for none)."""

    text: str = ""
    thinking: str = ""
    refusal: str = ""


class UsedTokens(NamedTuple):
    """What a reply took. `reasoning_tokens` are part of `tokens_out`, `cached_tokens` of `tokens_in`."""

    tokens_in: int
    tokens_out: int
    reasoning_tokens: int = 0
    cached_tokens: int = 0


def finish_of(value: Any) -> Finish:
    """Why writing ended. AttemptError where it broke off, RequestError for what is no known word."""
    if value is None or value == "":
        return ""
    if value == "stop":  # nearly always
        return "stop"
    if not isinstance(value, str):
        raise RequestError(f"finish_reason is no word: {line(repr(value), 60)}")
    word = value[:60].rpartition(".")[2].partition(":")[0].lower().replace("-", "_")  # `content_filter: RECITATION`
    if word in ("finish_reason_unspecified", "null", "none"):
        return ""
    if word in _BROKEN_OFF:
        raise AttemptError(f"the endpoint broke the answer off (finish_reason {line(value, 60)})")
    if word not in _FINISHES:
        raise RequestError(f"finish_reason {line(value, 60)!r} is unknown, so the answer may not be whole")
    return _FINISHES[word]


def as_text(value: Any, where: str) -> str:
    """A text or nothing. RequestError for anything else."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RequestError(f"the reply's {where} is no text: {line(repr(value), 60)}")
    return value


def said_by(content: Any) -> Said:
    """What the content of a message says: a text, or a list of parts (Mistral, vLLM, Anthropic and others)."""
    if not isinstance(content, list):
        return Said(text=as_text(content, "content"))
    found: dict[str, list[str]] = {"text": [], "thinking": [], "refusal": []}
    for part in content:
        if not isinstance(part, dict):
            raise RequestError(f"a part of the reply's content is no object: {line(repr(part), 60)}")
        kind = as_text(part.get("type"), "type of a part")
        if kind in ("text", "output_text", ""):
            found["text"].append(as_text(part.get("text"), "text"))
        elif kind in ("thinking", "reasoning", "reasoning_content", "summary_text"):
            found["thinking"].append(_thought(part))
        elif kind == "refusal":
            found["refusal"].append(as_text(part.get("refusal"), "refusal"))
    return Said(*("".join(found[name]) for name in Said._fields))


def _thought(part: Mapping[str, Any]) -> str:
    """The text of a part that is thinking: a text, or parts of its own."""
    held = next((part[name] for name in ("thinking", "reasoning", "text", "summary") if part.get(name)), None)
    if isinstance(held, list):
        return "".join(as_text(each.get("text"), "thinking") for each in held if isinstance(each, dict))
    return as_text(held, "thinking")


_OPENED = re.compile(r"\s{0,99}<(think|thinking|reasoning)>")


def without_thinking(said: Said) -> Said:
    """Thinking that stands in the text itself is taken out of it, where it is at its beginning.

    A closing mark without an opening one ends thinking that the chat template began. What is harder to tell apart
    (channels, marks in the middle) stays, and is told apart where the answer is read.
    """
    opened = _OPENED.match(said.text)
    if opened is None and "</think>" not in said.text:
        return said
    if opened is not None and f"</{opened[1]}>" not in said.text:
        final = final_answer(said.text)
        return said._replace(text="", thinking=said.thinking + said.text) if final.cut else said
    answer = final_answer(said.text).text
    rest = said.text[: len(said.text.rstrip()) - len(answer.strip())] if answer.strip() else said.text
    if answer.strip() and not said.text.rstrip().endswith(answer.strip()):
        return said
    if not rest.strip():
        return said
    return said._replace(text=said.text[len(rest) :], thinking=said.thinking + rest)


def count_of(usage: Mapping[str, Any], *names: str) -> int:
    """A number of tokens, under the first of these names that has one; 0 for none. RequestError for any other value."""
    if type(usual := usage.get(names[0])) is int and 0 <= usual < 1 << 53:
        return usual
    for name in names:
        found: Any = usage
        for part in name.split(".") if "." in name else (name,):
            if not isinstance(found, dict):
                raise RequestError(f"the reply's usage is odd: {part} is to stand in {line(repr(found), 60)}")
            if (found := found.get(part)) is None:
                break
        if found is None:
            continue
        if isinstance(found, float) and found.is_integer() and abs(found) < 1 << 53:
            found = int(found)
        if type(found) is not int or not 0 <= found < 1 << 53:
            raise RequestError(f"the reply's usage is odd: {name} is {line(repr(found), 60)}")
        return found
    return 0
