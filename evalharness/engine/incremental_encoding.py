"""Encodes a text from where it differs from the one before: benchmark prompts share most of their characters.

Exact for byte-pair tokenizers that first split the text by a pattern without looking back (GPT-2, Llama 3, Qwen, ...):
merges stay inside the pieces, and a piece is decided by its own characters and the next few.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

_MARGIN = 2  # whole pieces that must be common behind the last one kept


def splits_by_pattern(raw: Mapping[str, Any]) -> bool:
    """Whether a tokenizer.json is of that kind: BPE behind a pattern, text taken as it is."""
    before = json.dumps(raw.get("pre_tokenizer"))
    plain_added = [token for token in raw.get("added_tokens") or [] if not token.get("special")]
    return (
        raw.get("model", {}).get("type") == "BPE"
        and raw.get("normalizer") is None
        and '"ByteLevel"' in before
        and '"add_prefix_space": true' not in before
        and "(?<" not in before
        and not plain_added
    )


class IncrementalEncoder:
    """Remembers the last text with its pieces. Use only where `splits_by_pattern` holds.

    `library` is a `tokenizers.Tokenizer` without post-processor, so that it tells where pieces truly begin, spaces
    included.
    """

    def __init__(self, library: Any) -> None:
        self._library = library
        self._text = ""
        self._ids: list[int] = []
        self._chars: list[int] = []  # where each piece begins in the text
        self._tokens: list[int] = []  # and in the ids

    def encode(self, text: str) -> list[int]:
        """The ids of `text`."""
        piece = self._pieces_kept(text)
        char, token = (self._chars[piece], self._tokens[piece]) if piece else (0, 0)
        encoded = self._library.encode(text[char:], add_special_tokens=False)
        chars, tokens = self._chars[:piece], self._tokens[:piece]
        last = None
        for i, (word, (start, _)) in enumerate(zip(encoded.word_ids, encoded.offsets, strict=True)):
            if word != last:
                chars.append(char + start)
                tokens.append(token + i)
                last = word
        self._text, self._ids, self._chars, self._tokens = text, self._ids[:token] + encoded.ids, chars, tokens
        return list(self._ids)

    def _pieces_kept(self, text: str) -> int:
        """How many pieces of the last text begin this one too, whatever follows."""
        common = _common_length(self._text, text)
        piece = bisect_right(self._chars, common) - 1 - _MARGIN
        # A run of white space is split by what comes after it: that must be common too.
        while piece > 0 and not text[self._chars[piece] : common].strip():
            piece -= 1
        return max(0, piece)


def _common_length(a: str, b: str) -> int:
    """Length of the common prefix, by halving."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
