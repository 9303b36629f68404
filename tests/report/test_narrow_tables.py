"""Tables where there are few columns: whole words, and the verdict always."""

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
