"""A comparison in a user's words: options read, the command that makes it again, and the line of a refusal."""

import shlex
from pathlib import Path

import pytest
from run_folders import letters, make_run, write_run

from evalharness.comparison.gate import ComparisonRequest, comparison_options, margins, run_gate
from evalharness.errors import Exit, UserError


def gated(tmp_path, options=None, **more):
    for name, text in (("a", "1" * 200), ("b", "1" * 200)):
        if not (tmp_path / name).exists():
            make_run(tmp_path / name, text, groups=50)
    chosen = options or comparison_options((), 0.05, (), ())
    return run_gate(ComparisonRequest(base=str(tmp_path / "a"), new=str(tmp_path / "b"), options=chosen, **more))


def words(found):
    return shlex.split(found.document.command)


def test_the_command_that_makes_it_again_says_what_was_not_usual(tmp_path):
    sides = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert words(gated(tmp_path)) == ["evalh", "compare", *sides, "--margin", "0.02"]
    options = comparison_options(
        ("0.03", "quiz=0.01"), 0.1, ("quiz",), ("prompt", "data"), clusters="group", metric="accuracy",
        uncertainty=("sampling",), changed=frozenset({"shots"}),
    )  # fmt: skip
    found = gated(tmp_path, options, gate=True, policy="require-pass", suite=Path("s.yaml"))
    assert words(found) == [
        "evalh", "compare", *sides, "--suite", "s.yaml", "--margin", "0.03", "--margin", "quiz=0.01", "--alpha", "0.1",
        "--clusters", "group", "--metric", "accuracy", "--uncertainty", "sampling", "--benchmark", "quiz",
        "--allow-mismatch", "data", "--allow-mismatch", "prompt", "--changed", "shots", "--gate", "--policy",
        "require-pass",
    ]  # fmt: skip
    assert gated(tmp_path, command="evalh ci s.yaml").document.command == "evalh ci s.yaml"


def test_margins_are_shares_between_0_and_1():
    assert margins(()) == (0.02, {})
    assert margins(("0.05", "mmlu=0.01", "a=b=0.5")) == (0.05, {"mmlu": 0.01, "a=b": 0.5})
    for word, hint in (("2", "2 points are 0.02"), ("1", "1 points are 0.01"), ("0", ""), ("-0.1", ""), ("100", "")):
        with pytest.raises(UserError, match="wanted a share above 0 and below 1") as told:
            margins((word,))
        assert ("points are" in str(told.value)) is bool(hint) and hint in str(told.value)


def test_a_benchmark_of_a_file_is_called_by_the_name_inside_or_that_of_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own.yaml").write_text("name: sums\nsource: rows.jsonl\ntemplate: '{{q}}'\nanswers: a\nscorer: exact\n")
    Path("rows.jsonl").write_text('{"q": "1 + 1", "a": "2"}\n')
    found = comparison_options(("./own.yaml=0.01",), 0.05, ("./own.yaml", "gone.yaml", "quiz"), ())
    assert (found.benchmarks, found.margins) == (("sums", "gone", "quiz"), {"sums": 0.01})


def test_why_there_is_no_verdict_is_one_line_with_how_many_more(tmp_path):
    names = ("quiz", "other", "third")
    base = write_run(tmp_path / "a", [one for name in names for one in letters(name, "1" * 40)])
    write_run(tmp_path / "b", [one for name in names for one in letters(name, "1" * 40)], facts={"mode": "rank"})
    found = gated(tmp_path)
    assert found.exit_code == Exit.NOT_COMPARABLE
    assert found.refusal.startswith("quiz is not comparable: ") and found.refusal.endswith("(and 2 more)")
    with pytest.raises(UserError, match="quiz is not comparable"):
        found.settled()
    (tmp_path / "b" / "run.json").write_text((base / "run.json").read_text())
    fine = gated(tmp_path)
    assert fine.refusal == "" and fine.settled() == Exit.FINE
