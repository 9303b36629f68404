"""Runs the attack corpus in one tier and says what did not hold. A command too: corpus.py TIER [PATTERN]."""

import os
import re
import sys
from pathlib import Path

from evalharness.sandbox import selftest
from evalharness.sandbox.pool import Sandbox
from evalharness.sandbox.program import Limits, Program

ATTACKS = Path(__file__).resolve().parents[1] / "attacks"
TEST = "assert add(1, 2) == 3\nassert add(-4, 4) == 0\nassert add(10**6, 1) == 1000001\nassert abs(add(2, 2) - 4) < 1"
GOOD, WRONG = "def add(a, b):\n    return a + b", "def add(a, b):\n    return a - b"
SECRET = "sk-canary-4711"
CALM = Limits(seconds=10.0, wall=30.0)  # to fill the memory takes a busy machine over 3 s
SHORT = Limits(seconds=0.5, wall=20.0)


def program(source, limits=CALM):
    return Program(source=source, test=TEST, entry="add", limits=limits)


def attacks(pattern=""):
    """(name, expected verdicts, source) of each attack."""
    for path in sorted(ATTACKS.glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        expected = re.match(r"# expect: ([\w,]+)\n", text)[1].split(",")
        if pattern in path.stem:
            yield path.stem, expected, text


def filled(source, aims):
    """The attack with this run's targets in it."""
    values = {
        "CANARY": str(aims.canary), "TCP": aims.of("connect by TCP"), "UDP": aims.of("send by UDP"),
        "UNIX": aims.of("connect to a unix socket"), "ABSTRACT": aims.of("connect to an abstract socket"),
        "HOST": str(os.getpid()), "SECRET": SECRET[::-1],
    }  # fmt: skip
    return re.sub(r"@([A-Z]+)@", lambda m: values[m[1]], source)


def litter():
    """What a program could have left where everybody may write."""
    return {p for place in ("/tmp", "/var/tmp", "/dev/shm") for p in Path(place).glob("evalh-left*")}


def run(tier, pattern="", modes=("split", "inproc")):
    """What did not hold, as lines; empty when all did."""
    os.environ["EVALH_TEST_API_KEY"] = SECRET
    found = []
    with selftest.targets() as aims, Sandbox(tier, workers=1) as sandbox:
        for name, expected, source in attacks(pattern):
            limits = SHORT if "timeout" in expected else CALM
            for mode in modes:
                text = filled(source, aims) + f"\n# {mode}"
                outcome = sandbox.run(program(text, limits), mode)
                if mode == "split" and outcome.verdict not in expected:
                    found.append(f"{name}: {outcome.verdict} ({outcome.why}), expected {expected}; {outcome.last_call}")
                if outcome.verdict == "error" or outcome.attempts > 1:
                    found.append(f"{name}, {mode}: {outcome}")
                if aims.touched() or litter():
                    found.append(f"{name}, {mode}: it reached {aims.touched() or litter()}")
                    return found
                for source_, verdict in ((GOOD, "pass"), (WRONG, "fail")):
                    after = sandbox.run(program(f"{source_}\n# after {name}, {mode}"), mode)
                    if after.verdict != verdict:
                        found.append(f"{name}, {mode}: the next program came to {after}, not {verdict}")
    return found


if __name__ == "__main__":
    lines = run(*sys.argv[1:])
    print("\n".join(lines) or "all held")
    sys.exit(bool(lines))
