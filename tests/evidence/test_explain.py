"""Why two runs differ: one option at a time until nothing is left, on a sample that both asked."""

import json
import sys

import pytest

ROWS = "".join(json.dumps({"question": f"{n} + 1 =", "answer": str(n + 1)}) + "\n" for n in range(40))
BENCH = "name: sums\nsource: sums.jsonl\ntemplate: '{{question}}'\nanswers: answer\nscorer: exact\nmax_tokens: 8\n"


@pytest.fixture
def sums(tmp_path, monkeypatch):
    """Two files of recorded answers: one right everywhere, one right for every fifth item."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [])
    (tmp_path / "sums.jsonl").write_text(ROWS)
    (tmp_path / "sums.yaml").write_text(BENCH)
    for name, right in (("good", 1), ("bad", 5)):
        answers = [{"id": str(n), "text": str(n + 1 if n % right == 0 else "no")} for n in range(40)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(a) + "\n" for a in answers))


def run(evalh, name, *more):
    words = ["run", "sums.yaml", "--name", name, *more]
    sys.argv[:] = ["evalh", *words]  # what the manifest keeps as its command
    said = evalh(*words)
    assert said.code == 0, said.err


@pytest.mark.slow
def test_the_option_that_moved_the_score_is_named_and_then_it_ends(evalh, sums):
    run(evalh, "a", "--model", "replay:bad.jsonl", "--temperature", "0.5")
    run(evalh, "b", "--model", "replay:good.jsonl", "--max-tokens", "16")
    said = evalh("diff-config", "a", "b", "--explain", "--sample", "30", "--json")
    assert said.code == 0, said.err
    told = said.json["explanation"]
    assert told["items"] == 30 and said.json["explained"]
    assert [step["option"] for step in told["steps"]] == ["", "--max-tokens", "--temperature", "--model"]
    assert [step["moved"]["value"] for step in told["steps"][:3]] == [0, 0, 0]
    last = told["steps"][-1]
    assert last["moved"]["value"] == pytest.approx(told["difference"]["value"]) and last["left"]["value"] == 0
    text = evalh("diff-config", "a", "b", "--explain", "--sample", "30")  # what was asked is found again
    assert "--model replay:bad.jsonl -> replay:good.jsonl" in text.out and "explained: what is left" in text.out


@pytest.mark.slow
def test_what_no_option_explains_is_said(evalh, sums, tmp_path):
    run(evalh, "a", "--model", "replay:bad.jsonl")
    good = (tmp_path / "good.jsonl").read_text()
    bad = (tmp_path / "bad.jsonl").read_text()
    (tmp_path / "bad.jsonl").write_text(good)
    run(evalh, "b", "--model", "replay:bad.jsonl")
    (tmp_path / "bad.jsonl").write_text(bad)
    said = evalh("diff-config", "a", "b", "--explain")
    assert said.code == 5 and "not explained" in said.out


def test_a_baseline_an_imported_run_and_a_command_that_wants_consent_are_refused(evalh, sums, tmp_path):
    run(evalh, "a", "--model", "replay:bad.jsonl")
    evalh("baseline", "set", "a", "--name", "kept")
    baseline = evalh("diff-config", "kept", "a", "--explain")
    assert baseline.code == 2 and "name the run itself" in baseline.err
    manifest = tmp_path / "runs/a/run.json"
    said = json.loads(manifest.read_text())
    said["command"] += ["--base-url", "http://elsewhere/v1"]
    manifest.write_text(json.dumps(said))
    risky = evalh("diff-config", "a", "a", "--explain")
    assert risky.code == 2 and "--yes-run-its-command" in risky.err
