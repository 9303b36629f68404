"""Tables where there are few columns: whole words, and the verdict always."""

import json
import os
import re
import subprocess
import sys

import pytest


@pytest.fixture
def two(evalh):
    words = ("run", "tiny_exam", "tiny_instructions", "--limit", "40", "--mode", "write", "--model")
    assert evalh(*words, "tiny", "--name", "base").code == evalh(*words, "echo", "--name", "new").code == 0


@pytest.mark.parametrize("columns", [40, 64, 80, 100, 120])
def test_no_word_is_broken_and_the_verdict_is_there(evalh, two, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    said = evalh("compare", "base", "new", "--allow-mismatch", "prompt")
    assert said.code == 0, said.err
    table = said.out.partition(": margin")[0]
    for word in ("tiny_exam", "tiny_instructions"):
        assert any(line.split() and line.split()[0] == word for line in table.splitlines()), table
    assert "can't tell" in table or "worse" in table
    drawn = [line for line in table.splitlines()[1:] if line.startswith(" ")]
    assert max(map(len, drawn)) <= columns


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize(
    "words",
    [
        ("history", "tiny_exam", "--in", "runs"),
        ("leaderboard", "runs/base", "runs/new", "--allow-mismatch"),
        ("diff-config", "base", "new"),
        ("plan", "tiny_exam", "--from", "runs/new"),
    ],
    ids=lambda words: words[0],
)
def test_no_other_table_breaks_a_word_or_a_figure(evalh, two, monkeypatch, words, columns):
    monkeypatch.setenv("COLUMNS", "200")
    wide = evalh(*words)
    assert wide.code == 0, wide.err
    monkeypatch.setenv("COLUMNS", str(columns))
    narrow = evalh(*words).out
    drawn = [line for line in narrow.splitlines() if re.match(r" |date \d|rank \d|setting |items flip", line)]
    assert drawn and max(map(len, drawn)) <= columns, narrow
    left_out = {"commit", "model", "tiny", "echo"}  # the columns that may go
    for word in set(re.findall(r"[^\W_]+(?:[.,]\d+)*", wide.out)) - left_out:
        if len(word) >= 4 and not word.isdigit():
            assert re.search(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", narrow), (word, narrow)


OUTPUTS = {
    "run": ("run", "tiny_exam", "tiny_instructions", "--limit", "40", "--mode", "write", "--model", "echo", "--name",
            "new"),
    "show": ("show", "new"),
    "show wrong": ("show", "new", "--wrong", "--limit", "2"),
    "compare": ("compare", "base", "new", "--allow-mismatch", "prompt"),
    "list benchmarks": ("list", "benchmarks"),
    "list models": ("list", "models"),
    "list runs": ("list", "runs"),
    "leaderboard": ("leaderboard", "runs/base", "runs/new", "--allow-mismatch"),
    "plan": ("plan", "tiny_exam", "--from", "runs/new"),
    "history": ("history", "tiny_exam", "--in", "runs"),
    "diff-config": ("diff-config", "base", "new"),
    "doctor": ("doctor", "tiny_exam"),
    "verify": ("verify", "new"),
}  # fmt: skip


@pytest.mark.slow
def test_at_forty_columns_every_line_fits_and_no_word_is_broken(evalh, two, monkeypatch):
    """Words of the wide output stand whole in the narrow one; lines of tables, which begin with a blank, fit."""
    for name, words in OUTPUTS.items():
        monkeypatch.setenv("COLUMNS", "200")
        wide = evalh(*words)
        monkeypatch.setenv("COLUMNS", "40")
        narrow = evalh(*words)
        assert wide.code == narrow.code == 0, (name, narrow.err)
        long = [line for line in narrow.out.splitlines() if len(line) > 40 and re.match(r"[ │┃|]", line)]
        assert not long, (name, narrow.out)
        for word in set(re.findall(r"[A-Za-z]{5,}", wide.out)):
            broken = re.search(rf"\b{word[:3]}[A-Za-z]*\n", narrow.out)
            assert word in narrow.out or not broken, (name, word, narrow.out)


PLAIN = """import sys, json
from evalharness.text.plain_characters import write_what_can_be_shown
write_what_can_be_shown()
from evalharness.cli import guarded
for words in json.load(sys.stdin):
    print("==", *words[:1], flush=True)
    assert guarded(words) == 0, words
"""


@pytest.mark.slow
def test_a_terminal_of_ascii_alone_gets_ascii(two, tmp_path):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "LANG": "C", "COLUMNS": "40"}
    said = subprocess.run(
        [sys.executable, "-c", PLAIN], input=json.dumps(list(OUTPUTS.values())).encode(), cwd=tmp_path, env=environment,
        capture_output=True, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert (said.stdout + said.stderr).isascii() and b"?????" not in said.stdout
    assert b"tiny_instructions" in said.stdout


def test_what_a_judge_said_fits_a_narrow_terminal(evalh, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    rows = [
        {"instruction": f"Question {i}?", "output_1": "one", "output_2": "two words", "generator_1": "base",
         "generator_2": "new", "preference": 1.0 + (i % 3 > 0), "annotator": "a_judge_of_theirs"}
        for i in range(12)
    ]  # fmt: skip
    (tmp_path / "annotations.json").write_text(json.dumps(rows))
    said = evalh("import", "alpaca_eval", "annotations.json", "--name", "j")
    audit = evalh("judge", "audit", "j")
    for found in (said.out.rpartition("runs/j")[0], audit.out):
        assert max(map(len, found.splitlines())) <= 40
        assert "95 %" in " ".join(found.split())
    words = " ".join(audit.out.split())
    assert "a preference for a label" in words or "not identifiable position" in words, words
