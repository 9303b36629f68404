"""The log-probability of a choice, read from a prompt that an endpoint echoed (`echo`, `logprobs` of /completions).

Tokens are matched to the text that was sent. `text_offset` is not looked at: vLLM counts the text of the BOS token in
it, others count bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from evalharness.data.typed import number
from evalharness.errors import UserError, option_name

_ODD = (TypeError, ValueError, KeyError, AttributeError, IndexError)  # what reading an odd reply raises
_LOST = "\ufffd".encode()  # a token that is part of a character has no text of its own
_LONGEST_CHARACTER = 4  # bytes
_BYTE_LEVEL = {"Ġ": " ", "Ċ": "\n", "ĉ": "\t", "▁": " "}  # how vocabularies write white space


def echoed(reply: Mapping[str, Any], context: str, choice: str) -> tuple[float, bool, int]:
    """Sum of the choice's token log-probabilities, whether each was the likeliest, and their number.

    Raises UserError where the echo is missing or lacks the generated token: such servers score each token with its
    neighbour's logits (llama-cpp-python without BOS does; transformers serve ignores echo without a word).
    """
    try:
        found = reply.get("logprobs") or {}
        tokens, values = found.get("tokens") or [], found.get("token_logprobs") or []
        tops = found.get("top_logprobs") or [None] * len(tokens)
        held = [] if len(tokens) != len(values) or _empty(values) else _of_choice(tokens, context, choice)
        greedy = all(number(values[i]) >= max(tops[i].values()) - 1e-9 for i in held if tops[i])
        total = float(sum(number(values[i]) for i in held))
    except _ODD:
        held = []
    if not held:
        raise UserError(
            "this endpoint does not echo log-probabilities truthfully, so it cannot rank choices; say "
            f"{option_name('mode', 'write')}"
        )
    return total, greedy, len(held)


def _empty(values: Sequence[Any]) -> bool:
    """Whether all log-probabilities are 0: nobody is sure of every token of a prompt."""
    told = [value for value in values if value is not None]
    return len(told) > 1 and all(value == 0 for value in told)


def _of_choice(tokens: Sequence[str], context: str, choice: str) -> list[int]:
    """The places of the choice's tokens; empty where the tokens are not those of the text, and one more behind it.

    A token that holds the end of the context and the beginning of the choice counts as the choice's.
    """
    wanted, border = (context + choice).encode("utf-8", "surrogatepass"), len(context.encode("utf-8", "surrogatepass"))
    texts = [_bytes(token, context + choice) for token in tokens[:-1]]
    for first in (0, 1):  # a token of its own may begin the text (BOS)
        if (ends := _ends(texts[first:], wanted)) is not None:
            return [first + place for place, end in enumerate(ends) if end > border]
    return []


def _bytes(token: str, text: str) -> bytes:
    """What a token stands for. OpenAI writes parts of characters as `bytes:\\xe2\\x80`."""
    if token.startswith("bytes:\\x") and re.fullmatch(r"bytes:(\\x[0-9a-f]{2})+", token):
        return bytes.fromhex(token.removeprefix("bytes:").replace("\\x", ""))
    if re.fullmatch(r"<0x[0-9A-F]{2}>", token) and token not in text:
        return bytes.fromhex(token[3:5])
    for sign, meant in _BYTE_LEVEL.items():
        if sign in token and sign not in text:
            token = token.replace(sign, meant)
    return token.encode("utf-8", "surrogatepass")


def _ends(texts: Sequence[bytes], wanted: bytes) -> list[int] | None:
    """Where each token ends in the text, None where they are not its tokens, from its beginning to its end."""
    at, lost, ends = 0, 0, []
    for place, text in enumerate(texts):
        if place == 0 and text.startswith(b" ") and not wanted.startswith(b" "):
            text = text[1:]  # SentencePiece begins every text with a space
        if _LOST in text and not wanted.startswith(text, at):
            lost += 1
        elif lost:  # the next token that has a text says where the lost ones ended
            found = wanted.find(text, at + 1, at + lost * 2 * _LONGEST_CHARACTER + len(text)) if text else -1
            if found < 0:
                return None
            ends += [found] * lost
            at, lost = found + len(text), 0
        elif wanted.startswith(text, at):
            at += len(text)
        else:
            return None
        if not lost:
            ends.append(at)
    if lost and 0 < len(wanted) - at <= lost * _LONGEST_CHARACTER:
        ends += [len(wanted)] * lost
        at = len(wanted)
    return ends if at == len(wanted) else None
