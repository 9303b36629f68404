"""BFCL's calls in Java and JavaScript, read out of the syntax tree that tree-sitter (https://tree-sitter.github.io)
makes of an answer, as the authors' parsers do (https://github.com/ShishirPatil/gorilla,
bfcl_eval/model_handler/parser). Nothing of the text is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from typing import Any

from ._bfcl_calls import Call, bracketed

_LONGEST = 20_000  # characters of an answer that are parsed
_QUOTED = ("string_literal", "character_literal")
_AS_WRITTEN = ("identifier", "class_literal", "type_identifier", "method_invocation")


@cache
def parser_of(language: str) -> Any:
    """The parser of `java` or `javascript`. ModuleNotFoundError where it is not installed."""
    tree_sitter, grammar = import_module("tree_sitter"), import_module(f"tree_sitter_{language}")
    return tree_sitter.Parser(tree_sitter.Language(grammar.language()))


def read_java(text: str) -> list[Call] | None:
    """The first call of a text in Java, each argument as `name = value`; None where the text is no Java or calls
    nothing."""
    return _read("java", text, _java_call)


def read_javascript(text: str) -> list[Call] | None:
    """The first call of a text in JavaScript, as `read_java`."""
    return _read("javascript", text, _javascript_call)


def _read(language: str, text: str, call_of: Callable[[Any], Call | None]) -> list[Call] | None:
    bare = bracketed(text)[1:-1]
    if len(bare) > _LONGEST:
        return None
    root = parser_of(language).parse(bare.encode("utf-8", "replace")).root_node
    if any(node.is_error for node in _nodes(root)):
        return None
    try:
        call = call_of(root)
    except (ValueError, RecursionError):
        return None
    return None if call is None else [call]


def _nodes(root: Any) -> Iterator[Any]:
    """Every node below one, a call before the calls within it."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(node.children))


def _said(node: Any) -> str:
    return str(node.text.decode("utf-8"))


def _java_call(root: Any) -> Call | None:
    node = next((one for one in _nodes(root) if one.type == "method_invocation"), None)
    if node is None:
        return None
    owner, name = node.child_by_field_name("object"), _said(node.child_by_field_name("name"))
    arguments = node.child_by_field_name("arguments")
    return f"{_said(owner)}.{name}" if owner is not None else name, _arguments(arguments, _java_value, "class_literal")


def _javascript_call(root: Any) -> Call | None:
    statements = (child for child in root.children if child.type == "expression_statement")
    calls = (child for one in statements for child in one.children if child.type == "call_expression")
    node = next(calls, None)
    return None if node is None else (_said(node.children[0]), _arguments(node.children[1], _javascript_value, "true"))


def _arguments(node: Any, value_of: Callable[[Any], str], unnamed: str) -> dict[str, Any]:
    """The arguments by name; of what is given by place the kinds that the authors' parsers see, an identifier and
    `unnamed`, under the empty name. ValueError for a name that is there twice."""
    found: dict[str, Any] = {}
    for child in node.children:
        if child.type == "assignment_expression":
            name, value = _said(child.children[0]), value_of(child.children[2])
        elif child.type in ("identifier", unnamed):
            name, value = "", _said(child)
        else:
            continue
        if name in found:
            raise ValueError("an argument is there twice")
        found[name] = value
    return found


def _javascript_value(node: Any) -> str:
    said = _said(node)
    quoted = any(said.startswith(mark) and said.endswith(mark) for mark in "\"'")
    return said[1:-1] if quoted else said


def _java_value(node: Any, inner: bool = False) -> str:
    """A value as text: a lone text or character without its quotes, what stands between two tokens left out; the body
    of an anonymous class is not read. ValueError for an array without elements that are written."""
    if node.type in _QUOTED:
        return _said(node) if inner else _said(node)[1:-1]
    if node.type in _AS_WRITTEN or not node.child_count:
        return _said(node)
    if node.type == "array_creation_expression":
        values = node.child_by_field_name("value")
        if values is None:
            raise ValueError("an array without elements")
        return f"new {_java_value(node.child_by_field_name('type'), True)}[]{_java_value(values, True)}"
    if node.type == "object_creation_expression":
        given = node.child_by_field_name("arguments")
        values = [
            _java_value(one, True) for one in (given.children if given else ()) if one.type not in (",", "(", ")")
        ]
        return f"new {_java_value(node.child_by_field_name('type'), True)}({', '.join(values)})"
    return "".join(_java_value(child, True) for child in node.children)
