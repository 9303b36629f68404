"""The road itself: a YAML benchmark whose answers are replayed, with as many items as are named.

    python perf/road.py                          # 10,000 and 100,000 items; about a minute
    python perf/road.py --items 10000 100000 1000000 --folder /var/tmp/road --commands run judge

Each command runs in a process of its own. Printed are wall and processor seconds, processor microseconds an item (those
of a run of ten items, which is start-up, taken off) and peak memory. Before anything is printed of a size its run is
checked: as many answers as items, and the figure that the made answers have.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

BENCHMARK = """name: sums
source: rows.jsonl
template: "Question: {{question}}\\nAnswer:"
answers: answer
id: id
group: subject
scorer: contains
"""
JUDGE = "reference/closed=replay:judge.jsonl"
COMMANDS = {
    "run": ("run", "./bench.yaml", "--model", "replay:answers.jsonl", "--name", "r", "--json"),
    "the same again": ("run", "./bench.yaml", "--model", "replay:answers.jsonl", "--name", "r", "--json"),
    "show --wrong": ("show", "r", "--wrong"),
    "list runs": ("list", "runs"),
    "compare": ("compare", "r", "r"),
    "rescore": ("rescore", "r"),
    "judge": ("judge", "r", "--judge", JUDGE, "--json"),
    "judge again": ("judge", "r", "--judge", JUDGE, "--json"),
}


@dataclass(frozen=True, kw_only=True)
class Took:
    """What one process took: seconds by the clock, of processor, and its peak memory in MiB."""

    wall: float
    cpu: float
    peak: float


def make_data(folder: Path, items: int) -> None:
    """Rows of about 140 bytes, answers of which every third is wrong, and replies of a judge that likes every fourth
    not."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench.yaml").write_text(BENCHMARK)
    with ExitStack() as opened:
        rows, answers, judge = (opened.enter_context((folder / f"{name}.jsonl").open("w"))
                                for name in ("rows", "answers", "judge"))  # fmt: skip
        for i in range(items):
            right = 7 * i + 1_000_000_000
            asked = f"What is {i} times seven plus one billion, said as a number and nothing else, please?"
            row = {"id": f"q{i}", "question": asked, "answer": str(right), "subject": f"s{i % 50}"}
            rows.write(json.dumps(row) + "\n")
            answers.write(json.dumps({"id": f"q{i}", "text": f"The answer is {right + (i % 3 == 0)}."}) + "\n")
            judge.write(json.dumps({"id": f"q{i}", "text": f"I looked. [[{'YN'[i % 4 == 0]}]]"}) + "\n")


def took(folder: Path, words: tuple[str, ...]) -> Took:
    """One command in a process of its own. SystemExit where it fails."""
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        out = os.open("out.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.execv(sys.executable, [sys.executable, "-m", "evalharness", *words])
    _, status, used = os.wait4(child, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"evalh {' '.join(words)} in {folder} ended with {os.waitstatus_to_exitcode(status)}")
    return Took(wall=time.monotonic() - began, cpu=used.ru_utime + used.ru_stime, peak=used.ru_maxrss / 1024)


def check(folder: Path, items: int) -> None:
    """SystemExit where the run does not say what the made answers are worth."""
    said = json.loads((folder / "runs" / "r" / "summary.json").read_text())["benchmarks"]["sums"]
    wrong = (items + 2) // 3
    if said["counts"]["wrong"] != wrong or said["n"] != items or said["missing"]:
        raise SystemExit(f"{folder}: {said['counts']} of {items:,}, wanted {wrong:,} wrong")
    labels = {"N": (items + 3) // 4, "Y": items - (items + 3) // 4}
    if any(judging["labels"] != labels for judging in said.get("judged", {}).values()):
        raise SystemExit(f"{folder}: {said['judged']}, wanted the labels {labels}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=list(COMMANDS), help="in their order")
    parser.add_argument("--folder", type=Path, help="where data and runs are kept; a passing one otherwise")
    args = parser.parse_args()
    commands = {name: COMMANDS[name] for name in args.commands}
    with tempfile.TemporaryDirectory(prefix="evalh-road-") as passing:
        root = args.folder or Path(passing)
        make_data(root / "10", 10)
        start = {name: took(root / "10", words).cpu for name, words in commands.items()}
        print(f"{'items':>9}  {'command':15} {'wall s':>8} {'cpu s':>8} {'us/item':>8} {'peak MiB':>9}")
        for items in args.items:
            folder = root / str(items)
            make_data(folder, items)
            for name, words in commands.items():
                found = took(folder, words)
                check(folder, items)
                each = 1e6 * max(0.0, found.cpu - start[name]) / items
                print(
                    f"{items:9,}  {name:15} {found.wall:8.1f} {found.cpu:8.1f} {each:8.1f} {found.peak:9.0f}",
                    flush=True,
                )
    print(f"this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
