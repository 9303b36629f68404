"""Values of Java and JavaScript as Python's, where their text has the form that BFCL's converters read
(https://github.com/ShishirPatil/gorilla, bfcl_eval/eval_checker/ast_eval/type_convertor); else they stay texts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from evalharness.text.patterns import SlowPatternError, pattern_of

from ._bfcl_calls import Spelling

_WHOLE, _DECIMAL = r"-?\d+", r"-?\d+(?:\.\d+)?"
_JAVA_FLOAT = _DECIMAL + r"(?:[eE][+-]?\d+)?"


def _number(text: str, form: str, kind: type, marks: str = "") -> Any:
    """The number of a text that has the form with one of the marks behind it, else the text."""
    ending = f"[{marks}]" if marks else ""
    return kind(text[:-1] if marks else text) if re.match(f"^{form}{ending}$", text) else text


def _truth(text: str) -> Any:
    return {"true": True, "false": False}.get(text, text)


def _plain_number(text: str) -> Any:
    """What Python reads as a number, else the text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _found(pattern: str, text: str, *, begins: bool = False) -> tuple[str, ...] | None:
    """The groups of the first match, the whole first; `begins`: at the beginning of the text."""
    found = pattern_of(f"\\A(?:{pattern})" if begins else pattern).matches(text)
    return found[0] if found else None


def _java(text: str, kind: str, inner: str | None) -> Any:
    match kind:
        case "byte" | "short" | "integer":
            return _number(text, _WHOLE, int)
        case "long":
            return _number(text, _WHOLE, int, "lL")
        case "float":
            return _number(text, _JAVA_FLOAT, float, "fF")
        case "double":
            return _number(text, _JAVA_FLOAT, float)
        case "boolean":
            return _truth(text)
        case "Array" | "ArrayList" | "HashMap":
            return {"Array": _java_array, "ArrayList": _java_list, "HashMap": _java_map}[kind](text, inner)
    return text


def _java_array(text: str, inner: str | None) -> Any:
    found = _found(r"new\s+\w+\[\]\s*\{(.*?)\}", text)
    if found is None:
        return text
    return [_java_element(one.strip(), inner) for one in found[1].split(",") if one.strip()]


def _java_list(text: str, inner: str | None) -> Any:
    listed = _found(r"new\s+ArrayList<\w*>\(Arrays\.asList\((.+?)\)\)", text)
    if listed is not None:
        return [_java_element(one.strip(), inner, unquoted=True) for one in listed[1].split(",")]
    added = _found(r"(?s)new\s+ArrayList<\w*>\(\)\s*\{\{\s*(.+?)\s*\}\}", text)
    if added is not None:
        calls = pattern_of(r"add\((.+?)\)").matches(added[1])
        return [_java_element(one.strip(), inner, unquoted=True) for _, one in calls]
    return [] if _found(r"new\s+ArrayList<\w*>\(\)", text) else text


def _java_map(text: str, inner: str | None) -> Any:
    found = _found(r"(?s)new\s+HashMap<.*?>\s*\(\)\s*\{\s*\{?\s*(.*?)\s*\}?\s*\}", text)
    if found is not None:
        puts = pattern_of(r"put\(\"(.*?)\",\s*(.*?)\)").matches(found[1])
        return {key: _java_element(value.strip(), None) for _, key, value in puts}
    return {} if _found(r"(?s)new\s+HashMap<.*?>\s*\(\)", text) else text


def _java_element(text: str, kind: str | None, *, unquoted: bool = False) -> Any:
    """An element of a kind, or of any: of a list the texts lose their quotes, of an array they keep them."""
    if unquoted and kind in ("char", "String"):
        return text[1:-1]
    if kind:
        return _java(text, kind, None)
    if text.startswith('"') and text.endswith('"'):
        return text[1:-1]
    for of in (_truth, lambda t: _java(t, "long", None), lambda t: _java(t, "float", None), _plain_number):
        value = of(text)
        if not isinstance(value, str):
            return value
    return text


def _javascript(text: str, kind: str, inner: str | None) -> Any:
    match kind:
        case "String":
            return text[1:-1] if _is_quoted(text) else text
        case "integer":
            return _number(text, _WHOLE, int)
        case "float":
            return _number(text, _DECIMAL, float)
        case "Bigint":
            return _number(text, _WHOLE, int, "n")
        case "Boolean":
            return _truth(text)
        case "array":
            return _javascript_array(text.strip(), inner)
        case "dict":
            return _javascript_object(text.strip())
    return text


def _is_quoted(text: str) -> bool:
    return any(text.startswith(mark) and text.endswith(mark) for mark in "\"'")


def _javascript_element(text: str) -> Any:
    text = text.strip()
    if _is_quoted(text):
        return text[1:-1]
    value = _truth(text)
    return _plain_number(text) if isinstance(value, str) else value


_ROWS = r"\s*\[.*?\]\s*(?:,\s*\[.*?\]\s*)*"


def _javascript_array(text: str, inner: str | None) -> Any:
    """A list, or a list of lists, of which the elements' kind is not looked at."""
    rows = _found(rf"\[{_ROWS}\]|\bnew\s+Array\({_ROWS}\)", text, begins=True)
    if rows is not None:
        listed = [one.strip() for _, one in pattern_of(r"\[(.*?)\]").matches(rows[0])]
        listed[0] = listed[0].removeprefix("[")
        return [[_javascript_element(one) for one in row.split(",")] for row in listed]
    row = _found(r"\[(.*?)\]|\bnew\s+Array\((.*?)\)", text, begins=True)
    if row is None:
        return text
    elements = [one.strip() for one in (row[1] or row[2]).strip().split(",")] if (row[1] or row[2]).strip() else []
    return [_javascript(one, inner, None) if inner else _javascript_element(one) for one in elements]


def _javascript_object(text: str) -> Any:
    """An object up to its first closing brace, what is within by its form."""
    if text == "{}":
        return {}
    found = _found(r"\{(.*?)\}", text, begins=True)
    if found is None:
        return text
    pairs = pattern_of(r"([^:]+):\s*(.*?)(?:,\s*(?=[^,]+:)|$)").matches(found[1])
    return {key.strip().strip("'\""): _javascript_field(value.strip()) for _, key, value in pairs}


def _javascript_field(text: str) -> Any:
    if text.startswith("[") and text.endswith("]"):
        return _javascript_array(text, None)
    if text.startswith("{") and text.endswith("}"):
        return _javascript_object(text)
    return _javascript_element(text.strip("'\""))


def _in_time(converted: Callable[[str, str, str | None], Any]) -> Callable[[Any, str, str | None], Any]:
    """A text that takes an expression too long stays a text."""

    def value(said: Any, kind: str, inner: str | None) -> Any:
        try:
            return converted(str(said), kind, inner)
        except SlowPatternError:
            return said

    return value


_JAVA_TYPES: Mapping[str, type] = {
    "byte": int, "short": int, "integer": int, "long": int, "float": float, "double": float, "boolean": bool,
    "char": str, "String": str, "any": str, "Array": list, "ArrayList": list, "Queue": list, "Stack": list,
    "HashMap": dict, "Hashtable": dict, "Set": set,
}  # fmt: skip
_JAVASCRIPT_TYPES: Mapping[str, type] = {
    "String": str, "integer": int, "float": float, "Bigint": int, "Boolean": bool, "dict": dict, "array": list,
    "any": str,
}  # fmt: skip
JAVA = Spelling(types=_JAVA_TYPES, lists=("Array", "ArrayList"), value=_in_time(_java))
JAVASCRIPT = Spelling(types=_JAVASCRIPT_TYPES, lists=("array",), value=_in_time(_javascript))


def javascript_text(value: Any, described: Mapping[str, Any]) -> str:
    """A value as JavaScript spells it."""
    mark = "n" if described.get("type") == "Bigint" and isinstance(value, int) else ""
    return json.dumps(value, ensure_ascii=False) + mark


def java_text(value: Any, described: Mapping[str, Any]) -> str:
    """A value as Java spells it. (Of a map that has entries the converters read none.)"""
    kind, inner = described.get("type"), described.get("items", {})
    if isinstance(value, list):
        elements = ", ".join(java_text(one, inner) for one in value)
        return f"new Object[]{{{elements}}}" if kind == "Array" else f"new ArrayList<>(Arrays.asList({elements}))"
    if isinstance(value, Mapping):
        puts = (f"put({json.dumps(key)}, {java_text(one, {})});" for key, one in value.items())
        return f"new HashMap<>() {{{{ {' '.join(puts)} }}}}"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    mark = {"long": "L", "float": "f"}.get(str(kind), "") if number else ""
    return json.dumps(value, ensure_ascii=False) + mark
