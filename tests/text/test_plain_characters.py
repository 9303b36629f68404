"""A terminal that knows ASCII alone, and one of forty columns."""

import subprocess
import sys

import pytest

from evalharness.text.plain_characters import plain_characters


@pytest.fixture
def shown(evalh, tmp_path):
    """What `evalh show` writes for a run, under an environment."""
    assert evalh("run", "tiny_exam", "--limit", "6", "--name", "r").code == 0

    def show(*words, **environment):
        command = [sys.executable, "-m", "evalharness", "show", "r", *words]
        return subprocess.run(command, capture_output=True, cwd=tmp_path, env={"PATH": "", **environment}, check=False)

    return show


def test_an_ascii_terminal_gets_ascii(shown):
    ascii_only = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    for words in ((), ("--status", "correct")):
        said = shown(*words, **ascii_only)
        assert said.returncode == 0 and said.stdout.isascii(), said.stderr
    assert b" ... " in shown(**ascii_only).stdout, "the interval's ellipsis"
    assert "…" in shown(PYTHONIOENCODING="utf-8").stdout.decode()


def test_forty_columns_break_no_word(shown):
    said = shown(COLUMNS="40", PYTHONIOENCODING="utf-8").stdout.decode()
    lines = said.splitlines()
    assert "tiny_exam" in lines and any(line.startswith("  accuracy ") for line in lines), said
    assert max(map(len, lines[:8])) <= 40
    wide = shown(COLUMNS="80", PYTHONIOENCODING="utf-8").stdout.decode()
    assert "benchmark" in wide and "benchmark" not in said


def test_signs_become_what_they_mean():
    assert plain_characters("a → b … −1 ± 2 é ✓ ─┼│") == "a -> b ... -1 +- 2 e + -+|"
    assert plain_characters("日\U0001f600") == "\\u65e5\\U0001f600"
