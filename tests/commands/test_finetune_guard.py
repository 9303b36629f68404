"""`evalh finetune --guard`: what was forgotten, measured after training and refused before it where it cannot be."""

import json
from pathlib import Path

import pytest

from evalharness import UserError, finetune, tiny
from evalharness.events import Told
from evalharness.training.config import TrainingConfig
from evalharness.training.events import TrainingBegan

QUICK = ["--max-steps", "3", "--test", "0", "--validation", "0", "--threads", "1"]


@pytest.fixture
def rows(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(tiny.INSTRUCTIONS.read_text().splitlines(keepends=True)[:24]))
    return file


def tuning(rows, *more):
    return ["finetune", rows, "--model", "tiny", "--out", "tuned", *QUICK, *more]


@pytest.mark.slow
def test_base_and_tuned_model_are_asked_after_training_and_all_reports_say_so(evalh, rows, tmp_path):
    asked = ["--guard", "tiny_exam,mmlu", "--eval-data", "mmlu=sample", "--guard-budget", "3s"]
    said = evalh(*tuning(rows, *asked, "--json"))
    assert said.code == 0, said.err
    found = said.json["forgotten"]
    assert found["budget"] == 3.0 and set(found["benchmarks"]) == {"tiny_exam", "mmlu@sample"}
    named = [name for key in ("lost", "gained", "kept", "open") for name in found[key]]
    assert sorted(named) == ["mmlu@sample", "tiny_exam"]
    assert found["comparison"]["base"]["model"] == "tiny" and found["comparison"]["new"]["model"] == "local:tuned"
    for run in (found["base_run"], found["tuned_run"]):
        assert Path(run).parent == Path("tuned/runs") and evalh("verify", run).code == 0
    card = Path("tuned/README.md").read_text()
    assert "## General benchmarks beside the base model" in card and "tiny\\_exam" not in card
    assert any(line.startswith("* ") and "tiny_exam" in line for line in card.splitlines())
    # The same command trains nothing and goes on asking; what was decided or asked whole stays as it was.
    again = evalh(*tuning(rows, *asked))
    assert again.code == 0 and "asked in turn, paired by item id" in again.out and "tiny_exam" in again.out
    assert again.out.count("what broke: evalh compare tuned/runs/") == 1


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--guard", "nosuch"], "there is no benchmark called 'nosuch'"),
        (["--guard", "tiny_exam,gsm8"], "there is no benchmark called 'gsm8' (did you mean gsm8k?)"),
        (["--guard", "mmlu"], "--guard: the hub data set cais/mmlu cannot be read"),
        (["--guard", "mmlu", "--eval-data", "mmlu=nowhere"], "there is no such file or folder"),
        (["--guard", "tiny_exam", "--guard-budget", "0"], "--guard-budget wants a duration such as 10m, 90s or 1h30m"),
        (["--guard", "tiny_exam", "--guard-budget", "soon"], "--guard-budget wants a duration"),
        (["--guard", "tiny_exam", "--guard-margin", "3"], "wanted a share above 0 and below 1; 3 points are 0.03"),
        (["--guard", "tiny_exam", "--guard-margin", "mmlu=0.1"], "names 'mmlu', which is not asked"),
        (["--guard", "mt_bench", "--eval-data", "mt_bench=sample"], "its answers have no score without a judge"),
        (["--guard", ", ,"], "--guard wants benchmarks, or general"),
        (["--guard-budget", "5m"], "--guard-budget does nothing without --guard"),
        (["--guard-margin", "0.01"], "--guard-margin does nothing without --guard"),
    ],
)
def test_a_guard_that_could_not_be_run_is_refused_before_training_in_a_line(evalh, rows, more, words):
    said = evalh(*tuning(rows, *more))
    assert said.code == 2 and words in said.err and said.err.count("\n") == 1
    assert not Path("tuned").exists()


def test_from_python_a_guard_is_refused_before_the_first_step(rows, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    heard = []
    settings = TrainingConfig(max_steps=2)
    with pytest.raises(UserError) as refused:
        finetune(rows, "tiny", "out", settings=settings, guard="mmlu", guard_budget="1d", observer=heard.append)
    assert "guard_budget wants a duration" in str(refused.value)
    assert not any(isinstance(event, TrainingBegan) for event in heard)


@pytest.mark.slow
def test_a_training_that_changed_nothing_has_nothing_to_guard(rows, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    heard = []
    for base, out in (("tiny", "one"), ("local:one", "two")):
        made = finetune(
            rows, base, out, settings=TrainingConfig(max_steps=1, lr=1e-30, weight_decay=0.0), test=0.0, validation=0.0,
            guard="tiny_exam" if out == "two" else "", guard_budget="1s", observer=heard.append,
        )  # fmt: skip
    assert made.forgotten is None and json.loads(json.dumps(made.as_json()))["forgotten"] is None
    said = [event.text for event in heard if isinstance(event, Told)]
    assert "nothing was forgotten: the exported weights are those of the base model" in said
