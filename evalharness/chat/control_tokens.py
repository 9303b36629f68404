"""Rendered text -> ids around its control tokens, as the `tokenizers` library splits a text before it encodes it.

https://github.com/huggingface/tokenizers, added_vocabulary.rs and metaspace.rs: an added token may swallow the white
space beside it, may want no word character beside it, and what stands behind one is encoded as a text of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evalharness.chat.turns import THOUGHT_TAGS
from evalharness.records import Message

_SPACES = "\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # Unicode's White_Space, as in Rust
_BEFORE, _BEHIND = re.compile(f"[{_SPACES}]*$"), re.compile(f"[{_SPACES}]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How a tokenizer's control tokens treat the text beside them.

    `left` and `right`: those that swallow the white space before and behind them (lstrip, rstrip). `words`: those that
    are none beside a word character (single_word). `opening`: those found only behind a blank or where a piece of text
    begins, because the normalizer puts a blank before every piece, theirs too. `apart`: ordinary added tokens that are
    found before the normalizer runs, so that a piece begins behind each. `first`: only the beginning of the whole text
    is encoded like the beginning of a text (Metaspace, prepend_scheme first).
    """

    left: frozenset[str] = frozenset()
    right: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    opening: frozenset[str] = frozenset()
    apart: re.Pattern[str] | None = None
    first: bool = False


NO_HABITS = Habits()


def pattern_of_added(token: Mapping[str, Any]) -> str:
    """Where an entry of `added_tokens` stands in a text, with the white space behind it that it swallows."""
    found = re.escape(token["content"])
    if token.get("single_word"):
        found = rf"(?<!\w){found}(?!\w)"
    return f"{found}[{_SPACES}]*" if token.get("rstrip") else found


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text, [start, stop): a control token (its id), or ordinary text (None), which `goes_on` without a
    new beginning behind a token that was found in it."""

    start: int
    stop: int
    id: int | None
    goes_on: bool = False


def split_at_control(
    text: str, pattern: re.Pattern[str], specials: Mapping[str, int], habits: Habits
) -> Iterator[Piece]:
    """The control tokens of a text and what stands between them, without the white space that they swallow."""
    at, goes_on = 0, False
    for match in pattern.finditer(text):
        name, start, stop = match[0], match.start(), match.end()
        if name in habits.words and (_is_word(text[start - 1 : start]) or _is_word(text[stop : stop + 1])):
            continue
        if name in habits.opening and start != (begin := _beginning(text, at, start, goes_on, habits.apart)):
            if start == at or text[start - 1] != " ":
                continue
            if start - 1 == begin:  # the normalizer's blank stands before this one, which stays
                if begin > at:
                    yield Piece(at, begin, None, goes_on)
                at, goes_on = begin, True
            else:
                start -= 1
        if name in habits.right:
            stop = _BEHIND.match(text, stop).end()  # type: ignore[union-attr]  # it matches the empty text too
        if name in habits.left:
            start = _BEFORE.search(text, at, start).start()  # type: ignore[union-attr]
        if start > at:
            yield Piece(at, start, None, goes_on)
        yield Piece(start, stop, specials[name])
        at, goes_on = stop, name in habits.opening
    if at < len(text):
        yield Piece(at, len(text), None, goes_on)


def _beginning(text: str, at: int, end: int, goes_on: bool, apart: re.Pattern[str] | None) -> int | None:
    """Where the last piece of text[at:end] begins, None where it only goes on."""
    begin = None if goes_on else at
    for match in apart.finditer(text, at, end) if apart else ():
        begin = match.end()
    return begin


def _is_word(letter: str) -> bool:
    return re.match(r"\w", letter) is not None


def encode_stretches(
    text: str, cuts: Sequence[int], found: Iterator[Piece], encode: Callable[[str, bool], list[int]]
) -> list[list[int]]:
    """The ids of a text between its cuts (ascending positions): one list more than there are cuts.

    `encode(text, inside)` gives the ids of ordinary text; `inside`: not at the beginning of the whole text. Text before
    a cut is encoded as if it ended there, what stands behind goes on from it without a new beginning.
    """
    stretches: list[list[int]] = [[] for _ in range(len(cuts) + 1)]
    for piece in found:
        first = sum(cut <= piece.start for cut in cuts)
        if piece.id is not None:
            stretches[first].append(piece.id)
            continue
        ends = [*(cut for cut in cuts[first:] if cut < piece.stop), piece.stop]
        begun: list[int] = []
        before = piece.start
        for number, end in enumerate(ends, first):
            part = text[piece.start : end]
            whole = _continued(part, encode) if piece.goes_on else encode(part, piece.start > 0)
            if whole[: len(begun)] == begun:
                stretches[number] += whole[len(begun) :]
            else:  # a token would reach over the cut
                whole = begun + _continued(text[before:end], encode)
                stretches[number] += whole[len(begun) :]
            begun, before = whole, end
    return stretches


def _continued(text: str, encode: Callable[[str, bool], list[int]]) -> list[int]:
    """The ids of a text that stands behind another, which it shares no token with."""
    for other in ("\n", "."):
        alone, both = encode(other, True), encode(other + text, True)
        if both[: len(alone)] == alone:
            return both[len(alone) :]
    return encode(text, True)


def break_control_tokens(
    messages: Sequence[Message], given: Mapping[str, Any], pattern: re.Pattern[str]
) -> tuple[Sequence[Message], Mapping[str, Any], str]:
    """Messages and variables whose texts spell no control token: each is broken by a private character, the third of
    what is returned, which is taken out again before encoding ("" where there is none to break). The tags around an
    assistant's thoughts are meant, and stay.
    """
    joined = "".join(_strings([[message.content, message.extra] for message in messages] + [given]))
    if not pattern.search(joined):
        return messages, given, ""
    mark = next(chr(point) for point in range(0xE000, 0xF900) if chr(point) not in joined)

    def broken(text: str, kept: Collection[str] = ()) -> str:
        return pattern.sub(lambda m: m[0] if m[0] in kept else m[0][0] + mark + m[0][1:], text)

    guarded = []
    for message in messages:
        content = broken(message.content, THOUGHT_TAGS if message.role == "assistant" else ())
        guarded.append(replace(message, content=content, extra=_mapped(message.extra, broken)))
    return guarded, _mapped(given, broken), mark


def _strings(value: object) -> Iterator[str]:
    """All texts in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for each in value.values() for text in _strings(each))
    elif isinstance(value, list | tuple):
        yield from (text for each in value for text in _strings(each))


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with its texts changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _mapped(each, change) for key, each in value.items()}
    return [_mapped(each, change) for each in value] if isinstance(value, list | tuple) else value
