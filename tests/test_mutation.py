"""`perf/mutants.py`: what it changes, which tests it holds against it, and that it notices what they notice."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "perf"))

import _mutations

ROOT = Path(__file__).resolve().parents[1]

SOURCE = '''
"""A module."""

LIMIT: int = 3


def few(values, most=LIMIT):
    """Whether there are few."""
    if not values:
        raise ValueError(f"{len(values) + 1} values")
    total = len(values) / 2
    return total < most and None not in values
'''


def test_mutants_are_the_same_each_time_and_differ_in_one_place():
    found = _mutations.mutants(SOURCE, 100, "0")
    assert [m.says for m in found] == [m.says for m in _mutations.mutants(SOURCE, 100, "0")]
    assert len({ast.unparse(m.tree) for m in found}) == len(found)
    says = {m.says for m in found}
    assert {"not: not values", "len(values) / 2 -> len(values) * 2", "left out: total = len(values) / 2"} <= says
    assert any(m.place.names == ("LIMIT",) and m.place.statement is None for m in found)
    assert not [m for m in found if m.place.line == 10 or '"""' in m.says], "messages and docstrings are left alone"
    assert {m.says for m in _mutations.mutants(SOURCE, 3, "0")} < says


def test_every_statement_that_is_done_is_noted():
    space = {"done": set()}
    exec(compile(_mutations.noting(SOURCE, "done"), "few", "exec"), space)
    assert space["few"]([1]) is True and space["done"] == {8, 9, 11, 12}


@pytest.mark.slow
def test_the_script_finds_what_the_tests_of_a_module_notice():
    line = [sys.executable, "perf/mutants.py", "--modules", "evalharness/stats/power.py", "--count", "3"]
    said = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert said.returncode == 0, said.stderr
    assert re.search(r"^evalharness/stats/power\.py: 3 mutants, 3 killed \(100%\)", said.stdout, re.MULTILINE), (
        said.stdout
    )
    assert re.search(r"^all: 3 mutants, 3 killed \(100\.0%\), ", said.stdout, re.MULTILINE)
