"""Numbers and closed mathematical answers: reading them out of a text, and whether two are equal.

GSM8K's convention (https://github.com/openai/grade-school-math), MATH's \\boxed{} (https://github.com/hendrycks/math).
"""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

from evalharness.records import Request, Response, Sample, Score
from evalharness.scoring.answers import binary_score, none_read
from evalharness.scoring.closed_forms import Value, closed_value, equal_values
from evalharness.scoring.final_answer import ReadAnswer
from evalharness.scoring.latex import boxes
from evalharness.scoring.math_reading import LONGEST, read_closed
from evalharness.scoring.numbers import NUMERAL, read_number, shown_number, value_of

_HASHES = re.compile(r"#### (-?[0-9.,]+)")


def number_after_hashes(sample: Sample, request: Request, response: Response) -> Score:
    """GSM8K. `accuracy_strict` is the authors' score: the text after `#### ` without commas, to the letter.

    `accuracy` reads a number as a reader would: after `####`, in the last box, after the last `answer`, else the last
    number of all; 18, 18.0 and $18 are the same.
    """
    wanted = _number(_after_hashes(sample.answers[0]) or sample.answers[0])
    strict = _after_hashes(response.text)
    exact = float(strict is not None and strict == _after_hashes(sample.answers[0]))
    if strict is not None and (value := _number(strict)) is not None:
        said = ReadAnswer(shown_number(value), "number after ####")
    else:
        said = read_number(response.text)
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
    score = binary_score(any(same(one, answer) for one in alternatives for answer in sample.answers), said.answer)
    return replace(score, detail={"rule": said.rule})


def last_box(text: str) -> str | None:
    """What stands in the last \\boxed{...} or \\fbox{...} of a text (braces balanced), or after `\\boxed `."""
    found = boxes(text)
    return found[-1] if found else None


def answer_in(text: str) -> str | None:
    """The answer that a solution ends with, or None when it cannot be read."""
    return read_closed(text).answer


def same(one: str, other: str) -> bool:
    """Whether two closed answers are equal."""
    return _same(one, other, 0)


def _same(one: str, other: str, depth: int) -> bool:
    a, b = canonical(one), canonical(other)
    if a == b:
        return a != "" or one.strip() == other.strip()
    if depth > 4 or max(len(a), len(b)) > 2000 or not a or not b:
        return False
    in_base = _same_in_base(a, b)
    if in_base is not None:
        return in_base
    words = re.search(r"[A-Za-z]{3}", a) is not None and "\\" not in a
    if equal_values(_value(a), _value(b)) or (words and a.lower() == b.lower()):
        return True
    left, right = _without_name(a), _without_name(b)
    if (left, right) != (a, b) and not (left != a and right != b and _name(a) != _name(b)):
        return _same(left, right, depth + 1)
    return _same_members(a, b, depth + 1)


def _value(text: str) -> Value | None:
    """The value of a number or expression; words have none."""
    bare = re.sub(r"\\[A-Za-z]+", "", text)
    return None if re.search(r"[A-Za-z]{3}", bare) or (len(text) > 1 and text.isalpha()) else closed_value(text)


_IN_BASE = re.compile(r"([\dA-F]+)_\{?(\d+)\}?")


def _same_in_base(a: str, b: str) -> bool | None:
    """`2516_8` and `2516_{8}`, or the same digits without a base; None where neither names a base."""
    ours, theirs = _IN_BASE.fullmatch(a), _IN_BASE.fullmatch(b)
    if ours is None and theirs is None:
        return None
    digits = (ours[1] if ours else a, theirs[1] if theirs else b)
    return digits[0] == digits[1] and (ours is None or theirs is None or ours[2] == theirs[2])


_LHS = re.compile(
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
    return (
        after if sign and closed_value(before.split("=")[0]) is not None and not re.search("[a-zA-Z]", before) else text
    )


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


_MATRIX = re.compile(r"\\begin\{([bpvBV]?matrix|array)\}(?:\{[clr|]+\})?(.*)\\end\{\1\}", re.DOTALL)


def _matrix(text: str) -> list[list[str]] | None:
    found = _MATRIX.fullmatch(text)
    return [row.split("&") for row in found[2].removesuffix(ROW).split(ROW)] if found else None


_GROUP = r"\\(?:text|mbox|mathrm|textrm|textbf|mathbf|textit|operatorname)\s*"
UNIT = re.compile(rf"(?<=[\d}})a-z])(?:\\[,;: ]|~|\s)*{_GROUP}\{{[^{{}}]*\}}(?:\^\{{?-?\d\}}?)?$")
PLAIN_UNIT = re.compile(
    r"(?P<value>[-+]?(?:[\d.,]*\d(?:\s?/\s?\d+)?|\\frac\{\d+\}\{\d+\}))\s*"
    r"(?!(?:or|and|pi|sqrt|sin|cos|tan|log|ln)\b)(?:[a-z]{2,20}(?:\s[a-z]{2,20}){0,3}"
    r"|[a-z]{1,3}/[a-z]{1,3})(?:\^\{?\d\}?)?",
    re.IGNORECASE,
)
ORDINAL = re.compile(rf"(?<=\d)(?:\^\{{?\s*(?:{_GROUP}\{{)?(?:st|nd|rd|th)\}}{{0,2}}|(?:st|nd|rd|th)\b)")
DROPPED = re.compile(
    r"\\(?:left|right|displaystyle|[Bb]igg?[lr]?)(?![A-Za-z])|\\!|\\,|\\;|\\:|\\ |~|\^\{?\\circ\}?|\\degree|\\%|%"
    r"|\\\$|\$|\s+"
)
ROW = "¶"  # the end of a matrix's row
SPELLINGS = (
    (re.compile(r"\\\\"), ROW),
    (re.compile(r"\\[dtc]frac(?![a-z])"), r"\\frac"),
    (re.compile(rf"{_GROUP}\{{\s*(?:or|and)\s*\}}|\s(?:or|and)\s"), ","),
    (re.compile(r"(?<=\d)(?:\\,|\\!|\{,\}|,\\!)(?=\d)"), ""),
    (re.compile(r"(?<=\d)(?:\s|\\ |~)+(?=\d{3}(?!\d))"), ""),
    (re.compile(r"(?<=\d)(?:\s|\\ |~)+(?=\d)"), "␣"),
    (re.compile(r"\\leq?slant|\\leq(?![a-z])|≤"), r"\\le"),
    (re.compile(r"\\geq?slant|\\geq(?![a-z])|≥"), r"\\ge"),
    (re.compile(r"\\varnothing"), r"\\emptyset"),
    (re.compile(r"(?<=\d)[eE]([+-]?\d{1,3})$"), r"\\cdot10^{\1}"),
    (re.compile(r"π"), r"\\pi "),
    (re.compile(r"∞"), r"\\infty "),
    (re.compile(r"[−–]"), "-"),
    (re.compile(r"√\s?(\d+|\{)"), r"\\sqrt{\1}"),
    (re.compile(r"(?<![\\A-Za-z])sqrt\s?\(([^()]*)\)"), r"\\sqrt{\1}"),
    (re.compile(r"(?<![\\A-Za-z])(pi|infty)(?![A-Za-z])"), r"\\\1 "),
)  # fmt: skip


def canonical(text: str) -> str:
    """One spelling of a LaTeX answer: no sizes, blanks, units, currency, per cent and degree signs; \\frac12 as
    \\frac{1}{2}, 1/2 likewise, \\sqrt2 as \\sqrt{2}; `and`, `or` as commas; no commas in numbers."""
    out = text.strip().strip("$").rstrip(".,;").replace("\n", " ").strip()
    if "\\begin" not in out:  # no rows to break: a backslash too many
        out = re.sub(r"\\\\(?=[a-zA-Z])", r"\\", out)
    for pattern, new in SPELLINGS:
        out = pattern.sub(new, out)
    out = ORDINAL.sub("", UNIT.sub("", out))
    plain = PLAIN_UNIT.fullmatch(out)
    out = DROPPED.sub("", plain["value"] if plain else out)
    out = re.sub(rf"{_GROUP}\{{([^{{}}]*)\}}", r"\1", out)
    out = re.sub(r"\\frac(\d|[a-z])(\d|[a-z])", r"\\frac{\1}{\2}", out)
    out = re.sub(r"\\frac(\d|[a-z])\{", r"\\frac{\1}{", out)
    out = re.sub(r"(\\frac\{[^{}]*\})(\d|[a-z])", r"\1{\2}", out)
    out = re.sub(r"\\sqrt(\w)", r"\\sqrt{\1}", out)
    out = re.sub(r"^(-?)(\d+)/(\d+)$", r"\1\\frac{\2}{\3}", out)
    if re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d+)?", out):
        out = out.replace(",", "")
    out = re.sub(r"^\(([A-J])\)$", r"\1", out)
    return re.sub(r"(?<![\d.])\.(?=\d)", "0.", out)


def _parts(text: str) -> list[str]:
    """The members of a tuple, interval or bare list; a comma within brackets parts nothing."""
    inner = text[1:-1] if text[:1] in "([" and text[-1:] in ")]" else text
    parts, depth, start = [], 0, 0
    for position, character in enumerate(inner):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append(inner[start:position])
            start = position + 1
    return [*parts, inner[start:]]
