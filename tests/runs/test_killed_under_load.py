"""kill -9 while an endpoint is asked many things at once: what was written is never asked again, nothing is lost."""

import json
import os
import random
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from stub_server import Stub, serve, text_of

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
options = {"base_url": sys.argv[1], "concurrency": int(sys.argv[3]), "header": ("X-Start=START",)}
run = evaluate(numbers, "openai:m", data=rows, model_options=options, name="killed", runs="runs", cache=False)
print(run.metrics["numbers"]["exact_match"].value)
"""


def journalled(folder: Path) -> list[str]:
    """The questions whose answers are in the journal, whole lines only."""
    path = folder / "runs" / "killed" / "results.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.is_file() else []
    return [json.loads(line)["response"]["text"] for line in lines]


def asked_by(stub: Stub) -> dict[int, list[str]]:
    """What each start asked. What a killed one had sent may be read when the next one is at work already."""
    found: dict[int, list[str]] = defaultdict(list)
    with stub.changed:
        for body, headers in zip(stub.seen, stub.headers, strict=True):
            found[int(headers["x-start"])].append(question(body))
    return found


def question(body) -> str:
    return re.findall(r"number \d+", text_of(body))[-1]


def test_killed_at_twenty_random_moments_under_load(tmp_path):
    chance = random.Random(5)
    moments = [chance.randrange(1, 160) for _ in range(KILLS)]
    known: list[list[str]] = []  # what was in the journal before each start
    children: list[subprocess.Popen] = []

    def reply(body):
        start = len(known) - 1
        if start < KILLS and sum(one["x-start"] == str(start) for one in tuple(stub.headers)) >= moments[start]:
            children[-1].kill()  # several threads may say so
        return question(body)

    def started(number: int) -> tuple[int, str]:
        known.append(journalled(tmp_path))
        words = [sys.executable, "-c", CHILD, stub.url, str(ITEMS), str(WORKERS)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        environment = {**os.environ, "START": str(number)}
        children.append(subprocess.Popen(words, cwd=tmp_path, text=True, env=environment, **pipes))
        out, error = children[-1].communicate(timeout=100)
        return children[-1].returncode, out or error

    with serve(reply) as stub:
        for number in range(KILLS):
            code, said = started(number)
            assert code == -9, said
        code, said = started(KILLS)
        assert (code, said.strip()) == (0, "1.0"), said
        assert stub.until(lambda: stub.connections == 0)
        asked = asked_by(stub)
    known.append(journalled(tmp_path))
    everything = [f"number {n}" for n in range(ITEMS)]
    assert sorted(known[-1]) == sorted(everything), "every item is there exactly once"
    lost = 0
    for number in range(KILLS + 1):
        mine, before, after = asked[number], set(known[number]), set(known[number + 1])
        assert len(known[number]) == len(before)
        assert len(set(mine)) == len(mine), "one start asks nothing twice"
        assert not before & set(mine), "what was journalled was asked again"
        assert after - before <= set(mine) and before <= after
        in_flight = len(mine) - len(after - before)
        assert in_flight <= 2 * WORKERS + AHEAD, "more than was in flight is lost"
        lost += in_flight
    assert in_flight == 0, "the last start was not killed"
    assert sum(map(len, asked.values())) == ITEMS + lost
