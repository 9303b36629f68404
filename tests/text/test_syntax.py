"""Syntax trees of texts from outside, in threads too."""

import ast
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from evalharness.text.syntax import parsed_expression, parsed_module

SOURCE = "def f(a):\n    return [x * (a + 1) for x in range(a) if {x: (a, [x])}]\n" * 20


def test_threads_parse_side_by_side():
    """Python 3.11 mixes up its counter of depth where two threads parse at once."""
    with ThreadPoolExecutor(8) as threads:
        trees = list(threads.map(parsed_module, [SOURCE] * 200))
    assert {ast.dump(tree) for tree in trees} == {ast.dump(ast.parse(SOURCE))}


@pytest.mark.parametrize("text", ["def f(:", "a\0b", "(" * 5000, "-" * 100_000 + "1"])
def test_what_is_no_python_has_no_tree(text):
    assert parsed_module(text) is None
    assert parsed_expression(text) is None


def test_the_compiler_s_opinions_are_not_said():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(parsed_expression(r"'\d' is 1"), ast.Compare)
        with pytest.raises(UserWarning):
            warnings.warn("the filters are as before", stacklevel=1)
