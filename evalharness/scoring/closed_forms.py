"""The value of a closed form in LaTeX or plain text: exact where it is rational, else a float.

Variables have fixed values, so that two expressions are the same where their values are: `9a + 11` and `11 + 9a`. What
is no expression of numbers, variables, powers, roots, fractions and the usual functions has no value.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable
from fractions import Fraction

Value = Fraction | float
_LONGEST, _DEEPEST, _LARGEST = 400, 40, 2000  # characters, levels of nesting, bits of an exact number

_TOKEN = re.compile(
    r"(?P<number>\d+(?:\.\d+)?|\.\d+)|(?P<macro>\\[A-Za-z]+)(?:_\{?\w{1,3}\}?)?|(?P<name>[A-Za-z](?:_(?:\{\w{1,8}\}|\w))?)"
    r"|(?P<mark>[-+*/^(){}\[\]!|]|\\[{}|])"
)
_SPACE = re.compile(r"(?:\s|\\[,;:! ]|\\left|\\right|~)+")
_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "\\sin": math.sin, "\\cos": math.cos, "\\tan": math.tan, "\\ln": math.log, "\\log": math.log10, "\\exp": math.exp,
    "\\arcsin": math.asin, "\\arccos": math.acos, "\\arctan": math.atan, "\\sinh": math.sinh, "\\cosh": math.cosh,
    "\\cot": lambda x: 1 / math.tan(x), "\\sec": lambda x: 1 / math.cos(x), "\\csc": lambda x: 1 / math.sin(x),
}  # fmt: skip
_FRACTIONS = frozenset({"\\frac", "\\dfrac", "\\tfrac", "\\cfrac"})
_NO_VARIABLE = frozenset(
    {"\\infty", "\\emptyset", "\\cup", "\\cap", "\\in", "\\text", "\\pm", "\\mp", "\\to", "\\begin", "\\end"}
)


def closed_value(text: str) -> Value | None:
    """The value of an expression, None where it is none or too large."""
    if len(text) > _LONGEST:
        return None
    try:
        tokens = _tokens(text)
        return None if not tokens else _Reader(tokens).whole()
    except (ValueError, ArithmeticError, RecursionError, TypeError):
        return None


def equal_values(one: Value | None, other: Value | None) -> bool:
    """Exact where both are, else to a relative 1e-9."""
    if one is None or other is None:
        return False
    if isinstance(one, Fraction) and isinstance(other, Fraction):
        return one == other
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    at = 0
    while at < len(text):
        space = _SPACE.match(text, at)
        if space:
            if found and found[-1][-1].isdigit() and text[space.end() : space.end() + 1].isdigit():
                raise ValueError("two numbers side by side")
            at = space.end()
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"{text[at]!r} belongs to no expression")
        found.append(match.group())
        at = match.end()
    return found


def _variable(name: str) -> float:
    """A fixed value between 1 and 2 for each name."""
    return 1 + int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") / 2**48


class _Reader:
    """Recursive descent: sum, product (with or without a sign), power, atom."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.at, self.depth = tokens, 0, 0

    def whole(self) -> Value:
        value = self._sum()
        if self.at < len(self.tokens):
            raise ValueError("more than an expression")
        return value

    def _next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _take(self, *wanted: str) -> bool:
        if self._next() in wanted and self.at < len(self.tokens):
            self.at += 1
            return True
        return False

    def _sum(self) -> Value:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise ValueError("nested too deeply")
        sign = -1 if self._take("-") else 1
        self._take("+")
        value: Value = sign * self._product()
        while self._next() in ("+", "-"):
            sign = 1 if self._take("+") else -1
            self.at += sign < 0
            value = _bounded(value + sign * self._product())
        self.depth -= 1
        return value

    def _product(self) -> Value:
        value: Value = self._power()
        while token := self._next():
            if token in ("*", "\\cdot", "\\times", "\\ast"):
                self.at += 1
                value = _bounded(value * self._signed())
            elif token in ("/", "\\div"):
                self.at += 1
                value = _bounded(value / self._signed())
            elif token in ("+", "-", ")", "}", "]", "|", "\\}", "\\|", "^", "!"):
                break
            elif token in _FRACTIONS and self._mixed():
                value = value + self._power()
            else:
                value = _bounded(value * self._power())
        return value

    def _mixed(self) -> bool:
        """`1\\frac{1}{2}` is one and a half."""
        before, after = self.tokens[self.at - 1], "".join(self.tokens[self.at + 1 : self.at + 7])
        return before.isdigit() and re.fullmatch(r"\{\d+\}\{\d+\}", after) is not None

    def _signed(self) -> Value:
        sign = -1 if self._take("-") else 1
        return sign * self._power()

    def _power(self) -> Value:
        base = self._atom()
        while self._take("!"):
            if not isinstance(base, Fraction) or base.denominator != 1 or not 0 <= base <= 200:
                raise ValueError("no factorial")
            base = Fraction(math.factorial(int(base)))
        if not self._take("^"):
            return base
        exponent = self._group() if self._next() == "{" else self._signed_atom()
        if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
            if abs(exponent) * max(base.numerator.bit_length(), base.denominator.bit_length()) > _LARGEST:
                raise ValueError("too large")
            return Fraction(base ** int(exponent))
        return _real(float(base) ** float(exponent))

    def _signed_atom(self) -> Value:
        sign = -1 if self._take("-") else 1
        return sign * self._atom()

    def _group(self) -> Value:
        if not self._take("{"):
            return self._atom()
        value = self._sum()
        if not self._take("}"):
            raise ValueError("a brace is not closed")
        return value

    def _argument(self) -> Value:
        """What a macro is applied to: a group, or one digit, as TeX reads it."""
        token = self._next()
        if token and token[0].isdigit() and len(token) > 1 and token.isdigit():
            self.tokens[self.at : self.at + 1] = [token[0], token[1:]]
        return self._group()

    def _atom(self) -> Value:
        token = self._next()
        self.at += 1
        if not token:
            raise ValueError("an expression ends too early")
        if token[0].isdigit() or token[0] == ".":
            return Fraction(token)
        if token in ("(", "[", "{", "\\{"):
            value = self._sum()
            if not self._take({"(": ")", "[": "]", "{": "}", "\\{": "\\}"}[token]):
                raise ValueError("a bracket is not closed")
            return value
        if token in ("|", "\\|"):
            inner = self._sum()
            if not self._take(token):
                raise ValueError("a bar is not closed")
            return -inner if inner < 0 else inner
        return self._named(token)

    def _named(self, token: str) -> Value:
        if token in _FRACTIONS:
            above = self._argument()
            return above / self._argument()
        if token == "\\sqrt":
            return self._root()
        if token == "\\pi":
            return math.pi
        if token in _FUNCTIONS:
            if self._take("^"):
                exponent = self._group()
                return _real(_FUNCTIONS[token](float(self._power())) ** float(exponent))
            return _FUNCTIONS[token](float(self._power()))
        if token in _NO_VARIABLE or not token.lstrip("\\")[:1].isalpha():
            raise ValueError(f"{token} has no value")
        return _variable(token.replace("{", "").replace("}", ""))

    def _root(self) -> Value:
        degree: Value = Fraction(2)
        if self._take("["):
            degree = self._sum()
            if not self._take("]"):
                raise ValueError("a bracket is not closed")
        value = self._argument()
        if isinstance(value, Fraction) and degree == 2 and value >= 0:
            above, below = math.isqrt(value.numerator), math.isqrt(value.denominator)
            if above**2 == value.numerator and below**2 == value.denominator:
                return Fraction(above, below)
        return _real(float(value) ** (1 / float(degree)))


def _bounded(value: Value) -> Value:
    if isinstance(value, Fraction) and max(value.numerator.bit_length(), value.denominator.bit_length()) > _LARGEST:
        raise ValueError("too large")
    return value


def _real(value: object) -> float:
    if not isinstance(value, float):
        raise ValueError("not a real number")
    return value
