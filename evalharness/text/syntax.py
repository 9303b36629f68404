"""Python source as a syntax tree, one at a time: up to Python 3.12 threads that parse side by side share a counter of
depth, and one of them gets a SystemError (https://github.com/python/cpython/issues/106905)."""

from __future__ import annotations

import ast
import threading

_turn = threading.Lock()


def parse_module(source: str) -> ast.Module:
    """The tree of a program. SyntaxError, ValueError, RecursionError or MemoryError where it is none."""
    with _turn:
        return ast.parse(source)


def parse_expression(source: str) -> ast.expr:
    """The tree of one expression; raises what `parse_module` does."""
    with _turn:
        return ast.parse(source, mode="eval").body
