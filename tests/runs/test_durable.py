"""kill -9 at any moment, same command again: nothing asked twice, nothing lost, identical summary."""

import os
import random
import signal
from pathlib import Path

import pytest

from evalharness.records import Response
from evalharness.runs import journal, plan, runner
from evalharness.runs.journal import lines
from evalharness.runs.plan import Plan
from evalharness.runs.store import JOURNAL, SUMMARY

append = os.write  # kept apart from the one that the children replace
PLAN = Plan(benchmarks=("mmlu",), data="sample")


class Counting:
    """Answers like a model and writes down what it was asked."""

    name, fingerprint, chat, ranks = "counting", "counting-1", False, True

    def __init__(self, log: Path) -> None:
        self.log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def answer(self, requests):
        order = list(range(len(requests)))
        random.Random(len(order)).shuffle(order)  # completion is in no particular order
        for index in order:
            identity = requests[index].origin.id
            append(self.log, f"{identity}\n".encode())
            pick = sum(identity.encode()) % 4
            yield index, Response(logprobs=tuple(-float((i - pick) % 4) for i in range(4)), greedy=(False,) * 4)

    def describe(self):
        return {}


def evaluate(folder: Path, log: Path) -> None:
    model = Counting(log)
    tasks = [plan.prepare_task("mmlu", PLAN, model)]
    run = runner.open_run(folder, tasks, PLAN, model)
    runner.evaluate_tasks(run, tasks, PLAN, model)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed(folder: Path, log: Path, moment: int, torn: bool) -> bool:
    """Evaluate in a child that is killed at its `moment`-th write; True when it was, False when it had finished."""
    child = os.fork()
    if child == 0:
        real, left = os.write, [moment]

        def write(file: int, data: bytes) -> int:
            left[0] -= 1
            if left[0] == 0:
                if torn:
                    real(file, data[: len(data) // 2])
                die()
            return real(file, data)

        try:
            os.write = journal.os.write = write
            evaluate(folder, log)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.slow
def test_killed_at_twenty_random_moments(tmp_path, seed):
    evaluate(tmp_path / "whole", tmp_path / "log")
    chance = random.Random(seed)
    folder, log = tmp_path / "killed", tmp_path / "killed.log"
    kills = 0
    while kills < 20:
        journaled = {line["id"] for line in lines(folder / JOURNAL)} if (folder / JOURNAL).exists() else set()
        asked_before = log.read_text().count("\n") if log.exists() else 0
        if not killed(folder, log, chance.randrange(1, 5), torn=chance.random() < 0.5):
            break
        kills += 1
        asked = log.read_text().split("\n")[asked_before:-1]
        assert not journaled & set(asked), "an answer that was on record was asked for again"
    evaluate(folder, log)
    assert kills == 20
    assert (folder / SUMMARY).read_bytes() == (tmp_path / "whole" / SUMMARY).read_bytes()
    # Only what was in flight at a kill can have been asked twice: at most one question a kill.
    asked = log.read_text().split()
    assert len(asked) - len(set(asked)) <= kills and len(set(asked)) == 65


def test_killed_while_the_summary_is_written(tmp_path, monkeypatch):
    evaluate(tmp_path / "whole", tmp_path / "log")
    folder, log = tmp_path / "killed", tmp_path / "killed.log"
    child = os.fork()
    if child == 0:
        try:
            Path.replace = lambda path, target: die() if target.name == SUMMARY else path.rename(target)
            evaluate(folder, log)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    evaluate(folder, log)
    assert (folder / SUMMARY).read_bytes() == (tmp_path / "whole" / SUMMARY).read_bytes()
    assert len(log.read_text().split()) == 65
