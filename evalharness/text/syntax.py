"""Python source as a syntax tree, one at a time. In Python 3.11 threads that parse side by side share a counter of
depth, and one of them may get a SystemError (https://github.com/python/cpython/issues/106905); filters of warnings are
everybody's, too.
"""

from __future__ import annotations

import ast
import threading
import warnings
from typing import Literal

_turn = threading.Lock()
_NONE = (SyntaxError, ValueError, RecursionError, MemoryError)


def parsed_module(source: str) -> ast.Module | None:
    """The tree of a program, None where it is none; what the compiler thinks of its style is not said."""
    found = _parsed(source, "exec")
    return found if isinstance(found, ast.Module) else None


def parsed_expression(source: str) -> ast.expr | None:
    """The tree of one expression, None where it is none."""
    found = _parsed(source, "eval")
    return found.body if isinstance(found, ast.Expression) else None


def _parsed(source: str, mode: Literal["exec", "eval"]) -> ast.AST | None:
    with _turn, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source, mode=mode)
        except _NONE:
            return None
