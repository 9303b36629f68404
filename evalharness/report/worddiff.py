"""What changed between two texts, word by word."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

_PIECES = re.compile(r"\s+|\w+|[^\w\s]")
LIMIT = 400  # pieces of either text that are compared; matching costs their product


@dataclass(frozen=True, slots=True)
class TextSpan:
    """A stretch of text: on both sides, or on one alone."""

    kind: Literal["same", "gone", "come"]
    text: str


def parts(base: str, new: str) -> tuple[list[TextSpan], list[TextSpan]]:
    """The two texts in stretches: `gone` is only in base, `come` only in new. Beyond LIMIT pieces nothing is marked."""
    one, other = _PIECES.findall(base), _PIECES.findall(new)
    left: list[TextSpan] = []
    right: list[TextSpan] = []
    matcher = SequenceMatcher(None, one[:LIMIT], other[:LIMIT], autojunk=False)
    for kind, i, j, k, m in matcher.get_opcodes():
        before, after = "".join(one[i:j]), "".join(other[k:m])
        if before:
            left.append(TextSpan("same" if kind == "equal" else "gone", before))
        if after:
            right.append(TextSpan("same" if kind == "equal" else "come", after))
    for side, rest in ((left, one[LIMIT:]), (right, other[LIMIT:])):
        if rest:
            side.append(TextSpan("same", "".join(rest)))
    return left, right
