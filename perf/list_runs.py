"""`evalh list runs` over many runs: processor seconds the first time, then with the index, and with `--json`.

    python perf/list_runs.py                # 10,000 runs, which are copies of one of three questions; about a minute

The list must have as many rows as there are runs before anything is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

EVALH = (sys.executable, "-m", "evalharness")


def took(folder: Path, *words: str) -> tuple[float, str]:
    """Processor seconds and output of one command."""
    before = os.times()
    done = subprocess.run([*EVALH, *words], cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4]), done.stdout


def make_runs(folder: Path, count: int) -> None:
    """One run, and copies of it under other names."""
    words = ("run", "tiny_exam", "--model", "echo", "--mode", "write", "--limit", "3", "--name", "r0", "--json")
    took(folder, *words)
    for number in range(1, count):
        shutil.copytree(folder / "runs" / "r0", folder / "runs" / f"r{number}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="evalh-list-") as place:
        folder = Path(place)
        make_runs(folder, asked.runs)
        for name, words in (("first", ()), ("with the index", ()), ("with the index, --json", ("--json",))):
            seconds, said = took(folder, "list", "runs", *words)
            rows = len(json.loads(said)) if words else len(re.findall(r"^\W*r\d+ ", said, re.MULTILINE))
            if rows != asked.runs:
                sys.exit(f"{rows:,} rows of {asked.runs:,} runs")
            print(f"{asked.runs:,} runs, {name}: {seconds:.2f} s of processor time", flush=True)


if __name__ == "__main__":
    main()
