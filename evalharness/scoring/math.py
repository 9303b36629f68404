"""Numbers and closed mathematical answers: reading them out of a text, and whether two are equal.

GSM8K's convention (https://github.com/openai/grade-school-math), MATH's \\boxed{} (https://github.com/hendrycks/math).
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from evalharness.records import Request, Response, Sample, Score
from evalharness.scoring.answers import REFUSAL, binary_score, unparsed_score

HASHES = re.compile(r"#### (-?[0-9.,]+)")
NUMBER = re.compile(r"-?\$?(?:\d+(?:,\d{3})+|\d+)(?:\.\d+)?|-?\$?\.\d+")
SAID = re.compile(r"\banswer\b(?:\s+(?:is|are))?\s*:?\s*", re.IGNORECASE)


def number_after_hashes(sample: Sample, request: Request, response: Response) -> Score:
    """GSM8K. `accuracy_strict` is the authors' score: the text after `#### ` without commas, to the letter.

    `accuracy` reads a number as a reader would: after `####`, in the last box, after the last `answer`, else the last
    number of all; 18, 18.0 and $18 are the same.
    """
    wanted = _number(_after_hashes(sample.answers[0]) or sample.answers[0])
    strict = _after_hashes(response.text)
    exact = float(strict is not None and strict == _after_hashes(sample.answers[0]))
    said = _number_in(response.text)
    if said is None:
        empty = (
            unparsed_score() if not REFUSAL.search(response.text) else Score(status="refused", scores={"accuracy": 0.0})
        )
        return Score(status=empty.status, scores={"accuracy": 0.0, "accuracy_strict": exact})
    right = binary_score(said == wanted, str(said))
    return Score(status=right.status, scores={**right.scores, "accuracy_strict": exact}, answer=right.answer)


def _after_hashes(text: str) -> str | None:
    found = HASHES.search(text)
    return found.group(1).replace(",", "") if found else None


def _number_in(text: str) -> Decimal | None:
    """The number that a text answers with, from the surest sign to the weakest."""
    hashes = _after_hashes(text)
    if hashes is not None and (value := _number(hashes)) is not None:
        return value
    box = last_box(text)
    if box is not None and (value := _number(box)) is not None:
        return value
    for said in reversed(list(SAID.finditer(text))):
        after = NUMBER.search(text, said.end())
        if after and "\n" not in text[said.end() : after.start()]:
            return _number(after.group())
    found = NUMBER.findall(text)
    return _number(found[-1]) if found else None


def _number(text: str) -> Decimal | None:
    """A decimal number without its commas, currency sign, per cent sign and final full stop; None when it is none."""
    bare = re.sub(r"[,$%\s]|\\[$%!]", "", text).rstrip(".")
    try:
        value = Decimal(bare)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def boxed(sample: Sample, request: Request, response: Response) -> Score:
    """A closed answer: in the last box, else after the last `answer is`, else between dollar signs, else a short text.

    Equal means equal after `canonical`, or the same number, or the same tuple of such.
    """
    said = answer_in(response.text)
    if said is None:
        refused = REFUSAL.search(response.text)
        return Score(status="refused", scores={"accuracy": 0.0}) if refused else unparsed_score()
    return binary_score(any(same(said, answer) for answer in sample.answers), said)


def last_box(text: str) -> str | None:
    """What stands in the last \\boxed{...} or \\fbox{...} of a text (braces balanced), or after `\\boxed `."""
    starts = list(re.finditer(r"\\(?:boxed|fbox)\s*(\{|(?=\S))", text))
    if not starts:
        return None
    last = starts[-1]
    if not last.group(1):
        return re.split(r"[$\s]", text[last.end() :], maxsplit=1)[0]
    depth = 1
    for position in range(last.end(), len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[last.end() : position]
    return None


def answer_in(text: str) -> str | None:
    """The answer that a solution ends with, or None when it cannot be read."""
    box = last_box(text)
    if box is not None:
        return box
    said = list(re.finditer(r"\banswer is:?\s*", text, re.IGNORECASE))
    if said:
        rest = text[said[-1].end() :].split("\n")[0]
        inner = re.match(r"\$(.+?)\$", rest)
        return inner.group(1) if inner else re.split(r"\. |\.$", rest)[0].strip() or None
    dollars = re.findall(r"\$([^$]+)\$", text)
    if dollars:
        return str(dollars[-1])
    line = text.strip()
    return line if line and "\n" not in line and len(line) <= 60 else None


def same(one: str, other: str) -> bool:
    """Whether two closed answers are equal."""
    a, b = canonical(one), canonical(other)
    if a == b:
        return True
    x, y = _exact(a), _exact(b)
    if x is not None and y is not None:
        return x == y
    ours, theirs = _parts(a), _parts(b)
    if len(ours) != len(theirs) or len(ours) < 2:
        return False
    ends_agree = (a[0] in "([", a[-1] in ")]") == (b[0] in "([", b[-1] in ")]") and (
        a[0] not in "([" or (a[0], a[-1]) == (b[0], b[-1])
    )
    return ends_agree and all(same(p, q) for p, q in zip(ours, theirs, strict=True))


UNIT = re.compile(r"(?<=.)\\(?:text|mbox|mathrm)\{[a-z\s]*(?:\^\d)?\}(?:\^\{?\d\}?)?$")
DROPPED = re.compile(r"\\left|\\right|\\!|\\,|\\;|\\:|\\ |~|\^\{?\\circ\}?|\\degree|\\%|%|\\\$|\$|\s+")


def canonical(text: str) -> str:
    """One spelling of a LaTeX answer: no sizes, blanks, units, currency, per cent and degree signs; \\frac12 as
    \\frac{1}{2}, 1/2 likewise, \\sqrt2 as \\sqrt{2}; the right side of `x = 5`; no commas in numbers."""
    out = text.strip().rstrip(".").replace("\n", "")
    out = UNIT.sub("", out).replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac").replace("\\cfrac", "\\frac")
    out = DROPPED.sub("", out)
    out = re.sub(r"\\(?:text|mathrm|textbf|mathbf|mbox)\{([^{}]*)\}", r"\1", out)
    if out.count("=") == 1 and len(out.split("=")[0].lstrip("\\")) <= 2:
        out = out.split("=")[1]
    out = re.sub(r"\\frac(\d|[a-z])(\d|[a-z])", r"\\frac{\1}{\2}", out)
    out = re.sub(r"\\frac(\d|[a-z])\{", r"\\frac{\1}{", out)
    out = re.sub(r"(\\frac\{[^{}]*\})(\d|[a-z])", r"\1{\2}", out)
    out = re.sub(r"\\sqrt(\w)", r"\\sqrt{\1}", out)
    out = re.sub(r"^(-?)(\d+)/(\d+)$", r"\1\\frac{\2}{\3}", out)
    if re.fullmatch(r"-?\d{1,3}(,(\{\})?\d{3})+(\.\d+)?", out.replace("{,}", ",")):
        out = out.replace("{,}", "").replace(",", "")
    return re.sub(r"(?<![\d.])\.(?=\d)", "0.", out)


def _exact(text: str) -> Fraction | None:
    """The value of a canonical number or simple fraction."""
    found = re.fullmatch(r"(-?)\\frac\{(-?\d+)\}\{(-?\d+)\}", text)
    if found and int(found.group(3)):
        value = Fraction(int(found.group(2)), int(found.group(3)))
        return -value if found.group(1) else value
    try:
        return Fraction(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else None
    except ValueError:
        return None


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
