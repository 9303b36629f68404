"""The number that a text answers with, and the rule that found it.

From the surest sign to the weakest: what stands after `####`, in a box, after or before `answer`, and else the last
number that counts nothing of the text itself (a step, a line of a list). Values are exact fractions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from evalharness.scoring.closed_forms import closed_value
from evalharness.scoring.final_answer import ReadAnswer
from evalharness.scoring.latex import boxes
from evalharness.scoring.letter_words import ANSWER_WORDS
from evalharness.scoring.number_asides import answering, without_appendix
from evalharness.scoring.written_signs import ascii_signs, powers

_LONGEST = 100_000  # characters at the end of a text that are read
_LAST = 20_000  # those in which the last number is looked for: more than a long answer has
MOST_DIGITS = 300  # a longer number, or a larger exponent, is no answer to a question

_CURRENCY = r"(?:US\$|C\$|A\$|[$€£¥₹₩₽]|Rs\.?|USD|EUR|GBP)"
_EXPONENT = r"\s?\^\s?\{?\s?[+-]?\d{1,4}\}?"
# `10^6` alone, thousands in threes, and in India's twos before the last three: 1,00,000
_DIGITS = (
    rf"10{_EXPONENT}(?!\.?\d)|(?:\d{{1,3}}(?:,\d{{3}})+(?![\d,]\d)|\d{{1,2}}(?:,\d\d)+,\d{{3}}(?![\d,]\d)|\d+)(?:\.\d+)?"
    r"|\.\d+"
)
_POWER = rf"(?:[eE][+-]?\d{{1,4}}(?![\dA-Za-z])|\s?(?:[x×*]|\\times|\\cdot)\s?10{_EXPONENT})"
# `2^3`, and not the exponent of a power of ten, which belongs to its digits.
_RAISED = r"(?:\s?\^\s?(?P<raised>\{\s?[+-]?\d{1,4}\s?\}|[+-]?\d{1,4}))?"
_SIGN = r"(?:(?<![\w)\]}.])[-+]\s?)?"
_ONE = rf"{_SIGN}(?:{_CURRENCY}\s?)?(?:(?<=[$€£¥₹₩₽])-)?(?:{_DIGITS}){_POWER}?"
NUMERAL = re.compile(
    rf"(?P<number>{_ONE}){_RAISED}(?:(?P<mixed>\s\d{{1,20}})?\s?/\s?(?P<below>\d+(?:\.\d+)?)(?![\d/]))?(?P<percent>\s?%)?"
    r"(?:\s?(?P<scale>(?i:thousand|million|billion|trillion|lakh|crore))(?![\w-])|(?P<letter>[kK]|\s?(?:[MB]|[mb]n))(?!\w))?"
)
_SCALES = {"t": 10**3, "k": 10**3, "l": 10**5, "m": 10**6, "c": 10**7, "b": 10**9, "trillion": 10**12}
_CURRENCY_SIGN = re.compile(_CURRENCY)
# A word for the minus sign. `minus` between two quantities takes away, so only where a value begins.
_MINUS = re.compile(
    r"(?:(?<![\w-])(?<!\d\s)negative|(?P<before>(?:\A|[\n:=(\[{*#~≈>]|\b(?:is|are|was|be|equals|to|gets?|gives|makes"
    r"|answer|about|approximately|exactly))\s{0,3})minus)[ ]{1,3}(?=[$€£¥₹₩₽]?\.?\d)",
    re.IGNORECASE,
)
_STRICT_HASHES = re.compile(r"####[ \t]*(?P<rest>[^\n]*)")
_HEADING = re.compile(r"\d+\s*[.):]\s+[A-Za-z]|(?:step|part)\b", re.IGNORECASE)
_LATEX = (
    (
        re.compile(r"\\(?:left|right|displaystyle|[!,;: ])|(?<=\d)\{,\}(?=\d)"),
        lambda m: "," if m.group() == "{,}" else "",
    ),
    (re.compile(r" ?\\[dtc]?frac\s*\{\s*(-?[\d.,]+)\s*\}\s*\{\s*(-?[\d.,]+)\s*\}"), r" \1/\2"),
    (re.compile(r" ?\\[dtc]?frac\s?(\d)\s?(\d)"), r" \1/\2"),
    (re.compile(r"\\(?:text|mathrm|textbf|mathbf|mbox|boxed|fbox)\s*\{"), " {"),
    (re.compile(r"\\([$%#&])"), r"\1"),
    (
        re.compile(r"\(\s?(-?)\s?(\d{1,20})\s?\)\s?\^\s?\{?(\d{1,4})\}?"),
        lambda m: (m[1] if int(m[3]) % 2 else "") + f"{m[2]}^{m[3]}",
    ),
    (re.compile(r"\\(?:times|cdot|ast)\b ?"), "×"),
    (re.compile(r"\\div\b ?"), "÷"),
    (re.compile(r"\^\s?\{?\\circ\b\}? ?"), "° "),
    (re.compile(r"\\(?:approx|implies|Rightarrow|rightarrow|to)\b"), "="),
    (re.compile(r"(?<=\d)\*\*(?=\d{1,4}(?![\d*]))|(?<=\d) (?:raised )?to the power (?:of )?(?=\d)"), "^"),
    (re.compile(r"\\[()\[\]]|\*\*|__|[`\"“”]|(?<![\d$])\$(?=\s|\\|[A-Za-z(])|\$(?=\s|[.,;:!?)]|$)"), " "),
)
_MEASURE = (
    r"(?:[mck]?[mgl]|oz|lb|dollar|cent|gram|page|calorie|piece|mile|foot|inch|pound|watt|gallon|ounce|meter|metre|liter"
    r"|litre|hour|minute|day|year)\b"
)
# A blank that parts thousands, unless what follows is a measure: `2 100 ml bottles`.
_SPACED = re.compile(rf"(?<![\d.,])(?<!\d )(\d{{1,3}})((?: \d{{3}})+)(?!\d|,\d{{3}}|[ -]{_MEASURE})")
_THIN = re.compile(r"(?<=\d)[\u00a0\u2009\u202f'’_~](?=\d{3}(?!\d))")
# 1.234,56 and 1.234.567, whose two points are none of a decimal
_POINTED = re.compile(r"(?<![\d.,])\d{1,3}(?:(?:\.\d{3}){1,20},\d{1,2}(?![.,]?\d)|(?:\.\d{3}){2,20}(?![.,]?\d))")
_FILLER = (
    r"(?:therefore|thus|simply|exactly|approximately|about|roughly|around|just|only|a total of|total(?: of)?|the"
    r"|that|is|are|"
    r"equal to|equals|an?|indeed|then|now|so|hence|option|[A-Za-z][\w ]{0,30}?\s?=|he|she|it|they|we|has|have|get"
    r"|gets|makes?|"
    r"there (?:are|is)|number|value|amount|of|be|as|follows|≈|~|=)"
)
_SAID = re.compile(
    r"\b(?:answers?|solution|(?:the|final|end) result)\b(?:[^\n.;:=]{0,60}?(?:\b(?:is|are|was|be|equals)\b|=|\s[-–—]\s)"
    r"|[\s*'’]{0,4}(?:(?:to|for|of|in)\b[^\n.:]{0,40})?:)\s*"
    r"|\b(?:final\s+)?answers?\b[\s*]{1,3}(?=[-+](?! )|[$€£\d])|\bans\s*[.:]\s*"
    rf"|(?:{'|'.join(ANSWER_WORDS.values())})[^\n.。!?;\d]{{0,40}}?(?=[-+$€£¥]?\d)",
    re.IGNORECASE,
)
_BEHIND = re.compile(
    r"[\s*]*(?:[A-Za-z%°€/]+\s+){0,4}(?:is|are|=)\s+(?:thus |therefore |then )?(?:the|my|our)\s+(?:final |correct "
    r"|right )?answer",
    re.IGNORECASE,
)
_THATS = re.compile(
    r"\b(?:that|this|which)(?:'s|’s| is| would be| gives) (?:my|the|our|your) (?:final |correct )?answer", re.IGNORECASE
)
_RESTATED = re.compile(
    r"[^\n.;]{0,40}?(?:\b(?:which|that) (?:is|equals|makes|gives)|\bi\.e\.|\bor\b|\bequals\b|\bequal to\b|=|≈|→|->)\s*",
    re.IGNORECASE,
)
_COUNTS = re.compile(
    r"\b(?:steps?|questions?|examples?|problems?|parts?|cases?|method|equation|line|figure|table|note|option)\s+#?\Z",
    re.IGNORECASE,
)
_NEXT_QUESTION = re.compile(r"\n[ \t]{0,10}(?:Question|Q|Problem)\s*\d{0,3}\s*:")
_ASIDE = re.compile(
    r"(?:\((?:see|note|as|from|step|cf|refer|check)\b[^()\n]{0,200}\)?|(?<=[.!?]\s)\([^()\n]{0,200}\))[\s.]*\Z",
    re.IGNORECASE,
)


def read_number(text: str) -> ReadAnswer:
    """The number that a text answers with."""
    text = text[-_LONGEST:]
    plain = plain_numbers(text)
    following = _NEXT_QUESTION.search(plain)
    if following and NUMERAL.search(plain, 0, following.start()):
        plain = plain[: following.start()]
    for rule, find in _RULES:
        value = find(text if find is _in_box else plain)
        if value is not None:
            return ReadAnswer(shown_number(value), rule)
    return ReadAnswer(None, "there is no number")


def plain_numbers(text: str) -> str:
    """The text with its numbers in ASCII: other scripts' digits, fractions, minus signs, LaTeX between digits."""
    out = text
    if not out.isascii():
        out = powers(ascii_signs(out), of_numbers_only=True)
        out = re.sub(r"(?:(?<=\s)|\A)[–—](?=\d)", "-", out)
    for pattern, new in _LATEX:
        out = pattern.sub(new, out)
    out = _MINUS.sub(lambda m: (m["before"] or "") + "-", out)
    out = _POINTED.sub(lambda m: m.group().replace(".", "").replace(",", "."), out)
    return _THIN.sub("", out)


def _unspaced(text: str) -> str:
    """The text with numbers such as 12 345 in one piece."""
    return _SPACED.sub(lambda m: m[1] + m[2].replace(" ", ""), text)


def value_of(found: re.Match[str]) -> Fraction | None:
    """The value of a numeral; None where it is too long."""
    value = _unscaled(found)
    return None if value is None else value * _scale(found)


def _scale(found: re.Match[str]) -> int:
    """What `million`, `k` behind a number multiply it by; M and B only money, else they are units or names."""
    word, letter = (found["scale"] or "").lower(), (found["letter"] or "").strip().lower()
    if letter and letter != "k" and not _CURRENCY_SIGN.search(found["number"]):
        return 1
    return _SCALES[word] if word in _SCALES else _SCALES.get((word or letter)[:1], 1)


def _unscaled(found: re.Match[str]) -> Fraction | None:
    """The value of a numeral's digits; what divides by nothing is left undivided."""
    whole = _raised(_decimal(found["number"]), (found["raised"] or "").strip("{} "))
    if whole is None or not found["below"]:
        return whole
    below = _decimal(found["below"])
    if not below:
        return whole
    if found["mixed"]:
        part = Fraction(int(found["mixed"]), 1) / below
        return whole - part if whole < 0 else whole + part
    return whole / below


def _raised(base: Fraction | None, exponent: str) -> Fraction | None:
    """A number to a power, its sign kept before it; None where it is too long."""
    if base is None or not exponent:
        return base
    power, digits = int(exponent), len(str(max(abs(base.numerator), base.denominator)))
    if abs(power) * digits > MOST_DIGITS or (not base and power < 0):
        return None
    raised = abs(base) ** power
    return Fraction(-raised if base < 0 else raised)


def _decimal(text: str) -> Fraction | None:
    bare = re.sub(rf"{_CURRENCY}|[,\s{{}}]", "", text)
    bare = re.sub(r"(?:[x×*]|\\times|\\cdot)10\^", "e", bare).replace("10^", "1e")
    mantissa, *powers = bare.lower().split("e")  # two of them in 10^6 x 10^3
    if len(mantissa) > MOST_DIGITS or any(len(power.lstrip("+-")) > 3 for power in powers):
        return None
    try:
        power = sum(map(int, powers))
        return Fraction(mantissa) * Fraction(10) ** power if abs(power) <= MOST_DIGITS else None
    except ValueError:
        return None


def shown_number(value: Fraction) -> str:
    """A value as digits: `18`, `-2.5`, and `1/3` where decimals never end."""
    if value.denominator == 1:
        return str(value.numerator)
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    places = 0
    while value.denominator != 1 and (value * 10**places).denominator != 1:
        places += 1
    scaled = abs(value * 10**places).numerator
    digits = str(scaled).rjust(places + 1, "0")
    return ("-" if value < 0 else "") + f"{digits[:-places]}.{digits[-places:]}"


def _after_hashes(text: str) -> Fraction | None:
    for found in _STRICT_HASHES.finditer(text):
        rest = found["rest"].lstrip("# ")
        if not _HEADING.match(rest) and (value := _claimed(rest)) is not None:
            return value
    return None


def _in_box(text: str) -> Fraction | None:
    for box in reversed(boxes(text)[-20:]):
        inner = _unspaced(plain_numbers(box))
        found = _chain(inner, NUMERAL.search(inner))
        if found is not None:
            return found
    return None


def _after_answer(text: str) -> Fraction | None:
    """After the last `answer is` or `answer:` that a number follows, on its line or, behind a label, on the next."""
    said = list(_SAID.finditer(text))
    for found in reversed(said[-50:]):
        line_end = text.find("\n", found.end())
        clause = text[found.end() : min(line_end if line_end >= 0 else len(text), found.end() + 400)]
        if not clause.strip(" *:_#="):
            below = re.match(r"[\s*:_#=]{0,40}", text[found.end() : found.end() + 40])
            start = found.end() + (below.end() if below else 0)
            clause = text[start : start + 400].split("\n", 1)[0]
        value = _claimed(clause)
        if value is not None:
            return value
    return None


def _claimed(clause: str) -> Fraction | None:
    """The number that a clause begins with, or the end of the equation that it begins with."""
    clause = _unspaced(clause[:400])
    for start in _starts(clause):
        found = NUMERAL.match(clause, start)
        if found:
            return _chain(clause, found)
    return None


def _starts(clause: str) -> Iterator[int]:
    """Where a number may begin a clause: behind marks, and behind the words that may stand before it."""
    yield len(clause) - len(clause.lstrip(" \t:*({[~≈>=,#"))
    found = re.match(rf"(?:[\s:*({{\[~≈>=$]*{_FILLER}(?!\w)){{1,5}}[\s:*({{\[~≈>=,#]*", clause, re.IGNORECASE)
    if found:
        yield found.end()


_OPERATOR = re.compile(r"[\s)\]}]*[-+*/×x÷·^]\s*[\s(\[{$]*(?=[-$\d.])|[\s\w$%.)\]}]{0,20}?=\s*")


def _chain(text: str, found: re.Match[str] | None) -> Fraction | None:
    """The value of the calculation that begins with a numeral: `9 * 2 = 18`, `9 * 2` and `18 = 9 * 2` are all 18."""
    if found is None:
        return None
    sides, at = _sides(text, found)
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


def _sides(text: str, first: re.Match[str]) -> tuple[list[list[re.Match[str]]], int]:
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


_RANGE = re.compile(r"\d[\d.,]{0,20}\s?-\s?\d[\d.,]{0,20}")
_PLAIN_SIGNS = str.maketrans("×x÷·", "**/*")


def _calculated(text: str, numerals: list[re.Match[str]], end: int) -> Fraction | None:
    """What a calculation without a result comes to; its first number where it is a range (`2-3`) or none."""
    written = text[numerals[0].start() : end]
    first, last = value_of(numerals[0]), value_of(numerals[-1])
    rises = first is not None and last is not None and first < last
    if len(numerals) == 1 or (rises and _RANGE.fullmatch(written)):
        return first
    value = closed_value(re.sub(rf"{_CURRENCY}|,(?=\d{{3}})", "", written).translate(_PLAIN_SIGNS))
    return value if isinstance(value, Fraction) else first


def _before_answer(text: str) -> Fraction | None:
    """The number of `18 is the answer`, or the last one before `that's my answer`."""
    text = _unspaced(text)
    numerals = _numerals(text)
    for found in reversed(numerals[-200:]):
        if _BEHIND.match(text[found.end() : found.end() + 120]):
            return value_of(found)
    said = list(_THATS.finditer(text))
    before = [n for n in numerals if said and n.end() <= said[-1].start()]
    return value_of(before[-1]) if before else None


def _last(text: str) -> Fraction | None:
    """The last number that answers something, or else the last one of all."""
    text = _unspaced(text[-_LAST:])
    plain = text.strip(" \n$*").rstrip(".")
    whole = NUMERAL.match(plain)
    if whole and (value := _nothing_else(plain, whole)) is not None:
        return value
    aside = _ASIDE.search(text, max(0, len(text) - 300))
    body = text[: aside.start()] if aside else text
    numerals = _numerals(body) or _numerals(text)
    if not numerals:
        return None
    end = without_appendix(body, numerals[0].end())
    for found in reversed(answering(body, [n for n in numerals if n.start() < end] or numerals)[-200:]):
        line = body.rfind("\n", 0, found.start()) + 1
        marker = not body[line : found.start()].strip(" \t*#-(") and re.match(
            r"[.)]\s", body[found.end() : found.end() + 2]
        )
        if not marker and not _COUNTS.search(body[max(0, found.start() - 20) : found.start()]):
            return value_of(found)
    return value_of(numerals[-1])


def _nothing_else(text: str, first: re.Match[str]) -> Fraction | None:
    """The value of a text that is a calculation and nothing else; None for any other text."""
    return _chain(text, first) if _sides(text, first)[1] == len(text) else None


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
