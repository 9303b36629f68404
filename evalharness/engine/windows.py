"""Which earlier tokens a token sees in a layer that does not look at all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

Positions = TypeVar("Positions", int, "Tensor")


@dataclass(frozen=True, slots=True)
class Window:
    """The last `size` tokens, itself among them; or, `chunked`, those of its own piece of the text, where the text is
    cut into pieces of `size` tokens (Llama 4)."""

    size: int
    chunked: bool = False

    def first(self, positions: Positions) -> Positions:
        """The first position that each of these sees; it may lie before the text."""
        return positions // self.size * self.size if self.chunked else positions - self.size + 1

    def hides_nothing(self, longest: int, last: int) -> bool:
        """Whether every token of a row of at most `longest` tokens that ends before or at position `last` sees all
        that stand before it in that row."""
        return (last if self.chunked else longest - 1) < self.size
