"""Copies of a model in processes of this machine: the same bytes, nothing lost with a copy, and none left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evalharness import plugins
from evalharness.events import ResultCame, Warned, observed_by
from evalharness.executor import PlacementOptions, Recipe
from evalharness.executors.processes import open_executor
from evalharness.runs.placed import PlacedModel
from evalharness.runs.session import RunHooks, RunPlace, make_plan, run_plan

RUN = ("run", "mmlu", "--data", "sample", "--model", "echo")
SECONDS = 120.0


def lines(name):
    return sorted(
        json.dumps({key: value for key, value in json.loads(line).items() if key != "response"})
        for line in Path("runs", name, "results.jsonl").read_bytes().splitlines()
    )


def summary(name):
    return Path("runs", name, "summary.json").read_bytes()


def is_there(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(what):
    deadline = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.02)


def test_copies_give_the_bytes_of_one_process_and_a_killed_one_costs_nothing(evalh, tmp_path):
    assert evalh(*RUN, "--name", "alone").code == 0
    executor = open_executor(Recipe(spec="echo", options={}), PlacementOptions(replicas=2))
    model, heard = PlacedModel(executor), []

    def hear(event):
        heard.append(event)
        if isinstance(event, ResultCame) and len([e for e in heard if isinstance(e, ResultCame)]) == 1:
            for each in executor._running.values():  # all that there are: what they had in hand is asked again
                each.child.process.kill()
                each.child.process.wait()

    with observed_by(hear):
        run_plan(make_plan(["mmlu"], model="echo", data="sample"), model, RunPlace(name="killed"), RunHooks())
    pids = [each.child.process.pid for each in executor._running.values()]
    model.close()
    assert summary("killed") == summary("alone") and lines("killed") == lines("alone")
    assert any("a copy of the model was lost: its process was killed by signal 9" in e.text
               for e in heard if isinstance(e, Warned))  # fmt: skip
    assert pids and not any(map(is_there, pids))
    manifest = json.loads(Path("runs/killed/run.json").read_text())
    assert manifest["model"]["placement"] == {"engine": "processes", "replicas": 2}


def test_what_a_copy_refuses_is_one_line(evalh, tmp_path):
    found = evalh(*RUN[:-1], "local:nowhere", "--replicas", 2)
    assert found.code == 2 and "nowhere" in found.err and found.err.count("\n") == 1 and not Path("runs").exists()
    found = evalh(*RUN[:-1], "openai:gpt", "--base-url", "http://127.0.0.1:9/v1", "--replicas", 2)
    assert found.code == 2 and "computes elsewhere" in found.err


HOLD = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell in the background takes away
from evalharness.executor import PlacementOptions, Recipe
from evalharness.executors.processes import open_executor
from evalharness.records import Message, Request
from evalharness.runs.placed import PlacedModel
executor = open_executor(Recipe(spec="echo", options={}), PlacementOptions(replicas=2))
model = PlacedModel(executor)
asked = [Request(messages=(Message("user", "a"),))] * 100
assert len(list(model.answer(asked))) == 100
print(*(each.child.process.pid for each in executor._running.values()), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_no_copy_outlives_whoever_started_it(how):
    held = subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        pids = [int(word) for word in held.stdout.readline().split()]
        assert len(pids) == 2 and all(map(is_there, pids))
        os.kill(held.pid, how)
        held.wait(SECONDS)
        until(lambda: not any(map(is_there, pids)))
    finally:
        held.kill()
        held.communicate()


@pytest.mark.slow
def test_copies_of_a_network_give_the_same_figures(evalh, tmp_path):
    """Whole batches and pieces meet other arithmetic in the last bits only; pieces are the same for any number."""
    words = ("run", "mmlu", "gsm8k", "--data", "sample", "--model", "tiny", "--limit", 24)
    assert evalh(*words, "--name", "alone").code == 0
    for replicas in (1, 2, 4):
        assert evalh(*words, "--name", f"of{replicas}", "--replicas", replicas).code == 0
    assert summary("of1") == summary("of2") == summary("of4") == summary("alone")


def test_executors_are_found_by_their_files():
    assert list(plugins.modules("executors")) == ["processes", "ray"]
