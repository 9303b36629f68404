"""`evalh finetune` from data to a checkpoint: resumed after a kill, exported for others, refused where it must be."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from closeness import BAR, BAR_TRAINED, apart
from safetensors.torch import load_file
from trainings import command, tuned

from evalharness.cli import guarded
from evalharness.engine import checkpoint
from evalharness.errors import UserError
from evalharness.training import checkpointing, export
from evalharness.training import step as train
from evalharness.training.export import TOLERANCE
from evalharness.training.selection import Best


def test_from_data_to_a_checkpoint_that_others_load(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tuned"
    found = tuned(command(data, base, out, "--epochs", "6", "--lr", "0.01"), capsys)
    first, last = found["evaluations"][0], found["evaluations"][-1]
    assert last["validation_loss"] < first["validation_loss"] / 2
    assert found["read_back_difference"] <= TOLERANCE  # a share of the largest log-probability
    for name in ("log.jsonl", "curves.png", "curves.html", "training.json"):
        assert (out / "training" / name).stat().st_size > 100
    results = [json.loads(line) for line in Path(found["answers"], "results.jsonl").read_text().splitlines()]
    assert len(results) == 6
    assert all(r["response"]["finish"] == "stop" for r in results)  # it has learned to end its answers
    assert sum(r["response"]["text"] == r["sample"]["answers"][0] for r in results) == 6
    config = json.loads((out / "tokenizer_config.json").read_text())
    assert "<|im_start|>" in config["chat_template"]
    assert 'PARAMETER stop "<|im_end|>"' in (out / "Modelfile").read_text()
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(out).eval()
    ids = torch.randint(0, 260, (2, 30), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert apart(checkpoint.load_decoder(out)(ids), theirs(ids).logits) < BAR
    again = tuned(command(data, base, out, "--epochs", "6", "--lr", "0.01"), capsys)
    assert again["steps"] == found["steps"]
    assert guarded(command(data, base, out, "--epochs", "7", "--lr", "0.01")) == 2
    assert "holds another training (other settings)" in capsys.readouterr().err


def test_lora_leaves_adapters_apart_and_a_merged_model(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tuned"
    found = tuned(command(data, base, out, "--lora", "4", "--epochs", "2", "--lr", "0.01"), capsys)
    assert found["read_back_difference"] <= TOLERANCE  # a share of the largest log-probability
    assert json.loads((out / "adapter" / "adapter_config.json").read_text())["r"] == 4
    assert len(load_file(out / "adapter" / "adapter_model.safetensors")) == 2 * 7 * 2


@pytest.mark.filterwarnings("ignore")
def test_qlora_trains_adapters_on_four_bits_and_exports_a_whole_model(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("bitsandbytes")
    out, more = tmp_path / "tuned", ("--lora", "4", "--load-in-4bit", "--epochs", "6", "--lr", "0.02")
    found = tuned(command(data, base, out, *more), capsys)
    first, last = found["evaluations"][0], found["evaluations"][-1]
    assert last["validation_loss"] < first["validation_loss"] / 2
    assert found["read_back_difference"] <= TOLERANCE  # a share of the largest log-probability
    assert len(load_file(out / "adapter" / "adapter_model.safetensors")) == 2 * 7 * 2
    whole, before = load_file(out / "model.safetensors"), load_file(base / "model.safetensors")
    assert whole.keys() == before.keys() and all(whole[n].shape == before[n].shape for n in whole)
    results = [json.loads(line) for line in Path(found["answers"], "results.jsonl").read_text().splitlines()]
    assert sum(r["response"]["text"] == r["sample"]["answers"][0] for r in results) == len(results) == 6
    assert tuned(command(data, base, out, *more), capsys)["steps"] == found["steps"]  # finished: nothing is trained
    assert guarded(command(data, base, out, *more[:2], *more[3:])) == 2
    assert "holds another training (other settings)" in capsys.readouterr().err


@pytest.mark.slow
def test_killed_five_times_the_weights_are_bitwise_those_of_an_undisturbed_training(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("--epochs", "12", "--save-every", "3", "--test", "0", "--keep", "last", "--patience", "0")
    tuned(command(data, base, tmp_path / "whole", *more), capsys)
    chance = random.Random(3)
    log = tmp_path / "killed" / "training" / "log.jsonl"
    line = [sys.executable, "-m", "evalharness", *command(data, base, tmp_path / "killed", *more)]
    steps = sorted(chance.sample(range(5, 80), 5))
    for step in steps:
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and not (log.is_file() and f'"step": {step},' in log.read_text()):
            time.sleep(0.002)
        process.kill()
        process.wait()
    tuned(line[3:], capsys)
    whole, killed = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], killed[name]) for name in whole)
    lines = [json.loads(entry)["step"] for entry in log.read_text().splitlines() if '"loss"' in entry]
    assert lines == list(range(1, len(lines) + 1))


def test_ctrl_c_saves_and_the_same_command_goes_on(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "tuned"
    step = train.Training.advance

    def interrupted(training: train.Training) -> train.StepStats:
        if training.step == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return step(training)

    monkeypatch.setattr(train.Training, "advance", interrupted)
    assert guarded(command(data, base, out, "--epochs", "2")) == 130
    assert checkpointing.load_state(out / "training" / "state.pt")["training"]["step"] == 5
    monkeypatch.setattr(train.Training, "advance", step)
    capsys.readouterr()
    assert tuned(command(data, base, out, "--epochs", "2"), capsys)["steps"] == 14


@pytest.mark.slow
def test_a_benchmark_chooses_the_checkpoint(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--eval", "mmlu", "--eval-data", "mmlu=sample", "--eval-limit", "8", "--best", "mmlu.accuracy")
    found = tuned(command(data, base, tmp_path / "tuned", "--epochs", "2", *asked), capsys)
    values = {line["step"]: line["metrics"]["mmlu.accuracy"] for line in found["evaluations"]}
    assert sorted(values) == [0, 7, 14]
    best = max(values.values())
    assert found["kept_step"] == min(step for step, value in values.items() if value == best)


def test_best_keeps_the_earlier_of_equals_and_patience_ends() -> None:
    best = Best(by="mmlu.accuracy", patience=2)
    seen = [best.better(step, {"mmlu.accuracy": value}) for step, value in enumerate((0.2, 0.5, 0.5))]
    assert (seen, best.step, best.over) == ([True, True, False], 1, False)
    best.better(3, {"mmlu.accuracy": 0.4})
    assert best.over
    down = Best(by="loss", patience=1)
    assert [down.better(i, {"loss": value}) for i, value in enumerate((2.0, 1.0, 1.5))] == [True, True, False]
    with pytest.raises(UserError, match="is not measured"):
        down.better(3, {})


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--mask-end"], "never learn to stop"),
        (["--max-length", "2"], "do not fit into 2 tokens"),
        (["--style", "chatmll"], "did you mean chatml"),
        (["--loss", "dpo"], "wants rows with chosen and rejected"),
        (["--best", "mmlu.accuracy"], "only with --eval mmlu"),
        (["--keep", "worst"], "--keep wants best or last"),
        (["--lr", "-1"], "want 0 or more"),
        (["--resume"], "no stopped training"),
        (["--dora"], "--dora and --load-in-4bit want --lora"),
        (["--load-in-4bit"], "--dora and --load-in-4bit want --lora"),
        (["--eval", "mmluu"], "mmlu"),
        (["--model", "nowhere"], "no such folder"),
        (["--model", "echo"], "no weights here to train"),
        (["--eval-data", "mmlu"], "NAME=FOLDER"),
        (["--log-to", "comet"], "--log-to wants"),
        (["--fsdp"], "--fsdp spreads the weights over several processes, and there is one"),
        (["--nproc", "9"], "9 processes cannot share steps of --batch 8"),
        (["--nproc", "0"], "--nproc wants 1 or more"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    more: list[str], says: str, data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(command(data, base, tmp_path / "tuned", *more)) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


@pytest.mark.slow
def test_overlap_with_a_benchmark_is_refused_unless_allowed(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = json.loads(data.read_text())
    rows[3]["instruction"] = "What is the capital of Egypt?"
    rows[3]["input"] = ""
    data.write_text(json.dumps(rows))
    named = ("--eval-data", "mmlu=sample", "--epochs", "1", "--test", "0", "--validation", "0")
    assert guarded(command(data, base, tmp_path / "tuned", *named)) == 2
    assert "row 4 holds mmlu" in capsys.readouterr().err
    tuned(command(data, base, tmp_path / "tuned", *named, "--allow-overlap"), capsys)
    about = json.loads((tmp_path / "tuned" / "training" / "training.json").read_text())
    assert about["preflight"]["overlap"][0]["row"] == 4


@pytest.mark.slow
def test_a_loss_that_is_no_number_keeps_the_last_good_checkpoint(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from evalharness.training import losses

    right = losses.cross_entropy
    calls: list[int] = []

    def broken(*arguments: Any) -> torch.Tensor:
        calls.append(1)
        return right(*arguments) * (float("nan") if len(calls) > 5 else 1.0)

    monkeypatch.setattr(losses, "cross_entropy", broken)
    assert guarded(command(data, base, tmp_path / "tuned")) == 2
    assert "the loss is not a number at step" in capsys.readouterr().err
    state = checkpointing.load_state(tmp_path / "tuned" / "training" / "state.pt")
    assert all(torch.isfinite(weight).all() for weight in state["training"]["weights"].values())


@pytest.mark.slow
def test_a_full_disk_and_too_little_memory_are_said(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from evalharness.training import trainable

    monkeypatch.setattr(trainable, "available", lambda _: 600_000)
    assert guarded(command(data, base, tmp_path / "tuned")) == 2
    assert "--lora 16 would fit" in capsys.readouterr().err
    monkeypatch.setattr(trainable, "available", lambda _: 150_000)
    assert guarded(command(data, base, tmp_path / "tuned", "--lora", "4")) == 2
    assert "--lora 16 --load-in-4bit would fit" in capsys.readouterr().err
    monkeypatch.undo()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export.checkpoint, "save_decoder", full)
    assert guarded(command(data, base, tmp_path / "tuned", "--epochs", "1")) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert (tmp_path / "tuned" / "training" / "state.pt").is_file()


def test_preference_pairs(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"prompt": f"say {i}", "chosen": f"well {i}", "rejected": "no"} for i in range(24)]
    (tmp_path / "pairs.json").write_text(json.dumps(rows))
    more = ("--loss", "dpo", "--epochs", "3", "--lr", "0.003", "--patience", "0")
    found = tuned(command(tmp_path / "pairs.json", base, tmp_path / "tuned", *more), capsys)
    assert found["evaluations"][0]["validation_loss"] == pytest.approx(math.log(2), rel=BAR_TRAINED)
    assert found["evaluations"][-1]["margin"] > 0
