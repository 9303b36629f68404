"""Numbers and closed mathematical answers: reading them out of a text, and whether two are equal.

GSM8K's convention (https://github.com/openai/grade-school-math), MATH's \\boxed{} (https://github.com/hendrycks/math).
"""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

from evalharness.records import Request, Response, Sample, Score
from evalharness.scoring.answers import binary_score, none_read
from evalharness.scoring.closed_forms import closed_value, equal_values
from evalharness.scoring.closed_spelling import LATEX_BLANK, LISTED, LONGEST_CLOSED, ROW, canonical
from evalharness.scoring.final_answer import ReadAnswer
from evalharness.scoring.forms import Form, Value
from evalharness.scoring.inequalities import solution_set
from evalharness.scoring.latex import boxes
from evalharness.scoring.math_reading import LONGEST, read_closed
from evalharness.scoring.numbers import read_number
from evalharness.scoring.numerals import NUMERAL, shown_number, value_of
from evalharness.text.deferred import deferred

_HASHES = deferred(r"#### (-?[0-9.,]+)")
_HASHES_LINE = deferred(r"#### -?[0-9.,]+([^\n]*)")


def number_after_hashes(sample: Sample, request: Request, response: Response) -> Score:
    """GSM8K. `accuracy_strict` is the authors' score: the text after `#### ` without commas, to the letter.

    `accuracy` reads a number as a reader would: after `####`, in the last box, after the last `answer`, else the last
    number of all; 18, 18.0 and $18 are the same.
    """
    wanted = _number(_after_hashes(sample.answers[0]) or sample.answers[0])
    strict = _after_hashes(response.text)
    exact = float(strict is not None and strict == _after_hashes(sample.answers[0]))
    line = _HASHES_LINE.search(response.text)  # `#### 2½`, `#### 5 million`: more of the line belongs to the number
    said = read_number(response.text)
    if strict is not None and line and not line[1].strip("*$ ") and said.rule.count("correction") == 0:
        value = _number(strict)
        said = said if value is None else ReadAnswer(shown_number(value), "number after ####")
    if said.answer is None:
        return replace(none_read(response.text), scores={"accuracy": 0.0, "accuracy_strict": exact})
    score = binary_score(Fraction(said.answer) == wanted, said.answer)
    return replace(score, scores={**score.scores, "accuracy_strict": exact}, detail={"rule": said.rule})


def _after_hashes(text: str) -> str | None:
    found = _HASHES.search(text)
    return found.group(1).replace(",", "") if found else None


def _number(text: str) -> Fraction | None:
    """A decimal number without its commas, currency sign, per cent sign and final full stop; None when it is none."""
    bare = re.sub(r"[,$%\s]|\\[$%!]", "", text).rstrip(".")
    found = NUMERAL.fullmatch(bare)
    return value_of(found) if found else None


def boxed(sample: Sample, request: Request, response: Response) -> Score:
    """A closed answer: in the last box, else after the last `answer is`, else the last formula, else a short text.

    Equal means equal after `canonical`, or of the same value, or the same list, tuple, set or matrix of such.
    """
    said = read_closed(response.text)
    if said.answer is None:
        return none_read(response.text)
    alternatives = dict.fromkeys((said.answer, last_box(response.text[-LONGEST:]) or said.answer))
    if option := _OPTION.fullmatch(said.answer):  # `\\textbf{(C)} 5`
        alternatives |= dict.fromkeys(option.groups())
    score = binary_score(any(same(one, answer) for one in alternatives for answer in sample.answers), said.answer)
    return replace(score, detail={"rule": said.rule})


_OPTION = deferred(
    r"\s{0,9}(?:\\(?:text|textbf|mathrm|mathbf)\s?\{\s?)?\(([A-J])\)\s?\}?(?:\s|~|\\[ ,;:]|\\q?quad\b){0,9}"
    r"(\S[^{}]{0,200})\}?"
)


def last_box(text: str) -> str | None:
    """What stands in the last \\boxed{...} or \\fbox{...} of a text (braces balanced), or after `\\boxed `."""
    found = boxes(text)
    return found[-1] if found else None


def answer_in(text: str) -> str | None:
    """The answer that a solution ends with, or None when it cannot be read."""
    return read_closed(text).answer


def same(one: str, other: str) -> bool:
    """Whether two closed answers are equal."""
    return _same(one, other, 0) or _same_with_letter_unit(one, other) or _same_with_letter_unit(other, one)


def _same(one: str, other: str, depth: int) -> bool:
    """Equal as they stand; or, where one of them is surely a list, with every comma of the other one parting too."""
    if _same_as_read(one, other, depth):
        return True
    if LISTED not in canonical(one) + canonical(other):
        return False
    spread_one, spread_other = (_BETWEEN_DIGITS.sub(LISTED, text) for text in (one, other))
    return (spread_one, spread_other) != (one, other) and _same_as_read(spread_one, spread_other, depth)


def _same_with_letter_unit(one: str, other: str) -> bool:
    """`5 m` and `5\\text{ m}` or 5: one letter is a unit only beside a number with a unit or without anything else."""
    found = _LETTER_UNIT.fullmatch(one.strip().strip("$").rstrip(".,;"))
    if found is None or len(other) > LONGEST_CLOSED or _LETTER_UNIT.fullmatch(other.strip().strip("$").rstrip(".,;")):
        return False
    return _BARE_NUMBER.fullmatch(canonical(other)) is not None and _same(found["value"], other, 0)


def _same_as_read(one: str, other: str, depth: int) -> bool:
    a, b = canonical(one), canonical(other)
    if a.replace(LISTED, ",") == b.replace(LISTED, ","):
        return a != "" or one.strip() == other.strip()
    if depth > 4 or max(len(a), len(b)) > LONGEST_CLOSED or not a or not b:
        return False
    in_base = _same_in_base(a, b)
    if in_base is not None:
        return in_base
    words = re.search(r"[A-Za-z]{3}", a) is not None and "\\" not in a
    if equal_values(_value(a), _value(b)) or (words and a.lower() == b.lower()):
        return True
    solved = _same_solutions(a, b, depth)
    if solved is not None:
        return solved
    left, right = _without_name(a), _without_name(b)
    if (left, right) != (a, b) and not (left != a and right != b and _name(a) != _name(b)):
        return _same(left, right, depth + 1)
    if a.count("=") == b.count("=") == 1:
        return all(_same_as_read(x, y, depth + 1) for x, y in zip(a.split("="), b.split("="), strict=True))
    return _same_members(a, b, depth + 1)


def _same_solutions(a: str, b: str, depth: int) -> bool | None:
    """Inequalities by the intervals that they are; None where neither is one."""
    ours, theirs = solution_set(a, LISTED), solution_set(b, LISTED)
    if ours is None and theirs is None:
        return None
    if ours and theirs:
        return ours[0] == theirs[0] and _same(ours[1], theirs[1], depth + 1)
    return _same(ours[1] if ours else _without_name(a), theirs[1] if theirs else _without_name(b), depth + 1)


def _value(text: str) -> Value | None:
    """The value of a number or expression; words have none."""
    bare = re.sub(r"\\[A-Za-z]+", "", text)
    word = text.isalpha() and len(text) > 1 and not (len(text) == 2 and set("xyz") & set(text))
    return None if word or re.search(r"[A-Za-z]{3}", bare) else closed_value(text)


_IN_BASE = deferred(r"([\dA-F]+)_\{?(\d+)\}?")


def _same_in_base(a: str, b: str) -> bool | None:
    """`2516_8` and `2516_{8}`; of an answer without a base it is the one that is wanted. None where neither names one.

    An answer in a base where none is wanted is another number: `10_2` is not 10.
    """
    ours, theirs = _IN_BASE.fullmatch(a), _IN_BASE.fullmatch(b)
    if ours is None and theirs is None:
        return None
    digits = (ours[1] if ours else a, theirs[1] if theirs else b)
    return theirs is not None and digits[0] == digits[1] and (ours is None or ours[2] == theirs[2])


_LHS = deferred(
    r"(?:[A-Za-z]|\\[a-z]+|[A-Za-z]\([A-Za-z](?:,[A-Za-z])*\)|[A-Za-z]_\{?\w\}?|[A-Z]{2,3}|\\angle[A-Z]+)(?:="
    r"|\\in(?![a-z]))"
)


def _name(text: str) -> str:
    found = _LHS.match(text)
    return found.group() if found else ""


def _without_name(text: str) -> str:
    """The right side of `x=5`, `f(x)=2x`, `x\\in[0,1]`; behind the last sign of a calculation."""
    name = _name(text)
    if name and "=" not in text[len(name) :]:
        return text[len(name) :]
    before, sign, after = text.rpartition("=")
    first = closed_value(before.split("=")[0]) if sign else None
    return text if first is None or isinstance(first, Form) else after


def _same_members(a: str, b: str, depth: int) -> bool:
    """Lists in any order, tuples and intervals in theirs, with the same brackets; matrices by row and column."""
    ours, theirs = _matrix(a), _matrix(b)
    if ours is not None or theirs is not None:
        return (
            ours is not None
            and theirs is not None
            and len(ours) == len(theirs)
            and all(
                len(x) == len(y) and all(_same(p, q, depth) for p, q in zip(x, y, strict=True))
                for x, y in zip(ours, theirs, strict=True)
            )
        )
    if "\\cup" in a or "\\cup" in b:
        return _any_order(a.split("\\cup"), b.split("\\cup"), depth)
    (kind, ours_), (other, theirs_) = _members(a), _members(b)
    if len(ours_) != len(theirs_) or (ours_, theirs_) == ([a], [b]):
        return False
    if kind != other:
        return len(ours_) == 1 and {kind, other} == {"", "()"} and _same(ours_[0], theirs_[0], depth)
    if kind == "":
        return _any_order(ours_, theirs_, depth)
    return all(_same(p, q, depth) for p, q in zip(ours_, theirs_, strict=True))


def _any_order(ours: list[str], theirs: list[str], depth: int) -> bool:
    left = list(theirs[:50])
    for one in ours[:50]:
        found = next((i for i, other in enumerate(left) if _same(one, other, depth)), None)
        if found is None:
            return False
        del left[found]
    return len(ours) == len(theirs)


def _members(text: str) -> tuple[str, list[str]]:
    """The brackets around a list and its members, each `a \\pm b` as two."""
    inner, kind = text, ""
    for opened, closed, name in (
        ("\\{", "\\}", ""),
        ("{", "}", ""),
        ("(", ")", "()"),
        ("[", "]", "[]"),
        ("(", "]", "(]"),
        ("[", ")", "[)"),
    ):
        if text.startswith(opened) and text.endswith(closed) and _outer(text, len(opened), len(closed)):
            inner, kind = text[len(opened) : -len(closed)], name
            break
    signed = [(part.replace("\\pm", "+", 1), part.replace("\\pm", "-", 1)) for part in _parts(inner)]
    return kind, [one.removeprefix("+") for pair in signed for one in dict.fromkeys(pair)]


def _outer(text: str, opened: int, closed: int) -> bool:
    """Whether the first bracket is closed by the last one."""
    depth = 0
    for character in text[opened : len(text) - closed]:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(character, 0)
        if depth < 0:
            return False
    return True


_BETWEEN_DIGITS = deferred(r"(?<=\d),(?=\d)")
# Letters that are units of measure; x, y, n and i are names of numbers. Grams, metres, seconds, hours, litres, ...
_LETTER_UNIT = deferred(rf"(?P<value>[^A-Za-z]*\d)(?:{LATEX_BLANK}|\\,)+(?P<unit>[mgshlLNJWVAKCF](?:\^\{{?\d\}}?)?)")
_BARE_NUMBER = deferred(r"[-+]?(?:[\d.]+|\\frac\{\d+\}\{\d+\})")
_MATRIX = deferred(r"\\begin\{([bpvBV]?matrix|array)\}(?:\{[clr|]+\})?(.*)\\end\{\1\}", re.DOTALL)


def _matrix(text: str) -> list[list[str]] | None:
    found = _MATRIX.fullmatch(text)
    return [row.split("&") for row in found[2].removesuffix(ROW).split(ROW)] if found else None


def _parts(text: str) -> list[str]:
    """The members of a tuple, interval or bare list; a comma within brackets parts nothing."""
    inner = text[1:-1] if text[:1] in "([" and text[-1:] in ")]" else text
    parts, depth, start = [], 0, 0
    for position, character in enumerate(inner):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(character, 0)
        if character in (",", LISTED) and depth == 0:
            parts.append(inner[start:position])
            start = position + 1
    return [*parts, inner[start:]]
