"""The signs of mathematics that Unicode has, in the ASCII and LaTeX that the readers of answers know."""

from __future__ import annotations

import re
import unicodedata

from evalharness.text.deferred import deferred

# Punctuation and signs that are one ASCII character in another form; the slash of a fraction (U+2044) among them.
_ASCII = str.maketrans("−﹣－‐‑﹢＋٫٬，．：＝％＄﹪／⁄∕（）［］｛｝", "-----++.,,.:=%$%///()[]{}")
_LATEX = {
    "×": "times", "⋅": "cdot", "·": "cdot", "∙": "cdot", "÷": "div", "±": "pm", "≤": "le", "≥": "ge", "⩽": "le",
    "⩾": "ge", "≠": "neq", "∪": "cup", "∩": "cap", "∈": "in", "∅": "emptyset", "∞": "infty", "π": "pi", "√": "sqrt",
    "α": "alpha", "β": "beta", "γ": "gamma", "θ": "theta", "λ": "lambda",
}  # fmt: skip
_ROOT = deferred(r"√\s?(\d+|[A-Za-z])")
_OTHER = deferred(r"[^\x00-\x7f]")
_RAISED, _LOWERED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "₀₁₂₃₄₅₆₇₈₉"
_DOWN = str.maketrans(_RAISED + _LOWERED, "0123456789+-n0123456789")
_POWERS = deferred(rf"(?P<raised>[{_RAISED}]+)|[{_LOWERED}]+")
_POWERS_OF_NUMBERS = deferred(rf"(?<=\d)(?P<raised>[{_RAISED}]+)")


def ascii_signs(text: str) -> str:
    """Other scripts' digits and signs as ASCII, what ASCII lacks as LaTeX: `½` is \\frac{1}{2}, `90°` is 90^\\circ.

    Raised and lowered digits stay: in a sentence they are rarely a part of its number (`5 m²`), see `powers`.
    """
    if text.isascii():
        return text
    return _OTHER.sub(_sign, _ROOT.sub(r"\\sqrt{\1}", text.translate(_ASCII)))


def powers(text: str, *, of_numbers_only: bool = False) -> str:
    """Raised digits as ^{...} and lowered ones as _{...}; or only those right behind a number."""
    if text.isascii():
        return text
    return (_POWERS_OF_NUMBERS if of_numbers_only else _POWERS).sub(_power, text)


def _power(found: re.Match[str]) -> str:
    return f"{'^' if found['raised'] else '_'}{{{found.group().translate(_DOWN)}}}"


def _sign(found: re.Match[str]) -> str:
    sign = found.group()
    if sign in _LATEX:
        return f"\\{_LATEX[sign]} "
    if sign == "°":
        return "^\\circ "
    if sign not in _RAISED and (kind := unicodedata.decomposition(sign)).startswith("<fraction>"):
        above, _, below = "".join(chr(int(code, 16)) for code in kind.split()[1:]).partition("⁄")
        return f"\\frac{{{above}}}{{{below}}}" if below else f"{above}/"
    digit = unicodedata.digit(sign, None)
    return str(digit) if digit is not None and unicodedata.category(sign) == "Nd" else sign
