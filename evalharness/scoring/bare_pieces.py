"""Pieces of a program that stand in prose without a fence: what parses as statements is code, all else is prose."""

from __future__ import annotations

import ast
import re
import textwrap
from typing import NamedTuple

from evalharness.text.deferred import deferred
from evalharness.text.syntax import parsed_module

_MOST_PARSED = 100_000  # characters that are parsed of one text
_MOST_LINES = 2_000  # of one statement
_LONGEST = 50_000  # characters of one statement
_BEGINS = deferred(
    r"\A(?:(?:async def|def|class|import|from|if|for|while|with|try|assert|del|global)\b|@\w"
    r"|[A-Za-z_][\w.]{0,80}\s{0,9}[=(\[,:+*/-])"
)
_QUOTED = deferred(r"^> ?(?!>)", re.MULTILINE)
_DEFINES = deferred(r"(?:async def|def|class) |import |from \S+ import\b|@\w")
_GOES_ON = deferred(r"(?:else|elif|except|finally)\b|[)\]}]")
_LEXEME = deferred(r"\\.|'''|\"\"\"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|#[^\n]*|[()\[\]{}]", re.DOTALL)


class _Statement(NamedTuple):
    first: int
    last: int  # the line behind it
    source: str
    indent: int


def bare_pieces(text: str) -> list[str]:
    """The pieces of a program in a text, in order: statements with nothing but blank lines and comments between them.

    A body that goes on behind a sentence belongs to the function before it. A text that begins indented has none: it
    goes on with a function that its prompt began.
    """
    lines = _QUOTED.sub("", text).splitlines(keepends=True)
    if next((line for line in lines if line.strip()), "")[:1].isspace():
        return []
    pieces: list[list[_Statement]] = []
    left, at = _MOST_PARSED, 0
    while at < len(lines) and left > 0:
        line = lines[at]
        if not line.strip():
            at += 1
            continue
        found = _statement(lines, at) if _BEGINS.match(line.lstrip(" \t`")) or line[:1].isspace() else None
        left -= len(found.source) if found else len(line)
        if found and found.indent and pieces:  # it is parsed together with what it may belong to
            left -= len(pieces[-1][-1].source)
        kept = found is not None and _joined(pieces, lines, found)
        at = found.last if found and kept else at + 1
    return ["".join(one.source for one in piece) for piece in pieces]


def _joined(pieces: list[list[_Statement]], lines: list[str], new: _Statement) -> bool:
    """Whether a statement is a part of the program; it is put into the piece where it belongs."""
    if new.indent and not _DEFINES.match(new.source):
        if not pieces or pieces[-1][-1].indent >= new.indent:
            return False
        before = pieces[-1][-1]
        body = before.source.rstrip("\n") + "\n" + textwrap.indent(new.source, " " * (new.indent - before.indent))
        if not _DEFINES.match(before.source) or _tree(body) is None:
            return False
        pieces[-1][-1] = before._replace(source=body, last=new.last)
        return True
    tree = _tree(new.source)
    if tree is None or not all(_is_code(node) for node in tree.body):
        return False
    between = lines[pieces[-1][-1].last : new.first] if pieces else ["prose"]
    if all(not line.strip() or line.lstrip().startswith("# ") for line in between):
        pieces[-1].append(new._replace(source="\n" * min(2, len(between)) + new.source))
    else:
        pieces.append([new])
    return True


def _is_code(node: ast.stmt) -> bool:
    """Whether a statement is one that prose does not happen to be: `Note: this` and `Done` parse as well."""
    if isinstance(node, ast.AnnAssign):
        return node.value is not None
    return not isinstance(node, ast.Expr) or isinstance(node.value, ast.Call | ast.Await)


def _statement(lines: list[str], first: int) -> _Statement:
    """The statement that a line begins, with the lines that belong to it by brackets, quotation marks and indentation.
    For a line that is indented and begins none of its own, all lines as far as they are indented."""
    indent = len(lines[first]) - len(lines[first].lstrip(" \t"))
    depth, quotes = 0, ""
    last = first
    for at in range(first, min(len(lines), first + _MOST_LINES)):
        line = lines[at]
        inside = depth > 0 or quotes
        if at > first and not inside and line.strip():
            own = len(line) - len(line.lstrip(" \t"))
            decorated = lines[last - 1].lstrip().startswith("@")
            body = own == indent > 0 and not _DEFINES.match(lines[first].lstrip())
            if own < indent or (own == indent and not (_GOES_ON.match(line.lstrip()) or decorated or body)):
                break
        if inside or line.strip():
            last = at + 1
        depth, quotes = _within(line, depth, quotes)
    source = textwrap.dedent("".join(lines[first:last])).strip("`")
    return _Statement(first, last, source if source.endswith("\n") else source + "\n", indent)


def _within(line: str, depth: int, quotes: str) -> tuple[int, str]:
    """The brackets and the three quotation marks that are open at the end of a line."""
    for found in _LEXEME.finditer(line):
        mark = found.group()
        if mark in ("'''", '"""'):
            quotes = mark if not quotes else "" if quotes == mark else quotes
        elif not quotes and len(mark) == 1:
            depth = max(0, depth + (1 if mark in "([{" else -1 if mark in ")]}" else 0))
    return depth, quotes


def _tree(source: str) -> ast.Module | None:
    """The syntax tree of a source, None where it is none or too long."""
    return parsed_module(source) if len(source) <= _LONGEST else None
