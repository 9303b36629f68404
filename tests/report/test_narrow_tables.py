"""Tables where there are few columns: whole words, and the verdict always."""

import re

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
