"""kill -9 while an endpoint is asked many things at once: what was written is never asked again, nothing is lost."""

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from stub_server import serve, text_of

from evalharness.clients.pool import AHEAD

pytestmark = pytest.mark.slow

ITEMS, WORKERS, KILLS = 3000, 16, 20
CHILD = """
import sys
from evalharness import evaluate
from evalharness.benchmark import Benchmark
from evalharness.records import Sample
from evalharness.scoring.answers import short_answer
from evalharness.scoring.metrics import mean

numbers = Benchmark(
    name="numbers", title="Numbers", paper="", licence="", items=3, score=short_answer(),
    metrics=(mean("exact_match"),), sample=lambda row: Sample(question=row["question"], answers=(row["answer"],)),
)
rows = [{"question": f"number {n}", "answer": f"number {n}"} for n in range(int(sys.argv[2]))]
options = {"base_url": sys.argv[1], "concurrency": int(sys.argv[3])}
run = evaluate(numbers, "openai:m", data=rows, model_options=options, name="killed", runs="runs", cache=False)
print(run.metrics["numbers"]["exact_match"].value)
"""


def journalled(folder: Path) -> list[str]:
    """The questions whose answers are in the journal, whole lines only."""
    path = folder / "runs" / "killed" / "results.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.is_file() else []
    return [json.loads(line)["response"]["text"] for line in lines]


def test_killed_at_twenty_random_moments_under_load(tmp_path):
    chance = random.Random(5)
    asked: list[str] = []
    children: list[subprocess.Popen] = []
    moment = [0]

    def reply(body):
        question = re.findall(r"number \d+", text_of(body))[-1]
        asked.append(question)
        if len(asked) == moment[0]:
            children[-1].kill()
        return question

    def run_until(kill_at: int) -> tuple[int, str]:
        moment[0] = kill_at
        words = [sys.executable, "-c", CHILD, stub.url, str(ITEMS), str(WORKERS)]
        children.append(
            subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        out, error = children[-1].communicate(timeout=100)
        assert stub.until(lambda: not stub.busy)
        return children[-1].returncode, out or error

    allowed = ITEMS
    with serve(reply) as stub:
        for _ in range(KILLS):
            before, known = len(asked), journalled(tmp_path)
            assert len(known) == len(set(known))
            code, said = run_until(before + chance.randrange(1, 160))
            assert code == -9, said
            assert not set(known) & set(asked[before:]), "what was journalled was asked again"
            unwritten = len(asked) - before - (len(journalled(tmp_path)) - len(known))
            assert 0 <= unwritten <= 2 * WORKERS + AHEAD, "more than was in flight is lost"
            allowed += unwritten
        known = journalled(tmp_path)
        before = len(asked)
        code, said = run_until(0)
    assert (code, said.strip()) == (0, "1.0"), said
    assert not set(known) & set(asked[before:])
    assert len(asked) == allowed, "requests seen: the questions, and what was in flight at each kill"
    found = journalled(tmp_path)
    assert sorted(found) == sorted(f"number {n}" for n in range(ITEMS)), "every item is there exactly once"
