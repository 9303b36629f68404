"""`evalh finetune` in several processes, which torchrun has started or the command itself starts."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from closeness import BAR_TRAINED, furthest, near
from safetensors.torch import load_file
from trainings import command, tuned


def ranks(arguments: list[str]) -> list[tuple[int, str, str]]:
    """Code, output and errors of the same command in two processes that know of each other, as torchrun starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "evalharness", *arguments]
    started = [
        subprocess.Popen(
            line, env={**os.environ, **address, "RANK": str(rank), "WORLD_SIZE": "2"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    try:
        said = [one.communicate(timeout=240) for one in started]
    finally:
        for one in started:
            one.kill()
    return [(one.returncode, out, err) for one, (out, err) in zip(started, said, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("parts", [(), ("--fsdp",)], ids=["whole", "parts"])
def test_two_ranks_choose_by_a_benchmark_that_they_answer_together(
    parts: tuple[str, ...], data: Path, base: Path, tmp_path: Path
) -> None:
    """The second scores nothing: it is told, so that both choose the same step, stop at the same one, and end."""
    asked = ("--eval", "mmlu", "--eval-data", "mmlu=sample", "--eval-limit", "8", "--best", "mmlu.accuracy")
    often = ("--epochs", "6", "--eval-every", "3", "--patience", "2")
    arguments = command(data, base, tmp_path / "tuned", *often, *asked, *parts)
    (code, out, err), (other, nothing, problems) = ranks(arguments)
    assert (code, other, nothing) == (0, 0, ""), err + problems
    found = json.loads(out)
    values = {line["step"]: line["metrics"]["mmlu.accuracy"] for line in found["evaluations"]}
    assert found["kept_step"] == min(step for step, value in values.items() if value == max(values.values()))
    assert found["steps"] == (found["kept_step"] + 6 if found["stopped_early"] else 42)
    lines = [json.loads(line) for line in (tmp_path / "tuned" / "training" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == list(range(1, found["steps"] + 1)), "one rank writes"
    assert len(Path(found["answers"], "results.jsonl").read_text().splitlines()) == 6
    (code, out, err), (other, *_) = ranks(arguments)  # nothing is left to do: both say so at once
    assert (code, other) == (0, 0), err
    assert {**json.loads(out), "evaluations": 0} == {**found, "evaluations": 0}


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--fsdp",), ("--lora", "4", "--fsdp")], ids=["whole", "parts", "adapters"])
def test_processes_that_the_command_starts(
    more: tuple[str, ...], data: Path, base: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """One output, the weights of one process, and the same command goes on with another number of processes."""
    usual = ("--epochs", "1", "--lr", "0.01", "--test", "0", *[word for word in more if word != "--fsdp"])
    alone = tuned(command(data, base, tmp_path / "alone", *usual), capfd)
    together = tuned(command(data, base, tmp_path / "together", *usual, "--nproc", "2", *more), capfd)
    assert together["evaluations"][-1]["validation_loss"] == near(alone["evaluations"][-1]["validation_loss"], 1.0)
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("alone", "together"))
    assert furthest(two, one) < (BAR_TRAINED,)
    again = tuned(command(data, base, tmp_path / "together", *usual), capfd)
    assert again["steps"] == together["steps"] == 8
    whole = load_file(tmp_path / "together" / "model.safetensors")
    assert all(torch.equal(whole[name], two[name]) for name in two)
