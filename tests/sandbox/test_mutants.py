"""Programs that are nearly right get the verdict of a plain subprocess, and the split says the same."""

import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from mutants import OPERATORS, mutants

from evalharness import plugins
from evalharness.data import files
from evalharness.sandbox.pool import Sandbox
from evalharness.sandbox.program import Limits, Program

SEED = 20260801
# A mutant that loops without end costs this much in each check; a right program needs a hundredth of it.
LIMITS = Limits(seconds=0.5, wall=20.0)
# One interpreter for many programs, each in a fork with a limit of processor time: exit 0 is a pass.
PLAIN = """
import json, os, resource, sys, warnings
warnings.simplefilter("ignore")
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        sys.stdout = sys.stderr = open(os.devnull, "w")
        resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        try:
            exec(compile(json.loads(line), "program", "exec", dont_inherit=True), {})
        except BaseException:
            os._exit(1)
        os._exit(0)
    print(int(os.waitpid(pid, 0)[1] == 0), flush=True)
"""


def plain(texts):
    """Whether each text runs to its end in a process of its own, with nothing of ours around it."""
    given = "".join(json.dumps(text) + "\n" for text in texts)
    done = subprocess.run([sys.executable, "-c", PLAIN], input=given, capture_output=True, text=True, check=True)
    return [word == "1" for word in done.stdout.split()]


def programs(rows, count):
    make = plugins.load_benchmark("humaneval").sample
    for row in rows:
        extra = make(row).extra
        source = row["prompt"] + row["canonical_solution"]
        for operator, text in mutants(source, extra["entry"], count, SEED):
            given = Program(
                source=text, context=row["prompt"], test=extra["test"], entry=extra["entry"], limits=LIMITS
            )  # fmt: skip
            yield row["task_id"], operator, given


def agree(found):
    """(how many passed, those where the published check differs, those that pass it and not the split)."""
    with Sandbox("namespace") as sandbox, ThreadPoolExecutor(sandbox.workers) as pool:
        checked = list(pool.map(lambda one: sandbox.check(one[2]), found))
    expected = plain([one[2].text for one in found])
    told = list(zip(found, checked, expected, strict=True))
    other = [one[:2] for one, seen, right in told if (seen.published.verdict == "pass") != right]
    return sum(expected), other, [one for one, seen, _ in told if seen.standing == "suspect"]


@pytest.mark.slow
def test_a_sample_of_mutants_gets_the_verdict_of_a_plain_subprocess():
    rows = list(files.jsonl(plugins.load_benchmark("humaneval").source.sample))
    found = list(programs(rows, 6))
    passed, other, suspects = agree(found)
    assert len(found) >= 50 and 0 < passed < len(found) and (other, suspects) == ([], [])


@pytest.mark.slow
def test_mutants_of_every_solution_get_the_verdict_of_a_plain_subprocess(shared):
    found = list(programs(files.jsonl(shared / "humaneval" / "HumanEval.jsonl.gz"), 4))
    assert len(found) >= 500 and set(Counter(one[1] for one in found)) == set(OPERATORS)
    passed, other, suspects = agree(found)
    assert 0 < passed < len(found) and (other, suspects) == ([], [])
