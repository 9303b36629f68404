"""Inequalities as the intervals that they are: `1 < x \\le 2` is (1, 2], `x \\ge 3` is [3, \\infty)."""

from __future__ import annotations

import re

from evalharness.text.deferred import deferred

_SIGN = r"(<|>|\\le(?![a-z])|\\ge(?![a-z])) ?"
_NAME = r"([A-Za-z]|\\[a-z]{2,7})"
_BOUND = r"([^<>=]{1,60}?)"
_BETWEEN = deferred(rf"{_BOUND}{_SIGN}{_NAME}{_SIGN}{_BOUND}")
_NAME_FIRST = deferred(rf"{_NAME}{_SIGN}{_BOUND}")
_NAME_LAST = deferred(rf"{_BOUND}{_SIGN}{_NAME}")
_FLIPPED = {"<": ">", ">": "<", "\\le": "\\ge", "\\ge": "\\le"}
_LE = {"<": False, "\\le": True}


def solution_set(text: str, separator: str) -> tuple[str, str] | None:
    """The name and the intervals of a canonical inequality, or of several between separators; None for all else."""
    if "<" not in text and ">" not in text and "\\le" not in text and "\\ge" not in text:
        return None
    found = [_interval(part) for part in re.split(rf"[{separator},]", text)]
    names = {one[0] for one in found if one is not None}
    if None in found or len(names) != 1:
        return None
    return names.pop(), "\\cup".join(one[1] for one in found if one is not None)


def _interval(text: str) -> tuple[str, str] | None:
    found = _BETWEEN.fullmatch(text)
    if found:
        low, first, name, second, high = found.groups()
        if first in _LE and second in _LE:
            return name, _spelled(low, _LE[first], high, _LE[second])
        if first not in _LE and second not in _LE:
            return name, _spelled(high, _LE[_FLIPPED[second]], low, _LE[_FLIPPED[first]])
        return None
    if found := _NAME_FIRST.fullmatch(text):
        name, sign, bound = found.groups()
    elif found := _NAME_LAST.fullmatch(text):
        bound, sign, name = found.groups()
        sign = _FLIPPED[sign]
    else:
        return None
    if sign in _LE:
        return name, _spelled("-\\infty", False, bound, _LE[sign])
    return name, _spelled(bound, _LE[_FLIPPED[sign]], "\\infty", False)


def _spelled(low: str, low_in: bool, high: str, high_in: bool) -> str:
    return f"{'[' if low_in else '('}{low},{high}{']' if high_in else ')'}"
