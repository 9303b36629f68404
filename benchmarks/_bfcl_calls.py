"""Function calls read out of a text and held against the allowed values, as BFCL's AST checker does for Python
(https://github.com/ShishirPatil/gorilla, bfcl_eval/eval_checker/ast_eval). Nothing of the text is run."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalharness.text.syntax import parsed_expression

Call = tuple[str, dict[str, Any]]
Allowed = Mapping[str, Sequence[Any]]  # parameter -> the values it may have; "" among them where it may be left out

_LONGEST = 200_000  # characters of an answer that are parsed
_TYPES: dict[str, type] = {
    "string": str, "integer": int, "float": float, "boolean": bool, "array": list, "tuple": list, "dict": dict,
    "any": str,
}  # fmt: skip
_LARGEST_POWER = 1000


@dataclass(frozen=True)
class Spelling:
    """How a language spells values: the type here of each described type, those of lists whose elements have a type of
    their own, and what a value that was read is, by its described type and that of its elements."""

    types: Mapping[str, type]
    lists: tuple[str, ...]
    value: Callable[[Any, str, str | None], Any]


def _python_value(said: Any, kind: str, inner: str | None) -> Any:
    value: Any = list(said) if kind == "tuple" and isinstance(said, tuple) else said
    return float(value) if kind == "float" and type(value) is int else value


PYTHON = Spelling(types=_TYPES, lists=("array", "tuple"), value=_python_value)
_SUMS: dict[type, Any] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow,
}  # fmt: skip


def read_calls(text: str) -> list[Call] | None:
    """The calls of a text that is a list of calls in Python's spelling; None where it is not.

    As the published decoder, brackets that are missing at either end are added, and an empty text is an empty list.
    """
    bare = bracketed(text)
    if len(bare) > _LONGEST:
        return None
    try:
        body = parsed_expression(bare.strip().strip("'"))
        if body is None:
            return None
        return [_call(part) for part in (body.elts if isinstance(body, ast.List | ast.Tuple) else [body])]
    except (SyntaxError, ValueError, RecursionError, MemoryError, ArithmeticError, TypeError):
        return None


def bracketed(text: str) -> str:
    """A text in brackets, those that are missing at either end added, as the published decoder has it."""
    bare = text.strip("`\n ")
    return ("" if bare.startswith("[") else "[") + bare + ("" if bare.endswith("]") else "]")


def _call(node: ast.expr) -> Call:
    """A name and its keyword arguments; what is given by place has no name, and is not read."""
    if not isinstance(node, ast.Call):
        raise ValueError("no call")
    return ast.unparse(node.func), {word.arg or "**": _value(word.value) for word in node.keywords}


def _value(node: ast.expr) -> Any:
    """A value as data: a name is its text, and so are a subscript and a call without named arguments. ValueError for
    whatever would have to be run."""
    match node:
        case ast.Constant():
            return "..." if node.value is Ellipsis else node.value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.List():
            return [_value(part) for part in node.elts]
        case ast.Tuple():
            return tuple(_value(part) for part in node.elts)
        case ast.Dict():
            pairs = zip(node.keys, node.values, strict=True)
            return {_value(key): _value(value) for key, value in pairs if key is not None}
        case ast.BinOp():
            return _sum(node)
        case ast.Name():
            return node.id
        case ast.Call() if node.keywords:
            name, given = _call(node)
            return {name: given}
        case ast.Call() | ast.Subscript():
            return ast.unparse(node)
    raise ValueError(f"{type(node).__name__} is no value")


def _sum(node: ast.expr) -> int | float:
    """What a sum of numbers comes to; powers are small."""
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_sum(inner)
        case ast.BinOp(op=op) if type(op) in _SUMS:
            left, right = _sum(node.left), _sum(node.right)
            if isinstance(op, ast.Pow) and max(abs(left), abs(right)) > _LARGEST_POWER:
                raise ValueError("a power too large")
            total: int | float = _SUMS[type(op)](left, right)
            return total
    raise ValueError("no sum of numbers")


def all_match(
    calls: Sequence[Call], functions: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Allowed]], *,
    any_order: bool, spelling: Spelling = PYTHON,
) -> bool:  # fmt: skip
    """Whether the calls are those wanted, each once; in any order where `any_order`."""
    if len(calls) != len(wanted):
        return False
    described = {function["name"]: function for function in functions}
    left = list(calls)
    for one in wanted:
        ((name, allowed),) = one.items()
        candidates = left if any_order else left[:1]
        found = next((call for call in candidates if matches(call, described.get(name), allowed, spelling)), None)
        if found is None:
            return False
        left.remove(found)
    return True


def matches(call: Call, function: Mapping[str, Any] | None, allowed: Allowed, spelling: Spelling = PYTHON) -> bool:
    """Whether a call is of the function, has all that it needs and nothing else, and each value is an allowed one."""
    name, given = call
    if function is None or name != function["name"]:
        return False
    properties = function["parameters"]["properties"]
    if any(needed not in given for needed in function["parameters"].get("required", ())):
        return False
    if any(key not in properties or key not in allowed for key in given):
        return False
    if any(key not in given and "" not in values for key, values in allowed.items()):
        return False
    return all(_is_allowed(value, properties[key], allowed[key], spelling) for key, value in given.items())


def _is_allowed(said: Any, described: Mapping[str, Any], allowed: Sequence[Any], spelling: Spelling) -> bool:
    kind = described["type"]
    of_each = str(described.get("items", {}).get("type", "any")) if kind in spelling.lists else None
    value = spelling.value(said, kind, of_each)
    expected: Any = spelling.types.get(kind, str)
    inner = None if of_each is None else spelling.types.get(of_each, str)
    if not _has_type(value, allowed, expected, inner):
        return False
    if type(value) is not expected or _type_of(allowed) not in (None, expected):
        return value in allowed  # a variable, which stands for a value of its own type
    if expected is dict:
        return any(_same_dict(value, one) for one in allowed)
    if expected is list and inner is dict:
        return any(_same_dicts(value, one) for one in allowed)
    if expected is str:
        return _plain(value) in [_plain(one) for one in allowed if isinstance(one, str)]
    if expected is list:
        return [_plain(part) for part in list(value)] in [[_plain(part) for part in one] for one in allowed]
    return value in allowed


def _type_of(allowed: Sequence[Any]) -> Any:
    return next((type(one) for one in allowed if one != ""), None)


def _has_type(value: Any, allowed: Sequence[Any], expected: Any, inner: Any) -> bool:
    """Whether a value has the described type, or that of the allowed values, which may be a variable's."""
    if type(value) is not expected:
        return _type_of(allowed) is not None and type(value) is _type_of(allowed)
    if inner is None:
        return True
    return any(not isinstance(one, list) or all(_has_type(part, one, inner, None) for part in value) for one in allowed)


def _plain(value: Any) -> Any:
    """A text without blanks and the marks that dates and names are written with or without."""
    if not isinstance(value, str):
        return value
    return re.sub(r"[ ,./\-_*^]", "", value).lower().replace("'", '"')


def _same_dict(value: Any, allowed: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(allowed, Mapping):
        return False
    known = all(key in allowed and _plain(one) in [_plain(v) for v in allowed[key]] for key, one in value.items())
    return known and all(key in value or "" in values for key, values in allowed.items())


def _same_dicts(value: Any, allowed: Any) -> bool:
    if len(value) != len(allowed):
        return False
    return all(_same_dict(one, other) for one, other in zip(value, allowed, strict=True))


def one_of(allowed: Allowed) -> dict[str, Any]:
    """Arguments that are allowed: the first value of each parameter that is not left out."""
    return {key: _first(values) for key, values in allowed.items() if values and values[0] != ""}


def _first(values: Sequence[Any]) -> Any:
    return _filled(values[0])


def _filled(value: Any) -> Any:
    """Allowed values of a dict stand in lists of their own."""
    if isinstance(value, Mapping):
        return {key: _filled(each[0]) for key, each in value.items() if each and each[0] != ""}
    return [_filled(part) for part in value] if isinstance(value, list) else value
