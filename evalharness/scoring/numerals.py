"""Numerals: how a number is written in a text, and its value as an exact fraction."""

from __future__ import annotations

import re
from fractions import Fraction

from evalharness.scoring.closed_forms import closed_value
from evalharness.scoring.corrections import without_struck
from evalharness.scoring.written_signs import ascii_signs, powers
from evalharness.text.deferred import deferred

MOST_DIGITS = 300  # a longer number, or a larger exponent, is no answer to a question

CURRENCY = r"(?:US\$|C\$|A\$|[$€£¥₹₩₽]|Rs\.?|USD|EUR|GBP)"
_EXPONENT = r"\s?\^\s?\{?\s?[+-]?\d{1,4}\}?"
# Digits of which nobody can say what number they are: `1,5` (a decimal or two numbers?), `1,2345`, dates in numerals.
_UNREADABLE = r"\d+(?:,\d+)+|\d{1,2}/\d{1,2}/\d{4}(?!\d)|(?:19|20)\d\d-\d\d-\d\d(?!\d)"
# `10^6` alone, thousands in threes, and in India's twos before the last three: 1,00,000
_DIGITS = (
    rf"10{_EXPONENT}(?!\.?\d)|(?:\d{{1,3}}(?:,\d{{3}})+(?!,?\d)|\d{{1,2}}(?:,\d\d)+,\d{{3}}(?!,?\d)|(?P<unreadable>{_UNREADABLE})|\d+)"
    r"(?:\.\d+)?|\.\d+"
)
_POWER = rf"(?:[eE][+-]?\d{{1,4}}(?![\dA-Za-z])|\s?(?:[x×*]|\\times|\\cdot)\s?10{_EXPONENT})"
# `2^3`, and not the exponent of a power of ten, which belongs to its digits.
_RAISED = r"(?:\s?\^\s?(?P<raised>\{\s?[+-]?\d{1,4}\s?\}|[+-]?\d{1,4}))?"
_SIGN = r"(?:(?<![\w)\]}.])[-+]\s?)?"
_ONE = rf"{_SIGN}(?:{CURRENCY}\s?)?(?:(?<=[$€£¥₹₩₽])-)?(?:{_DIGITS}){_POWER}?"
NUMERAL = deferred(
    rf"(?P<number>{_ONE}){_RAISED}(?:(?P<mixed>\s\d{{1,20}})?\s?/\s?(?P<below>\d+(?:\.\d+)?)(?![\d/]))?(?P<percent>\s?%)?"
    r"(?:\s?(?P<scale>(?i:thousand|million|billion|trillion|lakh|crore))(?![\w-])|(?P<letter>[kK]|\s?(?:[MB]|[mb]n))(?!\w))?"
)
_SCALES = {"t": 10**3, "k": 10**3, "l": 10**5, "m": 10**6, "c": 10**7, "b": 10**9, "trillion": 10**12}
_CURRENCY_SIGN = deferred(CURRENCY)
# A word for the minus sign. `minus` between two quantities takes away, so only where a value begins.
_MINUS = deferred(
    r"(?:(?<![\w-])(?<!\d\s)negative|(?P<before>(?:\A|[\n:=(\[{*#~≈>]|\b(?:is|are|was|be|equals|to|gets?|gives|makes"
    r"|answer|about|approximately|exactly))\s{0,3})minus)[ ]{1,3}(?=[$€£¥₹₩₽]?\.?\d)",
    re.IGNORECASE,
)
_LATEX = (
    (
        deferred(r"\\(?:left|right|displaystyle|[!,;: ])|(?<=\d)\{,\}(?=\d)"),
        lambda m: "," if m.group() == "{,}" else "",
    ),
    (deferred(r" ?\\[dtc]?frac\s*\{\s*(-?[\d.,]+)\s*\}\s*\{\s*(-?[\d.,]+)\s*\}"), r" \1/\2"),
    (deferred(r" ?\\[dtc]?frac\s?(\d)\s?(\d)"), r" \1/\2"),
    (deferred(r"\s?\\(?:text|mathrm|mbox)\s?\{\s?(or|and)\s?\}\s?"), r" \1 "),
    (deferred(r"\\(?:text|mathrm|textbf|mathbf|mbox|boxed|fbox)\s*\{"), " {"),
    (deferred(r"\\([$%#&])"), r"\1"),
    (
        deferred(r"\(\s?(-?)\s?(\d{1,20})\s?\)\s?\^\s?\{?(\d{1,4})\}?"),
        lambda m: (m[1] if int(m[3]) % 2 else "") + f"{m[2]}^{m[3]}",
    ),
    (deferred(r"\\(?:times|cdot|ast)\b ?"), "×"),
    (deferred(r"\\div\b ?"), "÷"),
    (deferred(r"\^\s?\{?\\circ\b\}? ?"), "° "),
    (deferred(r"\\(?:approx|implies|Rightarrow|rightarrow|to)\b"), "="),
    (deferred(r"(?<=\d)\*\*(?=\d{1,4}(?![\d*]))|(?<=\d) (?:raised )?to the power (?:of )?(?=\d)"), "^"),
    (deferred(r"\\[()\[\]]|\*\*|__|[`\"“”]|(?<![\d$])\$(?=\s|\\|[A-Za-z(])|\$(?=\s|[.,;:!?)]|$)"), " "),
)
_MEASURE = (
    r"(?:[mck]?[mgl]|oz|lb|dollar|cent|gram|page|calorie|piece|mile|foot|inch|pound|watt|gallon|ounce|meter|metre|liter"
    r"|litre|hour|minute|day|year)\b"
)
# A blank that parts thousands, unless what follows is a measure: `2 100 ml bottles`.
_SPACED = deferred(rf"(?<![\d.,])(?<!\d )(\d{{1,3}})((?: \d{{3}})+)(?:,(\d\d?))?(?!\d|,\d{{3}}|[ -]{_MEASURE})")
_THIN = deferred(r"(?<=\d)[\u00a0\u2009\u202f'’_~](?=\d{3}(?!\d))")
# 1.234,56 and 1.234.567, whose two points are none of a decimal
_POINTED = deferred(r"(?<![\d.,])\d{1,3}(?:(?:\.\d{3}){1,20},\d{1,2}(?![.,]?\d)|(?:\.\d{3}){2,20}(?![.,]?\d))")

# `5 and 1/2`, `5 and a half`
_WITH_AND = deferred(
    r"(?<![\d,.])(?P<whole>\d{1,9})[ ]and[ ](?:(?P<above>\d{1,2})\s?/\s?(?P<below>\d{1,3})(?![\d/])"
    r"|(?P<word>(?:an?|one|two|three)[ ](?:hal(?:f|ves)|thirds?|quarters?|fourths?))\b)",
    re.IGNORECASE,
)
_ABOVE, _BELOW = {"tw": 2, "th": 3}, {"h": 2, "t": 3, "q": 4, "f": 4}
# A comma for the decimal point of money: `12,50 €`
_CENTS = deferred(
    rf"(?P<sign>{CURRENCY}\s?)?(?<![\d.,])(?P<units>\d{{1,9}}),(?P<cents>\d\d)(?![\d,])"
    rf"(?(sign)|(?=\s?(?:{CURRENCY}|[Ee]uros?\b)))"
)
_ABSOLUTE = deferred(r"(?<![|\w])(?:\\[lr]?vert ?|\|)(-?\d[\d .+*/×-]{0,40})(?:\\[lr]?vert|\|)(?![|\w])")


def _absolute(found: re.Match[str]) -> str:
    """The value of what stands between two bars; what is no calculation as it stands."""
    value = closed_value(found[1].replace("×", "*"))
    return shown_number(abs(value)) if isinstance(value, Fraction) else found.group()


def _mixed(found: re.Match[str]) -> str:
    """`5 1/2` for five and a half; two numbers as they stand."""
    words = (found["word"] or "").lower().split()
    above = _ABOVE.get(words[0][:2], 1) if words else int(found["above"])
    below = _BELOW[words[1][0]] if words else int(found["below"])
    return f"{found['whole']} {above}/{below}" if above < below else found.group()


def plain_numbers(text: str) -> str:
    """The text with its numbers in ASCII: other scripts' digits, fractions, minus signs, LaTeX between digits."""
    out = without_struck(text)
    if not out.isascii():
        out = powers(ascii_signs(out), of_numbers_only=True)
        out = re.sub(r"(?:(?<=\s)|\A)[–—](?=\d)", "-", out)
    for pattern, new in _LATEX:
        out = pattern.sub(new, out)
    out = _MINUS.sub(lambda m: (m["before"] or "") + "-", out)
    out = _WITH_AND.sub(_mixed, out)
    out = _CENTS.sub(lambda m: f"{m['sign'] or ''}{m['units']}.{m['cents']}", out)
    out = _ABSOLUTE.sub(_absolute, out)
    out = _POINTED.sub(lambda m: m.group().replace(".", "").replace(",", "."), out)
    return _THIN.sub("", out)


def unspaced(text: str) -> str:
    """The text with numbers such as 12 345 in one piece, and 12 345,50 with a point."""
    return _SPACED.sub(lambda m: m[1] + m[2].replace(" ", "") + (f".{m[3]}" if m[3] else ""), text)


def value_of(found: re.Match[str]) -> Fraction | None:
    """The value of a numeral; None where it is too long or unreadable."""
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
    if found["unreadable"]:
        return None
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
    bare = re.sub(rf"{CURRENCY}|[,\s{{}}]", "", text)
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
