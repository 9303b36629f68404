"""The number that a text answers with, and the rule that found it.

From the surest sign to the weakest: what stands after `####`, in a box, after or before `answer`, and else the last
number that counts nothing of the text itself (a step, a line of a list). Values are exact fractions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from typing import NamedTuple

from evalharness.scoring.calculations import (
    SEVERAL_NUMBERS,
    UnclearNumberError,
    chain_sides,
    chain_value,
    refuse_several,
    sole_value,
)
from evalharness.scoring.corrections import COPULA, TAKES_BACK
from evalharness.scoring.final_answer import ReadAnswer, before_next_question
from evalharness.scoring.latex import boxes
from evalharness.scoring.letter_words import ANSWER_WORDS
from evalharness.scoring.number_asides import answering, without_appendix
from evalharness.scoring.numerals import NUMERAL, plain_numbers, shown_number, unspaced, value_of
from evalharness.text.deferred import deferred

_LONGEST = 100_000  # characters at the end of a text that are read
_LAST = 20_000  # those in which the last number is looked for: more than a long answer has
_STRICT_HASHES = deferred(r"####[ \t]*(?P<rest>[^\n]*)")
_HEADING = deferred(r"\d+\s*[.):]\s+[A-Za-z]|(?:step|part)\b", re.IGNORECASE)
_FILLER = (
    r"(?:therefore|thus|simply|exactly|approximately|about|roughly|around|just|only|a total of|total(?: of)?|the"
    r"|that|is|are|"
    r"equal to|equals|an?|indeed|then|now|so|hence|option|[A-Za-z][\w ]{0,30}?\s?=|he|she|it|they|we|has|have|get"
    r"|gets|makes?|"
    r"there (?:are|is)|number|value|amount|of|be|as|follows|either|between|maybe|perhaps|probably|≈|~|=)"
)
_SAID = deferred(
    r"\b(?:answers?|solution|(?:the|final|end) result)\b(?:[^\n.;:=]{0,60}?(?:\b(?:is|are|was|be|equals)\b|=|\s[-–—]\s)"
    r"|[\s*'’]{0,4}(?:(?:to|for|of|in)\b[^\n.:]{0,40})?:)\s*"
    r"|\b(?:final\s+)?answers?\b[\s*]{1,3}(?!\d{1,2}[ *]{0,4}[:)])(?=[-+](?! )|[$€£\d])|\bans\s*[.:]\s*"
    rf"|(?:{'|'.join(ANSWER_WORDS.values())})[^\n.。!?;\d]{{0,40}}?(?=[-+$€£¥]?\d)",
    re.IGNORECASE,
)
_BEHIND = deferred(
    r"[\s*]*(?:[A-Za-z%°€/]+\s+){0,4}(?:is|are|=)\s+(?:thus |therefore |then )?(?:the|my|our)\s+(?:final |correct "
    r"|right )?answer",
    re.IGNORECASE,
)
_THATS = deferred(
    r"\b(?:that|this|which)(?:'s|’s| is| would be| gives) (?:my|the|our|your) (?:final |correct )?answer", re.IGNORECASE
)
_COUNTS = deferred(
    r"\b(?:steps?|questions?|examples?|problems?|parts?|cases?|method|equation|line|figure|table|note|option)\s+#?\Z",
    re.IGNORECASE,
)
# `Answer 1: 5`
_NUMBERED = deferred(r"^[ \t*#>-]{0,10}answers?[ ]#?\d{1,2}[ *]{0,4}[:)][ *]{0,4}", re.IGNORECASE | re.MULTILINE)
_MOST_CORRECTIONS, _LONGEST_CORRECTION = 20, 2000
# Behind what takes back an answer: the right one, at once or in a sentence of its own.
_PUT_INSTEAD = deferred(
    r"(?:(?<=[,.:;!—–，。、：-])|[ ]?[,.:;!—–，。、：-]|(?<=mean)|(?<=meant)|(?<=that))[\s*]{0,4}"
    rf"(?:(?:no|oops|sorry|actually|wait)[ ,.:!]{{1,3}})?(?:{COPULA}[ ]?)?[*]{{0,2}}(?=[-+$€£\d.])"
    rf"|[ ]{COPULA}[ ][*]{{0,2}}(?=[-+$€£\d.])",
    re.IGNORECASE,
)
_IS_INSTEAD = deferred(rf"[.!?:;,\n][ *]{{1,4}}(?:so |then )?{COPULA}[ ][*]{{0,2}}(?=[-+$€£\d.])", re.IGNORECASE)
_CALCULATED = deferred(r"[*/×÷=][ $€£]{0,3}.\Z|[-+]\Z")
_CLAUSE_ENDS = deferred(r"(?:[ ][A-Za-z]{1,20}){0,3}[*\s)]*(?:[.,;!，。\n]|\Z)")
_ASIDE = deferred(
    r"(?:\((?:see|note|as|from|step|cf|refer|check)\b[^()\n]{0,200}\)?|(?<=[.!?]\s)\([^()\n]{0,200}\))[\s.]*\Z",
    re.IGNORECASE,
)


class _Found(NamedTuple):
    """A value, and the text behind what it was read from, where it may be taken back."""

    value: Fraction
    behind: str = ""


def read_number(text: str) -> ReadAnswer:
    """The number that a text answers with."""
    text = before_next_question(text[-_LONGEST:], lambda answer: NUMERAL.search(plain_numbers(answer)) is not None)
    plain = plain_numbers(text)
    try:
        for rule, find in _RULES:
            found = find(text if find is _in_box else plain)
            if found is not None:
                instead = _instead(found.behind)
                if instead is not None:
                    return ReadAnswer(shown_number(instead), f"{rule}, then a correction")
                return ReadAnswer(shown_number(found.value), rule)
    except UnclearNumberError as problem:
        return ReadAnswer(None, str(problem))
    return ReadAnswer(None, "there is no number")


def _instead(behind: str) -> Fraction | None:
    """The number that a text puts in the place of what it said before: `Wait, no, it is 6.`"""
    for said in reversed(list(islice(TAKES_BACK.finditer(behind), _MOST_CORRECTIONS))):
        rest = behind[said.end() : said.end() + _LONGEST_CORRECTION]
        for _, find in _RULES[:_CLAIMS]:
            found = find(rest)
            if found is not None:
                return found.value
        plain = unspaced(plain_numbers(said.group() + rest))
        put = _PUT_INSTEAD.match(plain, len(said.group())) or _IS_INSTEAD.search(plain, len(said.group()))
        first = NUMERAL.match(plain, put.end()) if put else None
        if first and _CLAUSE_ENDS.match(plain, chain_sides(plain, first)[1]):
            return chain_value(plain, first)
    return None


def _after_hashes(text: str) -> _Found | None:
    for found in _STRICT_HASHES.finditer(text):
        rest = found["rest"].lstrip("# ")
        if not _HEADING.match(rest) and (value := _claimed(rest)) is not None:
            return _Found(value, text[found.start("rest") :])
    return None


def _in_box(text: str) -> _Found | None:
    found = boxes(text)
    for box in reversed(found[-20:]):
        inner = unspaced(plain_numbers(box))
        numeral = NUMERAL.search(inner)
        value = sole_value(inner, numeral) if numeral else None
        if value is not None:
            return _Found(value, text[text.rfind(box) + len(box) :])
    return None


def _after_answer(text: str) -> _Found | None:
    """After the last `answer is` or `answer:` that a number follows, on its line or, behind a label, on the next."""
    numbered = {_claimed(text[n.end() : n.end() + 400].split("\n", 1)[0]) for n in _NUMBERED.finditer(text)} - {None}
    if len(numbered) > 1:
        raise UnclearNumberError(SEVERAL_NUMBERS)
    said = [*_SAID.finditer(text)]
    for found in reversed(said[-50:]):
        line_end = text.find("\n", found.end())
        clause = text[found.end() : min(line_end if line_end >= 0 else len(text), found.end() + 400)]
        if not clause.strip(" *:_#="):
            below = re.match(r"[\s*:_#=]{0,40}", text[found.end() : found.end() + 40])
            start = found.end() + (below.end() if below else 0)
            clause = text[start : start + 400].split("\n", 1)[0]
        value = _claimed(clause)
        if value is not None:
            return _Found(value, text[found.end() :])
    return None


def _claimed(clause: str) -> Fraction | None:
    """The number that a clause begins with, or the end of the equation that it begins with."""
    clause = unspaced(clause[:400])
    for start in _starts(clause):
        found = NUMERAL.match(clause, start)
        if found:
            return sole_value(clause, found)
    return None


def _starts(clause: str) -> Iterator[int]:
    """Where a number may begin a clause: behind marks, and behind the words that may stand before it."""
    yield len(clause) - len(clause.lstrip(" \t:*({[~≈>=,#"))
    found = re.match(rf"(?:[\s:*({{\[~≈>=$]*{_FILLER}(?!\w)){{1,5}}[\s:*({{\[~≈>=,#]*", clause, re.IGNORECASE)
    if found:
        yield found.end()


def _before_answer(text: str) -> _Found | None:
    """The number of `18 is the answer`, or the last one before `that's my answer`."""
    text = unspaced(text)
    numerals = _numerals(text)
    said = list(_THATS.finditer(text))
    behind = [n for n in numerals[-200:] if _BEHIND.match(text[n.end() : n.end() + 120])]
    found = (behind or [n for n in numerals if said and n.end() <= said[-1].start()])[-1:]
    value = value_of(found[0]) if found else None
    return None if value is None else _Found(value, text[found[0].end() :])


def _last(text: str) -> _Found | None:
    """The last number that answers something, or else the last one of all."""
    text = unspaced(text[-_LAST:])
    plain = text.strip(" \n$*").rstrip(".")
    whole = NUMERAL.match(plain)
    if whole and (value := _nothing_else(plain, whole)) is not None:
        return _Found(value)
    aside = _ASIDE.search(text, max(0, len(text) - 300))
    body = text[: aside.start()] if aside else text
    numerals = _numerals(body) or _numerals(text)
    if not numerals:
        return None
    end = without_appendix(body, numerals[0].end())
    left = answering(body, [n for n in numerals if n.start() < end] or numerals)[-200:]
    at = next((at for at in range(len(left) - 1, -1, -1) if not _counts_text(body, left[at])), -1)
    if at > 0 and not _CALCULATED.search(body[: left[at - 1].start() + 1][-5:]):
        refuse_several(body, left[at - 1])
    value = value_of(left[at] if at >= 0 else numerals[-1])
    return None if value is None else _Found(value)


def _counts_text(text: str, numeral: re.Match[str]) -> bool:
    """Whether a numeral counts a part of the text itself: `step 3`, `2.` at the beginning of a line."""
    line = text.rfind("\n", 0, numeral.start()) + 1
    if _COUNTS.search(text[max(0, numeral.start() - 20) : numeral.start()]):
        return True
    marks = not text[line : numeral.start()].strip(" \t*#-(")
    return marks and re.match(r"[.)]\s", text[numeral.end() : numeral.end() + 2]) is not None


def _nothing_else(text: str, first: re.Match[str]) -> Fraction | None:
    """The value of a text that is a calculation and nothing else; None for any other text."""
    return chain_value(text, first) if chain_sides(text, first)[1] == len(text) else None


def _numerals(text: str) -> list[re.Match[str]]:
    """The numerals of the end of a text."""
    found = list(NUMERAL.finditer(text, max(0, len(text) - _LAST)))
    # The exponent of a unit, as in 25 m^2, is no number of its own, unless there is no other.
    return [n for n in found if not text[max(0, n.start() - 2) : n.start()].rstrip("{").endswith("^")] or found


_RULES = (
    ("number after ####", _after_hashes),
    ("\\boxed{NUMBER}", _in_box),
    ("answer is NUMBER", _after_answer),
    ("NUMBER is the answer", _before_answer),
    ("last number", _last),
)
_CLAIMS = 4  # the rules by which a number is said to be the answer
