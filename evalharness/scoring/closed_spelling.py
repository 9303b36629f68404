"""One spelling of a closed answer in LaTeX: without sizes, blanks, units, names of macros that mean the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from evalharness.scoring.written_signs import ascii_signs, powers
from evalharness.text.deferred import deferred

LATEX_BLANK = r"(?:\s|~|\\ |\\[;:]|\\q?quad(?![A-Za-z]))"
_GROUP = (
    r"\\(?:text|mbox|hbox|mathrm|textrm|textbf|mathbf|textit|mathit|textnormal|textsf|operatorname|boldsymbol|bm|pmb"
    r"|underline)\s*"
)
UNIT = deferred(rf"(?<=[\d}})a-z])(?:\\[,;: ]|~|\s)*{_GROUP}\{{[^{{}}]*\}}(?:\^\{{?-?\d\}}?)?$")
PLAIN_UNIT = deferred(
    r"(?P<value>[-+]?(?:[\d.,]*\d(?:\s?/\s?\d+)?|\\frac\{\d+\}\{\d+\}))\s*"
    r"(?!(?:or|and|pi|sqrt|sin|cos|tan|log|ln)\b)(?:[a-z]{2,20}(?:\s[a-z]{2,20}){0,3}"
    r"|[a-z]{1,3}/[a-z]{1,3})(?:\^\{?\d\}?)?",
    re.IGNORECASE,
)
ORDINAL = deferred(rf"(?<=\d)(?:\^\{{?\s*(?:{_GROUP}\{{)?(?:st|nd|rd|th)\}}{{0,2}}|(?:st|nd|rd|th)\b)")
DROPPED = deferred(
    r"\\(?:left|right|displaystyle|textstyle|limits|bf|rm|it|[Bb]igg?[lr]?)(?![A-Za-z])|\\!|\\,|\\;|\\:|\\ |~"
    r"|(?:\^\{?\\circ\}?|\\degree)(?:\s?[CF](?![A-Za-z]))?"
    r"|\\%|%|\\\$|[$€£¥₹₩₽¢]|\\(?:pounds|euro|q?quad)(?![A-Za-z])|\s+"
)
_MACRO_END = "␠"
ROW = "¶"  # the end of a matrix's row
LISTED = "⸲"  # a comma that surely parts two numbers, where a plain one would be taken for a thousands comma
LONGEST_CLOSED = 2000  # characters of an answer that is compared by more than its letters
_THOUSANDS = deferred(r"[^\w,]{0,20}\d{1,3}(?:,\d{3})+(?!,?\d)[^,⸲]*")
_ARGUMENT = r"(\{[^{}]*\}|\d|[A-Za-z])"
# A decimal whose digits go on for ever: `0.1\\overline{6}`
_RECURRING = deferred(
    r"(?P<whole>\d{1,20})?\.(?P<first>\d{0,20})\\(?:overline|bar"
    r"|dot)\s?(?:\{(?P<group>\d{1,20})\}|(?P<digit>\d))"
)


def _fraction(found: re.Match[str]) -> str:
    """A fraction with its two parts in braces, as TeX takes them: `\\frac 3 4`."""
    return f"\\{found[1]}" + "".join(part if part.startswith("{") else f"{{{part}}}" for part in (found[2], found[3]))


def _recurring(found: re.Match[str]) -> str:
    """A recurring decimal as the fraction that it is."""
    first, again = found["first"], found["group"] or found["digit"]
    value = int(found["whole"] or 0) + Fraction(int(first or 0), 10 ** len(first))
    value += Fraction(int(again), (10 ** len(again) - 1) * 10 ** len(first))
    return str(value) if value.denominator == 1 else f"\\frac{{{value.numerator}}}{{{value.denominator}}}"


SPELLINGS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (deferred(r"\\\\"), ROW),
    (deferred(r"\\log_(\w)"), r"\\log_{\1}"),
    (deferred(r"\\[dtc]frac(?![a-z])"), r"\\frac"),
    (deferred(rf"\\(frac|[dt]?binom)(?:\s+|(?=[\d{{]))\s*{_ARGUMENT}\s*{_ARGUMENT}"), _fraction),
    (_RECURRING, _recurring),
    # Degrees within a function; elsewhere their sign is dropped.
    (deferred(
        r"(\\(?:sin|cos|tan|cot|sec|csc)(?:\^\{?\d\}?)?)\s*(\(?)\s*(-?\d{1,9}(?:\.\d{1,9})?)\s*"
        r"(?:\^\s*\{?\s*\\circ\s*\}?|\\degree(?![a-z]))"
    ), r"\1\2(\\frac{\3\\pi}{180})"),
    (deferred(rf"(?:,\s{{0,9}})?(?:{_GROUP}\{{\s*,?\s*(?:or|and)\s*\}}|\s(?:or|and)\s)"), LISTED),
    (deferred(rf"(?<!\\),{LATEX_BLANK}+"), LISTED),
    (deferred(r"(?<=\d)(?:\\,|\\!|\{,\}|,\\!)(?=\d)"), ""),
    (deferred(r"(?<=\d)(?:\s|\\ |~)+(?=\d{3}(?!\d))"), ""),
    (deferred(r"(?<=\d)(?:\s|\\ |~)+(?=\d)"), "␣"),
    (deferred(r"\\leq?slant|\\leq(?![a-z])"), r"\\le"),
    (deferred(r"\\geq?slant|\\geq(?![a-z])"), r"\\ge"),
    (deferred(r"\\ne(?![a-z])"), r"\\neq"),
    (deferred(r"\\varnothing"), r"\\emptyset"),
    (deferred(r"(?<=\d)[eE]([+-]?\d{1,3})$"), r"\\cdot10^{\1}"),
    (deferred(r"–"), "-"),
    # A blank that ends the name of a macro: \cdot y.
    (deferred(r"(\\(?!sqrt|[dtc]?frac|circ|degree)[A-Za-z]{1,20})\s+(?=[A-Za-z])"), rf"\1{_MACRO_END}"),
    (deferred(r"(?<![\\A-Za-z])sqrt\s?\(([^()]*)\)"), r"\\sqrt{\1}"),
    (deferred(r"(?<![\\A-Za-z])(pi|infty)(?![A-Za-z])"), r"\\\1 "),
)  # fmt: skip


def canonical(text: str) -> str:
    """One spelling of a LaTeX answer: no sizes, blanks, units, currency, per cent and degree signs; \\frac12 as
    \\frac{1}{2}, 1/2 likewise, \\sqrt2 as \\sqrt{2}; `and`, `or` as commas; no commas in numbers.

    Where a list could then be taken for one number (`1, 120`) its comma is LISTED."""
    out = powers(ascii_signs(_without_edges(text).replace("\n", " "))).strip().lstrip("= ")
    if "\\begin" not in out:  # no rows to break: a backslash too many
        out = re.sub(r"\\\\(?=[a-zA-Z])", r"\\", out)
    for pattern, new in SPELLINGS:
        out = pattern.sub(new, out)
    out = LISTED.join(_without_thousands(part) for part in out.split(LISTED))
    out = ORDINAL.sub("", UNIT.sub("", out))
    plain = PLAIN_UNIT.fullmatch(out)
    out = DROPPED.sub("", plain["value"] if plain else out)
    out = re.sub(rf"{_GROUP}\{{([^{{}}]*)\}}", r"\1", out).replace(_MACRO_END, " ")
    out = re.sub(r"(?<=[A-Za-z])\.$", "", out)
    out = re.sub(r"\\frac(\d|[a-z])(\d|[a-z])", r"\\frac{\1}{\2}", out)
    out = re.sub(r"\\frac(\d|[a-z])\{", r"\\frac{\1}{", out)
    out = re.sub(r"(\\frac\{[^{}]*\})(\d|[a-z])", r"\1{\2}", out)
    out = re.sub(r"\\sqrt(\w)", r"\\sqrt{\1}", out)
    out = re.sub(r"^(-?)(\d+)/(\d+)$", r"\1\\frac{\2}{\3}", out)
    out = re.sub(r"^(-?\d+)␣(\d+)/(\d+)$", r"\1\\frac{\2}{\3}", out)
    out = re.sub(rf"(?<!\d){LISTED}|{LISTED}(?!\d{{3}}(?!\d))", ",", out)
    out = re.sub(r"^\(([A-J])\)$", r"\1", out)
    return re.sub(r"(?<![\d.])\.(?=\d)", "0.", out)


_STYLE = deferred(r"\A\\(?:displaystyle|textstyle|bf|rm|it|large|Large)(?![A-Za-z])")

_ALL_TEXT = deferred(rf"{_GROUP}\{{([^{{}}]*)\}}")


def _without_edges(text: str) -> str:
    """An answer without the blanks, dollar signs, line ends and full stops around it."""
    for _ in range(10):
        before = text
        text = _STYLE.sub("", text.strip(" \t\r\n~").strip("`$"), count=1)
        if whole := _ALL_TEXT.fullmatch(text):  # `\\text{5 cm}`
            text = whole[1]
        for edge in ("\\\\", "\\,", "\\;", "\\:", "\\!", "\\ "):
            text = text.removeprefix(edge).removesuffix(edge)
        for opened, closed in (("\\(", "\\)"), ("\\[", "\\]")):
            if text.startswith(opened) and text.endswith(closed):
                text = text[2:-2]
        text = text.rstrip(".,;") if not text.endswith(("\\,", "\\;")) else text
        text = text.removesuffix("\\") if not text.endswith("\\\\") else text
        if text == before:
            break
    return text


def _without_thousands(part: str) -> str:
    """A number, with what may stand before and behind it, without its thousands commas; all else as it is."""
    name, sign, value = part.rpartition("=")
    return name + sign + value.replace(",", "") if _THOUSANDS.fullmatch(value.strip()) else part
