"""How fast one journal is written, and how large it gets: what a single writer bears.

    python perf/journal.py            # 100,000 results of each kind, half a minute

Processor seconds of `RunWriter.keep` without counting (line made, written, fsynced once a second) for a ranked question
of MMLU's size and for a generated answer of 1,500 characters, and the bytes of a line. Its inverse is the limit.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from evalharness.records import Message, Request, Response, Result, Sample
from evalharness.runs.journal import Journal
from evalharness.runs.store import result_to_json

COUNT = 100_000


def ranked(i: int) -> Result:
    asked = f"Question {i}: " + "what is asked of a subject, with all that belongs to it? " * 4
    choices = ("the first choice of four", "the second", "a third one", "none of these")
    return Result(
        benchmark="mmlu", sample=Sample(id=f"subject/{i}", question=asked, choices=choices, gold_indices=(i % 4,)),
        request=Request(messages=(Message("user", asked * 6),), choices=("A", "B", "C", "D")),
        response=Response(logprobs=(-1.25, -2.5, -3.125, -4.75), greedy=(True, False, False, False), lengths=(1,) * 4,
                          tokens_in=700, seconds=0.0123),
        status="correct", scores={"accuracy": 1.0}, answer="A",
    )  # fmt: skip


def generated(i: int) -> Result:
    asked = f"Question {i}: " + "a problem in words, of which the answer is a number. " * 5
    return Result(
        benchmark="gsm8k", sample=Sample(id=f"test/{i}", question=asked, answers=("72",)),
        request=Request(messages=(Message("user", asked),), max_tokens=512),
        response=Response(text="It is worked out step by step. " * 50, finish="stop", tokens_in=90, tokens_out=380),
        status="correct", scores={"accuracy": 1.0}, answer="72",
    )  # fmt: skip


def main() -> None:
    for name, make in (("ranked, five shots", ranked), ("generated, 1,500 characters", generated)):
        results = [make(i) for i in range(1000)]
        with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "results.jsonl") as journal:
            before, began = time.process_time(), time.perf_counter()
            for i in range(COUNT):
                journal.append(result_to_json(results[i % 1000]))
            journal.sync()
            cpu, wall = time.process_time() - before, time.perf_counter() - began
            size = journal.path.stat().st_size
        print(
            f"{name}: {size / COUNT:,.0f} bytes a line, {1e6 * cpu / COUNT:.1f} us of processor time a line, so "
            f"{COUNT / cpu:,.0f} lines and {size / cpu / 2**20:,.0f} MiB a second; "
            f"by the clock {COUNT / wall:,.0f} lines"
        )


if __name__ == "__main__":
    main()
