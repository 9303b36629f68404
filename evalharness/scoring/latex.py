"""The boxes of a LaTeX text: what `\\boxed{...}` and `\\fbox{...}` hold, in linear time."""

from __future__ import annotations

import re

from evalharness.text.deferred import deferred

_BOX = deferred(r"\\(?:boxed|fbox|framebox)\s{0,3}(?:(?P<brace>\{)|(?=[^\s{]))")
_BRACE = deferred(r"\\.|[{}]", re.DOTALL)


def boxes(text: str) -> list[str]:
    """What stands in the boxes of a text, in order: within balanced braces, or the word after `\\boxed `.

    Empty boxes and those that are never closed hold nothing. Of a box in a box the outer one counts, unless it holds
    nothing else.
    """
    starts = list(_BOX.finditer(text))
    if not starts:
        return []
    ends = _ends(text, {m.end() - 1 for m in starts if m["brace"]})
    found, reached = [], 0
    for match in starts:
        if match.start() < reached:
            continue
        if not match["brace"]:
            word = re.match(r"[^$\s]{1,200}", text[match.end() : match.end() + 200])
            inner, end = word.group() if word else "", match.end()
            if not re.match(r"[-+.\w\\(]", inner) or not text[match.end() - 1].isspace():
                continue
        elif match.end() - 1 in ends:
            end = ends[match.end() - 1]
            inner = text[match.end() : end]
            within = _BOX.match(text, match.end() + len(inner) - len(inner.lstrip()))
            if within and within["brace"] and not text[ends.get(within.end() - 1, 0) + 1 : end].strip():
                continue
        else:
            continue
        if inner.strip():
            found.append(inner)
            reached = end
    return found


def ends_in_box(text: str) -> bool:
    """Whether the last box of a text is begun and never closed: the text was cut inside its answer."""
    last = text.rfind("\\boxed{")
    return last >= 0 and bool(text[last + 7 :].strip("{ ")) and last + 6 not in _ends(text, {last + 6})


def _ends(text: str, wanted: set[int]) -> dict[int, int]:
    """For the opening braces at `wanted` where they close; one pass."""
    found: dict[int, int] = {}
    stack: list[int] = []
    for match in _BRACE.finditer(text, min(wanted, default=len(text))):
        if match.group() == "{":
            stack.append(match.start())
        elif match.group() == "}" and stack:
            start = stack.pop()
            if start in wanted:
                found[start] = match.start()
    return found
