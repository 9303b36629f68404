"""What a calculation in a text comes to (`9 * 2 = 18`, `9 * 2`, `18 = 9 * 2`), and several numbers that are offered."""

from __future__ import annotations

import re
from fractions import Fraction

from evalharness.scoring.closed_forms import closed_value
from evalharness.scoring.numerals import CURRENCY, NUMERAL, value_of
from evalharness.text.deferred import deferred

_RESTATED = deferred(
    r"[^\n.;]{0,40}?(?:\b(?:which|that) (?:is|equals|makes|gives)|\bi\.e\.|\bor\b|\bequals\b|\bequal to\b|=|≈|→|->)\s*",
    re.IGNORECASE,
)
_OPERATOR = deferred(r"[\s)\]}]*[-+*/×x÷·^]\s*[\s(\[{$]*(?=[-$\d.])|[\s\w$%.)\]}]{0,20}?=\s*")


SEVERAL_NUMBERS = "two different numbers are offered"


class UnclearNumberError(Exception):
    """A text offers an answer of which nobody can say which number it is."""


def chain_value(text: str, found: re.Match[str] | None) -> Fraction | None:
    """The value of the calculation that begins with a numeral: `9 * 2 = 18`, `9 * 2` and `18 = 9 * 2` are all 18."""
    if found is None:
        return None
    sides, at = chain_sides(text, found)
    if len(sides) > 1:  # the last equation of the line
        ends = list(re.finditer(r"=\s*(?=[-+$€£\d.])", text[at : at + 300].split("\n", 1)[0].split("(", 1)[0]))
        final = NUMERAL.match(text, at + ends[-1].end()) if ends else None
        if final:
            return value_of(final)
        return value_of(next((side for side in reversed(sides) if len(side) == 1), sides[-1])[0])
    if len(sides[0]) > 1 or found["below"]:
        restated = _RESTATED.match(text, at)
        final = NUMERAL.match(text, restated.end()) if restated else None
        if final:
            return value_of(final)
    return _calculated(text, sides[0], at)


def chain_sides(text: str, first: re.Match[str]) -> tuple[list[list[re.Match[str]]], int]:
    """The numerals of each side of the equation or calculation that begins with one, and where it ends."""
    sides, at = [[first]], first.end()
    for _ in range(30):
        operator = _OPERATOR.match(text, at)
        following = NUMERAL.match(text, operator.end()) if operator else None
        if operator is None or following is None:
            break
        if "=" in operator.group():
            sides.append([following])
        else:
            sides[-1].append(following)
        at = following.end()
    return sides, at


_RANGE = deferred(r"\d[\d.,]{0,20}\s?-\s?\d[\d.,]{0,20}")
_UNIT_OR = (
    r"(?P<unit>[ ][a-z]{1,15}|)[)\]}]?,?[ ](?:(?:and/)?or|oder|ou)[ ](?:(?:maybe|perhaps|possibly|even|probably)[ ])?"
)
_OR = deferred(_UNIT_OR, re.IGNORECASE)
_OR_AND = deferred(
    rf"{_UNIT_OR}|(?P<both>[ ](?:and|und|et|to)[ ]"
    r"(?![$\d.,]{1,20}[ ](?:of|cents?|decimals?|significant|d\.?p|s\.?f)\b)"
    r"|,[ ](?=-?[$\d.,]{1,20}[.\s)*}$]{0,20}(?:\n|\Z)))",
    re.IGNORECASE,
)
_UNIT = deferred(r"[ ]([a-z]{1,15})\b", re.IGNORECASE)
_PLAIN_SIGNS = str.maketrans("×x÷·", "**/*")


def _calculated(text: str, numerals: list[re.Match[str]], end: int) -> Fraction | None:
    """What a calculation without a result comes to; its first number where it is none.

    UnclearNumberError: it is a range, `2-3`.
    """
    written = text[numerals[0].start() : end]
    first, last = value_of(numerals[0]), value_of(numerals[-1])
    rises = first is not None and last is not None and first < last
    if len(numerals) == 1:
        return first
    if rises and _RANGE.fullmatch(written):
        raise UnclearNumberError(SEVERAL_NUMBERS)
    value = closed_value(re.sub(rf"{CURRENCY}|,(?=\d{{3}})", "", written).translate(_PLAIN_SIGNS))
    return value if isinstance(value, Fraction) else first


def sole_value(text: str, found: re.Match[str]) -> Fraction | None:
    """`chain_value` of a claim. UnclearNumberError: the text offers a second number with it: `5 and 7`, `(3) 12`."""
    behind = text[found.end() : found.end() + 6]
    if text[: found.start()].endswith("(") and re.match(r"\)[ ]{1,3}[$€£]?-?[\d.]", behind):
        raise UnclearNumberError("a number in brackets stands before another")
    refuse_several(text, found, _OR_AND)
    return chain_value(text, found)


def refuse_several(text: str, found: re.Match[str], between: re.Pattern[str] = _OR) -> None:
    """UnclearNumberError: the text offers another number for the same thing: `5 or 7`."""
    other = between.match(text, found.end())
    second = NUMERAL.match(text, other.end()) if other else None
    if other and second and _differ(found, second) and _same_kind(text, other, found, second):
        raise UnclearNumberError(SEVERAL_NUMBERS)


def _same_kind(text: str, between: re.Match[str], first: re.Match[str], second: re.Match[str]) -> bool:
    """Whether two numbers count the same things, as far as their units say; `5 hours or 300 minutes` does not."""
    unit = _UNIT.match(text, second.end())
    ours, theirs = (between["unit"] or "").strip().lower().rstrip("s"), unit[1].lower().rstrip("s") if unit else ""
    money = [re.search(CURRENCY, one["number"]) is not None for one in (first, second)]
    if between.groupdict().get("both"):
        return not ours and money[0] <= money[1]
    return not ours or not theirs or ours == theirs


def _differ(first: re.Match[str], second: re.Match[str]) -> bool:
    """Whether two numerals are different numbers; a fraction and its decimals are one, as are 50 % and 0.5."""
    one, other = value_of(first), value_of(second)
    if one is None or other is None or one == other:
        return one != other
    scale = 100 if first["percent"] else Fraction(1, 100)
    if bool(first["percent"]) != bool(second["percent"]) and one == other * scale:
        return False
    rounded = bool(first["below"]) != bool(second["below"])
    return not (rounded and abs(one - other) <= abs(one) / 100)
