"""Whole commands of this revision and of an older one in turn: equal figures first, then the ratio of CPU seconds.

    git worktree add --detach ../before REVISION && python -m venv ../before/.venv
    ../before/.venv/bin/pip install -q -c constraints.txt -e "../before[dev]"
    python perf/before_after.py ../before/.venv/bin/python

For a change that should move nothing. Above 1 the older revision is slower.
"""

from __future__ import annotations

import ast
import csv
import json
import math
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from _pairs import DATA, Ran, child, machine, make_model, options, pair, ratio

_RUN = """
import resource, runpy, sys
sys.argv[0], code = "evalh", 0
try:
    runpy.run_module("evalharness", run_name="__main__", alter_sys=True)
except SystemExit as end:
    code = end.code or 0
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
sys.exit(code)
"""


def recorded_answers(target: Path) -> Path:
    """GPT-4o's published answers to all 14,042 questions of MMLU as one replay file."""
    with target.open("w", encoding="utf-8") as out:
        for file in sorted((DATA / "mmlu_preds").glob("*.csv")):
            with file.open(encoding="utf-8", newline="") as stream:
                for row in csv.DictReader(stream):
                    choices = ast.literal_eval(row["choices"])
                    answer = {"question": row["question"], "choices": choices, "text": row["openai_gpt-4o-2024-05-13"]}
                    out.write(json.dumps({"subject": file.stem, **answer}) + "\n")
    return target


def commands(scratch: Path, quick: bool) -> dict[str, list[str]]:
    """The command lines under the names that the table gives them; those that need shared data only where it is."""
    found = {
        "--version": ["--version"],
        "--help": ["--help"],
        "list benchmarks": ["list", "benchmarks"],
        "run mmlu, bundled sample, embedded model": ["run", "mmlu", "--model", "tiny", "--data", "sample", "--json"],
    }
    if DATA.is_dir() and not quick:
        model = make_model("llama-tiny", scratch / "llama-tiny")
        mmlu = ["run", "mmlu", "--data", str(DATA / "mmlu"), "--json"]
        answers = recorded_answers(scratch / "answers.jsonl")
        found["MMLU whole, recorded answers"] = [*mmlu, "--model", f"replay:{answers}"]
        found["MMLU, 1,000 questions, 5 shots, a small Llama"] = [*mmlu, "--model", f"local:{model}", "--limit", "1000"]
        gsm = [
            "run",
            "gsm8k",
            "--shots",
            "0",
            "--data",
            str(DATA / "gsm8k"),
            "--model",
            f"local:{model}",
            "--max-tokens",
            "32",
        ]
        found["GSM8K, 60 questions, 32 tokens written"] = [*gsm, "--limit", "60", "--json"]
    return found


def run_with(python: str, words: Sequence[str]) -> Ran:
    """One command of the `evalh` of that environment, in an empty folder for its runs."""
    with tempfile.TemporaryDirectory() as runs:
        where = ["--runs", runs] if words[0] == "run" else []
        return child([python, "-c", _RUN, *words, *where], 1)


def figures(ran: Ran) -> Mapping[str, Any]:
    """Every figure of a run's `--json`, by benchmark; empty for a command that prints none."""
    start = ran.out.find("{")
    if start < 0:
        return {}
    document, _ = json.JSONDecoder().raw_decode(ran.out[start:])
    return {name: {k: v["value"] for k, v in b["metrics"].items()} for name, b in document["benchmarks"].items()}


def _same(before: float | None, now: float | None) -> bool:
    """Equal, but for the order in which a sum was made."""
    return before == now or (before is not None and now is not None and math.isclose(before, now, rel_tol=1e-12))


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("before", help="the Python of an environment with the older revision")
    parser.add_argument("--only", default="", help="the commands whose name holds this")
    given = parser.parse_args()
    pairs = 1 if given.quick else given.pairs
    scratch = Path(tempfile.gettempdir()) / "evalh-perf"
    scratch.mkdir(exist_ok=True)
    for name, words in commands(scratch, given.quick).items():
        if given.only not in name:
            continue
        now, then = partial(run_with, sys.executable, words), partial(run_with, given.before, words)
        ours, theirs = figures(now()), figures(then())
        shared = {b: {k: v for k, v in found.items() if k in theirs.get(b, {})} for b, found in ours.items()}
        if any(not _same(theirs[b][k], v) for b, found in shared.items() for k, v in found.items()):
            raise SystemExit(f"{name}: {ours} now, {theirs} before: no ratio without equal figures")
        ran = [pair(turn, now, then) for turn in range(pairs)]
        line = {
            "name": name, "figures": sum(map(len, shared.values())), "pairs": pairs,
            "load": round(os.getloadavg()[0], 2),
            "cpu_before": round(statistics.median(b.cpu for _, b in ran), 3),
            "cpu_now": round(statistics.median(a.cpu for a, _ in ran), 3),
            "ratio_cpu": ratio([b.cpu / a.cpu for a, b in ran]),
            "ratio_peak_memory": ratio([b.peak / a.peak for a, b in ran]),
        }  # fmt: skip
        print(json.dumps(line), flush=True)
    print(json.dumps(machine()))  # last: it loads torch, and a child's peak begins with what its parent holds


if __name__ == "__main__":
    main()
