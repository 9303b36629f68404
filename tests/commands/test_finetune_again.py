"""Rows that are left out, trainings that are begun again, schedules, tools and devices."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from trainings import command, tuned

from evalharness.cli import guarded
from evalharness.engine import checkpoint
from evalharness.errors import UserError
from evalharness.training import step as train


@pytest.mark.slow
def test_broken_rows_are_listed_or_skipped(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = json.loads(data.read_text())
    rows[2]["output"] = ""
    tools = [{"function": {"name": "w", "arguments": {}}}]
    rows[5] = {
        "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "", "tool_calls": tools}]
    }
    data.write_text(json.dumps(rows))
    out, alpaca = tmp_path / "tuned", ("--style", "alpaca", "--max-length", "256", "--max-steps", "1")
    assert guarded(command(data, base, out, *alpaca)) == 2
    error = capsys.readouterr().err
    assert "1 of 64 rows" in error and "'output' is empty in row 3" in error and error.count("\n") == 1
    listed = out / "training" / "bad_rows.jsonl"
    assert str(listed) in error and json.loads(listed.read_text())["row"] == 3
    rows[2]["output"] = "x"
    data.write_text(json.dumps(rows))
    assert guarded(command(data, base, out, *alpaca)) == 2
    error = capsys.readouterr().err
    assert "1 of 64 rows cannot be written" in error and "row 6 (" in error and "leaves out the tool call w" in error
    rows[2]["output"] = ""
    data.write_text(json.dumps(rows))
    tuned(command(data, base, out, *alpaca, "--skip-bad"), capsys)
    assert [json.loads(line)["row"] for line in listed.read_text().splitlines()] == [3, 6]


@pytest.mark.slow
def test_preference_pairs_without_dpo_are_said(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"prompt": f"say {i}", "chosen": f"well {i}", "rejected": "no"} for i in range(24)]
    (tmp_path / "pairs.json").write_text(json.dumps(rows))
    for loss, said in (("sft", True), ("dpo", False), ("orpo", False), ("simpo", False), ("kto", False)):
        line = command(tmp_path / "pairs.json", base, tmp_path / "tuned", "--preflight", "--loss", loss)
        line.remove("--json")
        assert guarded(line) == 0
        told = capsys.readouterr().err
        assert ("--loss dpo, orpo, simpo or kto uses both" in told) == said
        assert (f"{loss}: " in told) != said


@pytest.mark.slow
def test_other_weights_under_the_same_path_are_another_training(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    mine = tmp_path / "base"
    shutil.copytree(base, mine)
    tuned(command(data, mine, tmp_path / "tuned", "--max-steps", "2", "--test", "0"), capsys)
    made = checkpoint.load_decoder(mine)
    with torch.no_grad():
        next(made.parameters()).add_(0.01)
    checkpoint.save_decoder(made, mine)
    assert guarded(command(data, mine, tmp_path / "tuned", "--max-steps", "2", "--test", "0")) == 2
    assert "holds another training (other weights)" in capsys.readouterr().err


@pytest.mark.slow
def test_one_training_at_a_time_in_a_folder(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import fcntl

    (tmp_path / "tuned" / "training").mkdir(parents=True)
    with (tmp_path / "tuned" / "training" / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert guarded(command(data, base, tmp_path / "tuned", "--max-steps", "1")) == 2
        assert "another training is writing here; wait for it or give another --out" in capsys.readouterr().err
    tuned(command(data, base, tmp_path / "tuned", "--max-steps", "1", "--test", "0"), capsys)


@pytest.mark.slow
def test_patience_and_best_of_the_command_hold_on_a_resumed_training(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, more = tmp_path / "tuned", ("--epochs", "3", "--lr", "1e-9", "--eval-every", "2", "--test", "0")
    worse = ("--weight-decay", "0.0")  # nothing gets better at this rate
    line = command(data, base, out, *more, *worse, "--patience", "1")
    line.remove("--json")
    assert guarded(line) == 0
    said = capsys.readouterr().err
    stopped = next(text for text in said.splitlines() if text.startswith("stopped early at step "))
    assert "evaluations without a better loss" in stopped and "--patience 0 goes on" in stopped
    assert guarded([*line, "--eval", "mmlu", "--eval-data", "mmlu=sample", "--best", "mmlu.accuracy"]) == 2
    assert "chosen by loss; --best mmlu.accuracy wants a training of its own" in capsys.readouterr().err
    again = tuned([*line, "--json"], capsys)
    assert again["stopped_early"] and again["steps"] < 24
    whole = tuned([*line[:-1], "0", "--json"], capsys)  # the same command with --patience 0
    assert (whole["stopped_early"], whole["steps"]) == (False, 24)
    alone = tmp_path / "alone"
    undisturbed = tuned(command(data, base, alone, *more, *worse, "--patience", "0"), capsys)
    assert whole["evaluations"][-1]["validation_loss"] == undisturbed["evaluations"][-1]["validation_loss"]


@pytest.mark.slow
def test_ctrl_c_says_where_it_stopped(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = train.Training.advance

    def interrupted(training: train.Training) -> train.StepStats:
        if training.step == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return step(training)

    monkeypatch.setattr(train.Training, "advance", interrupted)
    line = command(data, base, tmp_path / "tuned", "--epochs", "2")
    line.remove("--json")
    assert guarded(line) == 130
    assert "stopped at step 3 of 14, which is saved; the same command goes on from there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ((), ("constant", 5e-5, 0.1, 0.0, "alpaca-book", False, 0)),
        (("--schedule", "cosine"), ("cosine", 5e-5, 0.1, 0.0, "alpaca-book", False, 0)),
        (("--clip", "1.0", "--weight-decay", "0.01"), ("constant", 5e-5, 0.01, 1.0, "alpaca-book", False, 0)),
        (("--mask-prompt", "--patience", "3"), ("constant", 5e-5, 0.1, 0.0, "alpaca-book", True, 3)),
        (("--lr", "0", "--style", "chatml"), ("constant", 0.0, 0.1, 0.0, "chatml", False, 0)),
    ],
)
def test_the_book_changes_what_was_not_typed(
    typed: tuple[str, ...], wanted: tuple[Any, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from evalharness.commands import finetune

    jobs: list[Any] = []
    monkeypatch.setattr(finetune, "_tune", lambda job, *_, **__: jobs.append(job) or 0)
    assert guarded(["finetune", "x.json", "--book", *typed]) == 0
    (job,) = jobs
    made = job.settings
    found = (made.schedule, made.lr, made.weight_decay, made.clip, job.style, job.mask_prompt, job.patience)
    assert found == wanted
    assert job.file_order and made.drop_last and made.decay_all


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
@pytest.mark.parametrize(("warmup", "steps"), [(0.0, 7), (0.1, 30), (0.34, 11)])
def test_without_a_floor_the_schedule_is_transformers_own(schedule: str, warmup: float, steps: int) -> None:
    import math

    from evalharness.training.config import TrainingConfig, factor

    transformers = pytest.importorskip("transformers")
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    name = "constant_with_warmup" if schedule == "constant" else schedule
    theirs = transformers.get_scheduler(
        name, optimizer, num_warmup_steps=math.ceil(warmup * steps), num_training_steps=steps
    )
    wanted = []
    for _ in range(steps):
        wanted.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    ours = TrainingConfig(schedule=schedule, warmup=warmup, lr_floor=0.0)
    assert [factor(ours, step, steps) for step in range(steps)] == pytest.approx(wanted, rel=1e-12, abs=1e-12)
    floored = TrainingConfig(schedule=schedule, warmup=warmup)
    assert min(factor(floored, step, steps) for step in range(steps)) > 0.0
    with pytest.raises(UserError, match="lr_floor wants a share"):
        TrainingConfig(lr_floor=1.5).check()


@pytest.mark.slow
def test_conversations_with_tools_are_trained_and_asked_alike(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tool = {"type": "function", "function": {"name": "w", "parameters": {}}}
    calls = [{"id": "1", "type": "function", "function": {"name": "w", "arguments": '{"c": 1}'}}]
    turns = [
        {"role": "user", "content": "rain?"}, {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "1", "content": "no"}, {"role": "assistant", "content": "dry"},
    ]  # fmt: skip
    file = tmp_path / "tools.jsonl"
    rows = [{"messages": [{**turns[0], "content": f"rain {n}?"}, *turns[1:]], "tools": [tool]} for n in range(20)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    more = ("--max-steps", "1", "--test", "0.2", "--max-length", "0")
    wide = tmp_path / "wide"
    import shutil

    shutil.copytree(base, wide)
    config = json.loads((wide / "config.json").read_text())
    (wide / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 512}))
    found = tuned(command(file, wide, tmp_path / "tuned", *more), capsys)
    results = [json.loads(line) for line in Path(found["answers"], "results.jsonl").read_text().splitlines()]
    assert len(results) == 4
    for result in results:
        assert result["request"]["template_kwargs"]["tools"] == [tool]
        assert result["request"]["messages"][1]["extra"]["tool_calls"][0]["function"]["arguments"] == {"c": 1}
        assert result["response"]["tokens_in"] > 200  # the tools are asked with


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "mps", "meta", "xpu"])
def test_a_device_that_is_not_there_is_one_line(data: Path, base: Path, tmp_path: Path, device: str, capsys) -> None:
    assert guarded(command(data, base, tmp_path / "out", "--device", device)) == 2
    said = capsys.readouterr().err
    assert device in said and "Traceback" not in said


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("threads", "--threads wants a whole number, 0 or more"),
        ("patience", "--patience wants"),
        ("answer_tokens", "1 or more"),
    ],
)
def test_a_number_below_what_an_option_takes_is_one_line(
    data: Path, base: Path, tmp_path: Path, option, said, capsys
) -> None:
    flag = f"--{option.replace('_', '-')}"
    assert guarded(command(data, base, tmp_path / "out", flag, "-1")) == 2
    assert said in (err := capsys.readouterr().err) and err.count("\n") == 1
    from evalharness import UserError, finetune

    with pytest.raises(UserError, match=f"^{option} wants"):
        finetune(data, str(base), tmp_path / "out", **{option: -1})
