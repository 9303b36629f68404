"""The log-probability of a choice, read from a prompt whose tokens an endpoint scored (/completions).

Two shapes: `echo` with `logprobs`, and vLLM's `prompt_logprobs`. Tokens are matched to the text that was sent.
`text_offset` is not looked at: vLLM counts the text of the BOS token in it, others count bytes.
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
_LONGEST_TOKEN = 256  # bytes; vocabularies have runs of 128 spaces
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
            f"{option_name('rank_by', 'prompt_logprobs')} if it is vLLM, else {option_name('mode', 'write')}"
        )
    return total, greedy, len(held)


def prompt_scored(reply: Mapping[str, Any], context: str, choice: str) -> tuple[float, bool, int]:
    """The same from `prompt_logprobs: 1`: of each token but the first the token itself and the likeliest one, by their
    ids, in an order that differs between versions.

    Raises UserError where they are missing or not those of the text. A server may give them in this shape and still be
    wrong, which shows only beside generated tokens (`doctor.echo`).
    """
    try:
        own, best = zip(*(_own_and_best(place) for place in (reply.get("prompt_logprobs") or [])[1:]), strict=True)
        values = [number(each["logprob"]) for each in own]
        held = [] if _empty(values) else _behind_first([each["decoded_token"] for each in own], context, choice)
        greedy = all(values[i] >= best[i] - 1e-9 for i in held)
        total = float(sum(values[i] for i in held))
    except _ODD:
        held = []
    if not held:
        raise UserError(
            "this endpoint gives no prompt_logprobs that are those of the text, so it cannot rank choices; say "
            f"{option_name('mode', 'write')}"
        )
    return total, greedy, len(held)


def _own_and_best(place: Mapping[str, Any]) -> tuple[Mapping[str, Any], float]:
    """The prompt's own token of one place, and the likeliest one's log-probability; infinite where it is not told.

    Where the own token is the likeliest it stands alone; of two it is the one that is not of rank 1.
    """
    found = list(place.values())
    own = found if len(found) == 1 else [each for each in found if each["rank"] != 1]
    if len(found) > 2 or len(own) != 1:
        raise ValueError
    alone = len(found) == 1 and own[0]["rank"] != 1
    return own[0], float("inf") if alone else max(number(each["logprob"]) for each in found)


def _behind_first(tokens: Sequence[str], context: str, choice: str) -> list[int]:
    """The places of the choice's tokens where the prompt's first token is not told, BOS or a text; empty where the
    others are not those of the text, or the first one holds a part of the choice, which then has no score."""
    wanted, border = _in_bytes(context + choice), len(_in_bytes(context))
    texts = [_bytes(token, context + choice) for token in tokens]
    for first in range(min(border, _LONGEST_TOKEN) + 1):
        if (ends := _ends(texts, wanted[first:])) is not None:
            return [place for place, end in enumerate(ends) if first + end > border]
    return []


def _empty(values: Sequence[Any]) -> bool:
    """Whether all log-probabilities are 0: nobody is sure of every token of a prompt."""
    told = [value for value in values if value is not None]
    return len(told) > 1 and all(value == 0 for value in told)


def _of_choice(tokens: Sequence[str], context: str, choice: str) -> list[int]:
    """The places of the choice's tokens; empty where the tokens are not those of the text, and one more behind it.

    A token that holds the end of the context and the beginning of the choice counts as the choice's.
    """
    wanted, border = _in_bytes(context + choice), len(_in_bytes(context))
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
    return _in_bytes(token)


def _in_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _ends(texts: Sequence[bytes], wanted: bytes) -> list[int] | None:
    """Where each token ends in the text, None where they are not its tokens, from its beginning to its end.

    Servers that read tokens one by one lose the space that begins one of SentencePiece's, write nothing for the first
    parts of a character and the whole character for its last part, or nothing for a space alone.
    """
    at, lost, ends = 0, 0, []
    silent = 0  # tokens without a text, whose place the next one tells
    for place, text in enumerate(texts):
        if place == 0 and text.startswith(b" ") and not wanted.startswith(b" "):
            text = text[1:]  # SentencePiece begins every text with a space
        if (_LOST in text and not wanted.startswith(text, at)) or (lost and not text):
            lost += 1
            continue
        if not text:
            silent += 1
            continue
        if lost:  # the next token that has a text says where the lost ones ended
            begin = wanted.find(text, at + 1, at + lost * 2 * _LONGEST_CHARACTER + len(text))
            ends += [begin] * lost
        else:
            begin = at if wanted.startswith(text, at) else at + 1
        if begin < 0 or not wanted.startswith(text, begin) or (not lost and wanted[at:begin].strip(b" ")):
            return None
        at = begin + len(text)
        ends += [at if text[0] > 127 else begin] * silent + [at]
        lost = silent = 0
    if lost and 0 < len(wanted) - at <= lost * _LONGEST_CHARACTER:
        ends += [len(wanted)] * lost
        at = len(wanted)
    return ends + [at] * silent if at == len(wanted) else None
