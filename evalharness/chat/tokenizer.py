"""What rendering needs of a tokenizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class ChatTokenizer(Protocol):
    """What rendering needs of a tokenizer. Ids are ints in [0, size).

    `specials` maps the text of each control token to its id. `adds_bos`: the checkpoint expects `bos` in front of
    plain text (Llama does; GPT-2 and Qwen do not). Where control tokens change the text beside them there is a
    `habits: Habits` too, and, with `habits.first`, an `encode_inside` for the text behind them.
    """

    @property
    def size(self) -> int: ...
    @property
    def bos(self) -> int | None: ...
    @property
    def eos(self) -> int | None: ...
    @property
    def adds_bos(self) -> bool: ...
    @property
    def specials(self) -> Mapping[str, int]: ...

    def encode(self, text: str) -> list[int]:
        """Ids of ordinary text: no BOS, and the text of a control token is spelled out, never taken for the token."""
        ...

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        """The bytes that the ids stand for, control tokens as their text."""
        ...
