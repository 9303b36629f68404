"""Numbers, and expressions with variables in one form: terms and factors in any order, nothing multiplied out."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

Number = Fraction | float
LARGEST = 2000  # bits of an exact number
_ONE = Fraction(1)


class Form(NamedTuple):
    """An expression with a variable.

    `kind` is `+` (a number and terms), `*` (a number and factors), `^` (an exponent and what is raised to it), `^^`
    (base and exponent), `#` (a number among parts), or else the name of a variable or function.
    """

    kind: str
    number: Number = Fraction(0)
    parts: tuple[Form, ...] = ()


Value = Number | Form


def variable(name: str) -> Form:
    """A variable, of which only the name is known."""
    return Form(name)


def applied(name: str, *arguments: Value) -> Form:
    """A function of what is no number."""
    return Form(name, parts=tuple(_part(argument) for argument in arguments))


def added(one: Value, other: Value) -> Value:
    """The sum of two expressions."""
    number: Number = Fraction(0)
    terms: list[Form] = []
    for value in (one, other):
        if not isinstance(value, Form):
            number = bounded(number + value)
        elif value.kind == "+":
            number, terms = bounded(number + value.number), [*terms, *value.parts]
        else:
            terms.append(value)
    if not terms:
        return number
    return terms[0] if len(terms) == 1 and not number else Form("+", _rounded(number), _ordered(terms))


def multiplied(one: Value, other: Value) -> Value:
    """The product of two expressions. Only a minus sign is multiplied into a sum."""
    number: Number = _ONE
    factors: list[Form] = []
    for value in (one, other):
        if not isinstance(value, Form):
            number = bounded(number * value)
        elif value.kind == "*":
            number, factors = bounded(number * value.number), [*factors, *value.parts]
        else:
            factors.append(value)
    if not factors or not number:
        return number
    if len(factors) == 1 and number == 1:
        return factors[0]
    if len(factors) == 1 and number == -1 and factors[0].kind == "+":
        terms = [multiplied(number, term) for term in factors[0].parts]
        return Form("+", -factors[0].number, _ordered(_part(term) for term in terms))
    return Form("*", _rounded(number), _ordered(factors))


def raised(base: Value, exponent: Value) -> Value:
    """A power; of two numbers where it is real and not too large."""
    if isinstance(exponent, Form):
        return Form("^^", parts=(_part(base), _part(exponent)))
    if not isinstance(base, Form):
        return _number_raised(base, exponent)
    if exponent == 1 or exponent == 0:
        return base if exponent else _ONE
    if base.kind == "^" and isinstance(exponent, Fraction) and exponent.denominator == 1:
        return raised(base.parts[0], bounded(base.number * exponent))
    if base.kind == "*" and exponent == -1:
        factors = [_part(raised(factor, exponent)) for factor in base.parts]
        return Form("*", _number_raised(base.number, exponent), _ordered(factors))
    return Form("^", _rounded(exponent), (base,))


def _number_raised(base: Number, exponent: Number) -> Number:
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        if abs(exponent) * max(base.numerator.bit_length(), base.denominator.bit_length()) > LARGEST:
            raise ValueError("too large")
        return Fraction(base ** int(exponent))
    return real(float(base) ** float(exponent))


def bounded(value: Number) -> Number:
    """A number as it is; ValueError where it is exact and too large."""
    if isinstance(value, Fraction) and max(value.numerator.bit_length(), value.denominator.bit_length()) > LARGEST:
        raise ValueError("too large")
    return value


def real(value: object) -> float:
    """A float as it is; ValueError for anything else, such as a complex number."""
    if not isinstance(value, float):
        raise ValueError("not a real number")
    return value


def _part(value: Value) -> Form:
    return value if isinstance(value, Form) else Form("#", _rounded(value))


def _rounded(value: Number) -> Number:
    """A float to the digits in which two ways of calculating agree."""
    return float(f"{value:.10g}") if isinstance(value, float) else value


def _ordered(parts: Iterable[Form]) -> tuple[Form, ...]:
    return tuple(sorted(parts, key=repr))
