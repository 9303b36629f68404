"""The value of a closed form in LaTeX or plain text: exact where it is rational, else a float.

An expression with variables has a form in place of a value: its terms and factors in any order, its numbers worked out.
`11 + 9a` is `9a + 11`, and `(x+1)/2` is `\\frac12 (x+1)`; nothing is multiplied out, because MATH asks for `(x+1)(x-1)`
and for `x^2-1` in different questions, and its authors' scorer compares texts (https://github.com/hendrycks/math,
modeling/math_equivalence.py). What is no expression of numbers, variables, powers, roots, fractions and the usual
functions has neither.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction

from evalharness.scoring.forms import Form, Value, added, applied, bounded, multiplied, raised, real, variable
from evalharness.text.deferred import deferred

_LONGEST, _DEEPEST = 400, 40  # characters, levels of nesting

_TOKEN = deferred(
    r"(?P<number>\d+(?:\.\d+)?|\.\d+)|(?P<macro>\\[A-Za-z]+)(?:_(?:\{\w{1,3}\}|\w))?|(?P<name>[A-Za-z](?:_(?:\{\w{1,8}\}|\w))?)"
    r"|(?P<mark>[-+*/^(){}\[\]!|]|\\[{}|])"
)
_SPACE = deferred(r"(?:\s|\\[,;:! ]|\\left|\\right|~)+")
_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "\\sin": math.sin, "\\cos": math.cos, "\\tan": math.tan, "\\ln": math.log, "\\log": math.log10, "\\exp": math.exp,
    "\\arcsin": math.asin, "\\arccos": math.acos, "\\arctan": math.atan, "\\sinh": math.sinh, "\\cosh": math.cosh,
    "\\cot": lambda x: 1 / math.tan(x), "\\sec": lambda x: 1 / math.cos(x), "\\csc": lambda x: 1 / math.sin(x),
}  # fmt: skip
_FRACTIONS = frozenset({"\\frac", "\\dfrac", "\\tfrac", "\\cfrac"})
_BINOMIALS = frozenset({"\\binom", "\\dbinom", "\\tbinom"})
_BRACKETS = {"(": ")", "[": "]", "\\{": "\\}", "\\lfloor": "\\rfloor", "\\lceil": "\\rceil"}
_PRODUCT_ENDS = frozenset({"+", "-", ")", "]", "}", "|", "^", "!", "\\}", "\\|", "\\rfloor", "\\rceil", "\\choose"})
_NO_VARIABLE = frozenset({
    "\\infty", "\\emptyset", "\\cup", "\\cap", "\\in", "\\text", "\\pm", "\\mp", "\\to", "\\begin", "\\end", "\\rfloor",
    "\\rceil", "\\choose", "\\le", "\\ge", "\\neq", "\\dots", "\\ldots", "\\cdots",
})  # fmt: skip


def closed_value(text: str) -> Value | None:
    """The value or form of an expression, None where it is none or too large."""
    if len(text) > _LONGEST:
        return None
    try:
        tokens = _tokens(text)
        return None if not tokens else _Reader(tokens).whole()
    except (ValueError, ArithmeticError, RecursionError, TypeError):
        return None


def equal_values(one: Value | None, other: Value | None) -> bool:
    """Exact where both are, else to a relative 1e-9; forms by their parts."""
    if one is None or other is None or isinstance(one, Form) or isinstance(other, Form):
        return one is not None and one == other
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
        value = multiplied(Fraction(sign), self._product())
        while self._next() in ("+", "-"):
            sign = 1 if self._take("+") else -1
            self.at += sign < 0
            value = added(value, multiplied(Fraction(sign), self._product()))
        self.depth -= 1
        return value

    def _product(self) -> Value:
        value = self._power()
        while token := self._next():
            if token in ("*", "\\cdot", "\\times", "\\ast"):
                self.at += 1
                value = multiplied(value, self._signed())
            elif token in ("/", "\\div"):
                self.at += 1
                value = multiplied(value, raised(self._signed(), Fraction(-1)))
            elif token in _PRODUCT_ENDS:
                break
            elif token in _FRACTIONS and self._mixed():
                value = added(value, self._power())
            else:
                value = multiplied(value, self._power())
        return value

    def _mixed(self) -> bool:
        """`1\\frac{1}{2}` is one and a half."""
        before, after = self.tokens[self.at - 1], "".join(self.tokens[self.at + 1 : self.at + 7])
        return before.isdigit() and re.fullmatch(r"\{\d+\}\{\d+\}", after) is not None

    def _signed(self) -> Value:
        sign = -1 if self._take("-") else 1
        return multiplied(Fraction(sign), self._power())

    def _power(self) -> Value:
        base = self._atom()
        while self._take("!"):
            base = applied("!", base) if isinstance(base, Form) else _factorial(base)
        if not self._take("^"):
            return base
        return raised(base, self._group() if self._next() == "{" else self._signed_atom())

    def _signed_atom(self) -> Value:
        sign = -1 if self._take("-") else 1
        return multiplied(Fraction(sign), self._atom())

    def _group(self) -> Value:
        if not self._take("{"):
            return self._atom()
        value = self._sum()
        if self._take("\\choose"):
            value = _binomial(value, self._sum())
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
        if token == "{":
            return self._group()
        self.at += 1
        if not token:
            raise ValueError("an expression ends too early")
        if token[0].isdigit() or token[0] == ".":
            return Fraction(token)
        if token in _BRACKETS:
            value = self._sum()
            if not self._take(_BRACKETS[token]):
                raise ValueError("a bracket is not closed")
            return _whole(token, value)
        if token in ("|", "\\|"):
            inner = self._sum()
            if not self._take(token):
                raise ValueError("a bar is not closed")
            if isinstance(inner, Form):
                return applied("|", inner)
            return -inner if inner < 0 else inner
        return self._named(token)

    def _named(self, token: str) -> Value:
        if token in _FRACTIONS:
            above = self._argument()
            return multiplied(above, raised(self._argument(), Fraction(-1)))
        if token in _BINOMIALS:
            above = self._argument()
            return _binomial(above, self._argument())
        if token == "\\sqrt":
            return self._root()
        if token == "\\pi":
            return math.pi
        if token in _FUNCTIONS or token.startswith("\\log_"):
            exponent = self._group() if self._take("^") else Fraction(1)
            return raised(_called(token, self._applied_to()), exponent)
        if token in _NO_VARIABLE or not token.lstrip("\\")[:1].isalpha():
            raise ValueError(f"{token} has no value")
        return variable(token.replace("{", "").replace("}", ""))

    def _applied_to(self) -> Value:
        """The argument of a function: in brackets, or a product without signs, as in `\\sin 2x`."""
        bracketed = self._next() in _BRACKETS or self._next() == "{"
        value = self._power()
        while not bracketed and (token := self._next()) and (token[0].isalnum() or token == "\\pi"):
            value = multiplied(value, self._power())
        return value

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
        if not isinstance(value, Form) and not isinstance(degree, Form):
            return real(float(value) ** (1 / float(degree)))
        return raised(value, raised(degree, Fraction(-1)))


def _called(name: str, argument: Value) -> Value:
    """A function's value; `\\log_2` has its base in its name."""
    if isinstance(argument, Form):
        return applied(name.replace("{", "").replace("}", ""), argument)
    if name in _FUNCTIONS:
        return _FUNCTIONS[name](float(argument))
    base = name.removeprefix("\\log_").strip("{}")
    return math.log(float(argument)) / math.log(int(base)) if base.isdigit() else applied(f"\\log_{base}", argument)


def _factorial(value: Value) -> Fraction:
    if not isinstance(value, Fraction) or value.denominator != 1 or not 0 <= value <= 200:
        raise ValueError("no factorial")
    return Fraction(math.factorial(int(value)))


def _binomial(above: Value, below: Value) -> Value:
    if isinstance(above, Form) or isinstance(below, Form):
        return applied("\\binom", above, below)
    if not (above == int(above) and below == int(below) and 0 <= above <= 10_000 and 0 <= below <= 10_000):
        raise ValueError("no binomial coefficient")
    if min(below, above - below) > _DEEPEST * 5:
        raise ValueError("too large")
    return bounded(Fraction(math.comb(int(above), int(below))))


def _whole(bracket: str, value: Value) -> Value:
    """The largest whole number below, the smallest above, or the value itself, by the bracket around it."""
    if bracket not in ("\\lfloor", "\\lceil"):
        return value
    if isinstance(value, Form):
        return applied(bracket, value)
    return Fraction(math.floor(value) if bracket == "\\lfloor" else math.ceil(value))
