"""A shell is told what could follow: commands, options, names of benchmarks and runs."""

import os
import subprocess
import sys

import pytest

from evalharness.commands._names import plugin_names, run_names


def completed(words, cwd):
    """What bash would offer after these words."""
    environment = {**os.environ, "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1),
                   "_EVALH_COMPLETE": "complete_bash"}  # fmt: skip
    command = [sys.executable, "-m", "evalharness"]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=cwd).stdout.split()


def test_commands_and_options_are_offered(tmp_path):
    assert completed("evalh com", tmp_path) == ["compare", "completion"]
    assert completed("evalh diff-config --exp", tmp_path) == ["--explain"]


def test_names_are_offered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "mmlu" in plugin_names("benchmarks")("mml") and "gsm8k" not in plugin_names("benchmarks")("mml")
    assert run_names("") == []
    for name in ("first", "second", "no-run"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    for name in ("first", "second"):
        (tmp_path / "runs" / name / "run.json").write_text("{}")
    assert run_names("") == ["first", "second"] and run_names("f") == ["first"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_lines(shell, evalh):
    said = evalh("completion", shell)
    assert said.code == 0 and "_EVALH_COMPLETE" in said.out


def test_another_shell_is_refused(evalh):
    said = evalh("completion", "bsh")
    assert said.code == 2 and "did you mean bash?" in said.err
