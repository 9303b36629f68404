"""The log-probability of a choice, read from a prompt whose tokens an endpoint scored.

Three shapes: `echo` with `logprobs`, vLLM's `prompt_logprobs`, SGLang's `input_token_logprobs`. Tokens are matched to
the text that was sent. `text_offset` is not looked at: vLLM counts the text of the BOS token in it, others count bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from evalharness.clients.http import RequestError
from evalharness.data.typed import number
from evalharness.errors import UserError, option_name

ODD = (TypeError, ValueError, KeyError, AttributeError, IndexError)  # what reading an odd reply raises
_LOST = "\ufffd".encode()  # a token that is part of a character has no text of its own
_IN_CHARACTERS = re.compile(b"[\x80-\xff]*")
_MOST_WORK = 1_000_000  # steps of matching one reply's lost tokens; a real one takes some hundreds
_UNCERTAIN = "the endpoint writes tokens so that it is not certain which of them are the choice's"
_LONGEST_FIRST = 48  # bytes of a first token that is not told, where the others do not say its length exactly
_BYTE_LEVEL = {"Ġ": " ", "Ċ": "\n", "ĉ": "\t", "▁": " "}  # how vocabularies write white space


def echoed(reply: Mapping[str, Any], context: str, choice: str) -> tuple[float, bool, int]:
    """Sum of the choice's token log-probabilities, whether each was the likeliest, and their number.

    Raises UserError where the echo is missing or lacks the generated token: such servers score each token with its
    neighbour's logits (llama-cpp-python without BOS does; transformers serve ignores echo without a word). RequestError
    where it cannot be told which tokens are the choice's.
    """
    try:
        found = reply.get("logprobs") or {}
        tokens, values = found.get("tokens") or [], found.get("token_logprobs") or []
        tops = found.get("top_logprobs") or [None] * len(tokens)
        held = [] if len(tokens) != len(values) or _empty(values) else _of_choice(tokens, context, choice)
        greedy = all(number(values[i]) >= max(tops[i].values()) - 1e-9 for i in held if tops[i])
        total = float(sum(number(values[i]) for i in held))
    except ODD:
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
    except ODD:
        held = []
    if not held:
        raise UserError(
            "this endpoint gives no prompt_logprobs that are those of the text, so it cannot rank choices; say "
            f"{option_name('mode', 'write')}"
        )
    return total, greedy, len(held)


def input_scored(about: Mapping[str, Any], context: str, choice: str) -> tuple[float, bool, int]:
    """The same from SGLang's `input_token_logprobs`: of each token of the prompt its log-probability (none for the
    first one), id and text; and from `input_top_logprobs`, the likeliest token in each place."""
    try:
        told = about.get("input_token_logprobs") or []
        values, tops = [each[0] for each in told], about.get("input_top_logprobs") or [None] * len(told)
        held = [] if _empty(values) else _of_choice([*(each[2] for each in told), ""], context, choice)
        greedy = all(number(values[i]) >= max(each[0] for each in tops[i]) - 1e-9 for i in held if tops[i])
        total = float(sum(number(values[i]) for i in held))
    except ODD:
        held = []
    if not held:
        raise UserError(
            "this endpoint gives no input_token_logprobs that are those of the text, so it cannot rank choices; say "
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
    others are not those of the text, or the first one holds a part of the choice, which then has no score.

    RequestError where the first token may end in several places, so that other tokens would be the choice's: a space
    that is not told may be the first token's or one that the next one lost, and so may a character's first part.
    """
    wanted, border = _in_bytes(context + choice), len(_in_bytes(context))
    texts = [_bytes(token, context + choice) for token in tokens]
    if not wanted.strip(b" "):  # any number of them may be the first token's
        raise RequestError(_UNCERTAIN)
    exact = len(wanted) - sum(map(len, texts))
    firsts = {exact, *range(_LONGEST_FIRST + 1)} & set(range(len(wanted) + 1))
    found = set[tuple[int, ...]]()
    for first in firsts:
        if (ends := _ends(texts, wanted, first)) is None:
            continue
        if first <= border:
            found.add(tuple(_beyond(ends, border)))
        # What a server wrote behind the first token may be all of a character that the first token begins.
        told = next((text for text in texts if text and _LOST not in text), b"")
        if first > border or any(byte >= 0xC0 for byte in told[max(0, border - first) :]):
            found.add(())
    if len(found) > 1:
        raise RequestError(_UNCERTAIN)
    return list(found.pop()) if found else []


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
            return [first + place for place in _beyond(ends, border)]
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


Span = tuple[int, int]  # where a token may end: at least and at most


def _ends(texts: Sequence[bytes], wanted: bytes, at: int = 0) -> list[Span] | None:
    """Where each token ends in the text from `at` on, None where they are not its tokens, to its end.

    Servers that read tokens one by one lose the space that begins one of SentencePiece's, write nothing for a space
    alone, and for the parts of a character either signs of loss, or nothing and then the whole with its last part.
    """
    ends: list[Span] = []
    hidden: list[bytes] = []  # tokens whose place the next one tells
    for place, text in enumerate(texts):
        if place == at == 0 and text.startswith(b" ") and not wanted.startswith(b" "):
            text = text[1:]  # SentencePiece begins every text with a space
        if not text or (_LOST in text and not wanted.startswith(text, at)):
            hidden.append(text)
            continue
        if any(hidden):
            found = [begin for begin in _behind_lost(hidden, wanted, at) if wanted.startswith(text, begin)]
            if len(found) != 1:
                return None
            (begin,) = found
        else:
            begin = at if wanted.startswith(text, at) else at + 1
            if not wanted.startswith(text, begin) or wanted[at:begin].strip(b" "):
                return None
            if begin > at and ends and not any(hidden) and not texts[place - 1 - len(hidden)].strip(b" "):
                ends[-1] = (at, begin)  # of several spaces one may be lost
        ends += [*_hidden(hidden, text, at, begin), (begin + len(text), begin + len(text))]
        at, hidden = begin + len(text), []
    if any(hidden):
        whole = len(wanted) in _behind_lost(hidden, wanted, at)
    else:
        whole = at == len(wanted) or (bool(hidden) and wanted[at:] == b" ")
    return [*ends, *_hidden(hidden, b"", at, len(wanted))] if whole else None


def _behind_lost(hidden: Sequence[bytes], wanted: bytes, at: int) -> set[int]:
    """Where tokens with signs of loss may end together that begin at `at`; nowhere after too much work."""
    reached, work = {at}, 0
    for part in re.split(b"((?:" + _LOST + b")+)", b"".join(hidden)):
        if not part.startswith(_LOST):
            reached = {begin + len(part) for begin in reached if wanted.startswith(part, begin)}
            continue
        count = len(part) // len(_LOST)
        if (work := work + len(reached) * 2 * count) > _MOST_WORK:
            return set()
        runs = ((begin, _IN_CHARACTERS.match(wanted, begin, begin + 3 * count)) for begin in reached)
        reached = {end for begin, run in runs if run for end in range(begin + count, run.end() + 1)}
    return reached


def _sizes(text: bytes) -> Span:
    """How many bytes a token with signs of loss stands for: each sign for one to three (Unicode 15.0, table 3-8)."""
    lost = text.count(_LOST)
    known = len(text) - lost * len(_LOST)
    return known + lost, known + 3 * lost


def _hidden(hidden: Sequence[bytes], text: bytes, at: int, begin: int) -> list[Span]:
    """Where tokens may end that stand between `at` and a text which begins at `begin`."""
    if any(hidden):
        sizes = [_sizes(each) for each in hidden]
        lows, highs = ([*accumulate(side, initial=0)] for side in zip(*sizes, strict=True))
        return [
            (max(at + low, begin - (highs[-1] - high)), min(at + high, begin - (lows[-1] - low)))
            for low, high in zip(lows[1:], highs[1:], strict=True)
        ]
    parts = [begin + place + 1 for place, byte in enumerate(text) if byte >= 0xC0]  # within a character of the text
    space = [(begin, parts[-1] if parts else begin)] if begin > at and hidden else []  # perhaps a space alone
    return [*space, *[(parts[0], parts[-1]) if parts else (begin, begin)] * (len(hidden) - len(space))]


def _beyond(ends: Sequence[Span], border: int) -> list[int]:
    """The places of the tokens that end behind a border. RequestError where that is not certain of each."""
    if any(low <= border < high for low, high in ends):
        raise RequestError(_UNCERTAIN)
    return [place for place, (low, _) in enumerate(ends) if low > border]
