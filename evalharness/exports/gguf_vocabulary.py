"""A tokenizer.json as llama.cpp wants it: tokens, kinds, merges or scores, the name of the splitting pattern.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md#ggml. llama.cpp knows splitting patterns by name only
(llama.cpp, src/llama-vocab.cpp); one that it does not know would split texts otherwise, and is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import regex

from evalharness.engine.tokenizer import BYTE_OF
from evalharness.errors import UserError

NORMAL_TOKEN, UNKNOWN_TOKEN, CONTROL_TOKEN, USER_DEFINED_TOKEN, UNUSED_TOKEN, BYTE_TOKEN = (
    1,
    2,
    3,
    4,
    5,
    6,
)  # llama_token_type

_GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_LETTERS = r"[^\r\n\p{L}\p{N}]?\p{L}+|"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_WORDS = [r"[^\r\n\p{L}\p{N}]?" + _UPPER + upper + _LOWER + lower for upper, lower in ("*+", "+*")]
_SLASHED = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_ONE_DIGIT = _GPT2.replace(r" ?\p{N}+", r" ?\p{N}")  # as GPT-2's where no token has two digits
PATTERNS = {
    _GPT2: "gpt-2",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+": "gpt-2",
    _CONTRACTIONS + "|" + _LETTERS + r"\p{N}{1,3}" + _REST: "llama-bpe",
    _CONTRACTIONS + "|" + _LETTERS + r"\p{N}" + _REST: "qwen2",
    "|".join(_WORDS) + r"|\p{N}" + _SLASHED: "tekken",
    "|".join(word + _CONTRACTIONS + "?" for word in _WORDS) + r"|\p{N}{1,3}" + _SLASHED: "gpt-4o",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What GGUF holds of a tokenizer: `tokens[i]` is the text of id i as the model writes it, `kinds[i]` a
    llama_token_type.

    `model` is gpt2 (bytes in GPT-2's alphabet, `merges`, `pre` names the splitting pattern) or llama (SentencePiece:
    `scores`, larger is merged first). `blank_first`: a text gets a blank in front.
    """

    model: str
    pre: str
    tokens: tuple[str, ...]
    kinds: tuple[int, ...]
    merges: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    blank_first: bool = False
    unknown: int | None = None


def vocabulary(raw: Mapping[str, Any], size: int, *, chat: bool) -> Vocabulary:
    """The vocabulary of a tokenizer.json's content for an embedding of `size` rows.

    `chat`: texts are asked through a template, so that none of them begins a text. UserError, with the part's name,
    where llama.cpp has nothing that does the same.
    """
    model = raw.get("model") or {}
    if model.get("type") != "BPE":
        raise _unknown(f"a tokenizer of the kind {model.get('type')}")
    by_bytes = '"ByteLevel"' in json.dumps(raw.get("pre_tokenizer"))
    if not by_bytes and not model.get("byte_fallback"):
        raise _unknown("a BPE tokenizer without bytes")
    tokens, kinds = _tokens(raw, size, byte_fallback=not by_bytes)
    merges = [tuple(m.split(" ", 1)) if isinstance(m, str) else tuple(m) for m in model.get("merges") or []]
    if by_bytes:
        pre = _pre(raw, [first + second for first, second in merges])
        return Vocabulary(
            model="gpt2", pre=pre, tokens=tokens, kinds=kinds, merges=tuple(" ".join(map(_escaped, m)) for m in merges)
        )
    unknown = model["vocab"].get(model.get("unk_token"))
    return Vocabulary(
        model="llama", pre="default", tokens=tokens, kinds=kinds, scores=_scores(tokens, merges),
        blank_first=_blank_first(raw, chat), unknown=unknown,
    )  # fmt: skip


def _unknown(what: str) -> UserError:
    return UserError(f"GGUF: llama.cpp has nothing for {what}; the folder is whole without it: leave out --export gguf")


def _escaped(part: str) -> str:
    return part.replace(" ", "Ġ")  # a merge is two parts with one blank between them


def _tokens(raw: Mapping[str, Any], size: int, *, byte_fallback: bool) -> tuple[tuple[str, ...], tuple[int, ...]]:
    tokens: list[str | None] = [None] * size
    kinds = [UNUSED_TOKEN] * size
    for text, number in raw["model"]["vocab"].items():
        tokens[number], kinds[number] = text, NORMAL_TOKEN
        if byte_fallback and re.fullmatch(r"<0x[0-9A-F]{2}>", text):
            kinds[number] = BYTE_TOKEN
    for added in raw.get("added_tokens") or []:
        number = added["id"]
        tokens[number], kinds[number] = added["content"], CONTROL_TOKEN if added.get("special") else USER_DEFINED_TOKEN
    unknown = raw["model"].get("unk_token")
    if byte_fallback and unknown in raw["model"]["vocab"]:
        kinds[raw["model"]["vocab"][unknown]] = UNKNOWN_TOKEN
    return tuple(f"[PAD{i}]" if text is None else text for i, text in enumerate(tokens)), tuple(kinds)


def _scores(tokens: Sequence[str], merges: Sequence[Sequence[str]]) -> tuple[float, ...]:
    """SentencePiece merges the pair whose token has the largest score, `tokenizers` the pair that stands first."""
    first: dict[str, int] = {}
    for rank, (left, right) in enumerate(merges, 1):
        first.setdefault(left + right, rank)
    return tuple(-float(first.get(token, 0)) for token in tokens)


def _parts(step: Mapping[str, Any] | None, inner: str) -> list[Mapping[str, Any]]:
    """The steps of a normalizer or pre-tokenizer, sequences unfolded."""
    if not step:
        return []
    if step.get("type") == "Sequence":
        return [part for each in step.get(inner) or [] for part in _parts(each, inner)]
    return [step]


def _blank_first(raw: Mapping[str, Any], chat: bool) -> bool:
    """Whether a blank is put before a text; llama.cpp puts it behind control tokens too, which `first` does not."""
    normal, pre = _parts(raw.get("normalizer"), "normalizers"), _parts(raw.get("pre_tokenizer"), "pretokenizers")
    if any(step["type"] == "Prepend" for step in normal):
        return True
    scheme = next((step.get("prepend_scheme", "always") for step in pre if step["type"] == "Metaspace"), "never")
    return scheme == "always" or (scheme == "first" and not chat)


def _pre(raw: Mapping[str, Any], merged: Sequence[str]) -> str:
    """llama.cpp's name of the splitting pattern of a byte-level tokenizer."""
    steps = _parts(raw.get("pre_tokenizer"), "pretokenizers")
    if any(step["type"] == "ByteLevel" and step.get("add_prefix_space") for step in steps):
        raise _unknown("a byte-level tokenizer that puts a blank before a text")
    if not merged:  # single bytes are what they are, wherever a text is split
        return "gpt-2"
    patterns = [_pattern(step) for step in steps if step["type"] != "ByteLevel" or step.get("use_regex", True)]
    if patterns == [r"\p{N}", _GPT2]:
        return "smollm"
    if len(patterns) == 1:
        known = PATTERNS.get(patterns[0]) or PATTERNS.get(patterns[0].replace("++", "+").replace("?+", "?"))
        if known is None and patterns[0] == _ONE_DIGIT and not any(map(_two_digits, merged)):
            known = "gpt-2"
        if known is not None:
            return known
    raise _unknown(f"a tokenizer that splits by {' then '.join(patterns) or 'nothing'}")


def _pattern(step: Mapping[str, Any]) -> str:
    if step["type"] == "ByteLevel":
        return _GPT2
    if step["type"] == "Digits" and step.get("individual_digits"):
        return r"\p{N}"
    pattern = step.get("pattern")
    isolated = step["type"] == "Split" and step.get("behavior") == "Isolated" and not step.get("invert")
    if isolated and isinstance(pattern, Mapping) and isinstance(pattern.get("Regex"), str):
        return str(pattern["Regex"])
    return f"{step['type']}"


def _two_digits(token: str) -> bool:
    text = bytes(BYTE_OF[letter] for letter in token if letter in BYTE_OF).decode("utf-8", "replace")
    return regex.search(r"\p{N}\p{N}", text) is not None
