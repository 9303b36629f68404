"""Runs the attack corpus in one tier and says what did not hold. A command too: corpus.py TIER [PATTERN]."""

import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

from evalharness.sandbox import selftest
from evalharness.sandbox.pool import Checked, Sandbox
from evalharness.sandbox.program import Limits, Program

ATTACKS = Path(__file__).resolve().parents[1] / "attacks"
TEST = "assert add(1, 2) == 3\nassert add(-4, 4) == 0\nassert add(10**6, 1) == 1000001\nassert abs(add(2, 2) - 4) < 1"
GOOD, WRONG = "def add(a, b):\n    return a + b", "def add(a, b):\n    return a - b"
SECRET = "sk-canary-4711"
CALM = Limits(seconds=10.0, wall=30.0)  # to fill the memory takes a busy machine over 3 s
SHORT = Limits(seconds=0.5, wall=20.0)


def program(source, limits=CALM, test=TEST, entry="add"):
    return Program(source=source, test=test, entry=entry, limits=limits)


class Attack(NamedTuple):
    """One file: the verdicts that the split may come to, the program, and the test where it has one of its own."""

    name: str
    expected: list[str]
    source: str
    test: str
    entry: str

    @property
    def standings(self):
        """What may become of it: only an honest program counts in the headline. (`error`: its test cannot be split.)"""
        counts = ("confirmed", "unconfirmable") if {"pass", "error"} & set(self.expected) else ()
        return (*counts, "suspect", "failed") if {"fail", "timeout"} & set(self.expected) else counts


def attacks(pattern=""):
    """Each attack, in the order of the files' names."""
    for path in sorted(ATTACKS.glob("*.txt")):
        source, _, test = path.read_text(encoding="utf-8").partition("\n# test:\n")
        head = re.match(r"# expect: ([\w,]+)\n(?:# entry: (\w+)\n)?", source)
        if re.search(pattern, path.stem):
            yield Attack(path.stem, head[1].split(","), source, test or TEST, head[2] or "add")


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
        for attack in attacks(pattern):
            name, expected = attack.name, attack.expected
            limits = SHORT if "timeout" in expected else CALM
            outcomes = {}
            for mode in modes:
                text = filled(attack.source, aims) + f"\n# {mode}"
                outcome = outcomes[mode] = sandbox.run(program(text, limits, attack.test, attack.entry), mode)
                if mode == "split" and outcome.verdict not in expected:
                    found.append(f"{name}: {outcome.verdict} ({outcome.why}), expected {expected}; {outcome.last_call}")
                if (outcome.verdict == "error" and not outcome.faulty_test) or outcome.attempts > 1:
                    found.append(f"{name}, {mode}: {outcome}")
                if aims.touched() or litter():
                    found.append(f"{name}, {mode}: it reached {aims.touched() or litter()}")
                    return found
                for source_, verdict in ((GOOD, "pass"), (WRONG, "fail")):
                    after = sandbox.run(program(f"{source_}\n# after {name}, {mode}"), mode)
                    if after.verdict != verdict:
                        found.append(f"{name}, {mode}: the next program came to {after}, not {verdict}")
            standing = Checked(published=outcomes.get("inproc"), confirmed=outcomes.get("split")).standing
            if len(modes) > 1 and standing not in attack.standings:
                found.append(f"{name}: {standing}, expected {' or '.join(attack.standings)}")
    return found


if __name__ == "__main__":
    lines = run(*sys.argv[1:])
    print("\n".join(lines) or "all held")
    sys.exit(bool(lines))
